"""Published files of bytes as streams: rows and batches are those of the files, wherever these are read from."""

import os
import shutil
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, List, Value
from datasets.distributed import split_dataset_by_node

import perc_transforms as T
from builders import EMImage, as_em_images, load_dataset, publish
from builders.errors import ChangedError, FormatError, NotFoundError
from builders.hf.stream_layers import parquet_files
from builders.publishing.pages import places_of
from builders.publishing.row_groups import row_groups
from builders.publishing.writing import encoding
from tests.publishing.datasets_made import arrays, assert_same, assert_same_rows

IS_WHOLE = int(datasets.__version__.partition(".")[0]) > 4
"""Whether streams of this version of datasets are read by row group."""
needs_whole = pytest.mark.skipif(not IS_WHOLE, reason="datasets 4 reads the files of a stream by itself")


def made(kind, count=30):
    """A dataset of all kinds of columns; its images are alike, unlike, or partly missing."""
    rng = np.random.default_rng(0)
    dtype = {"alike": np.float32, "integers": np.int16, "bool": bool}.get(kind, np.float64)
    images = [(100 * rng.standard_normal((4, 5))).astype(dtype) for _ in range(count)]
    if kind == "unlike":
        images[3:7] = [np.arange(n * 2, dtype=np.uint8).reshape(n, 2) for n in (1, 1, 3, 5)]
        images[20] = np.ones((2, 3, 2), np.complex64)
    if kind == "missing":
        images[11] = None
    features = Features(
        {
            "path": Value("string"),
            "image": EMImage(dtype=None),
            "label": ClassLabel(names=["a", "b"]),
            "index": Value("int64"),
            "pixel_size": Value("float32"),
            "pose": {"rot": Value("float32"), "name": Value("string")},
            "shifts": List(Value("float32")),
        }
    )
    rows = {
        "path": [f"{n}.mrc" if n % 4 else None for n in range(count)],
        "image": images,
        "label": [n % 2 for n in range(count)],
        "index": [None if n == 5 else n for n in range(count)],
        "pixel_size": [n / 2 for n in range(count)],
        "pose": [{"rot": n / 4, "name": "x" * n} for n in range(count)],
        "shifts": [[0.5] * (n % 3) for n in range(count)],
    }
    return Dataset.from_dict(rows, features=features)


@pytest.fixture(scope="module", params=["alike", "integers", "bool", "unlike", "missing"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def published(kind, tmp_path_factory):
    """A dataset, and the folder where it was published in several files of several row groups each."""
    rows, out = made(kind), tmp_path_factory.mktemp(kind) / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "rows_per_group", lambda size, as_bytes: 4)
        publish(rows, out, layout="bytes", max_shard_size=3_500)
    files = sorted((out / "data").iterdir())
    assert len(files) > 1
    assert pq.read_metadata(files[0]).num_row_groups > 1
    return rows, out


@pytest.fixture
def source(published, tmp_path):
    """What was published; its files are the test's own."""
    rows, out = published
    shutil.copytree(out, tmp_path / "out")
    return rows


def streamed(tmp_path, **options):
    return datasets.load_dataset(str(tmp_path / "out"), split="train", streaming=True, **options)


def opened(tmp_path):
    return as_em_images(streamed(tmp_path))


def test_rows_are_those_that_were_published(source, tmp_path):
    assert_same_rows(opened(tmp_path), list(source))
    assert opened(tmp_path).features == source.features


@needs_whole
def test_a_shard_is_a_row_group_where_none_of_its_images_is_missing(source, kind, tmp_path):
    files = sorted((tmp_path / "out" / "data").iterdir())
    groups = sum(pq.read_metadata(file).num_row_groups for file in files)
    assert opened(tmp_path).num_shards == (len(files) if kind == "missing" else groups)


@pytest.mark.parametrize("how", ["iter", "batch", "map", "map and iter"])
def test_batches_are_those_rows(how, source, tmp_path):
    expected, stream = list(source), opened(tmp_path)
    if how == "iter":
        batches = stream.iter(7)
    elif how == "batch":
        batches = iter(stream.batch(7))
    else:
        stream = stream.map(lambda rows: {"number": list(range(len(rows["image"])))}, batched=True, batch_size=3)
        batches = stream.iter(7) if "iter" in how else stream.map(lambda rows: rows, batched=True).iter(7)
    rows = []
    for batch in batches:
        assert len(batch["image"]) in (7, 2)
        rows += [{name: column[n] for name, column in batch.items()} for n in range(len(batch["image"]))]
    for number, (row, other) in enumerate(zip(rows, expected, strict=True)):
        assert row.pop("number", number % 3) == number % 3
        assert_same(row, other)
        assert other["image"] is None or np.asarray(row["image"]).dtype == other["image"].dtype


@needs_whole
@pytest.mark.parametrize("formatting", [None, "numpy", "torch"])
def test_images_of_one_kind_are_one_array_in_memory_of_their_own(formatting, tmp_path):
    images = np.random.default_rng(0).standard_normal((30, 4, 5)).astype(np.float32)
    published = made("alike").remove_columns("image").add_column(
        "image", [{"bytes": i.tobytes(), "shape": list(i.shape), "dtype": "<f4"} for i in images],
        feature=Features({"x": EMImage()})["x"],
    )  # fmt: skip
    publish(published, tmp_path / "out", layout="bytes")
    for batch in opened(tmp_path).with_format(formatting).iter(8):
        stack = batch["image"]
        assert stack.shape == (len(batch["index"]), 4, 5)
        stack += 1  # it can be written to, and nothing else changes
    found = [
        np.asarray(image) for batch in opened(tmp_path).with_format(formatting).iter(8) for image in batch["image"]
    ]
    np.testing.assert_array_equal(found, images)


@pytest.mark.parametrize("size", [1, 5])
def test_a_stream_goes_on_from_any_row(size, source, tmp_path):
    expected = list(source)

    def rows_of(stream):
        for batch in stream.iter(size):
            for number in range(len(batch["image"])):
                yield {name: column[number] for name, column in batch.items()}

    for count in (1, 3, 10, 25, 30):
        first = opened(tmp_path)
        taken = rows_of(first)
        for _ in range(count):
            next(taken)
        second = opened(tmp_path)
        second.load_state_dict(first.state_dict())
        taken.close()
        done = -(-count // size) * size
        assert [row["pixel_size"] for row in rows_of(second)] == [row["pixel_size"] for row in expected[done:]]


def test_workers_and_nodes_divide_it(source, kind, tmp_path):
    expected = {row["pixel_size"]: row for row in source}
    nodes = [split_dataset_by_node(opened(tmp_path), rank, 2) for rank in range(2)]
    found = [row for node in nodes for row in torch.utils.data.DataLoader(node, batch_size=None, num_workers=2)]
    assert sorted(row["pixel_size"] for row in found) == sorted(expected)
    for row in found:
        image, other = row["image"], expected[row["pixel_size"]]["image"]
        assert image is None if other is None else np.array_equal(image, other)


@pytest.mark.parametrize("batched", [False, True])
def test_shuffled_it_is_the_same_rows_in_another_order_and_goes_on(batched, source, tmp_path):
    expected = {row["pixel_size"]: row for row in source}
    stream = opened(tmp_path).shuffle(seed=3, buffer_size=9)
    if batched:
        rows = [
            {name: column[n] for name, column in batch.items()}
            for batch in stream.iter(4)
            for n in range(len(batch["image"]))
        ]
    else:
        rows = list(stream)
    assert [row["pixel_size"] for row in rows] != sorted(expected)
    assert sorted(row["pixel_size"] for row in rows) == sorted(expected)
    for row in rows:
        assert_same(row, expected[row["pixel_size"]])
    if not IS_WHOLE or any(row["image"] is None for row in rows):
        return  # the buffer is that of datasets, which loses what it holds
    first = opened(tmp_path).shuffle(seed=3, buffer_size=9)
    taken = iter(first)
    begun = [next(taken)["pixel_size"] for _ in range(13)]
    second = opened(tmp_path).shuffle(seed=3, buffer_size=9)
    second.load_state_dict(first.state_dict())
    assert begun + [row["pixel_size"] for row in second] == [row["pixel_size"] for row in rows]


@pytest.mark.parametrize("shuffled", [False, True])
def test_stored_values_have_the_pixels_or_say_where_they_are(shuffled, source, tmp_path):
    expected = {row["pixel_size"]: row["image"] for row in source}
    stored = opened(tmp_path).cast_column("image", EMImage(decode=False))
    stored = stored.shuffle(seed=1, buffer_size=5) if shuffled else stored
    values = [(row["pixel_size"], row["image"]) for row in stored]
    values += [
        (size, image)
        for batch in stored.iter(4)
        for size, image in zip(batch["pixel_size"], batch["image"], strict=True)
    ]
    assert len(values) == 2 * len(expected)
    for size, value in values:
        plain = None if value is None else dict(value)
        assert_same(None if plain is None else EMImage(dtype=None).decode_example(plain), expected[size])


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_tables_have_the_pixels_too(dtype, shuffled, tmp_path):
    images = (100 * np.random.default_rng(0).standard_normal((9, 4, 5))).astype(dtype)
    publish(arrays(images, number=range(9)), tmp_path / "out", layout="bytes")
    stream = opened(tmp_path)
    stream = (stream.shuffle(seed=1, buffer_size=5) if shuffled else stream).with_format("arrow")
    rows = [row for table in stream.iter(4) for row in table.to_pylist()]
    assert sorted(row["number"] for row in rows) == list(range(9))
    for row in rows:
        np.testing.assert_array_equal(EMImage(dtype=None).decode_example(row["image"]), images[row["number"]])


def test_transforms_and_other_types(tmp_path):
    published = made("alike")
    publish(published, tmp_path / "out", layout="bytes")
    stream = as_em_images(streamed(tmp_path), dtype="float64")
    done = [row["image"] for row in stream.map(T.Normalize(), batched=True, batch_size=4)]
    for image, row in zip(done, published, strict=True):
        expected = (row["image"] - row["image"].mean()) / row["image"].std()
        np.testing.assert_allclose(np.asarray(image), expected, atol=1e-5)
    assert next(iter(stream))["image"].dtype == np.float64


def test_pictures_beside_them_are_decoded(tmp_path):
    publish(made("alike"), tmp_path / "out", layout="bytes", preview=True)
    stream = opened(tmp_path)
    assert stream.features["preview"] == Image()
    pictures = [row["preview"] for row in stream]
    pictures += [picture for batch in stream.iter(8) for picture in batch["preview"]]
    assert {picture.size for picture in pictures} == {(5, 4)}


def test_several_columns_of_images(tmp_path):
    features = Features({"image": EMImage(dtype=None), "mask": EMImage(dtype=None)})
    rng = np.random.default_rng(0)
    rows = {"image": list(rng.standard_normal((6, 3, 4))), "mask": [*(rng.random((5, 2, 2)) < 0.5), None]}
    published = Dataset.from_dict(rows, features=features)
    publish(published, tmp_path / "out", layout="bytes")
    for streaming in (True, False):
        plain = datasets.load_dataset(str(tmp_path / "out"), split="train", streaming=streaming)
        assert_same_rows(as_em_images(plain, columns=["mask", "image"]), list(published))
        found = as_em_images(plain, columns=["image"])
        assert found.features["mask"] == plain.features["mask"]
        assert_same_rows(found.select_columns("image"), [{"image": image} for image in rows["image"]])


def test_what_was_chosen_of_the_files_stays_chosen(tmp_path):
    published = made("alike")
    publish(published, tmp_path / "out", layout="bytes")
    some = streamed(tmp_path, columns=["image", "index"])
    few = streamed(tmp_path, filters=[("index", "<", 3)])
    assert parquet_files(some) is parquet_files(few) is None
    assert_same_rows(as_em_images(some), [{name: row[name] for name in ("image", "index")} for row in published])
    assert [row["index"] for row in as_em_images(few)] == [0, 1, 2]
    rest = streamed(tmp_path).skip(27)
    assert [row["index"] for row in as_em_images(rest)] == [27, 28, 29]
    assert parquet_files(load_dataset("csv", data_files=str(__file__), streaming=True, split="train")) is None


@needs_whole
@pytest.mark.parametrize("damage", ["the end", "gone", "changed", "no Parquet"])
def test_a_file_that_is_damaged_is_named(damage, tmp_path):
    publish(made("alike"), tmp_path / "out", layout="bytes")
    plain = streamed(tmp_path)
    (path,) = (tmp_path / "out" / "data").iterdir()
    stream = as_em_images(plain)
    error = {"gone": NotFoundError, "changed": ChangedError}.get(damage, FormatError)
    if damage == "changed":
        path.write_bytes(path.read_bytes())
        os.utime(path, (1, 1))
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-20] if damage == "the end" else b"x" * 100)
        with pytest.raises(error, match=path.name):
            as_em_images(plain)
        os.utime(path)
        error = ChangedError
    for rows in (stream, stream.iter(4)):
        with pytest.raises(error, match=path.name):
            next(iter(rows))


@needs_whole
def test_an_interrupted_loop_holds_nothing(source, kind, tmp_path):
    for rows in (opened(tmp_path), opened(tmp_path).iter(3), opened(tmp_path).shuffle(buffer_size=8)):
        taken = iter(rows)
        next(taken)
        taken.close()
        held = [os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()]
        assert not [entry for entry in held if entry.endswith(".parquet")]


def test_files_without_rows_have_no_shards(tmp_path):
    features = Features({"image": {"bytes": Value("binary"), "shape": List(Value("int64")), "dtype": Value("string")}})
    path = tmp_path / "empty.parquet"
    pq.write_table(features.arrow_schema.empty_table(), path)
    assert row_groups([str(path)], ["image"]) is None


WRITERS = {
    "ours": ({"compression": "none"}, True),
    "small pages": ({"compression": "none", "data_page_size": 64, "write_batch_size": 2}, True),
    "with statistics": ({"compression": "none", "write_statistics": True, "data_page_size": 64}, True),
    "with checksums": ({"compression": "none", "write_page_checksum": True, "write_batch_size": 3}, True),
    "of version 2": ({"compression": "none", "data_page_version": "2.0"}, False),
    "compressed": ({"compression": "zstd"}, False),
    "dictionary": ({"compression": "none", "use_dictionary": True}, False),
    "delta": ({"compression": "none", "column_encoding": {"x.bytes": "DELTA_LENGTH_BYTE_ARRAY"}}, False),
}


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("writer", WRITERS)
def test_places_in_a_file_are_those_of_the_values_or_nothing_is_said(writer, missing, tmp_path):
    options, is_plain = WRITERS[writer]
    rng = np.random.default_rng(1)
    values = [rng.bytes(size) for size in (40, 1, 0, 300, 7, 7, 7, 129, 4, 40)]
    given = [*values[:4], None, *values[5:]] if missing else values
    path = tmp_path / "x.parquet"
    table = pa.table({"x": pa.array([{"bytes": value} for value in given], pa.struct({"bytes": pa.binary()}))})
    pq.write_table(table, path, **{"use_dictionary": False, "write_statistics": False, "row_group_size": 6} | options)
    with pq.ParquetFile(path) as file, path.open("rb") as raw:
        for number, rows in enumerate((values[:6], values[6:])):
            column = file.metadata.row_group(number).column(0)
            levels = file.schema.column(0).max_definition_level
            sizes = np.array([len(value) for value in rows])
            places = places_of(raw.fileno(), column, levels, sizes)
            assert (places is not None) == (is_plain and not (missing and number == 0))
            if places is not None:
                data = path.read_bytes()
                assert [data[place : place + len(value)] for place, value in zip(places, rows, strict=True)] == rows
            assert places_of(raw.fileno(), column, levels, sizes + 1) is None
            assert places_of(raw.fileno(), column, levels, sizes[:-1]) is None


def test_headers_of_pages_that_are_none_say_nothing(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table({"x": pa.array([b"abc"] * 4, pa.binary())})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    data, sizes = path.read_bytes(), np.full(4, 3)
    column = pq.read_metadata(path).row_group(0).column(0)
    rng = np.random.default_rng(0)
    start, stop = column.data_page_offset, column.data_page_offset + 30
    for _ in range(300):
        noise = bytearray(data)
        noise[start + int(rng.integers(stop - start))] = int(rng.integers(256))
        path.write_bytes(bytes(noise[: rng.integers(start, len(data))]) if rng.random() < 0.3 else bytes(noise))
        with path.open("rb") as raw:
            places = places_of(raw.fileno(), column, 1, sizes)
        assert places is None or places.min() >= 0
