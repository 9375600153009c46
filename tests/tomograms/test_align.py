"""`align=True`: what lies turned in a tomogram, between its voxels, comes upright and in the middle of its cube."""

import numpy as np
import pytest
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset
from builders.errors import OptionError
from tests.tomograms import projects

SHAPE = 34, 40, 46
SIDE = 14
BLOBS = np.array([[0.0, 0, 0], [3.5, 0, 0], [0, -3, 1], [0, 1, 3.5]])
"""x, y, z of what an object is made of, in voxels from its centre."""
PLACES = {
    "ribosome": np.array([[12.3, 11.6, 14.2], [33.0, 13.4, 12.7]]),
    "apoferritin": np.array([[14.8, 28.5, 19.3], [31.4, 27.2, 20.1]]),
}


def object_at(points):
    """The density of an object at points x, y, z from its centre."""
    squares = ((points[..., None, :] - BLOBS) ** 2).sum(-1)
    return (np.exp(-squares / (2 * 1.6**2)) * [1.0, 0.8, 0.6, 0.5]).sum(-1)


def grid(shape):
    """x, y, z of all voxels."""
    z, y, x = np.indices(shape, np.float64)
    return np.stack([x, y, z], -1)


WANTED = object_at(grid((SIDE,) * 3) - SIDE // 2)


@pytest.fixture
def load(tmp_path):
    made = projects.make(("TS_1",), picks=2, shape=SHAPE)
    (run,) = made.runs
    voxels = np.zeros(SHAPE)
    for name, places in PLACES.items():
        for place, turn in zip(places, run.rotations[name], strict=True):
            voxels += object_at((grid(SHAPE) - place) @ turn)  # R.T (v - place)
    run = projects.Run("TS_1", voxels.astype(np.float32), PLACES, run.rotations, (voxels > 0.3).astype(np.int8))
    place = projects.write_copick(tmp_path / "data", projects.Project((run,), shape=SHAPE), levels=1)

    def load(**options):
        given = {"copick": str(place), "picks": "*:data", "unit": "subtomogram", "box_size": SIDE, "split": "train"}
        return load_dataset("tomograms", **given | {"cache_dir": str(tmp_path / "cache")} | options)

    return load


def likeness(image):
    return np.corrcoef(np.asarray(image).ravel(), WANTED.ravel())[0, 1]


def test_objects_come_upright_and_in_the_middle(load):
    ds = load(align=True)
    assert len(ds) == 4
    assert max(likeness(row["image"]) for row in load()) < 0.95
    for row in ds:
        assert likeness(row["image"]) > 0.985
        assert row["pixels"] == [SIDE // 2] * 3
        np.testing.assert_array_equal(row["rotation"], np.eye(3))
        assert set(row["pose"].values()) == {0.0}
        name = ds.features["label"].int2str(row["label"])
        assert np.abs(PLACES[name] * 10 - row["coordinates"]).max(1).min() < 1e-3


def test_streams_and_batches_give_the_same(load):
    options = {"align": True, "segmentation": "labels", "background": 2}
    ds = load(**options)
    wanted = np.stack([row["image"] for row in ds])
    masks = np.stack([row["segmentation"] for row in ds])
    assert set(np.unique(masks)) == {0, 1}
    np.testing.assert_allclose(ds.with_format("torch")[:]["image"], wanted, atol=1e-6)
    places = ds["origin"][:]
    for stream in (load(**options, streaming=True), load(**options, streaming=True).shuffle(seed=1, buffer_size=4)):
        rows = sorted(stream, key=lambda row: places.index(row["origin"]))
        np.testing.assert_allclose(np.stack([row["image"] for row in rows]), wanted, atol=1e-6)
        np.testing.assert_array_equal(np.stack([row["segmentation"] for row in rows]), masks)
    batch = T.collate([*load(**options).with_format("torch")])
    np.testing.assert_allclose(batch["image"], wanted, atol=1e-6)


def test_background_is_turned_too(load):
    ds = load(align=True, background=3)
    rows = [row for row in ds if ds.features["label"].int2str(row["label"]) == "background"]
    assert len(rows) == 3
    for row in rows:
        assert row["rotation"] is None
        assert row["pixels"] == [SIDE // 2] * 3
        assert np.abs(np.array(row["coordinates"]) / 10 % 1 - 0.5).min() < 0.49


def test_cubes_that_reach_beyond_are_dropped_by_what_they_are_made_of(load):
    assert len(load(edge="drop", box_size=20)) == 4
    assert len(load(edge="drop", box_size=20, align=True)) < 4


def test_picks_without_a_rotation_are_told(tmp_path):
    place = projects.write_mrc_folder(tmp_path / "data", projects.make())
    given = {"data_dir": str(place), "tomogram": "*.mrc", "picks": "*.csv", "unit": "subtomogram", "box_size": 6}
    with pytest.raises(OptionError, match="TS_1: align=True: 8 of 8 picks have no rotation"):
        load_dataset("tomograms", **given, align=True, cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize("rows", ["of both kinds", "background", "without rotations"])
def test_torchs_own_collate_takes_cubes_without_a_pose(load, rows):
    ds = load(align=rows != "without rotations", background=2)
    if rows == "background":
        ds = ds.filter(lambda row: row["pose"] is None)
    if rows == "without rotations":
        ds = ds.with_transform(T.RandomFlip())  # which takes away what there is
        (batch,) = DataLoader(ds, batch_size=len(ds))
        assert batch["pose"]["rot"].isnan().any()
        return
    (wanted,) = DataLoader(ds.with_format("torch"), batch_size=len(ds))
    (batch,) = DataLoader(ds.with_transform(T.RandomShift(0.0)), batch_size=len(ds))
    assert 0 < batch["pose"]["rot"].isnan().sum() <= len(ds)
    for name in ("rot", "tilt", "psi", "shift_x", "shift_y", "shift_z"):
        np.testing.assert_allclose(batch["pose"][name], wanted["pose"][name], rtol=1e-6)
