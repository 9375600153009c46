"""Tiles cover a volume; each knows its picks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.errors import OptionError
from builders.tomograms.tiles import grid


@st.composite
def cases(draw):
    volume = tuple(draw(st.integers(1, 12)) for _ in range(3))
    tile = tuple(draw(st.integers(1, side)) for side in volume)
    overlap = tuple(draw(st.integers(0, side - 1)) for side in tile)
    return volume, tile, overlap


def counted(volume, tile, corners):
    """How many tiles each voxel lies in."""
    counts = np.zeros(np.add(volume, tile), int)
    for corner in corners:
        counts[tuple(slice(at, at + side) for at, side in zip(corner, tile, strict=True))] += 1
    return counts[tuple(map(slice, volume))]


@given(cases())
@settings(max_examples=25, deadline=None)
def test_tiles_cover_the_volume(case):
    volume, tile, overlap = case
    made = grid(volume, tile, overlap)
    counts = counted(volume, tile, made.corners)
    assert counts.min() >= 1
    assert len(made) == len(np.unique(made.corners, axis=0)) == len(made.corners)
    assert (np.lexsort(made.corners.T[::-1]) == np.arange(len(made))).all()
    if not any(overlap):
        assert counts.max() == 1
    for axis in range(3):
        steps = np.diff(made.starts[axis])
        assert (steps <= tile[axis] - overlap[axis]).all()
        if overlap[axis]:
            assert made.starts[axis][-1] + tile[axis] == volume[axis]


@given(cases())
@settings(max_examples=15, deadline=None)
def test_dropped_tiles_leave_those_that_lie_in_the_volume(case):
    volume, tile, overlap = case
    made = grid(volume, tile, overlap, "drop")
    assert (made.corners >= 0).all()
    assert (made.corners + tile <= volume).all()
    for axis in range(3):
        assert (np.diff(made.starts[axis]) == tile[axis] - overlap[axis]).all()


@given(cases(), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_tile_holds_the_voxels_that_lie_in_it(case, seed):
    volume, tile, overlap = case
    made = grid(volume, tile, overlap)
    voxels = np.random.default_rng(seed).integers(0, volume, (7, 3))
    corners = made.corners[:, None]
    wanted = ((voxels >= corners) & (voxels < corners + tile)).all(-1)
    tiles, which = made.holding(voxels)
    assert list(zip(tiles, which, strict=True)) == list(zip(*np.nonzero(wanted), strict=True))


def test_no_voxel_is_held_by_no_tile():
    tiles, which = grid((4, 6, 8), (2, 3, 4), (0, 0, 0)).holding(np.zeros((0, 3), np.int64))
    assert len(tiles) == len(which) == 0


def test_a_tile_larger_than_the_volume_is_refused():
    with pytest.raises(
        OptionError, match=r"a\.mrc: tile=\(4, 9, 4\) is larger than the volume, which has \(6, 8, 10\)"
    ):
        grid((6, 8, 10), (4, 9, 4), (0, 0, 0), name="a.mrc")
