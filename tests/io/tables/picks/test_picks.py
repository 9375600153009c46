import numpy as np
import pytest

from builders.io.tables.picks import Picks

POINTS = np.array([[1.5, 2.0, 3.0], [4.0, 5.0, 6.25], [7.0, 8.0, 9.0]])


def test_what_is_in_angstrom_stays_and_is_a_copy():
    picks = Picks("p", POINTS, "angstrom")
    found = picks.coordinates((8, 16, 32), 10.0, (5.0, 5.0, 5.0))
    assert np.array_equal(found, POINTS)
    assert not np.shares_memory(found, POINTS)


def test_voxels_are_those_of_the_tomogram_or_of_their_own_size():
    assert np.array_equal(Picks("p", POINTS, "voxel").coordinates((8, 16, 32), 10.0), POINTS * 10)
    of_level = Picks("p", POINTS, "voxel").coordinates((8, 16, 32), 10.0, (5.0, 4.0, 3.0))
    assert np.array_equal(of_level, POINTS * 10 + [5, 4, 3])
    assert np.array_equal(Picks("p", POINTS, "voxel", pixel_size=2.5).coordinates((8, 16, 32), 10.0), POINTS * 2.5)
    rounded = Picks("p", POINTS, "voxel", pixel_size=10.0)
    assert np.array_equal(rounded.coordinates((8, 16, 32), 10.012, (5.0, 4.0, 3.0)), POINTS * 10.012 + [5, 4, 3])


@pytest.mark.parametrize("shape", [(8, 16, 32), (7, 15, 31)])
def test_what_is_centred_counts_from_the_middle(shape):
    nz, ny, nx = shape
    found = Picks("p", POINTS, "centred").coordinates(shape, 10.0)
    assert np.allclose(found / 10, POINTS / 10 + np.array([nx, ny, nz]) / 2)
    own = Picks("p", POINTS, "centred", extent=(300.0, 150.0, 70.0)).coordinates(shape, 10.0)
    assert np.array_equal(own, POINTS + np.array([150, 75, 35]))


def test_points_of_a_tomogram_keep_their_order_and_all_that_is_theirs():
    turns = np.stack([np.eye(3), -np.eye(3), np.eye(3)[::-1]])
    picks = Picks("p", POINTS, "voxel", ("a", "b", "c"), turns, ("007", "7", "007"))
    assert picks.names() == ("007", "7")
    parts = picks.by_tomogram()
    assert list(parts) == ["007", "7"]
    for name, rows in (("007", [0, 2]), ("7", [1])):
        for part in (picks.of(name), parts[name]):
            assert np.array_equal(part.points, POINTS[rows])
            assert np.array_equal(part.rotations, turns[rows])
            assert part.labels == tuple("abc"[row] for row in rows)
            assert part.tomograms == (name,) * len(rows)
    assert len(picks.of("TS")) == 0


def test_picks_that_name_no_tomogram_are_of_any():
    picks = Picks("p", POINTS, "voxel")
    assert picks.of("TS_1") is picks
    assert picks.names() == ()
    assert picks.by_tomogram() == {}
