"""Rows of a table with one blank between two values and none elsewhere, as a reader of plain CSV needs them."""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_NEWLINE, _BLANK = 10, 32
_BLANKS = bytes(_NEWLINE if byte == _NEWLINE else _BLANK if byte <= _BLANK else byte for byte in range(256))
_BLOCK = 112 * 1024
"""Bytes: room for them is what malloc has at hand; for more than 128 KiB it asks the system each time."""
_INDENT = 64
"""Blanks at the beginning of a line; programs that align columns write some 12."""
_MARKS = (b'"', b"'", b"#")
_WORDS = (b"d", b"l")
_ENDS = re.compile(rb"(?:\A|\n)(?:data_[^ \n]*|loop_)(?=\n|\Z)")
"""A line that begins a block, or another loop; a row may begin with `data_`, as a path of a folder so named."""


class OddError(ValueError):
    """These lines need the exact way."""


class Packed(NamedTuple):
    """Rows that a reader of CSV understands.

    Attributes:
        data: values parted by one blank, rows by one line end, nothing else.
        rows: how many there are.
        ends: how many line ends there were.
        lines: which of the lines, from 0, each row was; None where all lines were rows.
    """

    data: bytes
    rows: int
    ends: int
    lines: NDArray[np.int64] | None


def pack(lines: bytes) -> Packed:
    r"""Pack whole lines.

    Raises:
        OddError: there are quotes, comments, NUL bytes or ends of the table, on which a reader of CSV has other views.

    Example:
        >>> pack(b"  1\t a.mrc \r\n\n 2  b.mrc\n")
        Packed(data=b'1 a.mrc\n2 b.mrc\n', rows=2, ends=3, lines=array([0, 2]))
    """
    parts: list[Packed] = []
    at = 0
    while at < len(lines):
        stop = lines.rfind(b"\n", at, at + _BLOCK) + 1 or lines.find(b"\n", at) + 1 or len(lines)
        parts.append(_pack_block(lines[at:stop]))
        at = stop
    rows, ends = sum(part.rows for part in parts), sum(part.ends for part in parts)
    data = b"".join(part.data for part in parts)
    if all(part.lines is None for part in parts):
        return Packed(data, rows, ends, None)
    firsts = np.cumsum([0, *(part.ends for part in parts)])
    numbers = (np.arange(part.rows) if part.lines is None else part.lines for part in parts)
    return Packed(data, rows, ends, np.concatenate([n + first for n, first in zip(numbers, firsts, strict=False)]))


def _pack_block(lines: bytes) -> Packed:
    given = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(given == _NEWLINE)
    has_controls = np.count_nonzero(given < _BLANK) != len(ends)
    if has_controls and b"\0" in lines:
        msg = "a NUL byte"
        raise OddError(msg)
    starts = np.concatenate([[0], (ends[:-1] if lines.endswith(b"\n") else ends) + 1])
    firsts = _first_values(given, starts)
    is_row = given[firsts] > _BLANK
    # of the blanks between two values the last one; of those at a line's beginning or end, and of blank lines, nothing
    kept = given > _BLANK
    kept[:-1] |= kept[1:]
    kept[ends] = True
    kept[firsts[is_row & (firsts > starts)] - 1] = False
    kept[firsts[~is_row]] = False
    data = given[kept].tobytes()
    if has_controls:
        data = data.translate(_BLANKS)
    _refuse_odd(data, given[firsts[is_row]])
    rows = int(np.count_nonzero(is_row))
    return Packed(data, rows, len(ends), None if rows == len(starts) else np.flatnonzero(is_row))


def _first_values(given: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where in each line its first value begins; its end where it has none."""
    firsts, last = starts, len(given) - 1
    for _ in range(_INDENT):
        found = given[firsts]
        is_blank = (found <= _BLANK) & (found != _NEWLINE) & (firsts < last)
        if not is_blank.any():
            return firsts
        firsts = firsts + is_blank
    msg = "a line that begins with many blanks"
    raise OddError(msg)


def _refuse_odd(data: bytes, firsts: NDArray[np.uint8]) -> None:
    """Refuse packed rows; the first byte of each spares a search for words."""
    for mark in _MARKS:
        if mark in data and (data.startswith(mark) or b" " + mark in data or b"\n" + mark in data):
            msg = f"a value that begins with {mark.decode()}"
            raise OddError(msg)
    if any(np.any(firsts == word[0]) for word in _WORDS) and _ENDS.search(data):
        msg = "the end of the table"
        raise OddError(msg)
