"""What is written with the chosen encodings is read back bit by bit, by pyarrow and by plain `datasets`."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Array2D, Array3D, Dataset, Features, Value, load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from builders.publishing.writing.encoding import _leaves, most_pixels, rows_per_group, writer_options
from builders.publishing.writing.pixels import Pixels
from builders.publishing.writing.rows import table_of
from builders.publishing.writing.schema import Schema

SPLIT = "BYTE_STREAM_SPLIT"
DELTA = "DELTA_BINARY_PACKED"
ENCODINGS = {
    **dict.fromkeys(["float32", "float64", "uint8", "uint16", "uint32", "uint64"], SPLIT),
    **dict.fromkeys(["int16", "int32", "int64"], DELTA),
    "int8": "RLE_DICTIONARY",
    **dict.fromkeys(["float16", "bool"], "PLAIN"),
}
DTYPES = list(ENCODINGS)


def schema_of(dtype, shape, axes=2, **columns):
    pixels = Pixels(axes, dtype, shape)
    return Schema(Features({"image": pixels.feature} | columns), {"image": pixels})


def write(images, schema, group=None, **columns):
    """The table, and the bytes of its file."""
    rows = [{"image": image} | {c: v[n] for c, v in columns.items()} for n, image in enumerate(images)]
    table = table_of(rows, schema) if rows else schema.features.arrow_schema.empty_table()
    return table, written(table, group)


def written(table, group=None):
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **writer_options(table.schema, ["image"])) as writer:
        writer.write_table(table, row_group_size=group)
    return sink.getvalue()


def read(data):
    return pq.read_table(pa.BufferReader(data))


def chunks_of(data):
    """What the file says of its columns, by row group."""
    metadata = pq.read_metadata(pa.BufferReader(data))
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return [{g.column(n).path_in_schema: g.column(n) for n in range(g.num_columns)} for g in groups]


def any_bits(dtype, shape, seed=0):
    """Every bit pattern is as likely: NaNs with payloads, infinities, subnormal numbers, negative zeros."""
    if dtype == "bool":
        return np.random.default_rng(seed).random(shape) < 0.5
    width = np.dtype(dtype).itemsize
    raw = np.random.default_rng(seed).bytes(int(np.prod(shape)) * width)
    return np.frombuffer(raw, dtype).reshape(shape).copy()


def pixels_of(column):
    """The flat pixels of a column, as bytes."""
    storage = pa.concat_arrays([c.storage if isinstance(c, pa.ExtensionArray) else c for c in column.chunks])
    while pa.types.is_list(storage.type):
        storage = storage.flatten()
    return storage.to_numpy(zero_copy_only=False).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (64, 33), (3, 4, 5)])
def test_every_bit_comes_back(dtype, shape):
    images = any_bits(dtype, (7, *shape))
    table, data = write(images, schema_of(dtype, shape, len(shape)), group=3)
    assert read(data).schema.equals(table.schema, check_metadata=True)
    assert pixels_of(read(data)["image"]) == images.tobytes()


@settings(max_examples=30)
@given(st.sampled_from([2, 3]), st.sampled_from(DTYPES), st.data())
def test_images_of_any_shapes_come_back_as_lists(axes, dtype, data):
    shapes = hnp.array_shapes(min_dims=axes, max_dims=axes, max_side=5)
    images = data.draw(st.lists(hnp.arrays(dtype, shapes), max_size=5))
    _, file = write(images, schema_of(dtype, None, axes), group=2)
    found = [np.array(image.as_py(), dtype) for image in read(file)["image"]]
    assert [image.shape for image in found] == [image.shape for image in images]
    assert [image.tobytes() for image in found] == [image.tobytes() for image in images]


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint16", "bool"])
@pytest.mark.parametrize("shape", [(2, 3), None])
def test_nulls_and_files_without_rows_come_back(dtype, shape):
    image = any_bits(dtype, (2, 3))
    for images in ([None, image, None, image], [None, None], []):
        _, data = write(images, schema_of(dtype, shape))
        column = read(data)["image"]
        assert column.is_null().to_pylist() == [i is None for i in images]
        assert pixels_of(column) == image.tobytes() * sum(i is not None for i in images)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6, 5), None])
def test_the_file_says_how_its_pixels_are_encoded(dtype, shape):
    _, data = write(any_bits(dtype, (8, 6, 5)), schema_of(dtype, shape), group=4)
    assert len(chunks_of(data)) == 2
    for chunks in chunks_of(data):
        (chunk,) = chunks.values()
        plain = {"PLAIN"} if dtype in ("int8", "bool") else set()  # a dictionary itself is plain
        assert set(chunk.encodings) == {ENCODINGS[dtype], "RLE"} | plain
        assert chunk.compression == "ZSTD"
        assert chunk.statistics is None
        assert chunk.has_offset_index


def test_other_columns_have_dictionaries_and_statistics_and_files_neither():
    schema = pa.schema(
        {
            **{"image": pa.list_(pa.list_(pa.float32())), "label": pa.int64(), "entry.id": pa.string()},
            **{"ctf": pa.struct({"defocus": pa.float32()}), "chains": pa.list_(pa.int64())},
            "preview": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        }
    )
    row = {"image": [[1.0]], "label": 1, "entry.id": "a", "ctf": {"defocus": 1.5}, "chains": [1, 2]}
    row["preview"] = {"bytes": b"PNG", "path": "a.png"}
    (chunks,) = chunks_of(written(pa.Table.from_pylist([row, row], schema)))
    assert "RLE_DICTIONARY" not in chunks["preview.bytes"].encodings
    assert chunks["preview.bytes"].statistics is None
    for path in ("label", "entry.id", "ctf.defocus", "chains.list.element", "preview.path"):
        assert "RLE_DICTIONARY" in chunks[path].encodings
        assert chunks[path].statistics.has_min_max


def test_leaves_are_named_as_parquet_names_them():
    schema = pa.schema(
        {
            "a.b": pa.list_(pa.struct({"x": pa.large_list(pa.int8()), "y": pa.string()})),
            "m": pa.map_(pa.string(), pa.list_(pa.float16(), 3)),
            "s": pa.struct({"t": pa.struct({"u": pa.bool_()})}),
            "v": Features({"v": Array3D((1, 2, 3), "int8")}).arrow_schema.field("v").type,
        }
    )
    names = [path for field in schema for path, _ in _leaves(field.name, field.type)]
    found = pq.read_metadata(pa.BufferReader(written(schema.empty_table()))).schema
    assert names == [found.column(number).path for number in range(len(found))]


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_datasets_reads_every_type(tmp_path, dtype):
    images = any_bits(dtype, (6, 4, 5), seed=1)
    if images.dtype.kind == "f":
        images[np.isnan(images)] = np.nan  # Python's floats keep no payloads
    _, data = write(images, schema_of(dtype, (4, 5), number=Value("int64")), group=2, number=range(6))
    path = tmp_path / "x.parquet"
    path.write_bytes(data)
    stored = Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    stream = load_dataset("parquet", data_files=str(path), split="train", streaming=True)
    for rows in (stored, stream):
        assert rows.features == Features({"image": Array2D((4, 5), dtype), "number": Value("int64")})
        found = list(rows)
        assert [row["number"] for row in found] == list(range(6))
        assert np.array([row["image"] for row in found], dtype).tobytes() == images.tobytes()
    arrays = stored.with_format("numpy", dtype=dtype)[:]["image"]
    assert arrays.dtype == dtype
    assert arrays.tobytes() == images.tobytes()


@given(st.integers(0, 2**33))
def test_row_groups_are_of_32_mib_and_never_empty(row_bytes):
    rows = rows_per_group(row_bytes)
    assert rows >= 1
    assert rows == 1 or rows * row_bytes <= 32 * 2**20
    assert (rows + 1) * row_bytes > 32 * 2**20 or row_bytes == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_image_fits_a_page(dtype):
    """A page holds values as Parquet has them, and a level for each: lengths of lists, one to four bits."""
    physical = {"float16": 2, "float64": 8, "int64": 8, "uint64": 8}.get(dtype, 4)
    kind = Value(dtype).pa_type
    assert most_pixels(kind) * (physical + 0.5) < 2**31
    assert most_pixels(kind) > 2**31 / (physical + 2)
