"""What a recipe of tomograms says besides: `recipe.scene`, read and checked."""

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from builders.errors import OptionError
from builders.io.made.recipe import Between, Recipe
from perc_transforms.functional.fourier.dose import DAMAGE

_MOST_TILTS = 1000
_MOST_MEMBRANES = 100
_MOST_VOXELS = 2**30
_MOST_PARTICLES = 10_000
_VESICLES = f"how many vesicles on average, 0 to {_MOST_MEMBRANES}"
_SMALLEST = 8
"""Voxels of a side."""


@dataclass(frozen=True)
class Scene:
    """Options of tomograms, by their names in `recipe.scene`.

    Attributes:
        tomogram_shape: voxels `(nz, ny, nx)`.
        particles: how many a tomogram has: drawn from the lowest to the highest, both included.
        min_distance: Å between the centres of any two of them, at the least; None: they do not overlap, each taking a
            ball as large as what is in its volume.
        tilts: degrees about y, from -90 to 90: three numbers are the first, the last and the step between, others are
            the angles. The recipe has them so; here they are the angles.
        membranes: how many vesicles a tomogram has on average: their number is of Poisson's distribution.
        membrane_radius: Å: drawn between these, of the middle of the bilayer. None: 200 to 600, or what half of the
            volume's longest side holds.
        membrane_thickness: Å between the planes of the two leaflets' head groups.
        segmentation: whether rows have a column `segmentation`.
        clean: whether they have a column `clean`.
        fading: whether images lose their fine detail as the dose grows; None: where there is a dose.
    """

    tomogram_shape: tuple[int, int, int]
    particles: tuple[int, int]
    min_distance: float | None = None
    tilts: tuple[float, ...] = (-60.0, 60.0, 3.0)
    membranes: float = 0.0
    membrane_radius: Between = (200.0, 600.0)
    membrane_thickness: float = 40.0
    segmentation: bool = True
    clean: bool = False
    fading: bool | None = None


def scene_of(recipe: Recipe) -> Scene:
    """The options of a recipe of tomograms.

    Raises:
        OptionError: one is not there, is not known, or has a value that cannot be.
    """
    given = dict(recipe.scene)
    known = [field.name for field in fields(Scene)]
    if unknown := sorted(set(given) - set(known)):
        msg = f"a tomogram's scene has {', '.join(map(repr, unknown))}: expected some of {', '.join(known)}"
        raise OptionError(msg)
    if recipe.max_shift != 0:
        msg = f"max_shift is {recipe.max_shift:g}: expected 0: particles of tomograms lie where picks say"
        raise OptionError(msg)
    for name in ("tomogram_shape", "particles"):
        if given.get(name) is None:
            msg = f"a tomogram needs {name}="
            raise OptionError(msg)
    shape = _whole("tomogram_shape", given["tomogram_shape"], 3, _SMALLEST, "voxels (nz, ny, nx)")
    if math.prod(shape) > _MOST_VOXELS:
        msg = f"tomogram_shape is {shape!r}: expected {_MOST_VOXELS:,} voxels at most"
        raise OptionError(msg)
    apart = given.get("min_distance")
    low, high = _whole("particles", given["particles"], 2, 1, "the lowest and the highest number")
    _in_order("particles", (low, high))
    if high > _MOST_PARTICLES:
        msg = f"particles is {(low, high)!r}: expected {_MOST_PARTICLES:,} at most"
        raise OptionError(msg)
    membranes = _number("membranes", given.get("membranes", 0), 0, _VESICLES)
    if membranes > _MOST_MEMBRANES:
        msg = f"membranes is {membranes:g}: expected {_VESICLES}"
        raise OptionError(msg)
    fading = given.get("fading")
    has_dose = recipe.noise.dose is not None
    fading = has_dose if fading is None else bool(fading)
    if fading:
        _check_fading(recipe)
    size, thickness = recipe.pixel_size, given.get("membrane_thickness", Scene.membrane_thickness)
    thickness = _number("membrane_thickness", thickness, 1, "Å, 1 or more")
    radii = _radii(given.get("membrane_radius"), max(shape) * size)
    _check_vesicles(given.get("membrane_radius"), membranes, radii, thickness)
    return Scene(
        shape,
        (low, high),
        None if apart is None else _number("min_distance", apart, 0, "Å, 0 or more"),
        angles_of("tilts", given.get("tilts", Scene.tilts)),
        membranes,
        radii,
        thickness,
        bool(given.get("segmentation", True)),
        bool(given.get("clean", False)),
        fading,
    )


def angles_of(name: str, value: Any) -> tuple[float, ...]:
    """The angles that an option says: of three numbers, from the first to the second by steps of the third.

    Args:
        name: of the option.
        value: three numbers, or others.

    Raises:
        OptionError: these are no angles.

    Example:
        >>> angles_of("tilts", (-60, 60, 40)), angles_of("tilts", [0, 3])
        ((-60.0, -20.0, 20.0, 60.0), (0.0, 3.0))
    """
    expected = "(first, last, step), or a list of angles, in degrees from -90 to 90, no two alike"
    is_list = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
    if not is_list or not all(_is_number(angle) for angle in value):
        msg = f"{name} is {value!r}: expected {expected}"
        raise OptionError(msg)
    angles = [float(angle) for angle in value]
    if len(angles) == 3:
        first, last, step = angles
        if not (step > 0 and first <= last and (last - first) / step < _MOST_TILTS):
            msg = f"{name} is {value!r}: expected (first, last, step), the step above 0 and the last not below the "
            msg += f"first, in {_MOST_TILTS} steps at most"
            raise OptionError(msg)
        angles = [first + number * step for number in range(math.floor((last - first) / step + 1e-6) + 1)]
    if not all(-90 <= angle <= 90 for angle in angles) or len(set(angles)) < len(angles) or len(angles) > _MOST_TILTS:
        msg = f"{name} is {value!r}: expected {expected}"
        raise OptionError(msg)
    return tuple(angles)


def _check_fading(recipe: Recipe) -> None:
    if recipe.noise.dose is None:
        msg = "fading=True without dose=: expected the e/Å² that make images fade"
        raise OptionError(msg)
    if recipe.optics.voltage not in DAMAGE:
        msg = f"voltage is {recipe.optics.voltage:g}: how images fade with the dose is known at "
        msg += f"{', '.join(map(str, sorted(DAMAGE)))} kV: expected one of these, or snr= in place of dose="
        raise OptionError(msg)


def _check_vesicles(given: Any, membranes: float, radii: Between, thickness: float) -> None:
    if membranes == 0 and given is not None:
        msg = f"membrane_radius is {given!r}, and membranes is 0: expected membranes=, how many vesicles on average"
        raise OptionError(msg)
    if membranes > 0 and radii[0] < thickness:
        msg = f"membrane_radius is {radii!r}: expected {thickness:g} Å or more, which a bilayer is thick, in a volume "
        msg += "that holds such vesicles"
        raise OptionError(msg)


def _radii(value: Any, side: float) -> Between:
    """Of vesicles, Å, in a volume whose longest side is some Å."""
    if value is None:
        high = min(600.0, side / 2)
        return min(200.0, high / 2), high
    radii = _numbers("membrane_radius", value, 2, "Å, the least and the greatest, above 0")
    if radii[0] <= 0:
        msg = f"membrane_radius is {value!r}: expected Å, the least and the greatest, above 0"
        raise OptionError(msg)
    _in_order("membrane_radius", radii)
    return radii[0], radii[1]


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _number(name: str, value: Any, least: float, expected: str) -> float:
    if not _is_number(value) or value < least:
        msg = f"{name} is {value!r}: expected {expected}"
        raise OptionError(msg)
    return float(value)


def _numbers(name: str, value: Any, count: int, expected: str) -> tuple[float, ...]:
    is_list = isinstance(value, Sequence) and not isinstance(value, str | Mapping)
    if not is_list or len(value) != count or not all(_is_number(each) for each in value):
        msg = f"{name} is {value!r}: expected {expected}"
        raise OptionError(msg)
    return tuple(float(each) for each in value)


def _whole(name: str, value: Any, count: int, least: int, expected: str) -> tuple[Any, ...]:
    values = _numbers(name, value, count, f"{expected}, whole numbers of at least {least}")
    if any(each != int(each) or each < least for each in values):
        msg = f"{name} is {value!r}: expected {expected}, whole numbers of at least {least}"
        raise OptionError(msg)
    return tuple(int(each) for each in values)


def _in_order(name: str, values: Sequence[float]) -> None:
    if values[0] > values[1]:
        msg = f"{name} is {tuple(values)!r}: expected the lower one first"
        raise OptionError(msg)
