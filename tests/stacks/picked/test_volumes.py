"""Boxes of volumes, and of what lies beside them, are NumPy's cuts of these, by whichever way rows come."""

import dataclasses

import datasets
import numpy as np
import pyarrow as pa
import pytest
from datasets import Value

from builders.hf.features import EMImage
from builders.io import mrc
from builders.stacks.files import SourceFile
from tests.empiar import deposit
from tests.hf.test_stream_batches import same_rows
from tests.stacks.picked.catalogues import READING, in_shards, made, mapped, streamed

SIDES = (13, 20, 27)
BOX = (5, 6, 8)
WHOLE = dataclasses.replace(READING, item="file")
FEATURES = datasets.Features(
    {
        "image": EMImage(dtype=None),
        "segmentation": EMImage(dtype=None),
        "pixel_size": Value("float32"),
        "path": Value("string"),
        "index": Value("int64"),
        "origin": datasets.Sequence(Value("int64"), 3),
        "name": Value("string"),
    }
)


def write_tomograms(folder, kind="float32", count=2, sides=SIDES):
    """Volumes, then a mask of each."""
    rng, files, arrays = np.random.default_rng(4), [], []
    (folder / "t").mkdir(parents=True)
    for number in range(2 * count):
        path = folder / "t" / f"{'t' if number < count else 'm'}_{number % count}.mrc"
        dtype = "int8" if number >= count else kind if kind != "gz" else "float32"
        array = rng.integers(-90, 90, sides).astype(dtype)
        mrc.write(path, array, 1.5)
        path = deposit.compress(path, "gz") if kind == "gz" else path
        files.append(SourceFile(f"t/{path.name}", str(path), path.stat().st_size, "stamp"))
        arrays.append(array)
    return files, arrays


def tiles(count=2, sides=SIDES, box=BOX, step=(4, 5, 6)):
    """A grid of boxes, the last of which reach beyond."""
    axes = [range(-1, side, by) for side, by in zip(sides, step, strict=True)]
    one = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    return np.repeat(np.arange(count), len(one)), np.tile(one, (count, 1))


def boxed(tmp_path, files, which, corners, box=BOX, **options):
    columns = {
        "file": pa.array(which, pa.int32()),
        "slice": pa.array(np.full(len(which), -1)),
        **{name: pa.array(corners[:, axis]) for axis, name in enumerate(("front", "top", "left"))},
        "file:segmentation": pa.array(which + len(files) // 2, pa.int32()),
        "origin": pa.array(corners.tolist(), pa.list_(pa.int64(), 3)),
        "name": pa.array([f"{row}" for row in range(len(which))]),
    }
    return made(tmp_path, files, pa.table(columns), box=box, **options)


@pytest.mark.parametrize("kind", ["float32", "float16", "gz"])
def test_rows_streams_and_batches_are_the_same(tmp_path, kind):
    files, arrays = write_tomograms(tmp_path, kind)
    catalogue = boxed(tmp_path, files, *tiles())
    ds = mapped(catalogue, WHOLE, FEATURES)
    expected = list(ds)
    for row, (which, corner) in zip(expected, zip(*tiles(), strict=True), strict=True):
        inside = tuple(slice(max(0, -at), side - at) for at, side in zip(corner, SIDES, strict=True))
        there = tuple(slice(max(0, at), at + n) for at, n in zip(corner, BOX, strict=True))
        for name, array in (("image", arrays[which]), ("segmentation", arrays[which + 2])):
            assert row[name].shape == BOX
            np.testing.assert_array_equal(
                row[name][tuple(slice(s.start, min(s.stop, n)) for s, n in zip(inside, BOX, strict=True))], array[there]
            )
    for shards in (None, in_shards(catalogue, 3)):
        stream = streamed(catalogue, WHOLE, FEATURES, shards=shards)
        same_rows(list(stream), expected)
        batches = list(stream.iter(7))
        for name in ("image", "segmentation"):
            same_rows([image for batch in batches for image in batch[name]], [row[name] for row in expected])
    shuffled = list(streamed(catalogue, WHOLE, FEATURES).shuffle(seed=3, buffer_size=9))
    by_name = {row["name"]: row for row in expected}
    assert sorted(row["name"] for row in shuffled) == sorted(by_name)
    same_rows(shuffled, [by_name[row["name"]] for row in shuffled])
    batches = ds.with_format("numpy")
    for start in range(0, len(ds), 9):
        batch = batches[start : start + 9]
        for name in ("image", "segmentation"):
            np.testing.assert_array_equal(batch[name], [row[name] for row in expected[start : start + 9]])
