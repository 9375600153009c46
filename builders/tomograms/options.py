"""What is wrong with an option of `tomograms`, and which of them mean anything for what a row is to be."""

import numbers
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from builders.errors import OptionError
from builders.tomograms.tiles import Sides

UNITS = ("tomogram", "tile", "subtomogram")
ON_MISSING = ("zeros", "raise")
ONLY_FOR = {
    "tile": ("tile",),
    "overlap": ("tile",),
    "edge": ("tile", "subtomogram"),
    "box_size": ("subtomogram",),
    "align": ("subtomogram",),
    "background": ("subtomogram",),
    "background_distance": ("subtomogram",),
}
"""Options that mean something for some units only."""
_NEED = {
    "overlap": "tile",
    "background_distance": "background",
    "classes": "picks",
    "picks_pixel_size": "picks",
}
"""Options that mean something beside another one only."""
TEXTS = {
    "data_dir": "the path of a folder",
    "copick": "the path or URL of a config JSON",
    "portal": "the path or URL of a folder",
    "pattern": "a glob",
    "archive": "an http or https URL or a folder",
    "api": "an http or https URL or a folder",
    "tomogram": "a name, or a glob of paths",
}
"""Options that are texts or paths, and what they are expected to be."""


def check_tile(value: Any) -> Sides | None:
    """`(nz, ny, nx)` of tiles, all sides alike where one number is given; None stays None.

    Raises:
        OptionError: it is neither.

    Example:
        >>> check_tile(64), check_tile([32, 64, 64])
        ((64, 64, 64), (32, 64, 64))
    """
    return None if value is None else _sides("tile", value, 1)


def check_overlap(value: Any, tile: Sides | None) -> Sides:
    """Voxels that neighbouring tiles have in common, along z, y and x.

    Raises:
        OptionError: it is no such number, or leaves tiles no voxel of their own.
    """
    overlap = _sides("overlap", value, 0)
    if tile is not None and any(shared >= side for shared, side in zip(overlap, tile, strict=True)):
        msg = f"overlap is {value!r}: expected fewer voxels than a tile has, tile={tile}"
        raise OptionError(msg)
    return overlap


def _sides(name: str, value: Any, least: int) -> Sides:
    """A number of voxels along z, y and x; one number stands for all.

    Raises:
        OptionError: it is neither one number nor three.
    """
    given = [value] * 3 if isinstance(value, numbers.Integral) else value
    if not isinstance(given, list | tuple) or len(given) != 3 or not all(_is_whole(side, least) for side in given):
        msg = f"{name} is {value!r}: expected a number of voxels of at least {least}, or three, (z, y, x)"
        raise OptionError(msg)
    return int(given[0]), int(given[1]), int(given[2])


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= least


def check_text(name: str, value: Any, what: str) -> str | None:
    """A text, or a path as such; None stays None.

    Args:
        name: of the option.
        value: of it.
        what: was expected, such as `"the path of a folder"`.

    Raises:
        OptionError: it is neither, or empty.
    """
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike) or not str(value):
        msg = f"{name} is {value!r}: expected {what}"
        raise OptionError(msg)
    return str(os.fspath(value))


def check_names(name: str, value: Any, what: str) -> list[str] | None:
    """A list of different names; one name stands for a list of it, and None stays None.

    Args:
        name: of the option.
        value: of it.
        what: these are, such as `"class"`.

    Raises:
        OptionError: it is no such list.
    """
    if value is None:
        return None
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not given or not all(isinstance(one, str) and one for one in given):
        msg = f"{name} is {value!r}: expected a list of names"
        raise OptionError(msg)
    twice = next((one for number, one in enumerate(given) if one in given[:number]), None)
    if twice is not None:
        msg = f"{name} names {what} {twice!r} twice"
        raise OptionError(msg)
    return list(given)


def check_picks(value: Any) -> list[str] | dict[str, list[str]] | None:
    """Which picks: a list of words, or such lists by the class that they are of; one word stands for a list of it.

    Raises:
        OptionError: it is neither.

    Example:
        >>> check_picks("*"), check_picks({"rod": "rod.star"})
        (['*'], {'rod': ['rod.star']})
    """
    if not isinstance(value, Mapping):
        return check_names("picks", value, "the picks")
    if not value or not all(isinstance(label, str) and label for label in value):
        msg = f"picks is {value!r}: expected names of classes, and the files of each, such as {{'rod': 'rods/*.star'}}"
        raise OptionError(msg)
    files = {label: check_names(f"picks[{label!r}]", words, "the picks") or [] for label, words in value.items()}
    if not all(files.values()):
        msg = f"picks is {value!r}: expected files of each class"
        raise OptionError(msg)
    check_names("picks", [word for some in files.values() for word in some], "the files")
    return files


def words_of(
    picks: Sequence[str] | Mapping[str, str | Sequence[str]] | None,
) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """The words of `picks`, as `check_picks` has it, and the class that each of them says; None: it says none."""
    if not isinstance(picks, Mapping):
        return tuple(picks or ()), (None,) * len(picks or ())
    pairs = [(word, label) for label, words in picks.items() for word in words]
    return tuple(word for word, _ in pairs), tuple(label for _, label in pairs)


def column_name(asked: str) -> str:
    """What of a mask's name stands in the name of a column: letters, numbers and `_`.

    Example:
        >>> column_name("membrane:alice/1"), column_name("masks/*_seg.mrc")
        ('membrane_alice_1', 'masks_seg')
    """
    plain = re.sub(r"\.(mrc|rec|zarr|map)$", "", asked)
    return re.sub(r"\W+", "_", plain).strip("_").replace("__", "_") or "mask"


def check_meaning(unit: str, given: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse options that do nothing for what a row is to be, and the lack of those without which there is no row.

    Args:
        unit: one of `UNITS`.
        given: by name, an option's value and its default.

    Raises:
        OptionError: names the units that an option is for, or the option that is lacking.
    """
    for name, units in ONLY_FOR.items():
        value, default = given[name]
        if value != default and unit not in units:
            msg = f"{name}={value!r} does nothing for unit={unit!r}: it is for {' and '.join(map(repr, units))}"
            raise OptionError(msg)
    if unit == "tile" and given["tile"][0] is None:
        msg = "unit='tile' needs tile=: voxels of a side, such as 64, or of each, (z, y, x), such as (32, 64, 64)"
        raise OptionError(msg)
    if unit == "subtomogram":
        if given["box_size"][0] is None:
            msg = "unit='subtomogram' needs box_size=: voxels, such as 48, or Å, such as '400 Å'"
            raise OptionError(msg)
        if given["picks"][0] is None:
            msg = "unit='subtomogram' needs picks=: whose, or which ('*': all that there are)"
            raise OptionError(msg)
    for name, other in _NEED.items():
        (value, default), (there, absent) = given[name], given[other]
        if value != default and there == absent:
            msg = f"{name}={value!r} does nothing without {other}="
            raise OptionError(msg)
