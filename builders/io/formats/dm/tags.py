"""The tree of tags that a DM3 or DM4 file is, walked from tag to tag: values are passed over, not read.

There is no specification of Gatan's; the layout is as the readers of ImageJ, HyperSpy and ncempy have it
(https://imagej.net/ij/plugins/DM3Format.gj.html). Sizes and kinds of tags are big-endian in every file, values in the
byte order that its head tells; DM4 has numbers of 8 bytes where DM3 has 4, and the size of each tag besides.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from builders.errors import FormatError
from builders.io.formats.protocol import Read
from builders.io.formats.reader import BLOCK, exactly

MOST_TAGS = 2**17
MOST_DEPTH = 64
_MOST_TYPES = 1024
"""Numbers that spell the type of a value: one of a record has two for each field."""
_WINDOW = BLOCK
"""Bytes that are asked for at once: tags lie side by side, but for the pixels between them."""
_GROUP, _VALUE = 20, 21
_STRUCT, _STRING, _ARRAY = 15, 18, 20
_SIZES = {2: 2, 3: 4, 4: 2, 5: 4, 6: 4, 7: 8, 8: 1, 9: 1, 10: 1, 11: 8, 12: 8}
NUMBERS = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "B", 9: "b", 10: "B", 11: "q", 12: "Q"}
"""Types of single numbers, as `struct` spells them."""
TEXT = 4
"""Type of the numbers that text is made of, which is UTF-16."""
_MARK = b"%%%%"
_ENTRY = struct.Struct(">BH")


@dataclass(frozen=True, slots=True)
class Head:
    """How a file begins.

    Attributes:
        version: 3 or 4.
        byte_order: of values, `"<"` or `">"`.
    """

    version: int
    byte_order: str

    @property
    def size(self) -> int:
        """Bytes before the first group of tags."""
        return 12 if self.version == 3 else 16

    @property
    def number(self) -> struct.Struct:
        """How counts and sizes are stored."""
        return struct.Struct(">I" if self.version == 3 else ">Q")


@dataclass(frozen=True, slots=True)
class Tag:
    """A value in the tree.

    Attributes:
        path: names of the groups around it, from the root, and its own; of those without a name `"#"` and the place in
            its group.
        types: the numbers that spell its type.
        offset: where the value begins.
        nbytes: its size.
    """

    path: tuple[str, ...]
    types: tuple[int, ...]
    offset: int
    nbytes: int


def head_of(data: bytes) -> Head | None:
    """What the first bytes of a file say, if they are those of a DM3 or DM4 file.

    Numbers as small begin big-endian MRC files of three or four columns, so the first tag is looked at, too.

    Example:
        >>> head_of(bytes([0, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 9, 21, 0, 2]) + b"ab")
        Head(version=3, byte_order='<')
    """
    version = int.from_bytes(data[:4], "big")
    if version not in (3, 4):
        return None
    end = 12 if version == 3 else 16
    order, first = data[end - 4 : end], end + 2 + (4 if version == 3 else 8)
    if order not in (bytes(4), b"\x00\x00\x00\x01") or max(data[end : end + 2], default=2) > 1 or len(data) < first + 3:
        return None
    kind, length = _ENTRY.unpack_from(data, first)
    if kind not in (_GROUP, _VALUE) or length > len(data):
        return None
    return Head(version, "<" if order[-1] else ">")


class _Window:
    """Bytes around the place where tags are read."""

    def __init__(self, read: Read, name: str) -> None:
        self._read, self._name, self._data, self._start = read, name, b"", 0

    def at(self, place: int, count: int) -> bytes:
        """Bytes that have to be there."""
        first = place - self._start
        if first < 0 or first + count > len(self._data):
            self._data, self._start, first = self._read(place, max(count, _WINDOW)), place, 0
            if len(self._data) < count:
                return exactly(self._read, place, count, self._name, "tags")
        return self._data[first : first + count]


def walk(read: Read, head: Head, name: str) -> Iterator[Tag]:
    """The values of a file in the order in which they are stored.

    Args:
        read: gives bytes of the file.
        head: how it begins.
        name: of the file, for errors.

    Raises:
        FormatError: no tree of tags, or one without end.
        TruncatedError: the file ends before the tree does.
    """
    window, number = _Window(read, name), head.number
    groups: list[_Group] = []
    place, seen = _entered(groups, (), window, number, head.size, name), 0
    while groups:
        group = groups[-1]
        if group.left == 0:
            groups.pop()
            continue
        if seen == MOST_TAGS:
            raise _damaged(name, place, f"more than {MOST_TAGS} tags")
        seen += 1
        kind, length = _ENTRY.unpack(window.at(place, _ENTRY.size))
        if kind not in (_GROUP, _VALUE):
            raise _damaged(name, place, f"a tag of kind {kind}, expected {_GROUP} or {_VALUE}")
        label = window.at(place + _ENTRY.size, length).decode("latin-1") or f"#{group.count - group.left}"
        group.left -= 1
        place += _ENTRY.size + length + (0 if head.version == 3 else number.size)
        if kind == _GROUP:
            place = _entered(groups, (*group.path, label), window, number, place, name)
            continue
        types, place = _types(window, number, place, name)
        tag = Tag((*group.path, label), types, place, _size_of(types, place, name))
        yield tag
        place += tag.nbytes


@dataclass(slots=True)
class _Group:
    """A group around the place where tags are read.

    Attributes:
        path: its name, and those of the groups around it.
        count: how many tags it has.
        left: how many of them come yet.
    """

    path: tuple[str, ...]
    count: int
    left: int


def _entered(
    groups: list[_Group], path: tuple[str, ...], window: _Window, number: struct.Struct, place: int, name: str
) -> int:
    """Go into a group, whose two flags stand at a place; where its first tag does."""
    if len(groups) == MOST_DEPTH:
        raise _damaged(name, place, f"groups of tags in more than {MOST_DEPTH} groups")
    (count,) = number.unpack(window.at(place + 2, number.size))
    groups.append(_Group(path, count, count))
    return place + 2 + number.size


def _types(window: _Window, number: struct.Struct, place: int, name: str) -> tuple[tuple[int, ...], int]:
    """The numbers that spell a value's type, and where the value begins."""
    if window.at(place, len(_MARK)) != _MARK:
        raise _damaged(name, place, f"{window.at(place, len(_MARK))!r}, expected {_MARK!r} before a value")
    place += len(_MARK)
    (count,) = number.unpack(window.at(place, number.size))
    if not 1 <= count <= _MOST_TYPES:
        raise _damaged(name, place, f"a type of {count} numbers, expected 1 to {_MOST_TYPES}")
    place += number.size
    data = window.at(place, count * number.size)
    return tuple(value for (value,) in number.iter_unpack(data)), place + len(data)


def _size_of(types: tuple[int, ...], place: int, name: str) -> int:
    """Bytes of a value, in exact integers: a number, a record of them, a text, or an array of any of these."""
    depth = next((n for n, kind in enumerate(types) if kind != _ARRAY), len(types))
    element, lengths = types[depth : len(types) - depth], types[len(types) - depth :]
    size = None
    if len(element) == 1:
        size = _SIZES.get(element[0])
    elif len(element) == 2 and element[0] == _STRING:
        size = 2 * element[1]
    elif len(element) > 2 and element[0] == _STRUCT and len(element) == 3 + 2 * element[2]:
        fields = [_SIZES.get(kind) for kind in element[4::2]]
        size = None if None in fields else sum(field or 0 for field in fields)
    if size is None:
        raise _damaged(name, place, f"a value of type {types[:8]}, expected numbers, records, texts or arrays of them")
    for length in lengths:
        size *= length
    if size >= 2**62:
        raise _damaged(name, place, f"a value of {size} bytes, expected what a file can hold")
    return size


def _damaged(name: str, place: int, what: str) -> FormatError:
    return FormatError(f"{name}: damaged at byte {place}: {what}")
