"""Circles and spheres about the centre of a box."""

import functools
import math
from collections.abc import Callable
from typing import Concatenate, Literal, ParamSpec, TypeVar

import torch
from torch import Tensor

from perc_transforms.functional.axes import spatial_axes

_SMALL_BOX = 2**18

P = ParamSpec("P")
T = TypeVar("T")
Build = Callable[Concatenate[tuple[int, ...], P], T]


def kept_for_small_boxes(build: Build[P, T]) -> Build[P, T]:
    """Keep the last results of a function of a box's `sizes` and more, where the box has no more than 512^2 pixels.

    One image of such a box is done in less time than its mask takes to make; a larger mask is not worth its memory.
    """
    build = torch.inference_mode(False)(build)
    kept = functools.lru_cache(maxsize=16)(build)

    def chosen(sizes: tuple[int, ...], /, *args: P.args, **options: P.kwargs) -> T:
        return (kept if math.prod(sizes) <= _SMALL_BOX else build)(sizes, *args, **options)

    return chosen


def soft_mask(
    x: Tensor,
    radius: float,
    *,
    spatial_dims: int,
    edge: float = 5.0,
    fill: float | Literal["background"] = "background",
) -> Tensor:
    """Replace what lies outside a circle, or a sphere, about the centre: `x (1 - w) + fill w`.

    With r the distance from pixel `n // 2`, w is 0 where r <= radius, 1 where r >= radius + edge, and
    `0.5 + 0.5 cos(pi (radius + edge - r) / edge)` between. The background is the mean weighted by w. This is RELION's
    `softMaskOutsideMap` (mask.cpp); an edge of 0, where RELION divides by 0 at r = radius, is a step.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        radius: in pixels.
        spatial_dims: 2 or 3.
        edge: width of the edge outside the radius, in pixels.
        fill: a number, or "background".

    Example:
        >>> soft_mask(torch.arange(5.0).expand(1, 5), 1.0, spatial_dims=2, edge=0.0, fill=9.0)
        tensor([[9., 1., 2., 3., 9.]])
    """
    weights, total = _outside(tuple(x.shape[-spatial_dims:]), radius, edge, x.dtype, x.device)
    if total == 0:
        return x.clone()
    if fill != "background":
        return torch.lerp(x, x.new_tensor(fill), weights)
    axes = spatial_axes(spatial_dims)
    level = x.mean(axes, keepdim=True).detach()  # summed without the offset, which single precision would not bear
    background = level + ((x - level) * weights).sum(axes, keepdim=True) / total
    return torch.lerp(x, background, weights)


def beyond(sizes: tuple[int, ...], radius: float, device: torch.device) -> Tensor:
    """Whether each pixel is farther than `radius` from the centre: True or False of shape `sizes`.

    Example:
        >>> beyond((1, 4), 1.0, torch.device("cpu"))
        tensor([[ True, False, False, False]])
    """
    return _squared_radii(sizes, device) > math.floor(radius**2)


@kept_for_small_boxes
def _outside(
    sizes: tuple[int, ...], radius: float, edge: float, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, float]:
    """Weight of the filling at each pixel, and the sum of all weights."""
    squares = _squared_radii(sizes, device)
    outside = squares > math.floor((radius + edge) ** 2)
    ring = (squares > math.floor(radius**2)) & ~outside
    weights = outside.to(dtype)
    beyond_radius = squares[ring].double().sqrt() - radius
    weights[ring] = (0.5 - 0.5 * torch.cos(math.pi * beyond_radius / edge)).to(dtype)  # an edge of 0 has no ring
    return weights, float(weights.sum())


def _squared_radii(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    """Squared distance of each pixel from the centre: integers, which are exact and take half the time of float64."""
    axes = [(torch.arange(n, dtype=torch.int32, device=device) - n // 2).square() for n in sizes]
    return functools.reduce(lambda squares, axis: squares[..., None] + axis, axes)
