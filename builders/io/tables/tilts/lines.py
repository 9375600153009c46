"""Text files of tilt series: their lines, and the numbers in these."""

import math
import re
from collections.abc import Iterator

from builders.errors import FormatError
from builders.io.tables.opening import HEAD, refuse_others
from builders.io.tables.tilts.series import MOST_BYTES

_END = re.compile(r"\r\n|\n|\r")
_SHOWN = 80


def lines_of(data: bytes, name: str, expected: str) -> Iterator[tuple[int, str]]:
    r"""The lines of a file that are not blank, with their numbers from 1.

    Args:
        data: of the file.
        name: the file's, for errors.
        expected: what it should be.

    Raises:
        FormatError: it is no text, or larger than any such file.

    Example:
        >>> list(lines_of(b"-3.0\r\n\r\n 0\n", "x.tlt", "tilt angles"))
        [(1, '-3.0'), (3, '0')]
    """
    refuse_others(data[:HEAD], name, expected)
    if b"\0" in data[:HEAD] or len(data) > MOST_BYTES:
        what = f"{len(data):,} bytes" if len(data) > MOST_BYTES else "no text"
        msg = f"{name}: {what}: expected {expected}"
        raise FormatError(msg)
    text = data.decode("utf-8-sig", "replace")
    for number, line in enumerate(_END.split(text), 1):
        if line.strip():
            yield number, line.strip()


def number(text: str, name: str, line: int | None, what: str) -> float:
    """A finite number in decimal.

    Raises:
        FormatError: it is none.
    """
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        where = name if line is None else f"{name}, line {line}"
        msg = f"{where}: {what} is {text[:_SHOWN]!r}: expected a number"
        raise FormatError(msg)
    return value


def whole(text: str, name: str, line: int, what: str) -> int:
    """A whole number, 0 or more.

    Raises:
        FormatError: it is none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        msg = f"{name}, line {line}: {what} is {text[:_SHOWN]!r}: expected a whole number from 0 on"
        raise FormatError(msg)
    return int(text)
