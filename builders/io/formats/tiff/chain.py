"""The chain of a TIFF file's pages, each of which tells where the next one is: read in few requests."""

import struct
from collections.abc import Iterator

import numpy as np

from builders.errors import FormatError, TruncatedError
from builders.io.formats.protocol import Read
from builders.io.formats.reader import ahead, exactly, gather, skim
from builders.io.formats.tiff.ifd import (
    COMPRESSION,
    EVENTS,
    MOST_VALUE,
    NUMBERS,
    STRIP_BYTE_COUNTS,
    STRIP_OFFSETS,
    TILE_BYTE_COUNTS,
    TILE_OFFSETS,
    Ifd,
    Numbers,
    Tags,
)
from builders.io.layout import merged

MOST_PAGES = 2**16
MOST_TAGS = 4096
"""Of one page, far more than any has."""
MOST_TAGS_OF_ALL = 2**21

_JPEG_TABLES = 347
_OF_EACH = (STRIP_OFFSETS, STRIP_BYTE_COUNTS, TILE_OFFSETS, TILE_BYTE_COUNTS, _JPEG_TABLES)
"""Tags of which the values are needed of each page, and may stand outside of its directory."""
_SPAN = 4096
"""Bytes that are asked for with one of the first directories that lie alone: its values mostly follow it."""
_SPAN_OF_MANY = 512
"""The same where others are near: there may be thousands of them, and all that comes is remembered."""
_SMALL = 256 * 1024
"""A file of so few bytes comes as a whole."""
_MOST_SPAN = 64 * 1024
_GAP = 64
"""Bytes between two tables of a page, or behind them, that come along."""
_MOST_AHEAD = 1024 * 1024
_NEAR = 64 * 1024
"""Directories that lie so close to each other, with pixels between them, come many at a time."""
_SKIMMED = 64
"""So many."""
_MOST_BETWEEN = 1024 * 1024
"""Frames of electron events, which are small and mostly wanted all, come so where they lie this close."""
_TAIL = 64 * 1024
"""What is no farther from the file's end is read up to there."""
_TAIL_OF_ALL = 192 * 1024
"""The same where the first page is there, and so, most likely, all others."""


def read_chain(read: Read, size: int | None, name: str) -> list[Ifd]:
    """The pages of a file, in the order of their chain, each with its tables of places: in few reads.

    Directories that lie side by side come together, whether behind all pixels or before them; so do those that lie
    between the pixels of small pages. Of others, each is a read of its own; while they are equally far from each other,
    the next ones are guessed and come at once, as many as were there so far. No byte is read twice.

    Args:
        read: gives bytes of the file.
        size: its bytes; None where that is not known.
        name: what errors call it.

    Raises:
        FormatError: it is no TIFF file, or its chain is damaged: it loops, a directory has no tags or too many.
        TruncatedError: it ends before its chain does.
    """
    if size is not None and size <= _SMALL:
        skim(read, 0, size)
    magic = exactly(read, 0, 8, name, "TIFF header")
    numbers = NUMBERS.get(magic[:4])
    if numbers is None:
        msg = f"{name}: begins with {magic[:4]!r}: expected a TIFF file"
        raise FormatError(msg)
    if numbers.is_big:
        if magic[4:] != struct.pack(f"{numbers.order}2H", 8, 0):
            msg = f"{name}: a BigTIFF file with offsets of {magic[4:]!r}: expected 8 bytes"
            raise FormatError(msg)
        magic = exactly(read, 8, 8, name, "TIFF header")
    place = numbers.offset.unpack(magic[8 - numbers.offset.size :])[0]
    return list(_walked(_Walk(read, size, name, numbers), place))


def _walked(walk: "_Walk", place: int) -> Iterator[Ifd]:
    seen: set[int] = set()
    tags = 0
    while place:
        if place in seen:
            msg = f"{walk.name}: its chain of TIFF pages comes back to byte {place} after {len(seen)} pages: damaged"
            raise FormatError(msg)
        seen.add(place)
        if len(seen) > MOST_PAGES:
            msg = f"{walk.name}: more than {MOST_PAGES} TIFF pages: damaged"
            raise FormatError(msg)
        page, place = walk.page(place)
        tags += len(page.tags)
        if tags > MOST_TAGS_OF_ALL:
            msg = f"{walk.name}: {tags} tags in {len(seen)} TIFF pages: expected at most {MOST_TAGS_OF_ALL}"
            raise FormatError(msg)
        yield page
    if not seen:
        msg = f"{walk.name}: a TIFF file without a page"
        raise FormatError(msg)


class _Walk:
    """Reads one directory after another, and guesses from each how much to ask for with the next."""

    def __init__(self, read: Read, size: int | None, name: str, numbers: Numbers) -> None:
        self._read, self._size, self.name, self._numbers = read, size, name, numbers
        self._before, self._after, self._ahead = 0, 0, _SPAN
        self._after_before = 0
        self._last: int | None = None
        self._distance: int | None = None
        self._alike = 0
        self._pixels, self._seen = 0, 0
        self._is_of_events = False

    def page(self, place: int) -> tuple[Ifd, int]:
        """The page whose directory is at a place, and where the next one is; 0: there is none."""
        numbers, name = self._numbers, self.name
        if self._size is not None and place >= self._size:
            msg = f"{name}: {self._size} bytes, but a TIFF page begins at {place}: the file is truncated"
            raise TruncatedError(msg)
        self._fetch(place)
        count = numbers.count.unpack(exactly(self._read, place, numbers.count.size, name, "TIFF directory"))[0]
        if not 0 < count <= MOST_TAGS:
            msg = f"{name}: a TIFF page of {count} tags at byte {place}: expected 1 to {MOST_TAGS}"
            raise FormatError(msg)
        first = place + numbers.count.size
        stop = first + count * numbers.entry.itemsize
        data = exactly(self._read, first, stop - first + numbers.offset.size, name, "TIFF directory")
        tags = Tags(np.frombuffer(data, numbers.entry, count), numbers, self._read, self._size, name)
        page = Ifd(place, numbers.order, tags, name)
        self._is_of_events = page.number(COMPRESSION, 1) in EVENTS
        self._learn(place, stop + numbers.offset.size, tags)
        return page, numbers.offset.unpack(data[-numbers.offset.size :])[0]

    def _fetch(self, place: int) -> None:
        """Have the bytes around a directory come in one read; the first one may be among those that are there."""
        start, stop = max(0, place - self._before), place + self._after
        distance = None if self._last is None else place - self._last
        self._last = place
        self._alike = self._alike + 1 if distance is not None and distance == self._distance else 0
        self._distance = distance
        if self._size is not None and self._size - place <= self._tail(distance):
            ahead(self._read, start, max(stop, place + 1), self._size)
        elif distance is None:
            return
        elif abs(distance) <= max(_SPAN_OF_MANY, 2 * (self._before + self._after)):
            if ahead(self._read, start, stop, place + max(self._ahead, min(self._of_others(), _MOST_AHEAD))):
                self._ahead = min(2 * self._ahead, _MOST_AHEAD)
        elif 0 < distance <= (_MOST_BETWEEN if self._is_of_events else _NEAR):
            skim(self._read, start, _SKIMMED * distance)
            ahead(self._read, start, max(stop, place + _SPAN_OF_MANY), 0)
        else:
            known = max(self._after, self._after_before)  # a page may be unlike its neighbours
            stop = place + (max(known, _SPAN) if self._seen < 2 else known + _GAP)
            if self._alike and distance > 0:
                gather(self._read, [(start + n * distance, stop + n * distance) for n in range(self._alike + 1)])
            ahead(self._read, start, stop, 0)

    def _tail(self, distance: int | None) -> int:
        """How many bytes at the file's end hold nothing but directories, it seems, if the next one is among them.

        Args:
            distance: from the last one to that; None: it is the first.
        """
        if distance is None:
            return _TAIL_OF_ALL
        if self._pixels and 2 * distance > 3 * self._pixels:  # it lies behind the pixels of several pages
            return max(_TAIL, min(2 * self._of_others(), _MOST_AHEAD))
        return _TAIL

    def _of_others(self) -> int:
        """About how many bytes the directories have that are still to come, with their tables; 0: nothing tells."""
        if self._size is None or not self._pixels:
            return 0
        return max(0, self._size // self._pixels - self._seen) * (self._before + self._after)

    def _learn(self, place: int, stop: int, tags: Tags) -> None:
        """Take in the tables of places while they are near, and expect those of the next page where these were."""
        low, high = place, stop
        tables = []
        for tag in _OF_EACH:
            start, stored = tags.place(tag)
            if 0 < stored <= MOST_VALUE and (self._size is None or start + stored <= self._size):
                tables.append((start, stored))
                if max(place - start, start + stored - place) <= _MOST_SPAN:
                    low, high = min(low, start), max(high, start + stored)
        for start, end in merged((start, start + stored + _GAP) for start, stored in tables):
            ahead(self._read, start, end - _GAP, end + _SPAN_OF_MANY)  # behind them are short values of other tags
        for table in tables:
            self._read(*table)
        self._before, self._after, self._after_before = place - low, high - place, self._after
        self._pixels, self._seen = self._bytes_told(tags), self._seen + 1

    def _bytes_told(self, tags: Tags) -> int:
        """The bytes of pixels that a page speaks of; 0 where it says nothing that can be believed."""
        for tag in (STRIP_BYTE_COUNTS, TILE_BYTE_COUNTS):
            start, stored = tags.place(tag)
            if tag in tags and stored <= MOST_VALUE and (self._size is None or start + stored <= self._size):
                sizes = tags[tag]
                told = float(sizes.sum(dtype=np.float64)) if sizes.dtype.kind in "iu" else 0.0
                return int(told) if self._size is not None and 0 < told <= self._size else 0
        return 0
