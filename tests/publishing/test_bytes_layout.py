"""Images that are published as bytes: of any shape and type, the same for whoever has only `datasets` and NumPy."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Array2D, Dataset, DatasetDict, Features, List, Value

import perc_transforms as T
from builders import EMImage, as_em_images, publish
from builders.errors import FormatError, MixedError, NotEmptyError, OptionError
from builders.publishing.writing import encoding, rows
from builders.publishing.writing.fitting import Fitting
from builders.publishing.writing.pixels import BYTES, is_bytes
from builders.publishing.writing.schema import Schema, schema_of
from tests.publishing.datasets_made import (
    arrays,
    assert_same_rows,
    classes,
    contents,
    entry,
    labelled,
    write_classes,
)
from tests.publishing.plain_reader import run_plainly
from tests.publishing.test_publish import SMALL, all_files, interrupted, made_by, plainly

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]


def any_bits(dtype, shape, seed=0):
    """Images of any bit patterns: NaNs with payloads, infinities, negative zeros."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    return np.frombuffer(rng.bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize), dtype).reshape(shape)


def unlike():
    """Images of unlike shapes, types and numbers of axes, and none; every other one big-endian."""
    shapes = [(3, 5), (1, 1), (2, 3, 4), (7, 2), (1, 9)]
    made = [any_bits(dtype, shapes[n % 5], n) for n, dtype in enumerate(DTYPES)]
    made = [image.astype(image.dtype.newbyteorder(">")) if n % 2 else image for n, image in enumerate(made)]
    return [*made, None, made[5]]


def by_two_lines(stored):
    """The array of a published image, as the card says."""
    return None if stored is None else np.frombuffer(stored["bytes"], stored["dtype"]).reshape(stored["shape"])


def same(found, expected):
    if expected is None:
        return found is None
    native = expected.astype(expected.dtype.newbyteorder("="))
    return found.dtype == native.dtype and found.shape == native.shape and found.tobytes() == native.tobytes()


def columns(path):
    """What a file says of its columns, by row group."""
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return [{g.column(n).path_in_schema: g.column(n) for n in range(g.num_columns)} for g in groups]


@pytest.mark.parametrize("streaming", [False, True])
def test_images_of_any_shape_and_type_come_back_bit_by_bit(streaming, tmp_path):
    images = unlike()
    publish(arrays(images, number=range(len(images))), tmp_path / "out", layout="bytes")
    plain = plainly(tmp_path / "out", tmp_path, streaming=streaming)
    assert plain.features["image"] == BYTES
    assert all(same(by_two_lines(row["image"]), image) for row, image in zip(plain, images, strict=True))
    found = as_em_images(plain)
    assert isinstance(found.features["image"], EMImage)
    with np.errstate(invalid="ignore"):
        read = list(found)
    assert [row["number"] for row in read] == list(range(len(images)))
    assert all(same(row["image"], image) for row, image in zip(read, images, strict=True))


@pytest.mark.parametrize("kind", ["map", "map with a transform", "stream", "entry"])
@pytest.mark.parametrize("streaming", [False, True])
def test_what_is_read_back_is_the_source_row_for_row(kind, streaming, tmp_path):
    if kind == "entry":
        source = entry(tmp_path / "source").take(40)
    else:
        source = classes(write_classes(tmp_path / "source"), streaming=kind == "stream")
        source = source.with_transform(T.Compose([T.Rescale(8)])) if "transform" in kind else source
    expected = list(source)
    publish(source, tmp_path / "out", layout="bytes", max_shard_size=200_000)
    assert_same_rows(as_em_images(plainly(tmp_path / "out", tmp_path, streaming=streaming)), expected)


def test_it_is_read_where_this_project_cannot_be_imported(tmp_path):
    images = [image for image in unlike() if image is not None]
    publish(arrays(images), tmp_path / "out", layout="bytes", preview=True)
    code = """
import json
import datasets, numpy as np
for streaming in (False, True):
    rows = datasets.load_dataset(sys.argv[1], split="train", streaming=streaming, cache_dir="cache")
    told = []
    for row in rows:
        image = np.frombuffer(row["image"]["bytes"], row["image"]["dtype"]).reshape(row["image"]["shape"])
        told.append([image.dtype.name, image.shape, image.tobytes().hex(), row["preview"].size])
    print(json.dumps(told))
"""
    map_style, streamed = run_plainly(code, tmp_path / "out", cwd=tmp_path).splitlines()
    for line in (map_style, streamed):
        for (dtype, shape, pixels, size), image in zip(json.loads(line), images, strict=True):
            assert (dtype, tuple(shape)) == (image.dtype.name, image.shape)
            assert bytes.fromhex(pixels) == image.astype(dtype).tobytes()
            assert tuple(size) == image.shape[:-3:-1]


def test_the_code_in_the_card_gives_the_arrays(tmp_path, monkeypatch):
    publish(labelled(), tmp_path / "out", layout="bytes")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| `image` | pixels as bytes, with shape and dtype | `(ny, nx)`" in card
    monkeypatch.chdir(tmp_path)
    whole, stream, lines, ours = re.findall(r"```python\n(.*?)```", card, re.S)
    expected = labelled()[0]["image"]
    names = {}
    for block in (whole, stream):
        exec(block, names)
        exec(lines, names)
        np.testing.assert_array_equal(names["image"], expected)
        assert names["image"].dtype == np.float32
    assert len(lines.split("\n\n")[1].splitlines()) == 2
    exec(ours, names)
    np.testing.assert_array_equal(names["image"], expected)


def test_a_map_style_dataset_is_looked_at_in_another_way_and_nothing_is_written(tmp_path):
    images = np.random.default_rng(0).standard_normal((20, 8, 9)).astype(np.float32)
    publish(arrays(images, number=range(20)), tmp_path / "out", layout="bytes")
    plain = plainly(tmp_path / "out", tmp_path)
    before = sorted((tmp_path / "cache").rglob("*"))
    found = as_em_images(plain, dtype="float64")
    assert sorted((tmp_path / "cache").rglob("*")) == before
    assert found.cache_files == plain.cache_files

    def pixels(table):
        return table["image"].chunk(0).field("bytes").buffers()[2].address

    assert pixels(found.with_format("arrow")[:20]) == pixels(plain.with_format("arrow")[:20])
    order = np.random.default_rng(1).permutation(20)
    batch = found.with_format("torch").select(order)[:]
    assert found[0]["image"].dtype == np.float64
    np.testing.assert_array_equal(batch["image"].numpy(), images[order])
    assert found.shuffle(seed=1)["number"] == plain.shuffle(seed=1)["number"]


@pytest.mark.parametrize("formatting", [None, "numpy", "torch"])
@pytest.mark.parametrize("streaming", [False, True])
def test_batches_are_the_rows_stacked(streaming, formatting, tmp_path):
    images = np.random.default_rng(0).standard_normal((23, 4, 5)).astype(np.float32)
    publish(arrays(images, number=range(23)), tmp_path / "out", layout="bytes", max_shard_size=SMALL)
    found = as_em_images(plainly(tmp_path / "out", tmp_path, streaming=streaming)).with_format(formatting)
    for batches in (found.iter(7), found.batch(7)):
        parts = [np.stack([np.asarray(image) for image in batch["image"]]) for batch in batches]
        assert [len(part) for part in parts] == [7, 7, 7, 2]
        np.testing.assert_array_equal(np.concatenate(parts), images)


def test_a_stream_is_shuffled_divided_and_resumed(tmp_path):
    images = np.random.default_rng(0).standard_normal((40, 4, 5)).astype(np.float32)
    publish(arrays(images, number=range(40)), tmp_path / "out", layout="bytes", max_shard_size=SMALL)
    stream = as_em_images(plainly(tmp_path / "out", tmp_path, streaming=True))
    shuffled = list(stream.shuffle(seed=2, buffer_size=10))
    assert sorted(row["number"] for row in shuffled) == list(range(40))
    assert all(same(row["image"], images[row["number"]]) for row in shuffled)
    loader = torch.utils.data.DataLoader(stream.with_format("torch"), batch_size=8, num_workers=2)
    seen = [(int(n), image) for batch in loader for n, image in zip(batch["number"], batch["image"], strict=True)]
    assert sorted(number for number, _ in seen) == list(range(40))
    assert all(same(image.numpy(), images[number]) for number, image in seen)
    rows = iter(stream)
    for _ in range(17):
        next(rows)
    again = as_em_images(plainly(tmp_path / "out", tmp_path, streaming=True))
    again.load_state_dict(stream.state_dict())
    assert [row["number"] for row in again] == list(range(17, 40))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("layout", ["lists", "bytes"])
def test_what_was_read_back_is_published_again_in_either_layout(layout, streaming, tmp_path):
    expected = list(labelled())
    publish(labelled(), tmp_path / "first", layout="bytes")
    publish(as_em_images(plainly(tmp_path / "first", tmp_path, streaming=streaming)), tmp_path / "again", layout=layout)
    found = plainly(tmp_path / "again", tmp_path)
    assert is_bytes(found.features["image"]) == (layout == "bytes")
    assert_same_rows(as_em_images(found), expected)
    if layout == "bytes":
        folders = (tmp_path / name / "data" for name in ("first", "again"))
        first, again = ([pq.read_table(file) for file in sorted(folder.iterdir())] for folder in folders)
        assert first == again


@pytest.mark.parametrize("layout", ["lists", "bytes"])
@pytest.mark.parametrize("streaming", [False, True])
def test_what_was_loaded_plainly_is_published_as_it_is(streaming, layout, tmp_path):
    publish(arrays([np.full((2, 3), 7, np.uint8)] * 5), tmp_path / "first", layout="bytes")
    source = plainly(tmp_path / "first", tmp_path, streaming=streaming)
    publish(source, tmp_path / "again", layout=layout)
    (file,) = (tmp_path / "again" / "data").iterdir()
    assert columns(file)[0]["image.bytes"].compression == "ZSTD"
    assert_same_rows(plainly(tmp_path / "again", tmp_path), list(source))
    assert "np.frombuffer" in (tmp_path / "again" / "README.md").read_text()


def test_lists_that_were_published_are_no_images_before_they_are_made_some(tmp_path):
    publish(labelled(), tmp_path / "lists")
    source = plainly(tmp_path / "lists", tmp_path)
    with pytest.raises(OptionError, match="layout='bytes': there is no column of images among image, label"):
        publish(source, tmp_path / "out", layout="bytes")
    publish(as_em_images(source), tmp_path / "out", layout="bytes")
    assert_same_rows(as_em_images(plainly(tmp_path / "out", tmp_path)), list(labelled()))


def test_only_records_that_refer_to_nothing_are_images(tmp_path):
    rows = [{"bytes": b"\0" * 4, "shape": [1, 1], "dtype": "<f4", "path": "/etc/hostname"}]
    referring = Features({"image": BYTES | {"path": Value("string")}})
    others = [
        BYTES | {"bytes": Value("string")},
        BYTES | {"shape": List(Value("float32"))},
        BYTES | {"dtype": Value("int64")},
        {"bytes": Value("binary")},
    ]
    assert not any(map(is_bytes, [*others, Value("binary"), None]))
    with pytest.raises(OptionError, match="'image' is no column of images"):
        as_em_images(Dataset.from_dict({"image": rows}, features=referring))


@pytest.mark.parametrize(
    ("stored", "error"),
    [
        ({"bytes": b"\0" * 3, "shape": [2, 2], "dtype": "<f4"}, "3 bytes for shape"),
        ({"bytes": b"\0" * 16, "shape": [2, 2], "dtype": "|O"}, "O"),
        ({"bytes": b"\0" * 16, "shape": [-2, -2], "dtype": "<f4"}, "-2"),
        ({"bytes": None, "shape": [2, 2], "dtype": "<f4"}, "inline image"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_what_others_wrote_is_not_believed(stored, error, streaming):
    rows = Dataset.from_dict({"image": [stored]}, features=Features({"image": BYTES}))
    found = as_em_images(rows.to_iterable_dataset() if streaming else rows)
    with pytest.raises((FormatError, OSError, ValueError), match=error):
        list(found)


def test_floats_are_not_compressed_and_integers_are(tmp_path):
    for dtype in DTYPES:
        publish(arrays([np.zeros((30, 30), dtype)] * 4), tmp_path / dtype, layout="bytes")
        (file,) = (tmp_path / dtype / "data").iterdir()
        (group,) = columns(file)
        packed = np.dtype(dtype).kind in "biu"
        assert group["image.bytes"].compression == ("ZSTD" if packed else "UNCOMPRESSED")
        assert group["image.bytes"].statistics is None
        assert "PLAIN" in group["image.bytes"].encodings
        assert "RLE_DICTIONARY" not in group["image.bytes"].encodings
        assert {group[f"image.{name}"].compression for name in ("dtype", "shape.list.element")} == {"ZSTD"}
        assert (file.stat().st_size < 4 * 900 * np.dtype(dtype).itemsize) == packed


def test_row_groups_are_half_as_large_and_shards_keep_to_their_size(tmp_path):
    images = np.zeros((600, 128, 128), np.float32)
    publish(arrays(images), tmp_path / "out", layout="bytes", max_shard_size="20MB")
    files = sorted((tmp_path / "out" / "data").iterdir())
    assert len(files) == 3
    assert max(file.stat().st_size for file in files) <= 20_000_000
    sizes = [group["image.bytes"].total_uncompressed_size for file in files for group in columns(file)]
    assert 8 * 2**20 < max(sizes) <= 16 * 2**20


def test_an_interrupted_run_goes_on_and_is_not_taken_for_one_of_lists(tmp_path, monkeypatch):
    source = classes(write_classes(tmp_path / "source", 20, shapes=[(16, 16), (9, 17)]))
    publish(source, tmp_path / "whole", layout="bytes", max_shard_size=SMALL)
    expected = all_files(tmp_path / "whole")
    first = interrupted(monkeypatch, source, tmp_path / "again" / "whole", after=2, layout="bytes")
    with pytest.raises(NotEmptyError, match="made with other options"):
        publish(source, tmp_path / "again" / "whole", max_shard_size=SMALL)
    later = made_by(monkeypatch, source, tmp_path / "again" / "whole", layout="bytes")
    assert sorted(first + later) == sorted(name for name in expected if name.endswith(".parquet"))
    assert not set(first) & set(later)
    assert all_files(tmp_path / "again" / "whole") == expected
    assert made_by(monkeypatch, source, tmp_path / "again" / "whole", layout="bytes") == []
    assert made_by(monkeypatch, source, tmp_path / "again" / "whole", overwrite=True) != []


def test_the_bytes_do_not_depend_on_who_writes_them(tmp_path):
    source = classes(write_classes(tmp_path / "source"))
    publish(source, tmp_path / "one", layout="bytes", max_shard_size=SMALL)
    publish(source, tmp_path / "two", layout="bytes", max_shard_size=SMALL, num_proc=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) > 2


def test_splits_may_have_images_of_other_types(tmp_path):
    train, test = arrays([np.ones((2, 3), np.float32)] * 2), arrays([np.ones((3, 2, 2), np.int16), None])
    publish(DatasetDict(train=train, test=test), tmp_path / "out", layout="bytes")
    for split, source in {"train": train, "test": test}.items():
        assert_same_rows(as_em_images(plainly(tmp_path / "out", tmp_path, split)), list(source))


def test_a_split_of_which_no_image_is_known_is_published(tmp_path):
    publish(arrays([None, None], number=[1, 2]), tmp_path / "out", layout="bytes")
    found = as_em_images(plainly(tmp_path / "out", tmp_path))
    assert_same_rows(found, [{"image": None, "number": number} for number in (1, 2)])


def test_images_are_cut_and_padded_but_for_complex_ones(tmp_path):
    images = [np.arange(72, dtype=np.int16).reshape(8, 9), np.arange(42, dtype=np.int16).reshape(6, 7)]
    publish(arrays(images), tmp_path / "out", layout="bytes", crop=4)
    for row, image in zip(as_em_images(plainly(tmp_path / "out", tmp_path)), images, strict=True):
        ny, nx = (n // 2 - 2 for n in image.shape)
        np.testing.assert_array_equal(row["image"], image[ny : ny + 4, nx : nx + 4])
    for option in ({"crop": 2}, {"pad": 9}):
        with pytest.raises(FormatError, match="complex pixels"):
            Fitting(**option)({"image": np.ones((4, 4), np.complex64)})


def test_the_list_layout_says_what_the_other_one_takes(tmp_path, caplog):
    volumes = [np.ones((2, 2), np.float32), np.ones((2, 2, 2), np.float32)]
    with pytest.raises(MixedError, match="layout='bytes'"):
        publish(arrays(volumes), tmp_path / "out")
    with pytest.raises(FormatError, match="layout='bytes'"):
        publish(arrays([np.ones((2, 2), np.complex64)]), tmp_path / "out")
    publish(arrays([np.ones((2, 2)), np.ones((2, 3))]), tmp_path / "lists")
    assert "layout='bytes' (--layout bytes) takes them as they are" in caplog.text
    caplog.clear()
    publish(arrays([np.ones((2, 2)), np.ones((2, 3))]), tmp_path / "bytes", layout="bytes")
    assert "layout" not in caplog.text
    assert "different shapes" not in (tmp_path / "bytes" / "README.md").read_text()


def test_what_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "MOST_BYTES", 79)
    with pytest.raises(FormatError, match="'image': an image of 80 bytes: a page of Parquet holds 79: crop or rescale"):
        publish(labelled(), tmp_path / "out", layout="bytes")
    monkeypatch.undo()
    monkeypatch.setattr(rows, "_MOST", 479)
    with pytest.raises(FormatError, match="'image': 6 images of 480 bytes"):
        publish(labelled(), tmp_path / "out", layout="bytes")


def test_a_schema_survives_as_json_and_other_columns_stay_what_they_were():
    row = {"image": np.ones((2, 2), np.uint8), "mask": [[1, 0]], "number": 1}
    declared = Features({"image": EMImage(), "mask": Array2D((1, 2), "int8"), "number": Value("int64")})
    schema = schema_of([row], declared, preview=True, layout="bytes")
    assert Schema.from_json(schema.as_json()) == schema
    assert schema.images == ["image", "mask"]
    assert schema.compressed == ("image",)
    assert {name: schema.features[name] for name in ("mask", "number")} == {
        name: declared[name] for name in ("mask", "number")
    }
    lists = schema_of([row], declared, preview=False)
    assert "compressed" not in lists.as_json()  # shards of before there were layouts are still recognised
