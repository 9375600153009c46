"""Metadata, references and chunks that somebody wrote to do harm, or that are damaged: clear errors, little memory."""

import json

import numpy as np
import pytest
import zarr

from builders.errors import FormatError, TruncatedError
from builders.io import image_file
from builders.io.codecs.chunked import LZ4_MOST
from builders.io.image_reference import layout_of, told
from builders.io.scattered.chunks import read_parts
from tests.io.scattered.arrays import write

PIXELS = np.arange(6 * 7 * 9, dtype=np.float32).reshape(6, 7, 9)
CHUNK = (4, 5, 8)
HUGE = 2**20


def changed(tmp_path, version=2, **more):
    return write(tmp_path, PIXELS, CHUNK, version=version, **more)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"shape": [HUGE, HUGE, HUGE]}, "expected at most 18014398509481984 bytes"),
        ({"chunks": [HUGE, HUGE, 1]}, "of a chunk 2147483648"),
        ({"shape": [6, 7]}, "expected 1 to 8 axes"),
        ({"shape": [6, 7, -9]}, r"shape \[6, 7, -9\]: expected a list of whole numbers"),
        ({"shape": [6, 7, 9.0]}, "expected a list of whole numbers"),
        ({"shape": [True, 7, 9]}, "expected a list of whole numbers"),
        ({"shape": [0, 7, 9]}, "each of length 1 at least"),
        ({"chunks": [4, 0, 8]}, "each of length 1 at least"),
        ({"shape": None}, "shape None: expected a list"),
        ({"dtype": "|O"}, "pixels of type '|O': expected numbers"),
        ({"dtype": [["a", "<f4"]]}, "expected numbers"),
        ({"dtype": "<U4"}, "expected numbers"),
        ({"order": "K"}, "order 'K'"),
        ({"dimension_separator": "../"}, "dimension_separator '../'"),
        ({"compressor": {"id": "pickle"}}, "chunks coded by 'pickle': expected one of blosc, zstd"),
        ({"compressor": "zstd "}, "chunks coded by 'zstd '"),
        ({"filters": [{"id": "delta"}]}, "chunks coded by 'delta'"),
        ({"filters": 7}, "filters 7: expected a list"),
        ({"fill_value": "x"}, "fill value 'x': expected a number"),
        ({"dtype": "<i2", "fill_value": 1e9}, "fill value 1000000000.0"),
        ({"zarr_format": 4}, "Zarr version 4: expected an array of version 2 or 3"),
    ],
)
def test_metadata_of_version_2(tmp_path, more, said):
    with pytest.raises(FormatError, match=said):
        image_file.describe(changed(tmp_path, **more))


def named(name, **configuration):
    return {"name": name, "configuration": configuration}


SHARDS = {"chunk_shape": [2, 5, 4], "codecs": [named("bytes")], "index_codecs": [named("bytes"), named("crc32c")]}


def shards(**more):
    return named("sharding_indexed", **SHARDS | more)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"codecs": []}, r"codecs \[\]: expected a list"),
        ({"codecs": [named("zstd")]}, "chunks coded by"),
        ({"codecs": [named("bytes"), named("bytes")]}, "arrays first, then bytes"),
        ({"codecs": [named("bytes"), named("vlen-utf8")]}, "chunks coded by"),
        ({"codecs": [named("transpose", order=[0, 0, 1]), named("bytes")]}, "axes in the order"),
        ({"codecs": [named("transpose", order=[0, 9]), named("transpose", order=[1, 0]), named("bytes")]}, "order"),
        ({"codecs": [named("bytes", endian="middle")]}, "chunks coded by"),
        ({"codecs": [named("bytes", endian=["little"])]}, "chunks coded by"),
        ({"codecs": [shards(chunk_shape=[3, 5, 8])]}, "expected multiples of these"),
        (
            {"codecs": [shards(index_codecs=[named("bytes"), named("gzip")])]},
            "index",
        ),
        ({"codecs": [shards(index_location="middle")]}, "at the 'middle'"),
        ({"codecs": [shards(), named("gzip")]}, "chunks coded by"),
        (
            {"codecs": [shards(codecs=[shards()])]},
            "coded",
        ),
        ({"chunk_grid": named("rectilinear")}, "chunk_grid .*: expected regular"),
        ({"chunk_key_encoding": named("default", separator="..")}, "chunk_key_encoding"),
        ({"data_type": "string"}, "pixels of type 'string'"),
        ({"data_type": {"name": "struct"}}, "pixels of type"),
        ({"storage_transformers": [named("x")]}, "storage transformers"),
        ({"node_type": "group"}, "a group of Zarr: expected an array"),
        ({"fill_value": "0xffffffffff"}, "fill value"),
    ],
)
def test_metadata_of_version_3(tmp_path, more, said):
    with pytest.raises(FormatError, match=said):
        image_file.describe(changed(tmp_path, 3, **more))


def test_what_is_no_json(tmp_path):
    path = tmp_path / ".zarray"
    for text in (b'{"zarr_format": 2, ', b'{"zarr_format": ' + b"[" * 100_000, b'{"zarr_format": "\xff"}'):
        path.write_bytes(text)
        with pytest.raises(FormatError, match="no JSON"):
            image_file.describe(path)


@pytest.mark.parametrize(
    "text",
    [
        "%zarr{",
        "%zip{}",
        "%zarr{}",
        "%zarr[]",
        '%zarr{"chunk":[4,5,8],"codec":"raw","key":"../../x"}',
        '%zarr{"chunk":[4,5,8],"codec":"rot13","key":"/"}',
        '%zarr{"chunk":[4,5],"codec":"raw","key":"/"}',
        '%zarr{"chunk":[4,5,-8],"codec":"raw","key":"/"}',
        '%zarr{"chunk":[4,5,8],"codec":"raw","key":"/","fill":"xyz"}',
        '%zarr{"chunk":[4,5,8],"codec":"raw","key":"/","fill":"00"}',
        '%zarr{"chunk":[4,5,8],"codec":"raw","key":"/","order":[0,1,3]}',
        '%zarr{"chunk":[4,5,8],"codec":"raw","key":"/","strict":1}',
        '%zarr{"chunk":[4,5,8],"codec":"raw","key":"/","shards":{"shape":[4,5,9],"index":"raw","at_start":true}}',
        '%zarr{"chunk":[4,5,8],"codec":"raw","key":"/","more":1}',
        '%zarr{"chunk":[4,5,8],"codec":"raw","key":"/"}#{}',
        '%zarr{"chunk":[4,5,8],"codec":"raw","key":"/"}@0:1',
        '%zarr{"chunk":[4294967296,5,8],"codec":"raw","key":"/"}',
    ],
)
def test_references(text):
    with pytest.raises(FormatError):
        layout_of((6, 7, 9), f"<f4{text}", 0, None, "x/.zarray")


def test_an_array_of_nothing_but_missing_chunks_takes_no_memory(tmp_path):
    more = {"shape": [2048, 1024, 1024], "chunks": [1024, 1024, 512], "dtype": "<f4"}
    file = changed(
        tmp_path,
        leave_out=[(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)],
        **more,
    )
    with pytest.raises(FormatError, match="0 bytes of chunks cannot hold the 8589934592 of the image"):
        image_file.read(file)
    image = image_file.describe(changed(tmp_path, shape=[2**24, 2**14, 9], chunks=[1, 1, 9])).layout
    with pytest.raises(FormatError, match="expected at most 68719476736 at once"):
        image.read(file, None, [(0, side) for side in image.shape])
    with pytest.raises(FormatError, match=r"chunks of shape .*: expected at most 4194304"):
        read_parts(file, image, [[(0, 2**23), (0, 1), (0, 9)]], [np.empty((1, 1, 1), np.float32)])


def test_chunks_that_hold_more_or_less_or_other_things(tmp_path):
    blosc = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
    for codec in ({"id": "zstd", "level": 1}, blosc, {"id": "gzip", "level": 1}, {"id": "lz4", "acceleration": 1}):
        folder = tmp_path / codec["id"]
        array = zarr.create_array(
            folder, shape=(6, 7, 9), dtype="f4", chunks=(8, 8, 16), zarr_format=2, compressors=codec
        )
        array[...] = PIXELS
        path, chunk = str(folder / ".zarray"), folder / "0.0.0"
        good = chunk.read_bytes()
        for bad in (b"", good[: len(good) // 2], good[:-1], b"\0" * 40, good[8:]):
            chunk.write_bytes(bad)
            with pytest.raises(FormatError, match=r"0\.0\.0: "):
                image_file.read(path)
        chunk.write_bytes(good)
        for sides in ((8, 8, 8), (8, 16, 16)):
            fields = json.loads((folder / ".zarray").read_text()) | {"chunks": sides, "shape": sides}
            (folder / ".zarray").write_text(json.dumps(fields))
            with pytest.raises(FormatError, match=r"0\.0\.0: "):
                image_file.read(path)


def test_a_small_chunk_cannot_ask_for_much_memory(tmp_path):
    sides = [1024, 512, 512]
    assert LZ4_MOST * 600 < 2**28
    file = changed(tmp_path, shape=sides, chunks=sides, dtype="|u1", compressor={"id": "lz4"}, dimension_separator=".")
    (tmp_path / "0.0.0").write_bytes((2**28).to_bytes(4, "little") + bytes(600))
    with pytest.raises(FormatError, match="604 bytes cannot hold a chunk of 268435456 bytes"):
        image_file.read(file)


def test_indices_that_lie(tmp_path):
    options = {"shape": (6, 7, 9), "dtype": "f4", "chunks": (2, 5, 4), "shards": (4, 5, 8), "compressors": None}
    array = zarr.create_array(tmp_path / "a", **options)
    array[...] = PIXELS
    path, shard = str(tmp_path / "a" / "zarr.json"), tmp_path / "a" / "c" / "0" / "0" / "0"
    good = shard.read_bytes()
    shard.write_bytes(good[:-9] + b"\1" + good[-8:])
    with pytest.raises(FormatError, match="0/0/0: the index of its chunks is damaged"):
        image_file.read(path)
    shard.write_bytes(good[:40])
    with pytest.raises(FormatError, match="expected a shard with an index of 68 bytes"):
        image_file.read(path)
    fields = json.loads((tmp_path / "a" / "zarr.json").read_text())
    fields["codecs"][0]["configuration"]["index_codecs"].pop()
    (tmp_path / "a" / "zarr.json").write_text(json.dumps(fields))
    for place in ((2**40, 160), (0, 2**40), (2**64 - 1, 160), (len(good) - 4, 160)):
        shard.write_bytes(good[:-68] + np.array([*place] * 4, "<u8").tobytes())
        with pytest.raises(FormatError, match=r"expected 65716 at most, in the file"):
            image_file.read(path)


def test_paths_of_chunks_are_files(tmp_path):
    file = changed(tmp_path, leave_out=[(0, 0, 0)])
    (tmp_path / "0" / "0" / "0").mkdir(parents=True)
    with pytest.raises((FormatError, TruncatedError), match="a folder"):
        image_file.read(file)
    assert told(image_file.describe(file).layout)["shape"] == [6, 7, 9]
