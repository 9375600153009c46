"""Image file directories (IFDs) of TIFF and BigTIFF files: one for each page, with its tags.

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
from builders.io.formats.reader import exactly

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_VALUE = 2**26
"""Bytes of the values of one tag: places of eight million strips."""

COMPRESSION = 259
EVENTS = (65000, 65001, 65002)
"""Compressions of EER movies."""
STRIP_OFFSETS, STRIP_BYTE_COUNTS, TILE_OFFSETS, TILE_BYTE_COUNTS = 273, 279, 324, 325
_TYPES: dict[int, str] = {
    **{1: "u1", 2: "u1", 3: "u2", 4: "u4", 5: "2u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "2i4"},
    **{11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8"},
}
"""TIFF's number of a type -> NumPy's name; a rational is two numbers."""


@dataclass(frozen=True, slots=True)
class Numbers:
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


def _numbers(order: str, is_big: bool) -> Numbers:
    number, small = ("Q", "H") if is_big else ("I", "H")
    size = 8 if is_big else 4
    entry = np.dtype(
        [("tag", f"{order}u2"), ("type", f"{order}u2"), ("count", f"{order}u{size}"), ("value", f"V{size}")]
    )
    count = struct.Struct(order + ("Q" if is_big else small))
    return Numbers(order, is_big, count, entry, struct.Struct(order + number))


NUMBERS = {magic: _numbers("<" if magic[:1] == b"I" else ">", b"+" in magic) for magic in MAGICS}


class Tags(Mapping[int, NDArray[Any]]):
    """The tags of a page by number, their values read when they are asked for.

    A value is an array of one axis, in the type and byte order in which it is stored; of rationals `(count, 2)`; of
    text and bytes it is of uint8. Tags of types that TIFF does not have are passed over.
    """

    def __init__(self, entries: NDArray[Any], numbers: Numbers, read: Read, size: int | None, name: str) -> None:
        self._numbers, self._read, self._size, self._name = numbers, read, size, name
        fields = zip(*(entries[field].tolist() for field in ("tag", "type", "count", "value")), strict=True)
        self._entries: dict[int, tuple[np.dtype[Any], int, bytes]] = {}
        for tag, type_, count, value in fields:
            if type_ in _TYPES:
                self._entries.setdefault(tag, (_dtype(type_, numbers.order), count, bytes(value)))

    def __getitem__(self, tag: int) -> NDArray[Any]:
        dtype, count, value = self._entries[tag]
        stored = count * dtype.itemsize
        if stored <= self._numbers.inline:
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
        return (0, 0) if stored <= self._numbers.inline else (self._numbers.offset.unpack(value)[0], stored)


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
