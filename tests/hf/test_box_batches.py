"""Batches of boxes are what their rows are, one by one: read together, and of servers in few requests."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, concatenate_datasets
from torch.utils.data import DataLoader

from builders import EMImage
from builders.errors import ChangedError, FormatError, PercError, TruncatedError
from builders.hf.batches import box_reads
from builders.hf.batches.images import TakenImages
from builders.io.files.local import etag_of
from builders.io.layout import Layout
from builders.io.net import remote
from tests.io.boxes import encode, numbers
from tests.io.test_overhang import expected
from tests.server import serve

SHAPE = 60, 44
BOX = 9, 12
ENCODINGS = ("<f4", ">f4", "<f2", "<f8", "|i1", ">u2", "4bit")
CORNERS = [(0, 0), (51, 32), (20, 10), (-4, 5), (55, -3), (20, 10), (21, 38), (3, 3), (-8, 43), (30, 30)]
FORMATS = ("torch", "numpy", "transform")


def micrographs(encoding="<f4"):
    return [numbers(SHAPE, encoding, seed) for seed in range(2)]


def values(paths, encoding="<f4", corners=CORNERS, etags=None):
    """References to boxes of files in turn."""
    for place, (top, left) in enumerate(corners):
        bounds = f"{top}:{top + BOX[0]},{left}:{left + BOX[1]}"
        told = {"path": paths[place % 2], "offset": 16, "shape": list(SHAPE), "dtype": f"{encoding}@{bounds}"}
        yield told | ({} if etags is None else {"etag": etags[place % 2]})


def dataset(references, **options):
    return Dataset.from_dict({"image": list(references)}, features=Features({"image": EMImage(**options)}))


def wanted(encoding="<f4", corners=CORNERS):
    images = micrographs(encoding)
    boxes = [[(top, top + BOX[0]), (left, left + BOX[1])] for top, left in corners]
    return [expected(images[place % 2], bounds) for place, bounds in enumerate(boxes)]


def file_bytes(image, encoding="<f4"):
    return bytes(16) + encode(image, encoding) + b"tail"


@pytest.fixture
def paths(tmp_path):
    return [str(tmp_path / f"m{number}.raw") for number in range(2)]


def write(paths, encoding="<f4"):
    for path, image in zip(paths, micrographs(encoding), strict=True):
        Path(path).write_bytes(file_bytes(image, encoding))


@pytest.fixture
def read_together(monkeypatch):
    """How many boxes were read together in each batch; None where they were not."""
    seen, stock = [], TakenImages.stack

    def stack(images, *args):
        pixels = stock(images, *args)
        seen.append(None if pixels is None else len(pixels))
        return pixels

    monkeypatch.setattr(TakenImages, "stack", stack)
    return seen


def formatted(ds, kind):
    return ds.with_transform(lambda batch: batch) if kind == "transform" else ds.with_format(kind)


@pytest.mark.parametrize("dtype", ["float32", None])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_batch_is_its_rows(paths, encoding, dtype, read_together):
    write(paths, encoding)
    ds = dataset(values(paths, encoding), dtype=dtype)
    rows, boxes = [row["image"] for row in ds], wanted(encoding)
    for row, box in zip(rows, boxes, strict=True):
        np.testing.assert_allclose(row, box, rtol=1e-3 if encoding == "<f2" else 1e-6)
    for kind in FORMATS:
        for keys in (range(len(rows)), [7, 1, 1, 4], [8]):
            batch = formatted(ds, kind)[list(keys)]["image"]
            np.testing.assert_allclose(np.asarray(batch), np.stack([rows[key] for key in keys]), rtol=1e-7)
    assert set(read_together) == {10, 4, 1} or set(read_together) == {10, 4}


def test_boxes_stand_beside_whole_images_of_their_shape(paths, read_together):
    write(paths)
    whole = {"path": paths[0], "offset": 16, "shape": list(BOX), "dtype": "<f4"}
    ds = dataset([*values(paths), whole]).with_format("numpy")
    batch = ds[[3, 10, 0]]["image"]
    np.testing.assert_array_equal(batch, np.stack([ds[number]["image"] for number in (3, 10, 0)]))
    assert read_together == [3]


def test_boxes_of_several_images_of_a_file(tmp_path, read_together):
    stack = numbers((3, *SHAPE), "<f4")
    path = tmp_path / "x.raw"
    path.write_bytes(stack.tobytes())
    size = stack[0].nbytes
    ds = dataset(
        {"path": str(path), "offset": index * size, "shape": list(SHAPE), "dtype": "<f4@-2:7,3:15"}
        for index in (2, 0, 2)
    )
    batch = ds.with_format("numpy")[:]["image"]
    np.testing.assert_array_equal(batch, np.stack([expected(stack[i], [(-2, 7), (3, 15)]) for i in (2, 0, 2)]))
    assert read_together == [3]


def test_workers_read_boxes_into_shared_memory(paths):
    write(paths)
    ds = concatenate_datasets([dataset(values(paths))] * 3).with_format("torch").shuffle(seed=1)
    loader = DataLoader(ds, batch_size=7, num_workers=1, multiprocessing_context="fork")
    found = torch.cat([batch["image"] for batch in loader])
    np.testing.assert_array_equal(found, torch.stack([row["image"] for row in ds]))


WRONG = {
    "outside": (
        lambda paths: values(paths, corners=[(0, 0), (60, 0)]),
        FormatError,
        r"m1\.raw: a box .* it lies outside",
    ),
    "empty": (lambda paths: [*values(paths), value(paths, "<f4@5:5,0:4")], FormatError, r"m0\.raw: a box"),
    "endless": (lambda paths: [value(paths, f"<f4@0:9,0:{10**14}")] * 2, FormatError, r"m0\.raw: a box"),
    "of more axes": (lambda paths: [value(paths, "<f4@0:1,0:9,0:9")] * 2, FormatError, r"m0\.raw: a box"),
    "changed": (lambda paths: values(paths, etags=["1-1", "1-1"]), ChangedError, "changed since"),
    "gone": (lambda paths: values([paths[0], "/nowhere/x.raw"]), PercError, "no such file"),
}


def value(paths, dtype):
    return {"path": paths[0], "offset": 16, "shape": list(SHAPE), "dtype": dtype}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_one_is_told_with_its_name(paths, what):
    write(paths)
    references, kind, message = WRONG[what]
    for format_type in (None, "torch"):
        with pytest.raises(kind, match=message):
            dataset(references(paths)).with_format(format_type)[:]


def test_a_file_that_ends_early_is_told(paths):
    write(paths)
    os.truncate(paths[1], 16 + 4 * SHAPE[1] * 40)
    ds = dataset(values(paths)).with_format("torch")
    assert ds[[0, 2, 7]]["image"].shape == (3, *BOX)
    with pytest.raises(TruncatedError, match=r"m1\.raw: .* the file is truncated"):
        ds[:]


def test_of_packed_files_boxes_are_read_one_by_one(tmp_path, read_together):
    image = numbers(SHAPE, "<f4")
    np.save(tmp_path / "x.npy", image)
    packed = tmp_path / "x.npy.gz"
    packed.write_bytes(gzip.compress((tmp_path / "x.npy").read_bytes()))
    offset = (tmp_path / "x.npy").stat().st_size - image.nbytes
    told = {"path": str(packed), "offset": offset, "shape": list(SHAPE), "dtype": "<f4@-2:7,3:15"}
    batch = dataset([told] * 2).with_format("numpy")[:]["image"]
    np.testing.assert_array_equal(batch[1], expected(image, [(-2, 7), (3, 15)]))
    assert read_together == [None]


@pytest.fixture
def archive():
    with serve() as archive:
        for number, image in enumerate(micrographs()):
            archive.files[f"/m{number}.mrc"] = file_bytes(image)
        remote.permit(archive.base)
        yield archive


def test_boxes_of_servers_come_in_few_requests_of_the_rows_that_they_cross(archive, read_together):
    urls = [archive.url(f"/m{number}.mrc") for number in range(2)]
    ds = dataset(values(urls)).with_format("torch")
    np.testing.assert_array_equal(np.stack(ds.with_format(None)[:]["image"]), np.stack(wanted()))
    archive.requests.clear()
    batch = ds[:]["image"]
    assert read_together == [len(CORNERS)]
    np.testing.assert_array_equal(batch, np.stack(wanted()))
    needed = 0
    for number in range(2):
        rows = {row for top, _ in CORNERS[number::2] for row in range(max(0, top), min(SHAPE[0], top + BOX[0]))}
        needed += len(rows) * SHAPE[1] * 4
    assert len(archive.requests) <= 8
    assert needed <= sum(moved(request) for request in archive.requests) <= 1.15 * needed


def moved(request):
    first, last = request.headers["Range"].removeprefix("bytes=").split("-")
    return int(last) - int(first) + 1


def test_many_boxes_of_a_server_take_no_more_requests_than_eight_a_file(archive, monkeypatch):
    """Of sparse ones, what lies between is read, as long as that is little; of a large file, the pieces are longer."""
    height = 4000
    image = np.arange(height * 8, dtype="<f4").reshape(height, 8)
    archive.files["/tall.mrc"] = image.tobytes()
    monkeypatch.setattr(remote, "PIECE", 1000)
    url = archive.url("/tall.mrc")

    def read(tops):
        archive.requests.clear()
        ds = dataset(
            {"path": url, "offset": 0, "shape": [height, 8], "dtype": f"<f4@{top}:{top + 16},0:8"} for top in tops
        )
        batch = ds.with_format("numpy")[:]["image"]
        np.testing.assert_array_equal(batch, np.stack([image[top : top + 16] for top in tops]))
        return len(archive.requests), sum(moved(request) for request in archive.requests) / 32

    assert read(range(0, 17 * 200, 17)) == (8, 17 * 200 - 1 - 7)  # all gaps but seven, of a row each
    requests, rows = read([*range(0, 640, 16), 1000, 2000, 2001, 3000])
    assert requests <= 8
    assert rows == 640 + 16 + 17 + 16


def test_boxes_of_a_server_that_has_another_file_now(archive):
    urls = [archive.url(f"/m{number}.mrc") for number in range(2)]
    ds = dataset(values(urls, etags=['"old"', '"old"'])).with_format("torch")
    with pytest.raises(ChangedError, match="force_redownload"):
        ds[:]


def test_the_boxes_of_an_image_are_asked_for_together(paths, monkeypatch):
    write(paths)
    seen, stock = [], box_reads.read_boxes

    def read_boxes(path, image, corners, *args):
        seen.append((path, image, len(corners)))
        return stock(path, image, corners, *args)

    monkeypatch.setattr(box_reads, "read_boxes", read_boxes)
    etags = [etag_of(Path(path).stat()) for path in paths]
    ds = dataset(values(paths, etags=etags)).with_format("torch").shuffle(seed=3)
    ds[:]
    image = Layout(SHAPE, "<f4", 16)
    assert sorted(seen, key=str) == [(path, image, 5) for path in paths]
