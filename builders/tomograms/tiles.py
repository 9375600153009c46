"""`unit="tile"`: boxes of one shape that cover a volume, and the picks of each.

Without overlap, every voxel lies in exactly one tile: where a side of the volume is no multiple of the tile's, the last
tiles reach beyond it and are filled, or are left out with `edge="drop"`. With overlap, the last tiles are moved inwards
until they end with the volume, and overlap more; `"drop"` leaves them out, so that all are evenly spaced.
Tiles stand in order of z, then y, then x, so that a stream needs no chunk of the volume again once it has passed it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.errors import OptionError

Numbers = NDArray[np.int64]
Sides = tuple[int, int, int]


@dataclass(frozen=True)
class Grid:
    """Where the tiles of a volume lie.

    Attributes:
        tile: `(nz, ny, nx)` of each.
        starts: first voxels of the tiles along z, y and x, in rising order; tiles are all combinations of these.
    """

    tile: Sides
    starts: tuple[Numbers, Numbers, Numbers]

    def __len__(self) -> int:
        return len(self.starts[0]) * len(self.starts[1]) * len(self.starts[2])

    @property
    def corners(self) -> Numbers:
        """First voxel of each tile, `(count, 3)`, z, y, x; x runs fastest."""
        return np.stack(np.meshgrid(*self.starts, indexing="ij"), -1).reshape(-1, 3)

    def holding(self, voxels: Numbers) -> tuple[Numbers, Numbers]:
        """Which tiles hold which voxels: numbers of tiles, in rising order, and of each the number of a voxel in it.

        Args:
            voxels: `(count, 3)`, z, y, x.

        Example:
            >>> tiles, voxels = grid((1, 1, 10), (1, 1, 4), (0, 0, 2)).holding(np.array([[0, 0, 5], [0, 0, 1]]))
            >>> list(zip(tiles.tolist(), voxels.tolist()))
            [(0, 1), (1, 0), (2, 0)]
        """
        ends = [
            (np.searchsorted(starts, at - side, "right"), np.searchsorted(starts, at, "right"))
            for starts, side, at in zip(self.starts, self.tile, voxels.T, strict=True)
        ]
        counts = [stop - first for first, stop in ends]
        total = counts[0] * counts[1] * counts[2]
        which = np.repeat(np.arange(len(voxels)), total)
        turn = np.arange(total.sum()) - np.repeat(np.cumsum(total) - total, total)
        y_x = (counts[1] * counts[2])[which]
        steps = turn // y_x, turn % y_x // counts[2][which], turn % counts[2][which]
        z, y, x = (first[which] + step for (first, _), step in zip(ends, steps, strict=True))
        tiles = (z * len(self.starts[1]) + y) * len(self.starts[2]) + x
        order = np.lexsort((which, tiles))
        return tiles[order], which[order]


def grid(volume: Sequence[int], tile: Sides, overlap: Sides, edge: str = "fill", name: str = "volume") -> Grid:
    """Where the tiles of a volume lie.

    Args:
        volume: `(nz, ny, nx)` of it.
        tile: of each tile.
        overlap: voxels that neighbours have in common along z, y and x; fewer than the tile has.
        edge: what a tile that would reach beyond the volume does: `"fill"` or `"drop"`, see the module's head.
        name: of the volume, for errors.

    Raises:
        OptionError: a tile is larger than the volume.

    Example:
        >>> [starts.tolist() for starts in grid((4, 10, 10), (4, 4, 4), (0, 0, 1)).starts]
        [[0], [0, 4, 8], [0, 3, 6]]
        >>> [starts.tolist() for starts in grid((4, 10, 11), (4, 4, 4), (0, 0, 1), "drop").starts]
        [[0], [0, 4], [0, 3, 6]]
    """
    if any(side > length for side, length in zip(tile, volume, strict=True)):
        msg = f"{name}: tile={tile} is larger than the volume, which has {tuple(volume)} voxels (z, y, x)"
        raise OptionError(msg)
    places = zip(volume, tile, overlap, strict=True)
    z, y, x = (_along(length, side, shared, edge == "drop") for length, side, shared in places)
    return Grid(tile, (z, y, x))


def _along(length: int, side: int, shared: int, drop: bool) -> Numbers:
    """First voxels of the tiles along one axis."""
    inside = np.arange(0, length - side + 1, side - shared)
    if drop or inside[-1] + side == length:
        return inside
    return np.append(inside, length - side if shared else inside[-1] + side)
