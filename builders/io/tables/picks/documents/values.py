"""Points, numbers and matrices of JSON, as arrays: fast where all is well, and told by its point where it is not."""

import contextlib
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.tables.picks.checking import BITS, XYZ, Where, check_finite, shown

_PLAIN = frozenset((int, float))


def numbers(values: list[object], names: Sequence[str], where: Where) -> NDArray[np.float64]:
    """Values of JSON, row after row, as numbers.

    Args:
        values: those of the first row, in the order of `names`, then those of the second, and so on.
        names: what they are, for errors.
        where: tells a row.

    Returns:
        `(rows, len(names))`.

    Raises:
        FormatError: one is no number, or is not finite.
    """
    if set(map(type, values)) <= _PLAIN:
        with contextlib.suppress(OverflowError):  # a whole number beyond all floats
            found = np.array(values, np.float64).reshape(-1, len(names))
            check_finite(found, names, where)
            return found
    place = next(place for place, value in enumerate(values) if not _is_plain(value))
    row, column = divmod(place, len(names))
    msg = f"{where(row)}: {names[column]} is {shown(values[place])}: expected a number"
    raise FormatError(msg)


def _is_plain(value: object) -> bool:
    return type(value) is float or (type(value) is int and value.bit_length() < BITS)


def locations(points: Sequence[dict[str, object]], where: Where) -> NDArray[np.float64]:
    """The `location` of each point of JSON.

    Args:
        points: the points.
        where: tells one.

    Returns:
        `(n, 3)`, x, y, z.

    Raises:
        FormatError: a point has none, or it is not three numbers.
    """
    found = [point.get("location") for point in points]
    for row, location in enumerate(found):
        if type(location) is not dict:
            msg = f"{where(row)}: location is {shown(location)}: expected a JSON object with x, y and z"
            raise FormatError(msg)
    values = [place.get(axis) for place in found for axis in XYZ]  # type: ignore[attr-defined]
    return numbers(values, [f"location {axis}" for axis in XYZ], where)


def _are_lists(values: Sequence[object], count: int) -> bool:
    """Whether all values of JSON are lists of that many."""
    return set(map(type, values)) <= {list} and set(map(len, values)) <= {count}  # type: ignore[arg-type]


def matrices(found: Sequence[object], size: int, name: str, where: Where) -> NDArray[np.float64]:
    """Matrices of JSON, lists of lists.

    Args:
        found: a matrix of each point.
        size: how many rows and columns they have.
        name: what they are, for errors.
        where: tells a point.

    Returns:
        `(n, size, size)`.

    Raises:
        FormatError: one is none of that size, or a value of it is no number.
    """
    rows: list[object] = list(chain.from_iterable(found)) if _are_lists(found, size) else []  # type: ignore[arg-type]
    if len(rows) != size * len(found) or not _are_lists(rows, size):
        row = next(row for row, matrix in enumerate(found) if not _is_matrix(matrix, size))
        msg = f"{where(row)}: {name} is {shown(found[row])}: expected {size} lists of {size} numbers"
        raise FormatError(msg)
    names = [f"{name} {first}{second}" for first in range(size) for second in range(size)]
    values: list[object] = list(chain.from_iterable(rows))  # type: ignore[arg-type]
    return numbers(values, names, where).reshape(-1, size, size)


def _is_matrix(found: object, size: int) -> bool:
    return isinstance(found, list) and len(found) == size and _are_lists(found, size)
