"""Points of the CryoET Data Portal: a JSON object a line, in voxels."""

import json

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.formats import foreign
from builders.io.tables.opening import HEAD
from builders.io.tables.picks.checking import Where, rotations, shown
from builders.io.tables.picks.documents.parsing import parsed
from builders.io.tables.picks.documents.values import locations, matrices
from builders.io.tables.picks.picks import Picks

_EXPECTED = "points of the CryoET Data Portal, one a line"
_TYPES = ("point", "orientedpoint")
_MATRIX = "xyz_rotation_matrix"


def read(data: bytes, name: str, pixel_size: float | None = None, label: str | None = None) -> Picks:
    r"""Read a file of points or oriented points (`.ndjson`).

    Points are in voxels of the tomogram that they were picked in, from the centre of voxel 0 (copick multiplies them by
    the voxel spacing and does no more); `xyz_rotation_matrix` turns the object into the tomogram. What the object is
    the metadata beside the file tell.

    Args:
        data: the file's bytes; none at all are no points.
        name: of the file, for errors.
        pixel_size: Å, of the voxels.
        label: what the points are.

    Raises:
        FormatError: it is something else, or a line is wrong: with its number. Instances of a segmentation are refused:
            they are masks, given as points.

    Example:
        >>> picks = read(b'{"type": "point", "location": {"x": 4, "y": 2, "z": 1}}\n', "a.ndjson", label="ribosome")
        >>> picks.points.tolist(), picks.unit, picks.labels
        ([[4.0, 2.0, 1.0]], 'voxel', ('ribosome',))
    """
    points, lines = _parsed(data, name)

    def where(row: int) -> str:
        return f"{name}: line {lines[row]}"

    _check_types(points, where)
    return Picks(
        name=name,
        points=locations(points, where),
        unit="voxel",
        labels=None if label is None else (label,) * len(points),
        rotations=_rotations(points, where),
        pixel_size=pixel_size,
    )


def _parsed(data: bytes, name: str) -> tuple[list[dict[str, object]], list[int]]:
    """The objects, and the number of the line of each."""
    rows = [(line, text) for line, text in enumerate(data.split(b"\n"), 1) if text.strip()]
    numbers_of = [line for line, _ in rows]
    told = foreign.told(data[:HEAD])
    if rows and told is not None and told != foreign.told(b"{"):
        msg = f"{name}: {told}: expected {_EXPECTED}"
        raise FormatError(msg)
    try:  # all at once is faster
        points = json.loads(b"[%b]" % b",".join(text for _, text in rows))
    except (ValueError, RecursionError):
        points = []
    if len(points) == len(rows) and set(map(type, points)) <= {dict}:
        return points, numbers_of
    return [parsed(text, f"{name}: line {line}", _EXPECTED) for line, text in rows], numbers_of


def _check_types(points: list[dict[str, object]], where: Where) -> None:
    """Refuse what is no point; what tells no type is one if it has a location."""
    kinds = [point.get("type", "point") for point in points]
    for row, kind in enumerate(kinds):
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            expected = "'point' or 'orientedPoint': instances and masks of a segmentation are no picks"
            msg = f"{where(row)}: type is {shown(kind)}: expected {expected}"
            raise FormatError(msg)


def _rotations(points: list[dict[str, object]], where: Where) -> NDArray[np.float64] | None:
    found = [point.get(_MATRIX) for point in points]
    absent = [matrix is None for matrix in found]
    if all(absent):
        return None
    if any(absent):
        msg = f"{where(absent.index(True))}: no {_MATRIX}: expected one, as {where(absent.index(False))} has it"
        raise FormatError(msg)
    return rotations(matrices(found, 3, _MATRIX, where), _MATRIX, where)
