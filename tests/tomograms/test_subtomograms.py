"""Cubes at picks: where they begin, which lie inside; and those without a pick."""

from itertools import pairwise

import numpy as np
import pytest

from builders.errors import OptionError
from builders.tomograms.background import places, require
from builders.tomograms.subtomograms import corners_of, lie_inside, lie_outside, reading_order, voxels_of, within

VOLUME = (12, 20, 31)


@pytest.mark.parametrize("side", [4, 5])
def test_the_voxel_of_a_pick_is_the_middle_of_its_cube(side):
    pixels = np.random.default_rng(3).uniform(4, 7, (20, 3))
    corners = corners_of(voxels_of(pixels), side)
    volume = np.arange(np.prod(VOLUME)).reshape(VOLUME)
    for (x, y, z), (front, top, left) in zip(pixels, corners, strict=True):
        cube = volume[front : front + side, top : top + side, left : left + side]
        assert cube[(side // 2,) * 3] == volume[round(z), round(y), round(x)]
    left = within(pixels, corners) - side // 2
    assert np.abs(left).max() <= 0.5
    np.testing.assert_allclose(voxels_of(pixels)[:, ::-1] + left, pixels)


def test_cubes_at_edges_are_told_from_those_inside():
    corners = np.array([[0, 0, 0], [8, 16, 27], [9, 0, 0], [0, 0, -1]])
    assert lie_inside(corners, 4, VOLUME).tolist() == [True, True, False, False]


def test_cubes_of_a_volume_in_rows_stand_by_section_row_and_column():
    corners = np.random.default_rng(5).integers(-3, 9, (50, 3))
    assert corners[reading_order(corners, None)].tolist() == sorted(corners.tolist())


@pytest.mark.parametrize("chunk", [(8, 8, 8), (1, 16, 8), (7, 5, 9)])
def test_cubes_that_begin_in_one_part_of_a_volume_follow_one_another_at_every_scale(chunk):
    corners = np.random.default_rng(6).integers(-3, 70, (400, 3))
    order = reading_order(corners, chunk)
    assert sorted(order.tolist()) == list(range(400))
    halves = [max(1, side // 2) for side in chunk]
    for scale in (1, 2, 4, 8, 16, 32, 64):
        parts = [
            tuple(max(0, at) // (half * scale) for at, half in zip(corners[n], halves, strict=True)) for n in order
        ]
        changes = sum(one != other for one, other in pairwise(parts))
        assert changes == len(set(parts)) - 1


def test_a_pick_may_be_a_voxel_beyond():
    assert lie_outside(np.array([[12, 20, 31], [-1, -1, -1], [13, 0, 0], [0, 0, -2]]), VOLUME).tolist() == [
        *(False, False, True, True),
    ]


def test_background_is_far_from_all_picks():
    picks = np.random.default_rng(1).uniform(0, 12, (40, 3))
    found = places(50, 5, VOLUME, picks, 6.0, "1")
    assert len(found) == len(np.unique(found, axis=0)) == 50
    assert lie_inside(corners_of(found, 5), 5, VOLUME).all()
    assert np.linalg.norm(found[:, None, ::-1] - picks[None], axis=-1).min() >= 6.0
    np.testing.assert_array_equal(found, places(50, 5, VOLUME, picks, 6.0, "1"))
    assert (found != places(50, 5, VOLUME, picks, 6.0, "2")).any()


def test_background_is_drawn_from_all_of_the_volume():
    found = places(400, 3, (3, 4, 5), np.zeros((0, 3)), 6.0, "1")
    assert sorted(map(tuple, found.tolist())) == [(1, y, x) for y in (1, 2) for x in (1, 2, 3)]
    assert len(places(5, 13, VOLUME, np.zeros((0, 3)), 1.0, "1")) == 0


def test_too_little_room_is_told():
    assert require(3, 3, 10.0, 2, "TS_1", skip=False) is None
    with pytest.raises(OptionError, match=r"TS_1: background=4: 3 cubes .* 10 Å .* 2 picks: background_distance="):
        require(3, 4, 10.0, 2, "TS_1", skip=False)
    assert "3 cubes" in require(3, 4, 10.0, 2, "TS_1", skip=True)
