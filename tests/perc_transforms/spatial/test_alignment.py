"""Images of tilt series: what brings them into register still does after a motion, and their sections are images."""

import numpy as np
import pytest
import torch

import perc_transforms as T
from perc_transforms.spatial.alignment import move_alignment
from perc_transforms.spatial.moves import Motion, Moves

SIZE = 2.5


def registered(point, axis, x, y):
    """Where a point, Å from the centre, comes in register: moved, then turned by minus the axis's angle."""
    angle = -np.radians(axis)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ (np.asarray(point) + np.array([x, y]))


def turned(degrees):
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("degrees", [0.0, 90.0, -37.0, 171.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.5, -2.0)])
def test_points_come_to_the_same_place_in_register(degrees, shift):
    row = {"axis_angle": 85.3, "shift_x": 12.0, "shift_y": -7.5}
    columns = {name: [value] for name, value in row.items()} | {"pixel_size": [SIZE]}
    matrix = turned(degrees)
    move_alignment(columns, Moves.of([Motion(matrix=matrix, shift=shift)], 2))
    point = np.array([31.0, -14.0])
    new = matrix @ point + np.array(shift) * SIZE
    after = {name: columns[name][0] for name in row}
    np.testing.assert_allclose(registered(new, *after.values()), registered(point, *row.values()), atol=1e-9)


def series(**more):
    rng = torch.Generator().manual_seed(3)
    angles = {"tilt_angle": [-3.0, 0.0, 3.0], "axis_angle": [84.0, 85.0, None], "shift_x": [1.0, None, 2.0]}
    known = {"image": torch.rand(3, 24, 27, generator=rng), "pixel_size": SIZE, "path": "TS_1.st", "index": None}
    return known | angles | {"shift_y": [4.0, None, 5.0]} | more


@pytest.mark.parametrize(
    "transform", [T.RandomRotate, T.Normalize, lambda **o: T.FourierCrop(pixel_size=5.0, **o), T.RandomShift]
)
def test_sections_with_a_tilt_angle_each_are_images(transform):
    options = {"max_shift": 2.0} if transform is T.RandomShift else {}
    found, expected = transform(**options)(series()), transform(**options, spatial_dims=2)(series())
    assert torch.equal(found["image"], expected["image"])
    assert len(found["image"]) == 3
    assert found["axis_angle"] == expected["axis_angle"]


def test_a_volume_stays_one_whatever_angle_it_has():
    row = series(tilt_angle=3.0, axis_angle=None, shift_x=None, shift_y=None)
    assert T.FourierCrop((2, 12, 12))(row)["image"].shape == (2, 12, 12)


def test_lists_and_their_nulls_stay():
    row = T.RandomRotate(record=True)(series())
    (told,) = row["transforms"]
    assert row["axis_angle"][2] is None
    assert row["shift_x"][1] is None
    assert row["axis_angle"][0] != 84.0
    assert row["axis_angle"][1] - row["axis_angle"][0] == pytest.approx(1.0)
    assert told["transform"] == "RandomRotate"


def test_a_mirror_makes_it_null():
    row = series(tilt_angle=0.0, axis_angle=85.0, shift_x=1.0, shift_y=2.0, image=torch.rand(8, 9))
    rows = [T.RandomFlip(seed=seed)(row) for seed in range(8)]
    flipped = [one for one in rows if one["axis_angle"] is None]
    assert flipped
    assert all(one["shift_x"] is None for one in flipped)
    assert all(torch.equal(one["image"], row["image"]) for one in rows if one["axis_angle"] == 85.0)
