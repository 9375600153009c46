"""Whether what a file says are numbers, rotations and names: told by the first row that is wrong."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError

Where = Callable[[int], str]
"""Of a row, from 0: the file's name and where in it the row stands."""
XYZ = ("x", "y", "z")
_SHOWN = 60
BITS = 1024
"""Of a whole number that no float holds."""
_OFF = 1e-2
"""How far a matrix times its transpose may be off the identity: files have three decimals, or two."""
_MOST = 1e9
"""Å or voxels: a metre is no place in a tomogram, and numbers are far from where single precision ends."""


def shown(value: object) -> str:
    """A value as it may be printed.

    Example:
        >>> shown({"x": 1}), shown("a" * 70)
        ("{'x': 1}", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'")
    """
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
    if isinstance(value, list | dict) and len(value) > _SHOWN:
        return f"a {'list' if isinstance(value, list) else 'JSON object'} of {len(value)}"
    if isinstance(value, int) and value.bit_length() >= BITS:
        return "a whole number of very many digits"
    said = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."


def check_finite(found: NDArray[np.float64], names: Sequence[str], where: Where) -> None:
    """Refuse numbers that are NaN, infinite or beyond all places.

    Args:
        found: `(rows, len(names))`.
        names: of the columns.
        where: tells a row.

    Raises:
        FormatError: names the first one.
    """
    with np.errstate(invalid="ignore"):
        is_wrong = ~(np.abs(found) <= _MOST)
    if is_wrong.any():
        row, column = divmod(int(np.argmax(is_wrong)), len(names))
        msg = f"{where(row)}: {names[column]} is {found[row, column]:g}: expected a finite number, up to {_MOST:g}"
        raise FormatError(msg)


def rotations(matrices: NDArray[np.float64], name: str, where: Where) -> NDArray[np.float64]:
    """Matrices, checked to be rotations, within what files with few decimals are off.

    Args:
        matrices: `(n, 3, 3)`, finite.
        name: what they are, for errors.
        where: tells a row.

    Raises:
        FormatError: one is no rotation: it scales, shears or mirrors.
    """
    off = np.abs(matrices @ matrices.swapaxes(1, 2) - np.eye(3)).max(axis=(1, 2), initial=0.0)
    is_wrong = (off > _OFF) | (np.linalg.det(matrices) < 0)
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        said = "mirrors" if off[row] <= _OFF else f"times its transpose is off the identity by {off[row]:.2g}"
        msg = f"{where(row)}: {name} {said}: expected a rotation, a matrix of orthogonal rows with determinant 1"
        raise FormatError(msg)
    return matrices


def check_names(found: Iterable[str], what: str, where: Callable[[str], str]) -> None:
    """Refuse names that are empty or have control characters.

    Args:
        found: the different ones.
        what: they are, for errors.
        where: tells where a name stands first.

    Raises:
        FormatError: names the first one.
    """
    for name in found:
        if not name or not name.isprintable():
            msg = f"{where(name)}: {what} is {shown(name)}: expected a name, of letters that can be printed"
            raise FormatError(msg)
