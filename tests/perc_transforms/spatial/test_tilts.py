"""Stacks of tilts: each section, drawn anew from its tilt's new pose, is the transformed section."""

import copy
import logging

import numpy as np
import pytest
import torch

import perc_transforms as T
from perc_transforms.errors import TransformError
from perc_transforms.spatial import motion
from perc_transforms.spatial.orientation import RandomFlip, RandomRotate90
from perc_transforms.spatial.resampling import FourierCrop
from perc_transforms.spatial.rotation import RandomRotate
from perc_transforms.spatial.shifting import RandomShift
from tests.perc_transforms.spatial.test_motion import PIXEL_SIZE, drawn, particle

TURN = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
"""Of the object."""


def tilts(shape=(64, 65), count=3, seed=0):
    """A row as RELION 5's stacks of tilts give them."""
    seen = [particle(shape, seed * 10 + number) for number in range(count)]
    return {
        "image": torch.stack([one["image"] for one in seen]),
        "pixel_size": PIXEL_SIZE,
        "path": f"{seed}_stack2d.mrcs",
        "index": None,
        "pose": [one["pose"] for one in seen],
        "ctf": [{"defocus_u": 9e3 + number, "defocus_angle": 10.0 * number} for number in range(count)],
        "rotation": TURN,
        "tilt_angle": [20.0 * number for number in range(count)],
        "tilt": [*range(count)],
    }


def check(row, tolerance=1e-3):
    for section, pose in zip(row["image"], row["pose"], strict=True):
        pose = {name: float(value) for name, value in pose.items()}
        expected = drawn(section.shape, float(row["pixel_size"]), pose)
        np.testing.assert_allclose(section.numpy(), expected, atol=tolerance)


@pytest.mark.parametrize(
    "transform",
    [
        RandomShift(3.7, spatial_dims=2),
        T.CenterCrop((41, 50), spatial_dims=2),
        T.RandomCrop(40, spatial_dims=2),
        FourierCrop(pixel_size=2.3, spatial_dims=2),
        T.Compose([RandomRotate90(), RandomShift(2.0), FourierCrop(33), T.RandomCrop(30)], spatial_dims=2),
    ],
    ids=repr,
)
def test_each_section_is_drawn_anew_by_its_own_pose(transform):
    row = transform(tilts((64, 64)))
    check(row)
    assert row["rotation"] == TURN  # projections were turned in their plane, and not what they are of


def test_angles_of_defocus_turn_with_their_sections():
    row = RandomRotate(spatial_dims=2).replay(tilts(), {"angle": 25.0})
    assert [ctf["defocus_angle"] for ctf in row["ctf"]] == pytest.approx([25.0, 35.0, 45.0])
    assert [ctf["defocus_u"] for ctf in row["ctf"]] == [9000, 9001, 9002]
    before = tilts()["pose"]
    for pose, old in zip(row["pose"], before, strict=True):
        assert (pose["rot"], pose["tilt"]) == pytest.approx((old["rot"], old["tilt"]))
        assert (pose["psi"] - old["psi"] + 25) % 360 == pytest.approx(0, abs=1e-9)  # as drawn() sees it


def test_the_objects_rotation_stays_where_poses_are_not_known():
    row = {**tilts(), "pose": None, "ctf": None}
    assert RandomRotate90(spatial_dims=2).replay(row, {"matrix": [[-1, 0], [0, -1]]})["rotation"] == TURN


def test_a_mirror_loses_all_poses_and_the_rotation(caplog):
    motion._warned.clear()
    with caplog.at_level(logging.WARNING):
        row = RandomFlip("x", spatial_dims=2).replay(tilts(), {"flip": [1, 0]})
    assert row["pose"] is None
    assert row["rotation"] is None
    assert [ctf["defocus_angle"] for ctf in row["ctf"]] == pytest.approx([0.0, 170.0, 160.0])
    assert "a mirror changes the hand" in caplog.text


def as_arrays(row):
    """As the NumPy format gives such a row: arrays of dicts of arrays."""
    row = dict(row)
    for name in ("pose", "ctf"):
        told = np.empty(len(row[name]), object)
        told[:] = [{key: np.asarray(value, np.float32) for key, value in one.items()} for one in row[name]]
        row[name] = told
    return {**row, "image": np.asarray(row["image"], np.float32), "rotation": np.array(TURN, np.float32)}


def as_tensors(row):
    row = dict(row)
    for name in ("pose", "ctf"):
        row[name] = [{key: torch.tensor(value) for key, value in one.items()} for one in row[name]]
    return {**row, "rotation": torch.tensor(TURN)}


@pytest.mark.parametrize("form", [as_arrays, as_tensors])
def test_other_formats_of_rows_keep_their_form(form):
    given = form(tilts((64, 64)))
    kept = copy.deepcopy(given)
    row = T.Compose([RandomRotate90(), RandomShift(2.0)], spatial_dims=2)(given)
    check(row)
    for name in ("pose", "ctf"):
        assert type(row[name]) is type(kept[name])
        assert type(row[name][0]["rot" if name == "pose" else "defocus_angle"]) is not float
        assert str(given[name]) == str(kept[name])  # the row that was given is as it was
    np.testing.assert_array_equal(row["rotation"], TURN)


@pytest.mark.parametrize("counts", [(3, 2), (3, 3)])
@pytest.mark.parametrize("form", [dict, as_arrays, as_tensors])
def test_batches_do_as_rows_do(counts, form):
    rows = [form(tilts((64, 64), count, seed)) for seed, count in enumerate(counts)]
    transform = T.Compose([RandomRotate90(), RandomShift(2.0)], spatial_dims=2)
    batch = {name: [row[name] for row in rows] for name in rows[0]}
    if form is as_arrays:
        for name in ("pose", "ctf"):
            batch[name] = np.array(rows and [row[name] for row in rows], object)
    done = transform(batch)
    for place, row in enumerate(map(transform, rows)):
        np.testing.assert_allclose(np.asarray(done["image"][place]), np.asarray(row["image"]), atol=1e-5)
        check({name: done[name][place] for name in ("image", "pose", "pixel_size")})


@pytest.mark.parametrize("given", [{}, {"ctf": None}, {"pose": None}, {"pose": None, "ctf": None}])
@pytest.mark.parametrize(
    "transform",
    [
        *(RandomRotate(spatial_dims=3), T.CenterCrop(3, spatial_dims=3)),
        *(RandomShift(1.0, spatial_dims=3), RandomFlip(spatial_dims=3)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("form", [dict, as_arrays])
def test_a_transform_of_volumes_refuses_them(transform, given, form):
    row = {**form(tilts((6, 7))), **given}
    with pytest.raises(TransformError, match=r"0_stack2d.mrcs: \w+: .*a stack of tilts.*spatial_dims=2") as told:
        transform(row)
    assert len(str(told.value)) < 250
