"""Boxes of volumes, and of what lies beside them, are NumPy's cuts of these, by whichever way rows come."""

import dataclasses

import datasets
import numpy as np
import pyarrow as pa
import pytest
from datasets import Value
from datasets.distributed import split_dataset_by_node

from builders.errors import FormatError
from builders.hf.features import EMImage
from builders.io import mrc
from builders.io.net import remote
from builders.stacks.files import SourceFile
from builders.stacks.picked.shards import shards_of
from tests.empiar import deposit
from tests.hf.test_stream_batches import same_rows
from tests.server import serve
from tests.stacks.picked.catalogues import READING, in_shards, made, mapped, reading, streamed

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


def test_sections_are_images_in_rows_streams_and_batches(tmp_path):
    files, arrays = write_tomograms(tmp_path, count=1)
    corners = np.array([(3, 2, 20), (4, -2, 5), (5, 15, 25)])
    catalogue = boxed(tmp_path, files, np.zeros(3, int), corners, (1, 6, 8))
    expected = list(mapped(catalogue, WHOLE, FEATURES))
    np.testing.assert_array_equal(expected[0]["image"][:, :7], arrays[0][3, 2:8, 20:27])
    assert {row["image"].shape for row in expected} == {(6, 8)}
    same_rows(list(streamed(catalogue, WHOLE, FEATURES)), expected)
    (batch,) = streamed(catalogue, WHOLE, FEATURES).iter(3)
    same_rows(list(batch["image"]), [row["image"] for row in expected])


def test_a_stream_goes_on_from_a_state_and_is_divided_among_nodes(tmp_path):
    catalogue = boxed(tmp_path, write_tomograms(tmp_path)[0], *tiles(step=(5, 7, 8)))

    def stream():
        return streamed(catalogue, WHOLE, FEATURES, shards=in_shards(catalogue, 4))

    whole = list(stream())
    for made_of in (stream, lambda: stream().shuffle(seed=2, buffer_size=12)):
        expected = list(made_of())
        first = made_of()
        taken = [row for _, row in zip(range(17), first, strict=False)]
        again = made_of()
        again.load_state_dict(first.state_dict())
        same_rows([*taken, *again], expected)
    parts = [list(split_dataset_by_node(stream(), rank, 2)) for rank in range(2)]
    assert sorted(int(row["name"]) for part in parts for row in part) == list(range(len(whole)))
    assert abs(len(parts[0]) - len(parts[1])) <= len(whole) // 4


def test_shards_hold_boxes_of_the_same_rows_together(tmp_path):
    files = [SourceFile(f"{name}.mrc", f"{name}.mrc", 1, "") for name in "am"]
    for sides, box in (((64, 64, 640), (64, 64, 64)), ((1600, 64, 64), (64, 64, 64))):
        which, corners = tiles(1, sides, box, box)
        catalogue = boxed(tmp_path, files, which, corners, box)
        shards = shards_of(catalogue)
        assert [start for start, _ in shards[1:]] == [stop for _, stop in shards[:-1]]
        assert (shards[0][0], shards[-1][1]) == (0, len(which))
        for start, _ in shards[1:]:
            assert (corners[start, :2] != corners[start - 1, :2]).any()


def test_a_mask_that_does_not_fit_is_told_or_its_rows_are_left_out(tmp_path, caplog):
    files, _ = write_tomograms(tmp_path)
    mrc.write(files[2].location, np.zeros((13, 20, 26), np.int8), 1.5)
    which, corners = tiles(step=(5, 7, 8))
    catalogue = boxed(tmp_path, files, which, corners)
    said = r"m_0\.mrc: segmentation of 13 x 20 x 26 pixels: expected 13 x 20 x 27, as .*t_0\.mrc beside it has"
    for rows in (mapped, streamed):
        with pytest.raises(FormatError, match=said):
            list(rows(catalogue, WHOLE, FEATURES))
        kept = list(rows(catalogue, reading(item="file", on_error="skip"), FEATURES))
        assert [row["path"] for row in kept] == ["t/t_1.mrc"] * (len(which) // 2)


def test_a_stream_asks_a_server_for_each_row_of_pixels_once(tmp_path):
    sides, box = (5, 101, 2501), (2, 20, 625)
    files, arrays = write_tomograms(tmp_path / "root", count=1, sides=sides)
    which, corners = tiles(1, sides, box, box)
    corners = corners[(corners + 1 < sides).all(1)] + 1
    which = which[: len(corners)]
    with serve() as server:
        server.publish(tmp_path / "root")
        remote.permit(server.base)
        files = [dataclasses.replace(file, location=server.url(f"/{file.path}")) for file in files]
        catalogue = boxed(tmp_path, files, which, corners, box)
        stream = streamed(catalogue, WHOLE, FEATURES, folder=str(tmp_path / "cache"))
        rows = [row for batch in stream.iter(5) for row in zip(batch["image"], batch["segmentation"], strict=True)]
        heads = 2 * 2 * 4096
        assert server.bytes_sent <= sum(array.nbytes for array in arrays) + heads
    inside = [(corner + np.array(box) <= sides).all() for corner in corners]
    for pair, corner, is_inside in zip(rows, corners, inside, strict=True):
        for pixels, array in zip(pair, arrays, strict=True):
            own = tuple(slice(at, at + n) for at, n in zip(corner, box, strict=True))
            assert not is_inside or (pixels == array[own]).all()
