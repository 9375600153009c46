"""Arrays on servers: what is asked for, what is missing, refused or broken off."""

import json

import numpy as np
import pytest
import zarr
from zarr.codecs import BytesCodec, ShardingCodec

from builders.errors import AccessError, ChangedError, FormatError, NotFoundError
from builders.io import image_file
from builders.io.multiscale import levels
from builders.io.net import remote
from builders.io.scattered import fetching
from builders.io.scattered.chunks import read_parts
from builders.io.scattered.held import Held
from builders.io.scattered.sharding import Indices
from tests.io.scattered.arrays import multiscale, write
from tests.server import Fault, serve

SHAPE, CHUNK = (12, 15, 26), (4, 5, 8)
PIXELS = np.random.default_rng(1).integers(-99, 99, SHAPE).astype(np.float32)
BOXES = [[(0, 6), (0, 6), (0, 9)], [(3, 9), (4, 10), (6, 15)]]


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_indices", Indices())
    with serve() as server:
        remote.permit(server.base)
        yield server


def published(server, folder):
    server.publish(folder)
    server.requests.clear()
    server.bytes_sent = 0


def read(url, boxes=BOXES, held=None):
    image = image_file.describe(url).layout
    outs = [np.empty([b - a for a, b in box], image.dtype) for box in boxes]
    read_parts(url, image, boxes, outs, held)
    for out, box in zip(outs, boxes, strict=True):
        assert np.array_equal(out, PIXELS[tuple(slice(*side) for side in box)])


def test_one_request_a_chunk_many_at_once(tmp_path, server):
    write(tmp_path / "a", PIXELS, CHUNK)
    published(server, tmp_path)
    url = server.url("/a/.zarray")
    image = image_file.describe(url).layout
    assert len(server.requests) == 1
    touched = {f"/a/{z}/{y}/{x}" for box in BOXES for z, y, x in image.grid.crossed(box).tolist()}
    server.requests.clear()
    server.crowd = 4
    server.is_crowded.clear()
    outs = [np.empty([b - a for a, b in box], np.float32) for box in BOXES]
    read_parts(url, image, BOXES, outs)
    assert sorted(request.path for request in server.requests) == sorted(touched)
    assert server.most_under_way >= 4


def test_a_stream_of_tiles_moves_each_chunk_once(tmp_path, server):
    write(tmp_path / "a", PIXELS, CHUNK)
    published(server, tmp_path)
    url = server.url("/a/.zarray")
    image = image_file.describe(url).layout
    tiles = [[(z, z + 6), (y, y + 5), (x, x + 13)] for z in (0, 3, 6) for y in (0, 5, 10) for x in (0, 13)]
    held = Held.of_boxes(image, tiles)
    server.requests.clear()
    server.bytes_sent = 0
    for tile in tiles:
        read(url, [tile], held)
    chunks = [request.path for request in server.requests if request.path != "/a/.zarray"]
    assert len(chunks) == len(set(chunks)) == 3 * 3 * 4
    assert held.size == 0


@pytest.mark.parametrize("location", ["start", "end"])
def test_shards_are_read_by_ranges_and_their_index_once(tmp_path, server, location):
    codec = ShardingCodec(chunk_shape=CHUNK, codecs=[BytesCodec()], index_location=location)
    options = {"chunks": (12, 15, 32), "serializer": codec, "compressors": None}
    array = zarr.create_array(tmp_path / "a", shape=SHAPE, dtype=np.float32, **options)
    array[...] = PIXELS
    published(server, tmp_path)
    url = server.url("/a/zarr.json")
    read(url, BOXES[:1])
    first, sent = len(server.requests), server.bytes_sent
    assert first <= 2 + 2 + 8  # metadata, size and index, chunks
    assert sent < 3000 + 8 * 640 + 36 * 16
    read(url, BOXES)
    asked = [request for request in server.requests[first:] if request.path != "/a/zarr.json"]
    assert all(request.headers.get("Range") and request.method == "GET" for request in asked)
    assert len(asked) <= 12


def test_a_shard_that_changed_is_noticed(tmp_path, server):
    array = zarr.create_array(tmp_path / "a", shape=SHAPE, dtype=np.float32, chunks=CHUNK, shards=(12, 15, 32))
    array[...] = PIXELS
    published(server, tmp_path)
    url = server.url("/a/zarr.json")
    read(url)
    server.files["/a/c/0/0/0"] = server.files["/a/c/0/0/0"][:-1] + b"x"
    with pytest.raises(ChangedError):
        read(url)
    with pytest.raises(FormatError, match="index of its chunks is damaged: the checksum"):
        read(url)


def test_a_chunk_that_is_not_there_is_the_fill_value_and_told(tmp_path, server, caplog):
    write(tmp_path / "a", PIXELS, CHUNK, leave_out=[(0, 0, 0)], fill_value=3)
    published(server, tmp_path)
    url = server.url("/a/.zarray")
    found = image_file.describe(url)
    got = found.layout.read(url, found.etag, BOXES[0])
    assert (got[:4, :5, :8] == 3).all()
    assert np.array_equal(got[4:], PIXELS[4:6, :6, :9])
    assert "1 of 8 chunks are missing: read as 3.0 (said once)" in caplog.text
    with pytest.raises(NotFoundError, match="0/0/0: not there: expected all chunks"):
        found.layout.as_strict().read(url, found.etag, BOXES[0])


def test_refused_is_not_missing(tmp_path, server):
    write(tmp_path / "a", PIXELS, CHUNK)
    published(server, tmp_path)
    server.fail("/a/0/0/0", Fault(status=403))
    with pytest.raises(AccessError, match=r"HTTP 403.*refused, or missing: stores like S3"):
        read(server.url("/a/.zarray"))


def test_what_breaks_off_goes_on(tmp_path, server):
    write(tmp_path / "a", PIXELS, CHUNK)
    published(server, tmp_path)
    server.fail("/a/0/0/0", Fault(cut=100), Fault(status=503))
    server.fail("/a/1/0/0", Fault(status=500))
    read(server.url("/a/.zarray"))


def test_more_than_a_chunk_can_be_is_not_read_on(tmp_path, server):
    write(tmp_path / "a", PIXELS, CHUNK)
    published(server, tmp_path)
    server.files["/a/0/0/0"] = bytes(10_000_000)
    with pytest.raises(FormatError, match="expected a chunk of at most 66256"):
        read(server.url("/a/.zarray"))
    server.files["/a/0/0/0"], server.types["/a/0/0/0"] = b"<html>", "text/html"
    server.fail("/a/0/0/0", Fault(whole=True))
    with pytest.raises(FormatError, match="an HTML page"):
        read(server.url("/a/.zarray"))


def test_levels_of_a_server(tmp_path, server):
    write(tmp_path / "a" / "0", PIXELS, CHUNK)
    (tmp_path / "a" / ".zattrs").write_text(json.dumps(multiscale([(10, 10, 10)])))
    published(server, tmp_path)
    (level,) = levels(server.url("/a/"))
    assert level.path == server.url("/a/0/.zarray")
    assert level.shape == SHAPE
    assert len(server.requests) == 2
    server.fail("/a/.zattrs", Fault(status=403))
    with pytest.raises(AccessError):
        levels(server.url("/a/"))
