"""Moving masks of whole numbers: each new pixel takes the value of the old one that lies nearest."""

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from perc_transforms.functional.grids import offsets

_AT_ONCE = 2**18
"""Pixels whose places are held at a time."""
_PLAIN = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}
"""Types of which torch moves nothing, and those of their size of which it does."""


def nearest_labels(
    x: Tensor, inverse: Tensor, centers: Tensor, shape: Sequence[int], *, wrap: Sequence[bool] | None = None
) -> Tensor:
    """Sample masks by nearest neighbours: `y(p) = x(center + inverse @ p)`, p counted from pixel `m // 2`.

    Args:
        x: `(rows, ..., ny, nx)` or `(rows, ..., nz, ny, nx)`, of any type, which it keeps.
        inverse: `(rows, dims, dims)`, from vectors (x, y) or (x, y, z) of the result to those of the mask.
        centers: `(rows, dims)`, in pixels of the mask.
        shape: pixels of each spatial axis of the result.
        wrap: for each row, whether a mask goes on where it ends from where it begins; else it is 0 beyond.

    Example:
        >>> x = torch.tensor([[[1, 2, 3, 4]]])
        >>> nearest_labels(x, 2 * torch.eye(2)[None], torch.tensor([[2.0, 0.0]]), (1, 2))
        tensor([[[1, 3]]])
    """
    if x.dtype in _PLAIN:
        signed = x.view(_PLAIN[x.dtype])
        return nearest_labels(signed, inverse, centers, shape, wrap=wrap).view(x.dtype)
    inverse, centers = (values.to(device=x.device, dtype=torch.float64) for values in (inverse, centers))
    around = [False] * len(x) if wrap is None else list(wrap)
    parts = [_sampled(*row, tuple(shape)) for row in zip(x, inverse, centers, around, strict=True)]
    return torch.stack(parts)


def _sampled(x: Tensor, inverse: Tensor, center: Tensor, wrap: bool, shape: tuple[int, ...]) -> Tensor:
    """One mask. Where axes stay axes, they are taken one after another; else each pixel has a place of its own."""
    dims = len(shape)
    large = inverse.abs() > 1e-9
    if bool((large.sum(0) <= 1).all()) and bool((large.sum(1) <= 1).all()):
        return _by_axes(x, inverse, center, wrap, shape)
    sizes = tuple(x.shape[-dims:])
    lines = x.reshape(-1, math.prod(sizes))
    thick = max(1, _AT_ONCE // math.prod(shape[1:]))
    sections = [slice(first, first + thick) for first in range(0, shape[0], thick)]
    parts = [_scattered(lines, inverse, center, sizes, shape, some, wrap) for some in sections]
    return torch.cat(parts, 1).view(*x.shape[:-dims], *shape)


def _by_axes(x: Tensor, inverse: Tensor, center: Tensor, wrap: bool, shape: tuple[int, ...]) -> Tensor:
    dims = len(shape)
    sources = inverse.abs().argmax(1).tolist()  # of each axis of the mask, that of the result which runs along it
    y, kept = x, []
    for axis in range(dims):
        along = sources[axis]
        n, m = x.shape[-1 - axis], shape[dims - 1 - along]
        places = (center[axis] + inverse[axis, along] * offsets(m, inverse) + 0.5).floor().long()
        if wrap:
            places = places.remainder(n)
        kept.append((along, (places >= 0) & (places < n)))
        y = y.index_select(x.ndim - 1 - axis, places.clamp(0, n - 1))
    leading = x.ndim - dims
    order = sorted(range(dims), key=lambda axis: -sources[axis])
    y = y.permute(*range(leading), *(x.ndim - 1 - axis for axis in order))
    for along, inside in kept:
        if not bool(inside.all()):
            y = torch.where(inside.view(-1, *[1] * along), y, torch.zeros((), dtype=x.dtype, device=x.device))
    return y.contiguous()


def _scattered(
    lines: Tensor,
    inverse: Tensor,
    center: Tensor,
    sizes: tuple[int, ...],
    shape: tuple[int, ...],
    sections: slice,
    wrap: bool,
) -> Tensor:
    """Some sections of the result, `(..., pixels)`."""
    dims = len(shape)
    steps = [offsets(m, inverse) for m in shape]
    steps[0] = steps[0][sections]
    index = torch.zeros((), dtype=torch.float64, device=lines.device)
    inside = torch.ones((), dtype=torch.bool, device=lines.device)
    for axis, n in enumerate(reversed(sizes)):
        parts = [
            (step * inverse[axis, dims - 1 - along]).view(-1, *[1] * (dims - 1 - along))
            for along, step in enumerate(steps)
        ]
        place = (functools.reduce(torch.add, reversed(parts)) + (center[axis] + 0.5)).floor_()
        place = place.remainder(n) if wrap else place
        inside = inside & (place >= 0) & (place < n)
        index = place.clamp_(0, n - 1).mul_(math.prod(sizes[dims - axis :])) + index
    taken = lines.index_select(1, index.flatten().long())
    return torch.where(inside.flatten(), taken, torch.zeros((), dtype=lines.dtype, device=lines.device))
