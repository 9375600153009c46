"""Lists of one line an image: tilt angles (`.tlt`, `.rawtlt`) and transforms of IMOD (`.xf`)."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from builders.errors import FormatError
from builders.io.tables.tilts.lines import ANGLE, lines_of, number
from builders.io.tables.tilts.series import MOST_SHIFT, MOST_TILTS, turned

_T = TypeVar("_T")


class Alignment(NamedTuple):
    """How an image comes into register with the others of its series.

    Attributes:
        axis_angle: degrees, counter-clockwise from y: the image is turned by as much the other way.
        shift_x: pixels by which its content is moved along x before.
        shift_y: the same along y.
    """

    axis_angle: float
    shift_x: float
    shift_y: float


def read_angles(data: bytes, name: str) -> list[float]:
    r"""The tilt angles of a `.tlt` or `.rawtlt`, degrees, one a line.

    Raises:
        FormatError: a line is no number, or there are none.

    Example:
        >>> read_angles(b"-60.02\r\n 0.0\r\n", "x.tlt")
        [-60.02, 0.0]
    """
    found = []
    for line, text in lines_of(data, name, "tilt angles in degrees, one a line"):
        found.append(number(text, name, line, "a tilt angle", ANGLE))
    return _checked(found, name, "tilt angles")


def read_transforms(data: bytes, name: str) -> list[Alignment]:
    r"""The transforms of an `.xf` of IMOD, six numbers a line: A11 A12 A21 A22 DX DY.

    IMOD turns first and shifts then, both about the image's centre: X' = A X + (DX, DY) (man page of newstack). What is
    given here is the same the other way round: X' = A (X + shift), so shift = A^-1 (DX, DY), as a tilt axis and its
    shift are told elsewhere; A turns by `-axis_angle`.

    Raises:
        FormatError: a line has no six numbers, or its matrix turns nothing.

    Example:
        >>> [(round(angle, 3), round(x, 3), round(y, 3)) for angle, x, y in read_transforms(b"0 1 -1 0 5 2\n", "x.xf")]
        [(90.0, -2.0, 5.0)]
    """
    found = []
    for line, text in lines_of(data, name, "transforms of IMOD, six numbers a line"):
        texts = text.split()
        if len(texts) != 6:
            msg = f"{name}, line {line}: {text[:80]!r}: expected six numbers, A11 A12 A21 A22 DX DY"
            raise FormatError(msg)
        a, b, c, d, x, y = (number(one, name, line, "a number of the transform") for one in texts)
        size = a * d - b * c
        if not 1e-6 < abs(size) < 1e6:
            msg = f"{name}, line {line}: the matrix {a:g} {b:g} {c:g} {d:g}: expected one that turns an image"
            raise FormatError(msg)
        moved = (d * x - b * y) / size, (a * y - c * x) / size
        if math.hypot(*moved) > MOST_SHIFT:
            msg = f"{name}, line {line}: a shift of {x:g}, {y:g} pixels: expected one within the image"
            raise FormatError(msg)
        turn = math.degrees(math.atan2(c - b, a + d))
        found.append(Alignment(turned(-turn), *moved))
    return _checked(found, name, "transforms")


def _checked(found: list[_T], name: str, what: str) -> list[_T]:
    if not 0 < len(found) <= MOST_TILTS:
        msg = f"{name}: {len(found)} {what}: expected one of each image"
        raise FormatError(msg)
    return found


def spread(one: Sequence[float], other: Sequence[float]) -> tuple[float, int]:
    """How far apart two lists of angles are at the most, but for what they differ by in the middle, and where.

    Example:
        >>> spread([0.0, 3.0, 6.0], [1.0, 4.0, 9.0])
        (2.0, 2)
    """
    differences = [second - first for first, second in zip(one, other, strict=True)]
    middle = sorted(differences)[len(differences) // 2]
    far = [abs(difference - middle) for difference in differences]
    return max(far), far.index(max(far))
