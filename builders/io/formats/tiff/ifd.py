"""The chain of image file directories (IFDs) of TIFF and BigTIFF files: one for each page, with its tags.

Structure after Adobe's TIFF 6.0 (1992), section 2, and BigTIFF as libtiff has it.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, TruncatedError
from builders.io.formats.protocol import Read
from builders.io.formats.reader import ahead, exactly, skim

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_PAGES = 2**16
MOST_TAGS = 4096
"""Of one page, far more than any has."""
MOST_TAGS_OF_ALL = 2**21
MOST_VALUE = 2**26
"""Bytes of the values of one tag: places of eight million strips."""

COMPRESSION = 259
EVENTS = (65000, 65001, 65002)
"""Compressions of EER movies."""
STRIP_OFFSETS, STRIP_BYTE_COUNTS, TILE_OFFSETS, TILE_BYTE_COUNTS = 273, 279, 324, 325
_PLACES = (STRIP_OFFSETS, STRIP_BYTE_COUNTS, TILE_OFFSETS, TILE_BYTE_COUNTS)
_TYPES: dict[int, str] = {
    **{1: "u1", 2: "u1", 3: "u2", 4: "u4", 5: "2u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "2i4"},
    **{11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8"},
}
"""TIFF's number of a type -> NumPy's name; a rational is two numbers."""

_SPAN = 4096
"""Bytes that are asked for with a directory that lies alone: its values mostly follow it."""
_SPAN_OF_MANY = 512
"""The same where others are near: there may be thousands of them, and all that comes is remembered."""
_SMALL = 256 * 1024
"""A file of so few bytes comes as a whole."""
_MOST_SPAN = 64 * 1024
_MOST_AHEAD = 1024 * 1024
_NEAR = 64 * 1024
"""Directories that lie so close to each other, with pixels between them, come many at a time."""
_SKIMMED = 64
"""So many."""
_MOST_BETWEEN = 1024 * 1024
"""Frames of electron events, which are small and mostly wanted all, come so where they lie this close."""
_TAIL = 64 * 1024
"""What is no farther from the file's end is read up to there."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Classic TIFF or BigTIFF, in one byte order: how numbers stand in it."""

    order: str
    is_big: bool
    count: struct.Struct
    entry: np.dtype[Any]
    offset: struct.Struct

    @property
    def inline(self) -> int:
        """Bytes of values that stand in their entry."""
        return 8 if self.is_big else 4


def _kind(order: str, is_big: bool) -> _Kind:
    number, small = ("Q", "H") if is_big else ("I", "H")
    size = 8 if is_big else 4
    entry = np.dtype(
        [("tag", f"{order}u2"), ("type", f"{order}u2"), ("count", f"{order}u{size}"), ("value", f"V{size}")]
    )
    count = struct.Struct(order + ("Q" if is_big else small))
    return _Kind(order, is_big, count, entry, struct.Struct(order + number))


_KINDS = {magic: _kind("<" if magic[:1] == b"I" else ">", b"+" in magic) for magic in MAGICS}


class Tags(Mapping[int, NDArray[Any]]):
    """The tags of a page by number, their values read when they are asked for.

    A value is an array of one axis, in the type and byte order in which it is stored; of rationals `(count, 2)`; of
    text and bytes it is of uint8. Tags of types that TIFF does not have are passed over.
    """

    def __init__(self, entries: NDArray[Any], kind: _Kind, read: Read, size: int | None, name: str) -> None:
        self._kind, self._read, self._size, self._name = kind, read, size, name
        fields = zip(*(entries[field].tolist() for field in ("tag", "type", "count", "value")), strict=True)
        self._entries: dict[int, tuple[np.dtype[Any], int, bytes]] = {}
        for tag, type_, count, value in fields:
            if type_ in _TYPES:
                self._entries.setdefault(tag, (_dtype(type_, kind.order), count, bytes(value)))

    def __getitem__(self, tag: int) -> NDArray[Any]:
        dtype, count, value = self._entries[tag]
        stored = count * dtype.itemsize
        if stored <= self._kind.inline:
            return np.frombuffer(value, dtype, count)
        place = self.place(tag)
        if place[1] > MOST_VALUE:
            msg = f"{self._name}: {count} values of TIFF tag {tag}: expected at most {MOST_VALUE} bytes"
            raise FormatError(msg)
        if self._size is not None and sum(place) > self._size:
            msg = f"{self._name}: {self._size} bytes, but TIFF tag {tag} ends at {sum(place)}: the file is truncated"
            raise TruncatedError(msg)
        data = exactly(self._read, *place, self._name, f"TIFF tag {tag}")
        return np.frombuffer(data, dtype, count)

    def __iter__(self) -> Iterator[int]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def place(self, tag: int) -> tuple[int, int]:
        """Where the values of a tag begin, if not in the directory itself, and how many bytes they are; (0, 0) else."""
        if tag not in self._entries:
            return 0, 0
        dtype, count, value = self._entries[tag]
        stored = count * dtype.itemsize
        return (0, 0) if stored <= self._kind.inline else (self._kind.offset.unpack(value)[0], stored)


def _dtype(type_: int, order: str) -> np.dtype[Any]:
    text = _TYPES[type_]
    return np.dtype((f"{order}{text[1:]}", 2)) if text[0] == "2" else np.dtype(order + text)


@dataclass(frozen=True, slots=True)
class Ifd:
    """A page of a file.

    Attributes:
        offset: first byte of its directory.
        order: the file's byte order, `"<"` or `">"`.
        tags: its tags.
        name: of the file, for errors.
    """

    offset: int
    order: str
    tags: Tags
    name: str

    def number(self, tag: int, default: int) -> int:
        """The first value of a tag of whole numbers.

        Raises:
            FormatError: it has none, or they are no whole numbers.
        """
        if tag not in self.tags:
            return default
        numbers = self.integers(tag)
        if not numbers.size:
            msg = f"{self.name}: TIFF tag {tag} of the page at byte {self.offset} has no value"
            raise FormatError(msg)
        return int(numbers[0])

    def integers(self, tag: int) -> NDArray[np.int64]:
        """The values of a tag of whole numbers, such as places and sizes of strips; none where there is no such tag.

        Raises:
            FormatError: they are something else, or too large for any file.
        """
        if tag not in self.tags:
            return np.empty(0, np.int64)
        values = self.tags[tag]
        if values.dtype.kind not in "iu" or values.ndim != 1:
            msg = (
                f"{self.name}: TIFF tag {tag} of the page at byte {self.offset} holds {values.dtype}: expected integers"
            )
            raise FormatError(msg)
        if values.dtype.itemsize == 8 and int(values.max(initial=0)) > np.iinfo(np.int64).max:
            msg = f"{self.name}: TIFF tag {tag} says {int(values.max())}: expected what a file could hold"
            raise FormatError(msg)
        return values.astype(np.int64)

    def text(self, tag: int) -> str:
        """The text of a tag, up to its first null; empty where there is no such tag."""
        if tag not in self.tags:
            return ""
        return self.tags[tag].tobytes().partition(b"\0")[0].decode("utf-8", "replace")


def read_chain(read: Read, size: int | None, name: str) -> list[Ifd]:
    """The pages of a file, in the order of their chain, each with its tables of places: in few reads.

    Directories that lie side by side come together, whether behind all pixels or before them; so do those that lie
    between the pixels of small pages. Of others, each is a read of its own. No byte is read twice.

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
    kind = _KINDS.get(magic[:4])
    if kind is None:
        msg = f"{name}: begins with {magic[:4]!r}: expected a TIFF file"
        raise FormatError(msg)
    if kind.is_big:
        if magic[4:] != struct.pack(f"{kind.order}2H", 8, 0):
            msg = f"{name}: a BigTIFF file with offsets of {magic[4:]!r}: expected 8 bytes"
            raise FormatError(msg)
        magic = exactly(read, 8, 8, name, "TIFF header")
    place = kind.offset.unpack(magic[8 - kind.offset.size :])[0]
    return list(_walked(_Walk(read, size, name, kind), place))


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

    def __init__(self, read: Read, size: int | None, name: str, kind: _Kind) -> None:
        self._read, self._size, self.name, self._kind = read, size, name, kind
        self._before, self._after, self._ahead = 0, 0, _SPAN
        self._last: int | None = None
        self._is_of_events = False

    def page(self, place: int) -> tuple[Ifd, int]:
        """The page whose directory is at a place, and where the next one is; 0: there is none."""
        kind, name = self._kind, self.name
        if self._size is not None and place >= self._size:
            msg = f"{name}: {self._size} bytes, but a TIFF page begins at {place}: the file is truncated"
            raise TruncatedError(msg)
        self._fetch(place)
        count = kind.count.unpack(exactly(self._read, place, kind.count.size, name, "TIFF directory"))[0]
        if not 0 < count <= MOST_TAGS:
            msg = f"{name}: a TIFF page of {count} tags at byte {place}: expected 1 to {MOST_TAGS}"
            raise FormatError(msg)
        first, stop = place + kind.count.size, place + kind.count.size + count * kind.entry.itemsize
        data = exactly(self._read, first, stop - first + kind.offset.size, name, "TIFF directory")
        tags = Tags(np.frombuffer(data, kind.entry, count), kind, self._read, self._size, name)
        page = Ifd(place, kind.order, tags, name)
        self._is_of_events = page.number(COMPRESSION, 1) in EVENTS
        self._learn(place, stop + kind.offset.size, tags)
        return page, kind.offset.unpack(data[-kind.offset.size :])[0]

    def _fetch(self, place: int) -> None:
        """Have the bytes around a directory come in one read; the first one may be among those that are there."""
        start, stop = max(0, place - self._before), place + self._after
        distance = None if self._last is None else place - self._last
        self._last = place
        if self._size is not None and self._size - _TAIL <= place:
            ahead(self._read, start, max(stop, place + 1), self._size)
        elif distance is None:
            return
        elif abs(distance) <= max(_SPAN_OF_MANY, 2 * (self._before + self._after)):
            if ahead(self._read, start, stop, place + self._ahead):
                self._ahead = min(2 * self._ahead, _MOST_AHEAD)
        elif 0 < distance <= (_MOST_BETWEEN if self._is_of_events else _NEAR):
            skim(self._read, start, _SKIMMED * distance)
            ahead(self._read, start, max(stop, place + _SPAN_OF_MANY), 0)
        else:
            ahead(self._read, start, max(stop, place + _SPAN), 0)

    def _learn(self, place: int, stop: int, tags: Tags) -> None:
        """Take in the tables of places while they are near, and expect those of the next page where these were."""
        low, high = place, stop
        for tag in _PLACES:
            start, stored = tags.place(tag)
            if 0 < stored <= MOST_VALUE and (self._size is None or start + stored <= self._size):
                self._read(start, stored)
                if max(place - start, start + stored - place) <= _MOST_SPAN:
                    low, high = min(low, start), max(high, start + stored)
        self._before, self._after = place - low, high - place
