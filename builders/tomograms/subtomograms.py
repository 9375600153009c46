"""`unit="subtomogram"`: cubes at picks. The voxel at a pick's rounded place is the cube's `n // 2`.

Halves are rounded to even, as for boxes of `particles`. What rounding left is in the row's `pixels`.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]


def voxels_of(pixels: Floats) -> Numbers:
    """The voxels that places lie in, `(count, 3)`, z, y, x.

    Args:
        pixels: `(count, 3)`, x, y, z, from the centre of voxel 0.

    Example:
        >>> voxels_of(np.array([[3.4, 2.5, -0.2]])).tolist()
        [[0, 2, 3]]
    """
    return np.rint(pixels[:, ::-1]).astype(np.int64)


def corners_of(voxels: Numbers, side: int) -> Numbers:
    """First voxels of cubes that have some voxels as their `n // 2`, `(count, 3)`, z, y, x."""
    return voxels - side // 2


def reading_order(corners: Numbers, chunk: tuple[int, ...] | None) -> Numbers:
    """The order in which cubes of a volume are best read, as their places: few pixels are needed at a time.

    Of a volume in chunks, cubes follow one another along a Z-order curve through halves of these: a walk through the
    volume that seldom comes back, so that a chunk, once decoded, is soon done with. Others stand in order of their
    first voxels, as rows of pixels do.

    Args:
        corners: first voxels, `(count, 3)`, z, y, x; negative before the volume.
        chunk: shape of the volume's chunks; None: it lies in rows.

    Example:
        >>> corners = np.array([[0, 0, 0], [0, 0, 90], [0, 5, 3], [9, 0, 0]])
        >>> reading_order(corners, None).tolist(), reading_order(corners, (64, 64, 64)).tolist()
        ([0, 1, 2, 3], [0, 2, 3, 1])
    """
    by_axis = tuple(corners.T[::-1])
    if chunk is None:
        return np.lexsort(by_axis)
    halves = np.maximum(corners, 0) // np.maximum(np.array(chunk) // 2, 1)
    axes = halves.shape[1]
    curve = np.zeros(len(corners), np.int64)
    for bit in range(63 // axes):
        for axis in range(axes):
            curve |= (halves[:, axis] >> bit & 1) << (bit * axes + axes - 1 - axis)
    return np.lexsort((*by_axis, curve))


def within(pixels: Floats, corners: Numbers) -> Floats:
    """Places counted in boxes: `(count, 3)`, x, y, z.

    Args:
        pixels: places in the volume, `(count, 3)`, x, y, z.
        corners: first voxel of each one's box, `(count, 3)`, z, y, x.

    Example:
        >>> within(np.array([[10.25, 4.0, 7.0]]), corners_of(np.array([[7, 4, 10]]), 5)).tolist()
        [[2.25, 2.0, 2.0]]
    """
    return pixels - corners[:, ::-1]


def lie_inside(corners: Numbers, side: int, volume: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which cubes have all of their voxels in the volume.

    Args:
        corners: first voxels, `(count, 3)`, z, y, x; negative before the volume.
        side: of the cubes.
        volume: `(nz, ny, nx)`.

    Example:
        >>> lie_inside(np.array([[0, 1, 2], [0, 1, 3], [-1, 1, 2]]), 4, (4, 5, 6)).tolist()
        [True, False, False]
    """
    inside: NDArray[np.bool_] = np.all((corners >= 0) & (corners + side <= np.array(volume)), axis=1)
    return inside


def lie_outside(voxels: Numbers, volume: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which voxels are not in a volume, nor next to it.

    A voxel beyond is taken for rounding: programs differ by up to that in where they count from, and levels of a
    pyramid leave out the last voxel of an odd side.

    Args:
        voxels: `(count, 3)`, z, y, x.
        volume: `(nz, ny, nx)`.

    Example:
        >>> lie_outside(np.array([[0, 0, 0], [-1, 5, 3], [-2, 0, 0], [0, 6, 0]]), (4, 5, 6)).tolist()
        [False, False, True, True]
    """
    outside: NDArray[np.bool_] = np.any((voxels < -1) | (voxels > np.array(volume)), axis=1)
    return outside


def nearest(voxels: Numbers, volume: tuple[int, ...]) -> Numbers:
    """The nearest voxels that are in a volume: of one beyond it, the last one."""
    return np.clip(voxels, 0, np.array(volume) - 1)
