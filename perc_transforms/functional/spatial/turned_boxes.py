"""Boxes that are cut out of volumes along axes of their own."""

import functools
import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from perc_transforms.functional.grids import offsets

_AT_ONCE = 2**18
"""Voxels that are interpolated at a time: what is held of them stays in a core's cache."""
_LARGEST = 2**31
"""Voxels that 32 bits can count."""


def rotate_volume(
    x: Tensor,
    matrices: Tensor,
    shape: Sequence[int] | None = None,
    *,
    centers: Tensor | None = None,
    fill: float | Tensor = 0.0,
) -> Tensor:
    """Cut a box out of each volume, turned about a point of it: what lies at `center + p` comes to `matrix @ p`.

    p is in voxels, and the box has its own centre at voxel `m // 2` of each side. So `y(p) = x(center + matrix.T @ p)`,
    with one trilinear interpolation for the cut, the part of a voxel by which the centre is off the grid, and the
    rotation. A particle whose `rotation` (object -> tomogram) is R stands upright after `matrices=R.mT`. The same as
    scipy.ndimage's `affine_transform(order=1, mode="grid-constant")`.

    Args:
        x: `(rows, ..., nz, ny, nx)`, or `(rows, ..., ny, nx)`: as many axes are space as the matrices have.
        matrices: `(rows, 3, 3)` or `(rows, 2, 2)`, rotations of vectors (x, y, z) or (x, y).
        shape: of the boxes, `(mz, my, mx)`. Default: that of the volumes. A volume of `boxes' diagonal + 2` voxels
            about the centre holds all that they need.
        centers: `(rows, 3)`, voxels (x, y, z) of the volumes, with parts of them. Default: `n // 2`.
        fill: what lies beyond the volumes: a number, or one for each row, `(rows,)`. Default: 0.

    Returns:
        `(rows, ..., *shape)`, a new tensor.

    Example:
        >>> x = torch.zeros(1, 5, 5, 5)
        >>> x[0, 2, 1, 4] = 1.0
        >>> quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
        >>> rotate_volume(x, quarter, (1, 3, 3), centers=torch.tensor([[3.0, 1.0, 2.0]]))
        tensor([[[[0., 0., 0.],
                  [0., 0., 0.],
                  [0., 1., 0.]]]])
    """
    dims = matrices.shape[-1]
    sizes = tuple(x.shape[-dims:])
    box = tuple(sizes if shape is None else shape)
    inverse = matrices.to(device=x.device, dtype=torch.float64).mT
    middle = inverse.new_tensor([n // 2 for n in reversed(sizes)]).expand(len(x), dims)
    centers = middle if centers is None else centers.to(middle)
    level = torch.as_tensor(fill, dtype=x.dtype, device=x.device).expand(len(x))
    count = max(1, _AT_ONCE // math.prod(box))
    split = zip(*(torch.split(values, count) for values in (x, inverse, centers, level)), strict=True)
    parts = [_cut(volumes, turns, middles, fills, box) for volumes, turns, middles, fills in split]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _cut(x: Tensor, inverse: Tensor, centers: Tensor, level: Tensor, shape: Sequence[int]) -> Tensor:
    """Boxes of a few volumes, all at once."""
    dims = inverse.shape[-1]
    sizes = tuple(x.shape[-dims:])
    reach = inverse.new_tensor([(-(m // 2), m - 1 - m // 2) for m in reversed(shape)])
    corners = torch.stack([torch.stack(c) for c in itertools.product(*reach)])
    ends = centers[:, None] + corners @ inverse.mT
    last = ends.new_tensor([n - 1 for n in reversed(sizes)])
    is_inside = min(sizes) > 1 and bool(((ends >= 0) & (ends <= last)).all())
    if not is_inside:
        x, centers, sizes = _framed(x, level, dims), centers + 1, tuple(n + 2 for n in sizes)
    index, weights = _places(inverse, centers, sizes, shape, x.dtype)
    leading = x.shape[1:-dims]
    lines = x.reshape(len(x), -1, math.prod(sizes)).movedim(1, 0).reshape(-1, len(x) * math.prod(sizes))
    steps = [math.prod(sizes[dims - axis :]) for axis in range(dims)]  # 1 along x, then nx, then nx * ny
    values = [
        torch.index_select(lines[:, sum(on) :], 1, index)
        for on in itertools.product(*[(0, step) for step in reversed(steps)])
    ]
    for weight in weights:  # neighbours along x come one after another
        values = [torch.lerp(one, other, weight) for one, other in zip(values[::2], values[1::2], strict=True)]
    y = values[0].view(-1, len(x), math.prod(shape)).movedim(0, 1)
    return y.reshape(len(x), *leading, *shape)


def _framed(x: Tensor, level: Tensor, dims: int) -> Tensor:
    """Volumes in a frame of one voxel of what lies beyond them."""
    if not level.any():
        return torch.nn.functional.pad(x, [1, 1] * dims)
    rows = level.view(-1, *[1] * (x.ndim - 1))
    inside = torch.nn.functional.pad(torch.ones(x.shape[-dims:], dtype=torch.bool, device=x.device), [1, 1] * dims)
    return torch.where(inside, torch.nn.functional.pad(x, [1, 1] * dims), rows)


def _places(
    inverse: Tensor, centers: Tensor, sizes: Sequence[int], shape: Sequence[int], dtype: torch.dtype
) -> tuple[Tensor, list[Tensor]]:
    """For each voxel of the boxes the first of those around its place, and how far it is on along x, y, z."""
    dims, rows = len(shape), len(inverse)
    whole = torch.int32 if rows * math.prod(sizes) < _LARGEST else torch.int64
    index = torch.arange(rows, dtype=whole, device=inverse.device).mul_(math.prod(sizes)).view(-1, *[1] * dims)
    weights = []
    for axis, n in enumerate(reversed(sizes)):
        parts = [
            (offsets(m, inverse) * inverse[:, axis, dims - 1 - along, None]).view(
                rows, *[1] * along, m, *[1] * (dims - 1 - along)
            )
            for along, m in enumerate(shape)
        ]
        parts[-1] = parts[-1] + centers[:, axis].view(-1, *[1] * dims)
        place = functools.reduce(torch.add, reversed(parts)).clamp(0, n - 1)
        first = place.detach().to(whole).clamp_(max=n - 2)
        weights.append((place - first).to(dtype).flatten())
        index = torch.add(index, first, alpha=math.prod(sizes[dims - axis :]))
    return index.flatten(), weights
