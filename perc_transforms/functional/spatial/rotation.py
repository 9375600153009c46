"""Rotation by any angle."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from perc_transforms.functional.axes import spatial_axes
from perc_transforms.functional.grids import offsets

Padding = Literal["mean", "zeros", "border", "reflection"]

_AT_ONCE = 2**18
"""Pixels whose places are held at a time: these take two or three times the memory of the images themselves."""


def rotate(x: Tensor, matrices: Tensor, *, spatial_dims: int, padding: Padding = "mean") -> Tensor:
    """Rotate images about their centres, each by its own matrix: content at p goes to `matrix @ p`.

    p is counted in pixels from pixel `n // 2`, so that it is a rotation at any sides, odd, even and unequal. Linear
    interpolation: `y(p) = x(matrix.T @ p)`. The same as scipy.ndimage's `affine_transform(order=1)` with its modes
    "grid-constant" (for "mean" and "zeros"), "nearest" and "mirror".

    Args:
        x: `(rows, ..., ny, nx)` or `(rows, ..., nz, ny, nx)`.
        matrices: `(rows, spatial_dims, spatial_dims)`, rotations of vectors (x, y) or (x, y, z).
        spatial_dims: 2 or 3.
        padding: what lies beyond the image: "mean", its mean; "zeros"; "border", its outermost pixels; "reflection",
            the image mirrored at their centres.

    Example:
        >>> quarter = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]])
        >>> x = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]])
        >>> rotate(x, quarter, spatial_dims=2)[0, :, 1]
        tensor([0., 0., 1.])
    """
    count = max(1, _AT_ONCE // math.prod(x.shape[-spatial_dims:]))
    parts = [_rotated(*part, padding) for part in zip(torch.split(x, count), torch.split(matrices, count), strict=True)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _rotated(x: Tensor, matrices: Tensor, padding: Padding) -> Tensor:
    """Rotate a few images, all at once."""
    spatial_dims = matrices.shape[-1]
    sizes = tuple(x.shape[-spatial_dims:])
    level = x.mean(spatial_axes(spatial_dims), keepdim=True) if padding == "mean" else None
    source = x if level is None else x - level
    y: Tensor = torch.nn.functional.grid_sample(
        source.reshape(len(x), -1, *sizes),
        _grid(matrices, sizes, x, corners=padding == "reflection"),
        padding_mode="zeros" if padding == "mean" else padding,
        align_corners=padding == "reflection",
    )
    y = y.view(x.shape)
    return y if level is None else y.add_(level)


def _grid(matrices: Tensor, sizes: Sequence[int], like: Tensor, *, corners: bool) -> Tensor:
    """Where each pixel of a rotated image is taken from, `(rows, *sizes, spatial_dims)`, as `grid_sample` counts.

    It counts from -1 to 1 between the centres of the outermost pixels, or their outer edges. Only the latter knows
    when a side of one pixel is left; only the former mirrors at centres.
    """
    dims = len(sizes)
    backwards = sizes[::-1]  # grid_sample, like the matrices, has x first
    if corners:
        scale = [2 / max(n - 1, 1) for n in backwards]
        start = [s * (n // 2) - 1 for n, s in zip(backwards, scale, strict=True)]
    else:
        scale = [2 / n for n in backwards]
        start = [(2 * (n // 2) + 1) / n - 1 for n in backwards]
    inverse = matrices.to(device=like.device, dtype=torch.float64).mT
    inverse = inverse * inverse.new_tensor(scale)[:, None]
    parts = []
    for axis, n in enumerate(sizes):
        part = offsets(n, like)[:, None] * inverse[:, None, :, dims - 1 - axis]
        parts.append((part + inverse.new_tensor(start) if axis == dims - 1 else part).to(like.dtype))
    return _outer_sum(parts)


def _outer_sum(parts: Sequence[Tensor]) -> Tensor:
    """The sum of one vector an axis at each pixel: of parts `(rows, n, dims)`, one of shape `(rows, *sizes, dims)`.

    Lines of vectors are added, not vectors: a sum over the last, short axis alone would take ten times as long.
    """
    grid = parts[-1].flatten(1)
    count, dims = parts[-1].shape[1:]
    for part in reversed(parts[:-1]):
        line = part[:, :, None, :].expand(-1, -1, count, -1).flatten(2)
        grid = line.view(*line.shape[:2], *[1] * (grid.ndim - 2), -1) + grid[:, None]
    return grid.view(*grid.shape[:-1], count, dims)
