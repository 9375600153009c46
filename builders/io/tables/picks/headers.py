"""Which columns of a table of points are which, by the names that programs and people give them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from builders.errors import FormatError
from builders.io.tables.picks.checking import shown
from builders.io.tables.picks.picks import Unit

_ANGSTROM = ("angstrom", "angstroms", "angst", "ang", "a", "å")
_VOXEL = ("voxel", "voxels", "vox", "pixel", "pixels", "px")
_NAPARI = {"axis-2": "x", "axis-1": "y", "axis-0": "z"}
"""napari's layers of points: axes of the array, in voxels."""
_LABELS = ("class", "label", "class_name", "particle_type", "object", "object_name", "pickable_object_name")
_MAYBE = ("pickable_object", "particle_class", "particle_name", "object_class", "species", "particle", "name", "type")
"""Of classes, too, unless a column has a name of `_LABELS`, or these hold numbers: those of particles, say."""
LABELS = ", ".join((*_LABELS, *_MAYBE))
"""For messages."""
_TOMOGRAMS = ("tomogram", "tomo", "tomogram_name", "tomo_name", "run_name", "run", "experiment", "micrograph")
_IN_ANGSTROM = ("run_name", "experiment")
"""Of what writes these beside x, y, z without a unit: copick, and the table of the CZII challenge; both in Å."""
_MATRIX = tuple(f"transform_{row}{column}" for row in range(3) for column in range(4))
_APART = re.compile(r"[\s_(\[]+")
_MOST = 4096
"""Columns of a table."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table of points.

    Attributes:
        names: of all of them, in order, each one once.
        axes: those of x, y and z.
        unit: of these.
        label: the one of the class, if there is one.
        guesses: those that may be of the class, if that column is not there and they hold words.
        tomogram: the one of the tomogram, if there is one.
        matrix: those of the upper three rows of copick's 4x4 matrices, row after row, if they are there.
    """

    names: tuple[str, ...]
    axes: tuple[str, str, str]
    unit: Unit
    label: str | None = None
    guesses: tuple[str, ...] = ()
    tomogram: str | None = None
    matrix: tuple[str, ...] = ()


def columns_of(header: Sequence[str], count: int, where: str) -> Columns:
    """Which columns are which.

    x, y and z are in voxels, unless their names say Å: `x_angstrom`, `x_A`, `x (Å)`, `x [Å]`, ...; in Å they are, too,
    in tables of copick (`run_name` beside them) and of the CZII challenge (`experiment`), which say no unit. A class is
    called `class`, `label`, `particle_type`, `object`, ..., or where these are not there and it is words `species`,
    `particle`, `name`, ...; a tomogram `tomogram`, `tomo`, `run_name`, `experiment`,
    ...; `transform_00` to `transform_23` are copick's. Other columns are passed over.

    Args:
        header: the names; empty: there are none, and the columns are x, y, z and the class.
        count: how many values a line has.
        where: the file and the line, for errors.

    Raises:
        FormatError: x, y, z are not among them, or two columns would do for one thing.

    Example:
        >>> found = columns_of(["Tomo", "X (Å)", "Y (Å)", "Z (Å)"], 4, "picks.csv: line 1")
        >>> found.axes, found.unit, found.tomogram
        (('X (Å)', 'Y (Å)', 'Z (Å)'), 'angstrom', 'Tomo')
    """
    if not header:
        if count not in (3, 4):
            msg = f"{where}: {count} values and no names of columns: expected x, y, z and, if there is one, a class"
            raise FormatError(msg)
        return Columns(("x", "y", "z", "class")[:count], ("x", "y", "z"), "voxel", "class" if count == 4 else None)
    _check(header, where)
    known = {name: name.strip().lower() for name in header}
    axes: dict[str, str] = {}
    units: dict[str, Unit | None] = {}
    for name, plain in known.items():
        axis, unit = _axis(plain)
        if axis is None:
            continue
        if axis in axes:
            msg = f"{where}: {axes[axis]!r} and {name!r}: expected one column of {axis}"
            raise FormatError(msg)
        axes[axis], units[axis] = name, unit
    missing = [axis for axis in "xyz" if axis not in axes]
    if missing:
        there = shown(", ".join(header))
        said = " and no column ".join(missing)
        msg = f"{where}: no column {said} among {there}: expected x, y, z (voxels) or x_angstrom, ..."
        raise FormatError(msg)
    if len(set(units.values())) > 1:
        said = ", ".join(f"{axes[axis]!r}" for axis in "xyz")
        msg = f"{where}: {said}: expected x, y and z in one unit"
        raise FormatError(msg)
    tomogram = _one(known, _TOMOGRAMS, where)
    is_angstrom = units["x"] == "angstrom" or (
        units["x"] is None and any(plain in _IN_ANGSTROM for plain in known.values())
    )
    label = _one(known, _LABELS, where)
    return Columns(
        names=tuple(header),
        axes=(axes["x"], axes["y"], axes["z"]),
        unit="angstrom" if is_angstrom else "voxel",
        label=label,
        guesses=() if label else tuple(name for wanted in _MAYBE for name, plain in known.items() if plain == wanted),
        tomogram=tomogram,
        matrix=_MATRIX if set(_MATRIX) <= set(header) else (),
    )


def _check(header: Sequence[str], where: str) -> None:
    if len(header) > _MOST:
        msg = f"{where}: {len(header)} columns: expected at most {_MOST}"
        raise FormatError(msg)
    for place, name in enumerate(header):
        if name in header[:place]:
            msg = f"{where}: a second column {shown(name)}: expected names that differ"
            raise FormatError(msg)


def _axis(plain: str) -> tuple[str | None, Unit | None]:
    """The axis that a column is of, and the unit that its name tells."""
    if plain in _NAPARI:
        return _NAPARI[plain], "voxel"
    word, *rest = _APART.split(plain.rstrip(")]"), maxsplit=1)
    if word not in ("x", "y", "z"):
        return None, None
    if not rest:
        return word, None
    if rest[0] in _ANGSTROM:
        return word, "angstrom"
    return (word, "voxel") if rest[0] in _VOXEL else (None, None)


def _one(known: dict[str, str], wanted: Iterable[str], where: str) -> str | None:
    """The column of one of some names."""
    found = [name for name, plain in known.items() if plain in wanted]
    if len(found) > 1:
        msg = f"{where}: {', '.join(map(repr, found))}: expected one of them"
        raise FormatError(msg)
    return found[0] if found else None
