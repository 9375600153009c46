"""Cutting images out, and putting them into larger boxes."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from perc_transforms.functional.axes import mirrored, spatial_axes
from perc_transforms.functional.grids import radii
from perc_transforms.functional.intensity.background import BACKGROUND


def center_crop(x: Tensor, shape: Sequence[int], *, spatial_dims: int) -> Tensor:
    """The part of `shape` about the centre: of m out of n pixels, those from `n // 2 - m // 2`.

    So pixel `n // 2` becomes pixel `m // 2`.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        shape: pixels of each spatial axis of the result; none more than the image has.
        spatial_dims: 2 or 3.

    Example:
        >>> center_crop(torch.arange(6.0).expand(1, 6), (1, 3), spatial_dims=2)
        tensor([[2., 3., 4.]])
    """
    corner = [n // 2 - m // 2 for n, m in zip(x.shape[-spatial_dims:], shape, strict=True)]
    return _part(x, corner, shape).clone(memory_format=torch.contiguous_format)


def crop(x: Tensor, corners: Sequence[Sequence[int]], shape: Sequence[int]) -> Tensor:
    """Parts of one shape, each from a corner of its own.

    Args:
        x: `(rows, ..., ny, nx)` or `(rows, ..., nz, ny, nx)`.
        corners: for each row its first pixel along each spatial axis, in the order of the axes.
        shape: pixels of each spatial axis of the result.

    Example:
        >>> crop(torch.arange(8.0).view(2, 1, 4), [(0, 0), (0, 2)], (1, 2))
        tensor([[[0., 1.]],
                [[6., 7.]]])
    """
    # views, copied together once: gathering by index would take an index for each pixel
    return torch.stack([_part(row, corner, shape) for row, corner in zip(x, corners, strict=True)])


def _part(x: Tensor, corner: Sequence[int], shape: Sequence[int]) -> Tensor:
    for axis, (start, m) in enumerate(zip(corner, shape, strict=True), -len(shape)):
        x = x.narrow(axis, start, m)
    return x


def pad(
    x: Tensor,
    shape: Sequence[int],
    *,
    spatial_dims: int,
    mode: Literal["constant", "reflect"] = "constant",
    value: float = 0.0,
) -> Tensor:
    """Put images into larger boxes: n pixels become m, with `m // 2 - n // 2` of them before.

    So pixel `n // 2` becomes pixel `m // 2`, and `center_crop` gives the image back.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        shape: pixels of each spatial axis of the result; none less than the image has.
        spatial_dims: 2 or 3.
        mode: "constant", `value` beyond the image; or "reflect", the image mirrored at the centres of its outermost
            pixels, as often as it takes (NumPy's `pad` of that name).
        value: of "constant".

    Example:
        >>> pad(torch.tensor([[1.0, 2.0]]), (1, 5), spatial_dims=2, mode="reflect")
        tensor([[2., 1., 2., 1., 2.]])
    """
    before = _before(x.shape[-spatial_dims:], shape)
    if mode == "constant":
        sides = [(b, m - n - b) for b, n, m in zip(before, x.shape[-spatial_dims:], shape, strict=True)]
        return torch.nn.functional.pad(x, [side for both in reversed(sides) for side in both], value=value)
    y = x
    for axis, b, m in zip(spatial_axes(spatial_dims), before, shape, strict=True):
        n = x.shape[axis]
        if m > n:
            places = mirrored(n, m - n)[m - n - b :][:m]
            y = y.index_select(axis, places.to(x.device))
    return x.clone() if y is x else y


def pad_with_noise(x: Tensor, noise: Tensor, *, spatial_dims: int) -> Tensor:
    """Put images into larger boxes of noise that has the mean and the deviation of their own background.

    The background are the pixels beyond 0.375 of the shortest side from the centre; all, where there are none.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        noise: of mean 0 and variance 1, in the shape of the result; see `pad` for where the image comes to lie.
        spatial_dims: 2 or 3.

    Example:
        >>> pad_with_noise(torch.full((2, 2), 3.0), torch.randn(4, 4), spatial_dims=2).unique()
        tensor([3.])
    """
    sizes = x.shape[-spatial_dims:]
    outside = radii(sizes, x) > BACKGROUND * min(sizes)
    pixels = x.flatten(-spatial_dims)
    background = pixels[..., outside.flatten()] if bool(outside.any()) else pixels
    level = background[..., :1].detach()  # sums of what is left keep the precision of the noise
    std, mean = torch.std_mean(background - level, -1, keepdim=True, correction=0)
    std, mean = (value.view(*value.shape[:-1], *[1] * spatial_dims) for value in (std, mean + level))
    y = torch.addcmul(mean, noise, std)
    _part(y, _before(sizes, noise.shape[-spatial_dims:]), sizes).copy_(x)
    return y


def _before(sizes: Sequence[int], shape: Sequence[int]) -> list[int]:
    return [m // 2 - n // 2 for n, m in zip(sizes, shape, strict=True)]
