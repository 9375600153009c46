"""Arrays that zarr writes are read as zarr reads them, whichever codecs, types, orders and keys they have."""

import json

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

from builders.errors import ChangedError, FormatError, NotFoundError
from builders.io import image_file
from builders.io.boxes.overhang import box_of
from builders.io.flipped import flipped
from builders.io.image_reference import layout_of, told
from builders.io.pixels import read_each, read_layout
from builders.io.scattered.chunks import Chunked, read_parts
from tests.io.scattered.arrays import write

SHAPE, CHUNK = (11, 13, 17), (4, 5, 8)
PIXELS = np.random.default_rng(0).integers(-900, 900, SHAPE).astype(np.float32) / 8
BOXES = [
    [(0, 11), (0, 13), (0, 17)],
    [(2, 9), (4, 6), (7, 9)],
    [(10, 11), (12, 13), (16, 17)],
    [(0, 4), (0, 5), (0, 8)],
]


def blosc(name, shuffle):
    return {"compressors": BloscCodec(cname=name, clevel=5, shuffle=shuffle, typesize=4)}


V3 = {
    "plain": {"compressors": None},
    "zstd": {"compressors": ZstdCodec(level=3, checksum=True)},
    "gzip": {"compressors": GzipCodec(level=5)},
    "crc32c": {"compressors": [ZstdCodec(), Crc32cCodec()]},
    "blosc lz4 shuffle": blosc("lz4", "shuffle"),
    "blosc zstd bitshuffle": blosc("zstd", "bitshuffle"),
    "blosc blosclz": blosc("blosclz", "noshuffle"),
    "blosc lz4hc": blosc("lz4hc", "shuffle"),
    "blosc zlib": blosc("zlib", "shuffle"),
    "big-endian": {"serializer": BytesCodec(endian="big"), "compressors": ZstdCodec()},
    "transposed": {"filters": TransposeCodec(order=(2, 0, 1))},
    "twice transposed": {"filters": [TransposeCodec(order=(2, 0, 1)), TransposeCodec(order=(1, 0, 2))]},
    "dots": {"chunk_key_encoding": {"name": "default", "separator": "."}},
    "keys of version 2": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "shards": {"shards": (8, 10, 16)},
    "shards, transposed": {"shards": (8, 10, 16), "filters": TransposeCodec(order=(1, 2, 0))},
    "index in front": {
        "chunks": (8, 10, 16),
        "serializer": ShardingCodec(
            chunk_shape=CHUNK, codecs=[BytesCodec(), GzipCodec()], index_location="start", index_codecs=[BytesCodec()]
        ),
        "compressors": None,
    },
}


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")
@pytest.mark.parametrize("options", V3.values(), ids=V3)
def test_version_3_as_zarr_reads_it(tmp_path, options):
    array = zarr.create_array(tmp_path / "a", shape=SHAPE, dtype=np.float32, **{"chunks": CHUNK} | options)
    array[...] = PIXELS
    check(tmp_path / "a" / "zarr.json", PIXELS)


V2 = {
    "plain": {"compressors": None},
    "zstd": {"compressors": {"id": "zstd", "level": 3}},
    "zlib": {"compressors": {"id": "zlib", "level": 3}},
    "gzip": {"compressors": {"id": "gzip", "level": 3}},
    "lz4": {"compressors": {"id": "lz4", "acceleration": 1}},
    "blosc": {"compressors": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}},
    "Fortran's order": {"order": "F"},
    "slashes": {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
}


@pytest.mark.parametrize("options", V2.values(), ids=V2)
def test_version_2_as_zarr_reads_it(tmp_path, options):
    array = zarr.create_array(
        tmp_path / "a", shape=SHAPE, dtype=np.float32, zarr_format=2, **{"chunks": CHUNK} | options
    )
    array[...] = PIXELS
    check(tmp_path / "a" / ".zarray", PIXELS)


@pytest.mark.parametrize("kind", ["?", "|i1", "<u2", ">i2", "<i4", ">f4", "<f8", "<f2", "<c8", "<u8"])
@pytest.mark.parametrize("version", [2, 3])
def test_types(tmp_path, kind, version):
    pixels = (PIXELS > 0).astype(kind) if kind == "?" else np.abs(PIXELS).astype(np.uint8).astype(kind)
    file = write(tmp_path, pixels, CHUNK, version=version)
    check(file, pixels)


def check(file, pixels):
    """All of an array, slices and boxes, from its layout and from that which a reference spells."""
    path = str(file)
    found = image_file.describe(path)
    assert found.layout.shape == pixels.shape
    assert isinstance(found.layout, Chunked)
    got = image_file.read(path)
    assert got.dtype == pixels.dtype.newbyteorder("=")
    assert got.flags.c_contiguous
    assert np.array_equal(got, pixels)
    assert np.array_equal(image_file.read(path, 5), pixels[5])
    for bounds in BOXES:
        layout = box_of(found.layout, bounds)
        fields = told(layout)
        again = layout_of(tuple(fields["shape"]), fields["dtype"], fields["offset"], None, path)
        assert told(again) == fields
        expected = pixels[tuple(slice(*side) for side in bounds)]
        assert np.array_equal(
            read_layout(path, again, found.etag), expected.squeeze(0) if len(expected) == 1 else expected
        )


def test_boxes_beyond_the_image_and_upside_down(tmp_path):
    file = write(tmp_path, PIXELS, CHUNK)
    found = image_file.describe(file)
    box = box_of(found.layout, [(-2, 3), (10, 15), (-1, 4)])
    got = read_layout(file, box, found.etag)
    assert np.array_equal(got[2:, :3, 1:], PIXELS[:3, 10:, :4])
    turned = layout_of(SHAPE, told(flipped(found.layout))["dtype"], 0, None, file)
    assert np.array_equal(read_layout(file, turned), PIXELS[:, ::-1])
    part = turned.box([(1, 3), (0, 2), (0, 17)])
    each = [array for array, _ in read_each(file, [part, found.layout.slice(2, file)], found.etag)]
    assert np.array_equal(each[0], PIXELS[1:3, ::-1][:, :2])
    assert np.array_equal(each[1], PIXELS[2])


def test_many_boxes_read_each_chunk_once(tmp_path, monkeypatch):
    file = write(tmp_path, PIXELS, CHUNK, encode=lambda chunk: chunk.tobytes())
    image, decoded = image_file.describe(file).layout, []
    decode = type(image.grid).decode
    monkeypatch.setattr(type(image.grid), "decode", lambda *a: decoded.append(a[2]) or decode(*a))
    outs = [np.empty([b - a for a, b in bounds], np.float32) for bounds in BOXES]
    outs[1] = np.empty(outs[1].shape[::-1], np.float32).T  # any order of memory
    read_parts(file, image, BOXES, outs)
    assert all(np.array_equal(o, PIXELS[tuple(slice(*s) for s in b)]) for o, b in zip(outs, BOXES, strict=True))
    assert len(decoded) == len(set(decoded)) == 3 * 3 * 3


@pytest.mark.parametrize(
    ("fill", "kind"), [(7, "<i2"), ("NaN", "<f4"), (True, "|b1"), (-1.5, ">f4"), ("Infinity", "<f8")]
)
def test_chunks_that_are_missing_have_the_fill_value(tmp_path, caplog, fill, kind):
    pixels = np.zeros(SHAPE, kind)
    file = write(tmp_path, pixels, CHUNK, leave_out=[(0, 0, 0), (2, 2, 2)], fill_value=fill)
    pixels[:4, :5, :8] = pixels[8:, 10:, 16:] = float(fill) if isinstance(fill, str) else fill
    assert np.array_equal(image_file.read(file), pixels.astype(pixels.dtype.newbyteorder("=")), equal_nan="f" in kind)
    assert image_file.read(file, 0) is not None
    assert caplog.text.count("chunks are missing") == 1
    assert "2 of 27 chunks are missing: read as" in caplog.text


def test_a_strict_array_has_all_its_chunks(tmp_path):
    file = write(tmp_path, PIXELS, CHUNK, leave_out=[(1, 0, 0)])
    image = image_file.describe(file).layout.as_strict()
    fields = told(image.box([(0, 5), (0, 5), (0, 5)]))
    box = layout_of((5, 5, 5), fields["dtype"], 0, None, file)
    with pytest.raises(NotFoundError, match=r"1/0/0: not there: expected all chunks of the array"):
        read_layout(file, box)
    assert read_layout(file, box.box([(0, 3), (0, 5), (0, 5)])).shape == (3, 5, 5)


def test_chunks_that_shards_leave_out_are_no_accident(tmp_path, caplog):
    array = zarr.create_array(tmp_path / "a", shape=SHAPE, dtype="i2", chunks=CHUNK, shards=(8, 10, 16), fill_value=3)
    array[:4, :5, :8] = 5
    expected = array[...]
    assert np.array_equal(image_file.read(tmp_path / "a" / "zarr.json", None), expected)
    assert "7 of 27" not in caplog.text
    strict = image_file.describe(tmp_path / "a" / "zarr.json").layout.as_strict()
    assert (
        strict.read(str(tmp_path / "a" / "zarr.json"), None, [(0, 8), (0, 10), (0, 16)]) == expected[:8, :10, :16]
    ).all()


def test_another_version_of_the_metadata_is_noticed(tmp_path):
    file = write(tmp_path, PIXELS, CHUNK)
    found = image_file.describe(file)
    (tmp_path / ".zarray").write_text(json.dumps(json.loads((tmp_path / ".zarray").read_text()) | {"x": 1}))
    with pytest.raises(ChangedError, match="changed since"):
        read_layout(file, found.layout, found.etag)


def test_a_file_in_memory_leads_to_no_others(tmp_path):
    file = write(tmp_path, PIXELS, CHUNK)
    with pytest.raises(FormatError, match="an image in several files"):
        image_file.read_bytes((tmp_path / ".zarray").read_bytes())
    assert file
