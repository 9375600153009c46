"""What is wrong with an option of `particles`, and which of them mean anything for what a row is to be."""

import os
from collections.abc import Sequence
from typing import Any

from builders.archive.named.places import Place, place_of
from builders.errors import OptionError
from builders.io.tables.particle_table import SCHEMA

UNITS = ("particle", "micrograph", "extracted")
ONLY_FOR = {
    "box_size": ("extracted",),
    "edge": ("extracted",),
    "flip_y": ("micrograph", "extracted"),
}
"""Options that mean something for some units only."""
_OURS = {"image", "path", "index", "picks", *SCHEMA.names}
"""Columns that a dataset may have, or has not for a reason."""


def check_no_data(data_dir: Any, data_files: Any) -> None:
    """Refuse what `load_dataset` takes for others.

    Raises:
        OptionError: says what is taken instead.
    """
    if data_dir is not None or data_files:
        msg = f"particles reads a table, star='FILE', not data_dir={data_dir!r} or data_files: root= names the folder "
        msg += "of its images"
        raise OptionError(msg)


def check_order(value: Any) -> None:
    """Refuse what is no order of a stream's rows.

    Raises:
        OptionError: says what was expected.
    """
    if value not in (None, "table"):
        msg = f"order is {value!r}: expected None (stack by stack) or 'table'"
        raise OptionError(msg)


def check_star(value: Any) -> list[Place]:
    """The files of a table.

    Raises:
        OptionError: none is named.
    """
    if value is None:
        msg = "particles needs star='FILE', a table: .star of RELION, .cs of CryoSPARC, or a list of these"
        raise OptionError(msg)
    given = list(value) if isinstance(value, list | tuple) else [value]
    if not given:
        msg = "star is []: expected a table of particles, .star or .cs"
        raise OptionError(msg)
    places = [place_of("star", one) for one in given]
    twice = next((place for number, place in enumerate(places) if place in places[:number]), None)
    if twice is not None:
        msg = f"star names {twice} twice"
        raise OptionError(msg)
    return places


def check_columns(value: Any) -> list[str]:
    """Names of the table's own columns that are wanted, without RELION's `_`.

    Raises:
        OptionError: they are no list of names, or a name is one of ours.
    """
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name for name in value):
        msg = f"columns is {value!r}: expected a list of names of the table's columns, such as ['rlnHelicalTubeID']"
        raise OptionError(msg)
    names = [name.removeprefix("_") for name in value]
    for number, name in enumerate(names):
        if name in _OURS:
            msg = f"columns names {name!r}, which is a column of this builder's own: leave it out"
            raise OptionError(msg)
        if name in names[:number]:
            msg = f"columns names {name!r} twice"
            raise OptionError(msg)
    return names


def check_half_set(value: Any) -> None:
    """Refuse what is none of RELION's half-sets.

    Raises:
        OptionError: says what was expected.
    """
    if value is not None and (isinstance(value, bool) or value not in (1, 2)):
        msg = f"half_set is {value!r}: expected 1 or 2"
        raise OptionError(msg)


def check_group_by(value: Any, validation_fraction: float | None) -> str:
    """The name of the column whose equal values stay together.

    Raises:
        OptionError: it is none, or nothing is divided.
    """
    if not isinstance(value, str) or not value:
        msg = f"group_by is {value!r}: expected a column's name, such as 'micrograph'"
        raise OptionError(msg)
    if value != "micrograph" and validation_fraction is None:
        msg = f"group_by={value!r} says what validation_fraction keeps together: give that, too"
        raise OptionError(msg)
    return value.removeprefix("_")


def check_meaning(unit: str, given: dict[str, tuple[Any, Any]]) -> None:
    """Refuse options that do nothing for what a row is to be.

    Args:
        unit: one of `UNITS`.
        given: by name, an option's value and its default.

    Raises:
        OptionError: names the units that it is for.
    """
    for name, units in ONLY_FOR.items():
        value, default = given[name]
        if value != default and unit not in units:
            msg = f"{name}={value!r} does nothing for unit={unit!r}: it is for {' and '.join(map(repr, units))}"
            raise OptionError(msg)
    if unit == "extracted" and given["box_size"][0] is None:
        msg = "unit='extracted' needs box_size=: pixels, such as 256, or Å, such as '200 Å'"
        raise OptionError(msg)


def check_archive(value: Any, places: Sequence[Place]) -> str | None:
    """Where EMPIAR's files are; None: at EMPIAR.

    Raises:
        OptionError: nothing is read from there.
    """
    if value is None:
        return None
    if not any(place.entry is not None for place in places):
        msg = f"archive={value!r} does nothing: neither star nor root is empiar://ENTRY/path"
        raise OptionError(msg)
    if not isinstance(value, str | os.PathLike):
        msg = f"archive is {value!r}: expected an http or https URL or a folder"
        raise OptionError(msg)
    return str(os.fspath(value))
