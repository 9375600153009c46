"""Axes, units, scales and translations of OME-Zarr: where voxels lie in Å. Pure: JSON in, numbers out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builders.errors import FormatError
from builders.io.reports import report_deviation

UNITS = {
    "angstrom": 1.0,
    "picometer": 1e-2,
    "nanometer": 1e1,
    "micrometer": 1e4,
    "millimeter": 1e7,
    "centimeter": 1e8,
    "meter": 1e10,
}
"""Å of each, as OME-Zarr spells them."""
_SHORT = {"\u00c5": "angstrom", "\u212b": "angstrom", "A": "angstrom", "nm": "nanometer", "\u00b5m": "micrometer"}
_SPACE = ("z", "y", "x")
_BEFORE = ((), ("t",), ("c",), ("t", "c"))
_SHOWN = 200
_MOST = 1e30
"""Of a scale or a translation, in whatever unit: what is larger is no length."""
_UNKNOWN = (math.nan, math.nan, math.nan)

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of an image.

    Attributes:
        count: of all, those of time and channels before z, y, x among them.
        units: Å of the unit of z, y and x.
    """

    count: int
    units: Vector


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the voxels of a level lie: the centre of voxel i at `scale * i + translation`, all in Å along z, y, x.

    Attributes:
        scale: Å per voxel.
        translation: of voxel 0; None where nothing says it.
    """

    scale: Vector
    translation: Vector | None


def axes_of(told: Any, name: str) -> Axes:
    """The axes of an image, out of its `axes`.

    Raises:
        FormatError: they are others than z, y, x, with t and c before them or not, or of an unknown unit.

    Example:
        >>> axes_of([{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"], "a.zarr").units
        (10.0, 10.0, 10.0)
    """
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in told] if isinstance(told, list) else []
    names = tuple(axis.get("name") for axis in axes)
    if names[-3:] != _SPACE or names[:-3] not in _BEFORE:
        msg = f"{name}: axes {shown(told)}: expected z, y and x, with t and c before them or not"
        raise FormatError(msg)
    z, y, x = (_unit(axis.get("unit"), name) for axis in axes[-3:])
    return Axes(len(axes), (z, y, x))


def _unit(told: Any, name: str) -> float:
    if told is None:
        report_deviation("axes without a unit (read as Å)", name)
        return 1.0
    unit = UNITS.get(_SHORT.get(told, told)) if isinstance(told, str) else None
    if unit is None:
        msg = f"{name}: axes in {shown(told)}: expected one of {', '.join(UNITS)}"
        raise FormatError(msg)
    return unit


def placed(own: Any, common: Any, axes: Axes, name: str, needs_scale: bool = True) -> Placed:
    """Where the voxels of a level lie.

    Args:
        own: the `coordinateTransformations` of a level: a scale, and a translation or not.
        common: those of all levels, which follow; None: there are none.
        axes: of the image.
        name: of the level, for errors.
        needs_scale: whether it is an error that there is none; else it is NaN.

    Raises:
        FormatError: there is no scale, or anything else in them.

    Example:
        >>> axes = Axes(3, (1.0, 1.0, 1.0))
        >>> placed([{"type": "scale", "scale": [10, 10, 10]}], None, axes, "a.zarr/0").scale
        (10.0, 10.0, 10.0)
    """
    scale, translation = _transformed(own, axes, name)
    if scale is None and not needs_scale:
        return Placed(_UNKNOWN, None)
    if scale is None:
        msg = f"{name}: coordinateTransformations {shown(own)}: expected a scale, Å or another unit of length per voxel"
        raise FormatError(msg)
    if common:
        factor, shift = _transformed(common, axes, name)
        if factor is not None:
            scale = _along(scale, factor, math.prod)
            translation = translation and _along(translation, factor, math.prod)
        if shift is not None:
            translation = _along(translation or (0.0, 0.0, 0.0), shift, sum)
    in_units = _along(scale, axes.units, math.prod)
    if not all(0 < side < math.inf for side in in_units):
        msg = f"{name}: {in_units} Å per voxel along z, y, x: expected more than 0"
        raise FormatError(msg)
    return Placed(in_units, translation and _along(translation, axes.units, math.prod))


def _along(first: Vector, second: Vector, both: Any) -> Vector:
    z, y, x = (float(both(pair)) for pair in zip(first, second, strict=True))
    return z, y, x


def _transformed(told: Any, axes: Axes, name: str) -> tuple[Vector | None, Vector | None]:
    """The scale and the translation of a list of transformations."""
    found: dict[str, Vector] = {}
    for step in told if isinstance(told, list) else []:
        kind = step.get("type") if isinstance(step, Mapping) else None
        if kind == "identity":
            continue
        if kind not in ("scale", "translation") or kind in found or (kind == "scale" and found):
            msg = f"{name}: coordinateTransformations {shown(told)}: expected a scale, then a translation or none"
            raise FormatError(msg)
        found[kind] = _vector(step.get(kind), axes, name)
    return found.get("scale"), found.get("translation")


def _vector(told: Any, axes: Axes, name: str) -> Vector:
    """The last three of as many numbers as there are axes."""
    numbers: Sequence[Any] = told if isinstance(told, list) and len(told) == axes.count else ()
    if not numbers or not all(type(n) in (int, float) and abs(n) < _MOST for n in numbers):
        msg = f"{name}: {shown(told)} in coordinateTransformations: expected {axes.count} numbers below {_MOST:g}"
        raise FormatError(msg)
    z, y, x = map(float, numbers[-3:])
    return z, y, x


def shown(value: object) -> str:
    """What metadata say as it may be printed, not without end."""
    return repr(value)[:_SHOWN]
