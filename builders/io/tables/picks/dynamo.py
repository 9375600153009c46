"""Dynamo's tables: a line a particle, numbers in columns that have no names."""

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.tables.opening import HEAD, refuse_others
from builders.io.tables.picks.checking import Where, shown
from builders.io.tables.picks.lines import BLANKS, Lines
from builders.io.tables.picks.picks import Picks
from builders.io.tables.picks.turns import about_zxz

_EXPECTED = "a table of Dynamo, of 26 columns or more, parted by blanks"
_LEAST, _MOST = 26, 4096
_CENTRE = 0.5
"""Of the first voxel, as Dynamo counts points."""
_SHIFT, _ANGLES, _PLACE = (4, 5, 6), (7, 8, 9), (24, 25, 26)
_TOMOGRAM, _CLASS = 20, 22
_MEANINGS = {
    **dict(zip(_SHIFT, ("dx", "dy", "dz"), strict=True)),
    **dict(zip(_ANGLES, ("tdrot", "tilt", "narot"), strict=True)),
    **dict(zip(_PLACE, "xyz", strict=True)),
    **{_TOMOGRAM: "tomo", _CLASS: "class"},
}


def read(data: bytes, name: str, pixel_size: float | None = None, label: str | None = None) -> Picks:
    """Read a table of Dynamo in text (`.tbl`).

    A particle lies at columns 24 to 26 plus 4 to 6, in voxels; Dynamo counts these from the corner of the first voxel,
    whose centre is at 0.5 (its wiki, "Volume center"; copick and dynamo2m leave that half voxel out). Its orientation
    is columns 7 to 9, tdrot, tilt, narot: a vector v of the tomogram is `Rz(narot) Rx(tilt) Rz(tdrot) v` in the
    particle, with `Rz(a) = [[cos a, -sin a, 0], [sin a, cos a, 0], [0, 0, 1]]`. Tomogram (column 20) and class (column
    22) are numbers, given as text.

    Args:
        data: the file's bytes.
        name: of the file, for errors.
        pixel_size: Å, of its voxels.
        label: what its particles are, in place of the numbers of classes, which mean something within a table alone.

    Raises:
        FormatError: it is something else, or a line is wrong: with its number.

    Example:
        >>> row = ["1"] * 3 + ["0"] * 16 + ["7", "0", "2", "0", "100.5", "50.5", "25.5"]
        >>> picks = read(" ".join(row).encode(), "p.tbl")
        >>> picks.points.tolist(), picks.tomograms, picks.labels
        ([[100.0, 50.0, 25.0]], ('7',), ('2',))
    """
    refuse_others(data[:HEAD], name, _EXPECTED)
    lines = Lines(name, data, BLANKS, _columns(data, name), 1, _EXPECTED)
    rows = lines.read([_column(number) for number in _MEANINGS])

    def numbers(*columns: int) -> NDArray[np.float64]:
        return lines.numbers(rows, [_column(number) for number in columns])

    shift, place, angles = numbers(*_SHIFT), numbers(*_PLACE), numbers(*_ANGLES)
    classes = _whole(numbers(_CLASS)[:, 0], _CLASS, lines.where)
    return Picks(
        name=name,
        points=place + shift - _CENTRE,
        unit="voxel",
        labels=classes if label is None else (label,) * len(classes),
        rotations=about_zxz(angles),
        tomograms=_whole(numbers(_TOMOGRAM)[:, 0], _TOMOGRAM, lines.where),
        pixel_size=pixel_size,
    )


def _columns(data: bytes, name: str) -> list[str]:
    """Names of the columns: as many as the first line has values."""
    first = next((line for line in data[: 2 * HEAD * HEAD].splitlines() if line.strip()), b"")
    count = len(first.split(None, _MOST))
    if not _LEAST <= count <= _MOST:
        msg = f"{name}: line 1: {count} value{'s' if count != 1 else ''}: expected {_EXPECTED}"
        raise FormatError(msg)
    return [_column(number) for number in range(1, count + 1)]


def _column(number: int) -> str:
    meaning = _MEANINGS.get(number)
    return f"column {number}" if meaning is None else f"column {number} ({meaning})"


def _whole(found: NDArray[np.float64], column: int, where: Where) -> tuple[str, ...]:
    """Whole numbers as text, each one once in memory."""
    is_wrong = found != np.floor(found)
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        msg = f"{where(row)}: {_column(column)} is {shown(float(found[row]))}: expected a whole number"
        raise FormatError(msg)
    known, codes = np.unique(found.astype(np.int64), return_inverse=True)
    texts = [str(number) for number in known.tolist()]
    return tuple(map(texts.__getitem__, codes.tolist()))
