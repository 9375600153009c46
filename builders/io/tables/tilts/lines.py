"""Text files of tilt series: their lines, and the numbers in these."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from builders.errors import FormatError
from builders.io.tables.opening import HEAD, refuse_others
from builders.io.tables.tilts.series import MOST_BYTES

_END = re.compile(r"\r\n|\n|\r")
_SHOWN = 80


class Quantity(NamedTuple):
    """What a number is of.

    Attributes:
        least: what it may be at the least.
        most: the same at the most; beyond both, a file is damaged, or in other units.
        expected: this, in words.
    """

    least: float
    most: float
    expected: str


ANGLE = Quantity(-360.0, 360.0, "degrees from -360 to 360")
DOSE = Quantity(0.0, 1e4, "e/Å² from 0 to 10,000")
DEFOCUS = Quantity(-1e6, 1e6, "Å from -1,000,000 to 1,000,000")
DEFOCUS_UM = Quantity(-100.0, 100.0, "µm from -100 to 100")
PIXEL_SIZE = Quantity(1e-6, 1e6, "Å per pixel, above 0")
SHIFT = Quantity(-1e7, 1e7, "Å within the image")


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


def number(text: str, name: str, line: int | None, what: str, of: Quantity | None = None) -> float:
    """A finite number in decimal.

    Args:
        text: as it stands in the file.
        name: the file's, for errors.
        line: the same.
        what: the same.
        of: what it is of; None: of anything.

    Raises:
        FormatError: it is none, or out of bounds.

    Example:
        >>> number("-3.5", "x.mdoc", 4, "TargetDefocus", DEFOCUS_UM)
        -3.5
    """
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    where = name if line is None else f"{name}, line {line}"
    if not math.isfinite(value):
        msg = f"{where}: {what} is {text[:_SHOWN]!r}: expected a number"
        raise FormatError(msg)
    if of is not None and not of.least <= value <= of.most:
        msg = f"{where}: {what} is {value:g}: expected {of.expected}"
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
