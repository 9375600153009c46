"""The chain of pages against tifffile, and what a file may lie about it."""

import bz2
import contextlib
import io
import itertools
import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.errors import FormatError, TruncatedError
from builders.io.formats import compression
from builders.io.formats.reader import Reader
from builders.io.formats.tiff import chain as pages_of_all
from builders.io.formats.tiff import ifd
from builders.io.formats.tiff.chain import read_chain
from builders.io.formats.tiff.pages import page_of


class Counted:
    """Reads of bytes, as a server would have them asked for."""

    def __init__(self, data, is_far=False):
        self.data, self.asked, self.held, self.rounds = data, [], {}, 0
        several = self.fetch_several if is_far else None
        self.read = Reader(self.fetch, data[:1024], len(data), "x.tif", self.held, is_far=is_far, fetch_several=several)

    def fetch(self, offset, count):
        self.asked.append((offset, count))
        self.rounds += 1
        return self.data[offset : offset + count]

    def fetch_several(self, ranges):
        self.rounds += 1
        self.asked += [(start, stop - start) for start, stop in ranges]
        return b"".join(self.data[start:stop] for start, stop in ranges)


def chain(data, size=None):
    return read_chain(lambda offset, count: data[offset : offset + count], size, "x.tif")


def written(byteorder="<", bigtiff=False, count=3, shape=(20, 30), **options):
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder=byteorder, bigtiff=bigtiff) as tiff:
        for number in range(count):
            tiff.write(np.full(shape, number, np.uint16), contiguous=False, photometric="minisblack", **options)
    return file.getvalue()


def directory(tags, order="<", following=0):
    """A page of a classic file, of (tag, type, count, value)."""
    entries = b"".join(struct.pack(f"{order}HHII", *tag) for tag in tags)
    return struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", following)


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("bigtiff", [False, True])
def test_pages_and_tags_are_tifffiles(byteorder, bigtiff):
    data = written(
        byteorder, bigtiff, rowsperstrip=3, resolution=(2.5e7, 2.5e7), software="us", description="µm".encode()
    )
    pages = chain(data, len(data))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert [page.offset for page in pages] == [page.offset for page in file.pages]
        for ours, theirs in zip(pages, file.pages, strict=True):
            assert ours.order == byteorder
            assert set(ours.tags) == {tag.code for tag in theirs.tags}
            np.testing.assert_array_equal(ours.integers(ifd.STRIP_OFFSETS), theirs.dataoffsets)
            np.testing.assert_array_equal(ours.integers(ifd.STRIP_BYTE_COUNTS), theirs.databytecounts)
            assert ours.number(256, 0) == theirs.imagewidth
            assert ours.text(305) == "us"
            assert tuple(ours.tags[282][0]) == theirs.tags[282].value
    assert chain(data)[0].text(270) == "µm"
    assert (pages[0].number(9999, 7), pages[0].text(9999), pages[0].integers(9999).size) == (7, "", 0)


@pytest.mark.parametrize("shape", [(8, 8), (256, 512)])
def test_a_cluster_of_pages_is_few_reads(shape):
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((40, *shape), np.uint16), photometric="minisblack")
    counted = Counted(file.getvalue())
    pages = read_chain(counted.read, len(counted.data), "x.tif")
    assert len(pages) == 40
    assert len(counted.asked) <= 2


@pytest.mark.parametrize("rows", [512, 1])
def test_pages_between_their_pixels_are_one_small_read_each_with_their_tables(rows):
    counted = Counted(written(count=12, shape=(512, 256), rowsperstrip=rows))
    for page in read_chain(counted.read, len(counted.data), "x.tif"):
        assert len(page.integers(ifd.STRIP_OFFSETS)) == len(page.integers(ifd.STRIP_BYTE_COUNTS)) == 512 // rows
    assert len(counted.asked) <= 13
    assert max(count for _, count in counted.asked) <= (4096 if rows > 1 else 8192)


@pytest.mark.parametrize("compression", ["lzw", "jpeg"])
def test_of_pages_that_are_alike_hardly_more_is_asked_for_than_they_have(compression):
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=True) as tiff:
        for frame in np.random.default_rng(0).integers(0, 256, (50, 300, 400), np.uint8):
            options = {"compression": compression, "rowsperstrip": 48, "photometric": "minisblack"}
            tiff.write(frame, contiguous=False, **options)
    counted = Counted(file.getvalue(), is_far=True)
    for page in map(page_of, read_chain(counted.read, len(counted.data), "x.tif")):
        assert page.kind.shape == (300, 400)
    assert len(counted.asked) <= 51
    assert sum(count for _, count in counted.asked) <= 2 * 4096 + 50 * 1200
    assert sum(count for _, count in counted.asked) == sum(map(len, counted.held.values()))


@pytest.mark.parametrize("bigtiff", [False, True])
def test_pages_that_are_equally_far_from_each_other_are_guessed_and_come_at_once(bigtiff):
    counted = Counted(written(bigtiff=bigtiff, count=60, shape=(300, 400), rowsperstrip=30), is_far=True)
    pages = read_chain(counted.read, len(counted.data), "x.tif")
    assert [page.offset for page in pages] == [page.offset for page in chain(counted.data)]
    assert len(counted.asked) <= 60
    assert counted.rounds <= 2 + 6, "as many more each time as there were"
    assert sum(count for _, count in counted.asked) <= 60 * 4096


@pytest.mark.parametrize("broken", [3, 9, 20])
def test_a_guess_that_is_wrong_costs_no_more_than_was_right_before(broken):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        for number in range(40):
            frame = np.full((300 if number != broken else 333, 400), number, np.uint16)
            tiff.write(frame, contiguous=False, photometric="minisblack")
    counted = Counted(file.getvalue(), is_far=True)
    pages = read_chain(counted.read, len(counted.data), "x.tif")
    assert [page.offset for page in pages] == [page.offset for page in chain(counted.data)]
    assert len(counted.asked) <= 41 + broken
    for page in pages:
        assert page.number(257, 0) in (300, 333)


def small_pages(count, side, together, compression=None):
    """Pages whose directories lie behind all pixels, or each behind its own."""
    file = io.BytesIO()
    array = np.random.default_rng(count).integers(0, 9, (count, side, side), np.uint8)
    with tifffile.TiffWriter(file) as tiff:
        for images in [array] if together else array:
            tiff.write(images, photometric="minisblack", contiguous=False, compression=compression)
    return file.getvalue()


@pytest.mark.parametrize("is_far", [False, True])
@pytest.mark.parametrize(
    ("count", "side", "together", "compression"),
    [
        (1000, 8, True, None),
        (1000, 8, False, None),
        (300, 64, True, "lzw"),
        (300, 64, False, None),
        (150, 200, False, None),
    ],
)
def test_no_byte_of_a_long_chain_is_fetched_twice(count, side, together, compression, is_far):
    counted = Counted(small_pages(count, side, together, compression), is_far)
    assert len(read_chain(counted.read, len(counted.data), "x.tif")) == count
    fetched = sorted(counted.asked)
    assert sum(length for _, length in fetched) <= len(counted.data) + 2 * 64 * 1024
    if is_far:
        assert len(fetched) <= 12
    else:
        assert all(start + length <= following for (start, length), (following, _) in itertools.pairwise(fetched))


def test_a_small_file_of_a_server_comes_in_one_request_and_little_of_it_is_remembered():
    counted = Counted(small_pages(40, 60, False), True)
    assert 128 * 1024 < len(counted.data) < 256 * 1024
    assert len(read_chain(counted.read, len(counted.data), "x.tif")) == 40
    assert len(counted.asked) == 1
    assert sum(map(len, counted.held.values())) < 100 * 1024


class Rewound(bz2.BZ2File):
    """A stream that tells how often it was read back."""

    backwards = 0

    def seek(self, offset, whence=0):
        self.backwards += whence == 0 and offset < self.tell()
        return super().seek(offset, whence)


@pytest.mark.parametrize("together", [True, False])
def test_a_packed_file_is_read_forwards(together):
    data = small_pages(300, 40, together)
    with Rewound(io.BytesIO(bz2.compress(data))) as stream:
        bytes_at = compression.reader_of(stream)
        read = Reader(bytes_at, bytes_at(0, 1024), None, "x.tif")
        assert [page.offset for page in read_chain(read, None, "x.tif")] == [page.offset for page in chain(data)]
        assert stream.backwards == 0


def test_what_lies_behind_in_a_packed_file_is_remembered_or_read_again_a_few_times(monkeypatch):
    monkeypatch.setattr(compression, "_LEAST_KEPT", 1000)
    monkeypatch.setattr(compression, "_MOST_KEPT", 8000)
    monkeypatch.setattr(compression, "_MOST_RETURNS", 20)
    monkeypatch.setattr(compression, "PIECE", 100)
    data = np.random.default_rng(0).bytes(16_000)
    with Rewound(io.BytesIO(bz2.compress(data))) as stream:
        bytes_at = compression.reader_of(stream)
        for start in range(7000, 0, -50):
            assert bytes_at(start, 30) == data[start : start + 30]
        assert stream.backwards <= 4
        assert bytes_at(15_990, 100) == data[15_990:]
        assert bytes_at(20_000, 1) == b""
        stream.seek(5)  # others may move it
        assert bytes_at(3, 3000) == data[3:3003]
        places = [(0, 7), (15_000, 3)] * 30
        with pytest.raises(ValueError, match="more than 8000 bytes back, again and again"):
            list(itertools.starmap(bytes_at, places))


LIES = {
    "no page": (struct.pack("<2sHI", b"II", 42, 0), FormatError, "without a page"),
    "a page beyond": (struct.pack("<2sHI", b"II", 42, 99), TruncatedError, "a TIFF page begins at 99"),
    "no tags": (struct.pack("<2sHI", b"II", 42, 8) + bytes(6), FormatError, "a TIFF page of 0 tags"),
    "garbage": (struct.pack("<2sHI", b"II", 42, 8) + b"\xff" * 10**6, FormatError, "a TIFF page of 65535 tags"),
    "a loop": (
        struct.pack("<2sHI", b"II", 42, 8) + directory([(256, 3, 1, 5)], following=8),
        FormatError,
        "back to byte 8",
    ),
    "cut": (struct.pack("<2sHI", b"II", 42, 8) + directory([(256, 3, 1, 5)])[:-5], TruncatedError, "TIFF directory"),
    "cut before": (b"II*\0\0", TruncatedError, "TIFF header"),
    "another file": (b"PK\3\4" + bytes(20), FormatError, "expected a TIFF file"),
    "odd BigTIFF": (struct.pack("<2sHHHQ", b"II", 43, 4, 0, 16), FormatError, "expected 8 bytes"),
    "far away": (struct.pack("<2sHHHQ", b"II", 43, 8, 0, 2**63), TruncatedError, "begins at 9223372036854775808"),
}


@pytest.mark.parametrize("what", LIES)
def test_a_chain_that_lies_is_one_error(what):
    data, error, match = LIES[what]
    with pytest.raises(error, match=match):
        chain(data, len(data))


def test_a_chain_of_too_many_pages_or_tags_is_damage(monkeypatch):
    monkeypatch.setattr(pages_of_all, "MOST_PAGES", 10)
    data = struct.pack("<2sHI", b"II", 42, 8)
    for _ in range(20):
        data += directory([(256, 3, 1, 5)], following=len(data) + 18)
    with pytest.raises(FormatError, match="more than 10 TIFF pages"):
        chain(data, len(data))
    monkeypatch.setattr(pages_of_all, "MOST_TAGS_OF_ALL", 5)
    with pytest.raises(FormatError, match="6 tags in 6 TIFF pages"):
        chain(data, len(data))


VALUES = {
    "no number": ((256, 11, 1, 5), FormatError, "float32: expected integers"),
    "no value": ((256, 3, 0, 5), FormatError, "has no value"),
    "ratios": ((256, 5, 1, 8), FormatError, "expected integers"),
    "beyond": ((256, 4, 1000, 8), TruncatedError, "TIFF tag 256 ends at 4008"),
    "very many": ((256, 4, 2**32 - 1, 8), FormatError, "expected at most"),
}


@pytest.mark.parametrize("what", VALUES)
def test_a_value_that_lies_is_one_error(what):
    tag, error, match = VALUES[what]
    data = struct.pack("<2sHI", b"II", 42, 8) + directory([tag])
    page = chain(data, len(data))[0]
    with pytest.raises(error, match=match):
        page.number(256, 0)


def test_a_type_that_there_is_not_is_passed_over_and_the_first_of_two_tags_counts():
    data = struct.pack("<2sHI", b"II", 42, 8) + directory([(256, 99, 1, 5), (257, 3, 1, 6), (257, 3, 1, 7)])
    page = chain(data, len(data))[0]
    assert (page.number(256, 1), page.number(257, 1)) == (1, 6)


DATA = written(count=2, shape=(4, 5), rowsperstrip=2)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.integers(0, len(DATA) - 1), st.integers(0, 255), max_size=6), st.integers(0, len(DATA)))
def test_of_any_bytes_come_pages_or_one_of_our_errors(changes, size):
    data = bytearray(DATA)
    for place, value in changes.items():
        data[place] = value
    with contextlib.suppress(FormatError, TruncatedError):
        for page in chain(bytes(data[: size or None]), size or len(data)):
            for tag in page.tags:
                page.number(tag, 0)
