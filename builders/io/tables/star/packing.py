"""Rows of a table with one blank between two values and none elsewhere, as a reader of plain CSV needs them."""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_NEWLINE, _BLANK = 10, 32
_BLANKS = bytes(_NEWLINE if byte == _NEWLINE else _BLANK if byte <= _BLANK else byte for byte in range(256))
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
    given = np.frombuffer(lines, np.uint8)
    ends = given == _NEWLINE
    count = int(np.count_nonzero(ends))
    has_controls = np.count_nonzero(given < _BLANK) != count
    if has_controls and b"\0" in lines:
        msg = "a NUL byte"
        raise OddError(msg)
    # of the blanks between two values the last one, of those at a line's end none, and one of those at its beginning
    kept = given > _BLANK
    kept[:-1] |= kept[1:]
    kept |= ends
    squeezed = given[kept]
    # now what follows a line's end at once: that blank, and the ends of lines that hold nothing
    is_end = squeezed == _NEWLINE
    follows = squeezed <= _BLANK
    follows[1:] &= is_end[:-1]
    values = squeezed[~follows]
    data = values.tobytes()
    if has_controls:
        data = data.translate(_BLANKS)
    row_ends = np.flatnonzero(values == _NEWLINE)
    _refuse_odd(data, values[row_ends[:-1] + 1])
    rows = len(row_ends) + (len(data) > 0 and not data.endswith(b"\n"))
    if rows == count + (not lines.endswith(b"\n")):
        return Packed(data, rows, count, None)
    is_row = ~follows[is_end]
    if not squeezed.size or not is_end[-1]:
        is_row = np.append(is_row, len(data) > 0)
    return Packed(data, rows, count, np.flatnonzero(is_row))


def _refuse_odd(data: bytes, firsts: NDArray[np.uint8]) -> None:
    """Refuse packed rows; the first byte of each row but the first one spares a search for words."""
    for mark in _MARKS:
        if mark in data and (data.startswith(mark) or b" " + mark in data or b"\n" + mark in data):
            msg = f"a value that begins with {mark.decode()}"
            raise OddError(msg)
    may_end = data[:1] in _WORDS or any(np.any(firsts == word[0]) for word in _WORDS)
    if may_end and _ENDS.search(data):
        msg = "the end of the table"
        raise OddError(msg)
