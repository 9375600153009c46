"""copick's picks: a JSON file of the points of one object, picked by one user in one session."""

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.tables.picks.checking import Where, check_names, rotations, shown
from builders.io.tables.picks.documents.parsing import parsed, text
from builders.io.tables.picks.documents.values import locations, matrices
from builders.io.tables.picks.picks import Picks

_EXPECTED = "picks of copick"
_IDENTITY = np.eye(4).tolist()
_MATRIX = "transformation_"
_SMALL = 1e-6


def read(data: bytes, name: str) -> Picks:
    """Read a file of copick's picks (copick 1.31, `CopickPicksFile`).

    A point lies at its `location` plus the last column of `transformation_`, in Å from the centre of voxel 0; the rest
    of that matrix turns the object into the tomogram, the identity where a point has none. With `trust_orientation`
    false there are no rotations.

    Raises:
        FormatError: it is something else, or a point is wrong: with its number, from 0.
    """
    document = parsed(data, name, _EXPECTED)
    label = text(document, "pickable_object_name", name)
    if label is None or "points" not in document:
        key = "pickable_object_name" if label is None else "points"
        msg = f"{name}: no {key} in it: expected {_EXPECTED}, which have it"
        raise FormatError(msg)
    check_names([label], "pickable_object_name", lambda _: name)
    unit, run = text(document, "unit", name), text(document, "run_name", name)
    if unit not in (None, "angstrom"):
        msg = f"{name}: unit is {shown(unit)}: expected 'angstrom', in which copick has all points"
        raise FormatError(msg)
    trusted = document.get("trust_orientation")
    if trusted not in (None, True, False):
        msg = f"{name}: trust_orientation is {shown(trusted)}: expected true or false"
        raise FormatError(msg)

    def where(row: int) -> str:
        return f"{name}: point {row}"

    points = _points(document["points"], name, where)
    places, turns = locations(points, where), _matrices(points, where)
    return Picks(
        name=name,
        points=places + turns[:, :3, 3],
        unit="angstrom",
        labels=(label,) * len(points),
        rotations=None if trusted is False else rotations(turns[:, :3, :3], _MATRIX, where),
        tomograms=None if run is None else (run,) * len(points),
    )


def _points(found: object, name: str, where: Where) -> list[dict[str, object]]:
    if found is None:
        return []
    if not isinstance(found, list):
        msg = f"{name}: points is {shown(found)}: expected a list"
        raise FormatError(msg)
    for row, point in enumerate(found):
        if type(point) is not dict:
            msg = f"{where(row)}: {shown(point)}: expected a JSON object with a location"
            raise FormatError(msg)
    return found


def _matrices(points: list[dict[str, object]], where: Where) -> NDArray[np.float64]:
    """`(n, 4, 4)`.

    Raises:
        FormatError: one is no matrix of 4 by 4 numbers, or its last row is not 0, 0, 0, 1.
    """
    given = [_IDENTITY if (matrix := point.get(_MATRIX)) is None else matrix for point in points]
    found = matrices(given, 4, _MATRIX, where)
    is_wrong = (np.abs(found[:, 3] - _IDENTITY[3]) > _SMALL).any(axis=1)
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        msg = f"{where(row)}: the last row of {_MATRIX} is {found[row, 3].tolist()}: expected 0, 0, 0, 1"
        raise FormatError(msg)
    return found
