"""`load_dataset("tomograms", ...)` end to end: a bright voxel at each pick lies where rows say it does."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import perc_transforms as T
from tests.tomograms.made import CENTRES, CLASSES, NAMES, PIXEL_SIZE, SHAPE, voxel

TILE = 6, 10, 12


def plain(value):
    """A row without arrays, for comparison."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return np.asarray(value).tolist() if value is not None else None


def padded(volume, origin, shape):
    """A box of a volume, NaN where it reaches beyond."""
    wide = np.pad(volume, [(side, side) for side in shape], constant_values=np.nan)
    return wide[tuple(slice(at + side, at + 2 * side) for at, side in zip(origin, shape, strict=True))]


def check_picks(row, folder, count):
    """That each pick of a row is at its bright voxel."""
    picks, name = row["picks"], row["tomogram"]
    known = {tuple(np.float32(point * PIXEL_SIZE).tolist()): k for k, point in enumerate(folder.picks(name))}
    assert len(picks["coordinates"]) == len(picks["pixels"]) == len(picks["label"]) == count
    for coordinates, pixels, label in zip(*(picks[n] for n in ("coordinates", "pixels", "label")), strict=True):
        k = known[tuple(np.asarray(coordinates).tolist())]
        assert np.asarray(row["image"])[voxel(pixels)] == folder.value(name, k)
        assert label == 1 - k % 2  # natural order: apoferritin, ribosome
    assert picks["rotation"] is None


def test_a_row_is_a_tomogram(load, folder):
    ds = load()
    assert ds["tomogram"][:] == ["TS_1", "TS_2", "TS_10"] == list(NAMES)
    assert ds.features["picks"]["label"].feature.names == sorted(CLASSES)
    for row in ds:
        np.testing.assert_array_equal(row["image"], folder.volume(row["tomogram"]))
        assert (row["path"], row["index"], row["pixel_size"]) == (f"{row['tomogram']}.mrc", None, PIXEL_SIZE)
        check_picks(row, folder, len(CENTRES))


@pytest.mark.parametrize(("overlap", "edge"), [(0, "fill"), (0, "drop"), ((1, 4, 3), "fill")])
def test_a_row_is_a_tile(load, folder, overlap, edge):
    ds = load(unit="tile", tile=TILE, overlap=overlap, edge=edge, tomograms=["TS_2"])
    volume = folder.volume("TS_2")
    counts = np.zeros(SHAPE, int)
    for row in ds:
        image, origin = np.asarray(row["image"]), row["origin"]
        wanted = padded(volume, origin, TILE)
        there = np.isfinite(wanted)
        assert image.shape == TILE
        np.testing.assert_array_equal(image[there], wanted[there])
        counts[tuple(slice(at, at + side) for at, side in zip(origin, TILE, strict=True))] += 1
        check_picks(row, folder, np.count_nonzero(wanted >= 100))
    if edge == "fill":
        assert counts.min() == 1
    if not overlap:
        assert counts.max() == 1


@pytest.mark.parametrize("side", [6, 7])
def test_a_row_is_a_cube_at_a_pick(load, folder, side):
    ds = load(unit="subtomogram", box_size=side)
    assert len(ds) == len(NAMES) * len(CENTRES)
    seen = set()
    for row in ds:
        image, name = np.asarray(row["image"]), row["tomogram"]
        wanted = padded(folder.volume(name), row["origin"], (side,) * 3)
        there = np.isfinite(wanted)
        np.testing.assert_array_equal(image[there], wanted[there])
        k = int(image[(side // 2,) * 3]) % 100
        assert image[(side // 2,) * 3] == folder.value(name, k)
        np.testing.assert_allclose(row["coordinates"], folder.picks(name)[k] * PIXEL_SIZE, rtol=1e-6)
        np.testing.assert_allclose(np.add(row["pixels"], row["origin"][::-1]), folder.picks(name)[k], atol=1e-5)
        assert voxel(row["pixels"]) == (side // 2,) * 3
        assert ds.features["label"].int2str(row["label"]) == CLASSES[k % 2]
        assert row["rotation"] is None
        assert row["pose"] is None
        seen.add((name, k))
    assert len(seen) == len(ds)
    keys = [(NAMES.index(row["tomogram"]), *row["origin"]) for row in ds.remove_columns("image")]
    assert keys == sorted(keys)


def test_cubes_that_reach_beyond_may_be_dropped(load):
    ds = load(unit="subtomogram", box_size=6, edge="drop")
    assert (np.array(ds["origin"][:]) >= 0).all()
    assert (np.array(ds["origin"][:]) + 6 <= SHAPE).all()
    assert len(ds) == 11


def test_sizes_in_angstrom_and_classes_in_an_order(load):
    ds = load(unit="subtomogram", box_size="80 Å", classes=["ribosome"])
    assert ds[0]["image"].shape == (8, 8, 8)
    assert ds.features["label"].names == ["ribosome"]
    assert len(ds) == 9
    both = load(unit="subtomogram", box_size=8, classes=["ribosome", "apoferritin"])
    assert both.features["label"].names == ["ribosome", "apoferritin"]


def test_background_is_a_class_of_its_own(load, folder):
    ds = load(unit="subtomogram", box_size=4, background=3, classes=["ribosome"])
    assert ds.features["label"].names == ["ribosome", "background"]
    rows = [row for row in ds if row["label"] == 1]
    assert len(rows) == 3 * len(NAMES)
    for row in rows:
        middle = np.array(row["pixels"]) + row["origin"][::-1]
        assert np.linalg.norm(folder.picks(row["tomogram"]) - middle, axis=1).min() >= 4
        assert np.asarray(row["image"]).max() < 1
        np.testing.assert_allclose(row["coordinates"], middle * PIXEL_SIZE)
    again = load(unit="subtomogram", box_size=4, background=3, classes=["ribosome"], streaming=True)
    assert [row["origin"] for row in again] == ds["origin"][:]
    other = load(unit="subtomogram", box_size=4, background=3, classes=["ribosome"], seed=1)
    assert other["origin"][:] != ds["origin"][:]


UNITS = {
    "tomogram": {},
    "tile": {"unit": "tile", "tile": TILE, "overlap": 2},
    "subtomogram": {"unit": "subtomogram", "box_size": 6, "background": 2, "background_distance": 30},
}


@pytest.mark.parametrize("unit", UNITS)
def test_streams_and_batches_give_the_same_rows(load, unit):
    ds = load(**UNITS[unit])
    stream = load(**UNITS[unit], streaming=True)
    assert stream.features == ds.features
    rows = list(stream)
    assert len(rows) == len(ds)
    for row, wanted in zip(rows, ds, strict=True):
        assert plain(row) == plain(wanted)
    images = ds.with_format("torch")[:]["image"]
    assert torch.is_tensor(images)
    np.testing.assert_array_equal(images, np.stack([row["image"] for row in rows]))
    batches = list(stream.with_format("torch").iter(batch_size=4))
    np.testing.assert_array_equal(torch.cat([batch["image"] for batch in batches]), images)


@pytest.mark.parametrize("unit", UNITS)
def test_a_shuffled_stream_gives_each_row_once_and_goes_on_from_a_state(load, unit):
    stream = load(**UNITS[unit], streaming=True).shuffle(seed=3, buffer_size=8)
    key = lambda row: (row["tomogram"], *row.get("origin", ()), float(np.asarray(row["image"]).sum()))  # noqa: E731
    rows = [key(row) for row in stream]
    assert sorted(rows) == sorted(key(row) for row in load(**UNITS[unit]))
    again = load(**UNITS[unit], streaming=True).shuffle(seed=3, buffer_size=8)
    taken = []
    for row in again:
        taken.append(key(row))
        if len(taken) == len(rows) // 2:
            state = again.state_dict()
            break
    again.load_state_dict(state)
    assert taken + [key(row) for row in again] == rows


def loaded(data, context, workers):
    """The sum of each image that a loader gives."""
    options = {"num_workers": workers, "multiprocessing_context": context, "collate_fn": T.collate}
    return sorted(float(image.sum()) for batch in DataLoader(data, batch_size=4, **options) for image in batch["image"])


def test_workers_share_the_rows(load):
    ds = load(**UNITS["tile"])
    wanted = sorted(float(np.asarray(image).sum()) for image in ds["image"][:])
    stream = load(**UNITS["tile"], streaming=True).with_format("torch")
    for data in (ds.with_format("torch"), stream):
        np.testing.assert_allclose(loaded(data, "fork", 2), wanted, rtol=1e-6)
    np.testing.assert_allclose(loaded(stream, "forkserver", 1), wanted, rtol=1e-6)


def test_whole_tomograms_are_for_validation(load):
    both = load(**UNITS["tile"], split=None, validation_fraction=0.3)
    names = {split: set(ds["tomogram"][:]) for split, ds in both.items()}
    assert {split: len(some) for split, some in names.items()} == {"train": 2, "validation": 1}
    assert set().union(*names.values()) == set(NAMES)
    streams = load(**UNITS["tile"], split=None, validation_fraction=0.3, streaming=True)
    assert {split: {row["tomogram"] for row in stream} for split, stream in streams.items()} == names


def test_an_index_is_made_anew_where_picks_change(load, folder):
    before = load(unit="subtomogram", box_size=6)
    assert load(unit="subtomogram", box_size=6)._fingerprint == before._fingerprint
    table = folder.path / "TS_2.csv"
    table.write_text("x,y,z,class\n12,11,7,virus\n")
    after = load(unit="subtomogram", box_size=6)
    assert len(after) == len(before) - len(CENTRES) + 1
    assert "virus" in after.features["label"].names
