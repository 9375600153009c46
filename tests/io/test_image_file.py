import bz2
import gzip
import io
import os
import socket
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from builders.errors import AccessError, ChangedError, FormatError, NotFoundError, PercError, ReadError, TruncatedError
from builders.io import image_file, mrc
from builders.io.files import local
from builders.io.formats import compression
from builders.io.layout import Layout
from builders.io.net import remote
from builders.io.pixels import read_layout, read_open, read_slices
from tests.mrc_encoder import header
from tests.server import Fault, serve

COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress}


@pytest.fixture
def volume():
    return np.random.default_rng(1).standard_normal((6, 5, 7)).astype(np.float32)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_files_read_as_plain_ones_whatever_they_are_called(tmp_path, volume, suffix):
    mrc.write(tmp_path / "x.mrc", volume, pixel_size=2)
    np.save(tmp_path / "x.npy", volume)
    for plain in ("x.mrc", "x.npy"):
        for name in (f"{plain}{suffix}", f"misnamed_{plain}"):
            (tmp_path / name).write_bytes(COMPRESS[suffix]((tmp_path / plain).read_bytes()))
            np.testing.assert_array_equal(image_file.read(tmp_path / name), volume)
            np.testing.assert_array_equal(image_file.read(tmp_path / name, 4), volume[4])
            assert image_file.describe(tmp_path / name).compressed


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("keep", [5, 0.3, 0.95])
def test_a_cut_stream_is_truncated(tmp_path, volume, suffix, keep):
    mrc.write(tmp_path / "x.mrc", volume)
    data = COMPRESS[suffix]((tmp_path / "x.mrc").read_bytes())
    path = tmp_path / f"cut.mrc{suffix}"
    path.write_bytes(data[: keep if keep > 1 else int(len(data) * keep)])
    with pytest.raises(TruncatedError, match="truncated"):
        image_file.read(path)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_damaged_stream_is_an_error_and_never_other_pixels(tmp_path, volume, suffix):
    mrc.write(tmp_path / "x.mrc", volume)
    data = bytearray(COMPRESS[suffix]((tmp_path / "x.mrc").read_bytes()))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / f"damaged.mrc{suffix}"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"damaged\.mrc"):
        image_file.read(path)


WAYS = {
    "read": image_file.read,
    "read_bytes": lambda path: image_file.read_bytes(path.read_bytes()),
    "read_layout": lambda path: read_layout(str(path), image_file.describe(path).layout),
    "read_open": lambda path: np.stack(read_slices_of(path, range(6))),
}


def read_slices_of(path, rows):
    whole = image_file.describe(path).layout
    with path.open("rb") as raw:
        return list(read_open(raw, [whole.slice(row, "x") for row in rows], str(path)))


def stored_with_a_flipped_bit(suffix, data, place):
    """A stream whose decompressor gives one other bit and has nothing but the checksum to know it by."""
    if suffix == ".gz":
        stream = bytearray(gzip.compress(data, 0))
        stream[stream.index(data[place : place + 16])] ^= 1
        return bytes(stream)
    stream = bytearray(bz2.compress(data))
    stream[10] ^= 1  # in the first block's checksum, which is looked at once all of the block has come out
    return bytes(stream)


@pytest.mark.parametrize("trailing", [0, 1, 1000, 3 * 2**20])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_file_read_whole_is_checked_whatever_follows_its_pixels(tmp_path, volume, suffix, way, trailing):
    mrc.write(tmp_path / "x.mrc", volume)
    data = (tmp_path / "x.mrc").read_bytes() + bytes(trailing)
    path = tmp_path / f"x.mrc{suffix}"
    path.write_bytes(COMPRESS[suffix](data))
    np.testing.assert_array_equal(WAYS[way](path), volume)
    path.write_bytes(stored_with_a_flipped_bit(suffix, data, 1024 + 4 * 100))
    with pytest.raises(FormatError, match="damaged"):
        WAYS[way](path)


@pytest.mark.parametrize("way", ["file", "bytes", "open"])
def test_a_slice_that_others_follow_is_read_no_further_and_the_last_one_is_checked(tmp_path, volume, way):
    mrc.write(tmp_path / "x.mrc", volume)
    path = tmp_path / "x.mrc.gz"
    path.write_bytes(stored_with_a_flipped_bit(".gz", (tmp_path / "x.mrc").read_bytes(), 1024 + 4 * 190))
    read = {
        "file": image_file.read,
        "bytes": lambda path, index: image_file.read_bytes(path.read_bytes(), index),
        "open": lambda path, index: read_slices_of(path, [index])[0],
    }[way]
    np.testing.assert_array_equal(read(path, 4), volume[4])
    with pytest.raises(FormatError, match="damaged"):
        read(path, 5)


def test_a_compressed_file_that_is_one_image_is_checked_before_its_pixels_are_given(tmp_path, volume):
    mrc.write(tmp_path / "x.mrc", volume)
    data = (tmp_path / "x.mrc").read_bytes() + b"\0"
    layout = mrc.parse_header(data).layout
    images = read_open(io.BytesIO(stored_with_a_flipped_bit(".gz", data, 1500)), [layout], "x")
    with pytest.raises(FormatError, match="damaged"):
        next(images)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suffix", COMPRESS)
def test_what_follows_the_pixels_is_not_inflated_without_end(tmp_path, volume, caplog, monkeypatch, suffix, way):
    monkeypatch.setattr(compression, "MOST_TRAILING", 4 * 2**20)
    mrc.write(tmp_path / "x.mrc", volume)
    path = tmp_path / f"bomb.mrc{suffix}"
    path.write_bytes(COMPRESS[suffix]((tmp_path / "x.mrc").read_bytes() + bytes(16 * 2**20)))
    read = {"bytes": 0}

    class Counted(type(compression.opened(io.BytesIO(path.read_bytes()))[0])):
        def read(self, size=-1):
            piece = super().read(size)
            read["bytes"] += len(piece)
            return piece

    monkeypatch.setattr(gzip if suffix == ".gz" else bz2, Counted.__base__.__name__, Counted)
    np.testing.assert_array_equal(WAYS[way](path), volume)
    assert 4 * 2**20 < read["bytes"] < 6 * 2**20
    assert "its checksum was not looked at" in caplog.text


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_bomb_is_read_no_further_than_its_header_says(tmp_path, suffix):
    path = tmp_path / f"bomb.mrc{suffix}"
    path.write_bytes(COMPRESS[suffix](bytes(header(16, 16, 1, 2)) + bytes(96 * 2**20)))
    tracemalloc.start()
    image_file.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_header_that_promises_more_than_a_stream_holds_costs_no_memory(tmp_path, suffix):
    path = tmp_path / f"liar.mrc{suffix}"
    path.write_bytes(COMPRESS[suffix](bytes(header(2**15, 2**15, 2**10, 2)) + bytes(1000)))
    complaint = "cannot hold the 4398046511104" if suffix == ".gz" else "2024 bytes, but its header says 4398046512128"
    tracemalloc.start()
    with pytest.raises(TruncatedError, match=complaint):
        image_file.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20


def test_only_the_wanted_slice_is_read(tmp_path):
    path = tmp_path / "sparse.mrcs"
    with path.open("wb") as file:
        file.write(header(1024, 1024, 4096, 2))
        file.truncate(1024 + 4096 * 2**22)  # 16 GiB that take no disk
    tracemalloc.start()
    assert image_file.read(path, 4000).shape == (1024, 1024)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 2**20


@pytest.mark.parametrize("index", [-1, 6])
def test_a_slice_that_is_not_there(tmp_path, volume, index):
    mrc.write(tmp_path / "x.mrc", volume)
    with pytest.raises(FormatError, match=f"no slice {index}: expected 0 to 5"):
        image_file.read(tmp_path / "x.mrc", index)


def test_pixels_are_ones_own(tmp_path, volume):
    mrc.write(tmp_path / "x.mrc", volume)
    first = image_file.read(tmp_path / "x.mrc")
    first += 1
    np.testing.assert_array_equal(image_file.read(tmp_path / "x.mrc"), volume)
    assert type(first) is np.ndarray


def test_a_file_that_changed_is_noticed(tmp_path, volume):
    path = tmp_path / "x.mrc"
    mrc.write(path, volume)
    file = image_file.describe(path)
    mrc.write(path, volume + 1)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ChangedError, match="call load_dataset again"):
        read_layout(file.path, file.layout, file.etag)


def test_a_mapped_file_is_the_read_file(tmp_path, volume):
    mrc.write(tmp_path / "x.mrc", volume)
    np.save(tmp_path / "f.npy", np.asfortranarray(volume))
    for name in ("x.mrc", "f.npy"):
        mapped = image_file.memory_map(image_file.describe(tmp_path / name))
        assert isinstance(mapped, np.memmap)
        np.testing.assert_array_equal(mapped, volume)
    (tmp_path / "x.mrc.gz").write_bytes(gzip.compress((tmp_path / "x.mrc").read_bytes()))
    with pytest.raises(FormatError, match="cannot be mapped"):
        image_file.memory_map(image_file.describe(tmp_path / "x.mrc.gz"))


def test_what_is_not_there_or_not_readable(tmp_path):
    with pytest.raises(NotFoundError, match="no such file"):
        image_file.read(tmp_path / "none.mrc")
    with pytest.raises(FormatError, match="a folder"):
        image_file.read(tmp_path)
    assert issubclass(NotFoundError, FileNotFoundError)
    assert issubclass(AccessError, PermissionError)


@pytest.fixture
def fifo(tmp_path):
    os.mkfifo(tmp_path / "x.mrc")
    return tmp_path / "x.mrc"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that have names here")
@pytest.mark.timeout(20)
def test_a_pipe_is_no_file_and_is_not_waited_for(fifo):
    for read in (image_file.read, image_file.describe):
        with pytest.raises(FormatError, match=r"x\.mrc: a pipe, .*expected a file"):
            read(fifo)
    with pytest.raises(FormatError, match="expected a file"):
        read_layout(str(fifo), Layout((4, 4), "<f4", 0))
    with pytest.raises(FormatError, match="expected a file"):
        next(read_slices(str(fifo), Layout((4, 4), "<f4", 0), 1))
    local.will_read(str(fifo), [(0, 1)])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that have names here")
@pytest.mark.timeout(20)
def test_a_pipe_that_somebody_writes_into_is_no_file(fifo):
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with fifo.open("wb", 0) as writer:
        writer.write(bytes(header(4, 4, 1, 2)) + bytes(64))
        with pytest.raises(FormatError, match="expected a file"):
            image_file.read(fifo)
    os.close(reader)


@pytest.mark.skipif(not Path("/dev/zero").is_char_device(), reason="no devices here")
def test_a_device_is_no_file(tmp_path):
    (tmp_path / "x.mrc").symlink_to("/dev/zero")
    with pytest.raises(FormatError, match="expected a file"):
        image_file.read(tmp_path / "x.mrc")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets that have names here")
def test_a_socket_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("x.mrc")
        with pytest.raises(FormatError, match="expected a file"):
            image_file.read("x.mrc")


def test_a_file_that_another_process_has_a_lease_on_is_waited_for(tmp_path, volume, monkeypatch):
    mrc.write(tmp_path / "x.mrc", volume)
    open_file = os.open

    def leased(path, flags, *rest, **options):
        if str(path).endswith("x.mrc") and flags & os.O_NONBLOCK:
            raise BlockingIOError
        return open_file(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", leased)
    np.testing.assert_array_equal(image_file.read(tmp_path / "x.mrc"), volume)


def test_what_cannot_be_opened_leaves_nothing_open(tmp_path):
    def count():
        return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0

    before = count()
    for name in (tmp_path, tmp_path / "none", "/dev/zero", "a\0b", "x" * 5000):
        with pytest.raises(PercError):
            local.opened(str(name))
    assert count() == before
    with pytest.raises(ReadError, match="cannot be opened"):
        local.opened("a\0b")


def test_bytes_read_as_files_do(tmp_path, volume):
    mrc.write(tmp_path / "x.mrc", volume)
    np.save(tmp_path / "x.npy", volume)
    for name in ("x.mrc", "x.npy"):
        data = (tmp_path / name).read_bytes()
        for form in (data, gzip.compress(data), bz2.compress(data)):
            np.testing.assert_array_equal(image_file.read_bytes(form), volume)
            np.testing.assert_array_equal(image_file.read_bytes(form, 2), volume[2])
        with pytest.raises(TruncatedError):
            image_file.read_bytes(data[:-1])


def test_a_zip_bomb_is_refused_by_its_size(tmp_path):
    path = tmp_path / "bomb.mrc.gz"
    path.write_bytes(gzip.compress(bytes(header(2**17, 2**17, 2**17, 2)) + bytes(2**26)))
    tracemalloc.start()
    with pytest.raises(TruncatedError, match="cannot hold"):
        image_file.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_one_section_is_one_section_in_any_order_of_bytes(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    np.save(tmp_path / "f.npy", np.asfortranarray(array))
    layout = image_file.describe(tmp_path / "f.npy").layout.squeezed()
    assert layout.shape == (3, 4)
    np.testing.assert_array_equal(read_layout(str(tmp_path / "f.npy"), layout), array[0])


@pytest.mark.parametrize("encoding", ["<f4", ">f4", "<ci2", "4bit", "|i1", ">u2"])
def test_a_squeezed_layout_is_the_same_bytes(encoding):
    layout = Layout((1, 1, 3, 5), encoding, 99)
    assert layout.squeezed() == Layout((3, 5), encoding, 99)
    assert layout.squeezed().nbytes == layout.nbytes


@pytest.mark.parametrize("encoding", ["<f4", ">f4", "<i2", "4bit"])
def test_slices_one_after_another_are_those_read_singly(tmp_path, encoding):
    whole = Layout((7, 5, 6), encoding, 1024)
    path = tmp_path / "raw"
    path.write_bytes(bytes(1024) + np.random.default_rng(0).bytes(whole.nbytes))
    singly = [read_layout(str(path), whole.slice(i, "raw")) for i in range(7)]
    many = list(read_slices(str(path), whole.slice(2, "raw"), 5))
    assert len(many) == 5
    for (pixels, finite), alone in zip(many, singly[2:], strict=True):
        np.testing.assert_array_equal(pixels, alone)
        assert pixels is many[0][0] or not np.shares_memory(pixels, many[0][0])
        assert not finite or np.isfinite(pixels).all()


def test_slices_of_a_file_that_ends_early_come_up_to_its_end(tmp_path):
    layout = Layout((4, 4), "<f4", 0)
    path = tmp_path / "raw"
    path.write_bytes(bytes(64 * 3 - 1))
    slices = read_slices(str(path), layout, 3)
    assert [next(slices)[0].shape, next(slices)[0].shape] == [(4, 4), (4, 4)]
    with pytest.raises(TruncatedError, match="191 bytes, expected 192"):
        next(slices)


def test_slices_know_the_version_they_were_described_as(tmp_path):
    path = tmp_path / "raw"
    path.write_bytes(bytes(64))
    with pytest.raises(ChangedError, match="load_dataset again"):
        next(read_slices(str(path), Layout((4, 4), "<f4", 0), 1, "40-1"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_slices_that_are_called_finite_are(tmp_path, bad):
    stack = np.zeros((3, 300, 300), np.float32)
    stack[1, 299, 299] = bad
    path = tmp_path / "raw"
    path.write_bytes(stack.tobytes())
    slices = read_slices(str(path), Layout((300, 300), stack.dtype.str, 0), 3)
    assert [finite for _, finite in slices] == [True, False, True]


def test_a_word_ahead_about_a_file_changes_nothing_and_fails_nowhere(tmp_path):
    path = tmp_path / "raw"
    path.write_bytes(bytes(100))
    for name, start, stop in ((path, 0, 100), (path, 50, 10**6), (tmp_path / "absent", 0, 1), (tmp_path, 0, 1)):
        local.will_read(str(name), [(start, stop)])
    assert path.read_bytes() == bytes(100)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_of_a_server_what_was_read_before_is_read_as_the_file_is_now(tmp_path, volume, suffix):
    def served(pixels):
        mrc.write(tmp_path / "x.mrcs", pixels, 1.0, stack=True)
        return COMPRESS.get(suffix, bytes)((tmp_path / "x.mrcs").read_bytes())

    with serve() as server:
        remote.permit(server.base)
        path = f"/x.mrcs{suffix}"
        server.files[path] = served(volume)
        url = server.url(path)
        np.testing.assert_array_equal(image_file.read(url, 2), volume[2])
        server.requests.clear()
        np.testing.assert_array_equal(image_file.read(url, 3), volume[3])
        assert suffix or len(server.requests) == 1
        server.files[path] = served(-volume)  # where they lay, there are others now
        np.testing.assert_array_equal(image_file.read(url, 3), -volume[3])
        longer = np.concatenate([volume, 2 * volume])
        server.files[path] = served(longer)
        np.testing.assert_array_equal(image_file.read(url, 11), longer[11])
        server.files[path] = served(volume[:2].astype(np.int16))
        np.testing.assert_array_equal(image_file.read(url), volume[:2].astype(np.int16))
        with pytest.raises(FormatError, match="no slice 2"):
            image_file.read(url, 2)
        del server.files[path]
        with pytest.raises(NotFoundError):
            image_file.read(url, 1)


def test_of_a_server_that_tells_no_version_nothing_is_remembered(tmp_path, volume):
    with serve() as server:
        remote.permit(server.base)
        url = server.url("/untold.mrcs")
        for pixels in (volume, -volume):
            mrc.write(tmp_path / "x.mrcs", pixels, 1.0, stack=True)
            server.files["/untold.mrcs"] = (tmp_path / "x.mrcs").read_bytes()
            server.fail("/untold.mrcs", *[Fault(headers={"ETag": None}) for _ in range(4)])
            np.testing.assert_array_equal(image_file.read(url, 1), pixels[1])
            server.faults.clear()
