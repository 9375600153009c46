"""Options that one unit has and others do not: what a recipe's scene says of them."""

import numbers
from collections.abc import Mapping
from typing import Any

from builders.errors import OptionError

MICROGRAPH_SHAPE = 1024, 1024
TOMOGRAM_SHAPE = 128, 256, 256
TILTS = -60, 60, 3
OF_UNITS: Mapping[str, tuple[str, ...]] = {
    "particle": (),
    "micrograph": (
        *("micrograph_shape", "particles", "min_distance", "ice_gradient", "aggregates", "carbon"),
        *("frames", "frame_dose", "drift"),
    ),
    "tomogram": (
        "tomogram_shape",
        "particles",
        "min_distance",
        "tilts",
        "membranes",
        "membrane_radius",
        "segmentation",
    ),
}
"""Options of each unit's own."""
_PARTICLES = {"micrograph": None, "tomogram": (20, 40)}
"""How many there are where nobody says; None: its maker says it."""


def scene_of(unit: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe's scene says, of the options of a unit.

    Args:
        unit: what a row is.
        given: the options of all units, and `clean`.
        defaults: of them.

    Raises:
        OptionError: one is given that the unit has no use for.

    Example:
        >>> scene_of("particle", {"tilts": None, "clean": True}, {"tilts": None})
        {'clean': True}
    """
    named = {name for names in OF_UNITS.values() for name in names}
    for name in sorted(named - {*OF_UNITS[unit]}):
        if name in given and given[name] != defaults[name]:
            units = " or ".join(f"unit={other!r}" for other, names in OF_UNITS.items() if name in names)
            msg = f"{name} is {given[name]!r}, and unit is {unit!r}: expected {units}, whose option it is"
            raise OptionError(msg)
    scene = {"clean": given["clean"]} | {name: given[name] for name in OF_UNITS[unit]}
    if "particles" in scene:
        count = scene["particles"]
        is_one = isinstance(count, numbers.Integral) and not isinstance(count, bool)
        scene["particles"] = _PARTICLES[unit] if count is None else (count, count) if is_one else count
    usual = {"micrograph_shape": MICROGRAPH_SHAPE, "tomogram_shape": TOMOGRAM_SHAPE, "tilts": TILTS}
    for name, value in usual.items():
        if name in scene and scene[name] is None:
            scene[name] = value
    return scene
