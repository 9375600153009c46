"""Transforms of tiles and subtomograms: picks, masks and targets stay with the image, in every form of row."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import perc_transforms as T
from builders.io import mrc
from tests.tomograms.made import CENTRES, NAMES, voxel

TILE = 10, 12, 16
MOVES = T.Compose([T.RandomCrop((8, 9, 12)), T.RandomFlip(), T.RandomRotate90(), T.RandomRotate(0.0)])


@pytest.fixture
def tiles(folder, load):
    for name in NAMES:
        mrc.write(folder.path / f"{name}_mask.mrc", (folder.volume(name) >= 100).astype(np.int8), 10.0)
    return lambda **options: load(unit="tile", tile=TILE, segmentation="*_mask.mrc", **options)


def check(row):
    """That what is bright is at a pick, and what is at a pick is bright, in the image and in the mask."""
    image, mask, picks = np.asarray(row["image"]), np.asarray(row["segmentation"]), row["picks"]
    places = sorted(voxel(np.asarray(pixels)) for pixels in picks["pixels"])
    assert [*map(tuple, np.argwhere(image > 50).tolist())] == places
    assert [*map(tuple, np.argwhere(mask).tolist())] == places
    assert len(picks["label"]) == len(picks["coordinates"]) == len(places)
    if "labels" in row:
        for pixels, label in zip(picks["pixels"], picks["label"], strict=True):
            assert np.asarray(row["labels"])[voxel(np.asarray(pixels))] == label + 1
    return len(places)


@pytest.mark.parametrize("form", ["rows", "torch", "numpy", "map", "stream", "stream of batches"])
def test_tiles_keep_their_picks_and_masks(tiles, form):
    chain = T.Compose([MOVES, T.PickMap(0.5)])
    ds = tiles(streaming="stream" in form)
    if form == "rows":
        rows = list(ds.with_transform(chain))
    elif form in ("torch", "numpy"):
        rows = [chain(row) for row in ds.with_format(form)]
    elif form == "map":
        rows = list(ds.map(chain, batched=True, batch_size=5, load_from_cache_file=False))
    else:
        rows = list(ds.map(chain, batched=form != "stream", batch_size=5))
    found = sum(map(check, rows))
    assert 4 <= found < len(NAMES) * len(CENTRES)
    again = sum(len(row["picks"]["label"]) for row in tiles().with_transform(MOVES))
    assert again == found, "draws are the same, whoever reads"


def test_tiles_of_one_volume_are_not_all_moved_alike(tiles):
    record = T.RandomRotate90(record=True)
    drawn = [str(record(row)["transforms"]) for row in tiles(tomograms=["TS_1"])]
    assert len(set(drawn)) > 1


def test_a_loader_gives_batches_with_ragged_picks(tiles):
    ds = tiles().with_transform(T.Compose([MOVES, T.PickMap(1.5)]))
    batch = next(iter(DataLoader(ds, batch_size=6, collate_fn=T.collate)))
    assert batch["image"].shape == batch["labels"].shape == batch["segmentation"].shape == (6, 8, 9, 12)
    assert batch["labels"].dtype == torch.int64
    assert len(batch["picks"]["pixels"]) == 6
    counts = [len(label) for label in batch["picks"]["label"]]
    assert sum(counts)
    assert [len(points) for points in batch["picks"]["pixels"]] == counts


def test_subtomograms_are_bright_where_they_say(load):
    for row in load(unit="subtomogram", box_size=9).with_transform(T.Compose([T.RandomShift(0.0), T.RandomFlip()])):
        assert np.asarray(row["image"])[voxel(np.asarray(row["pixels"]))] > 50
    with pytest.raises(T.TransformError, match=r"^TS_1\.mrc, origin \(-?\d+, -?\d+, -?\d+\): CenterCrop"):
        T.CenterCrop(99)(load(unit="subtomogram", box_size=9)[0])
