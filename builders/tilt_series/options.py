"""What is wrong with an option of `tilt_series`, and which source of images was named."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builders.archive.archive import segments_of
from builders.archive.named.places import Place, place_of
from builders.archive.scheme import SCHEME
from builders.errors import OptionError
from builders.options import check_named

UNITS = ("tilt", "tilt_series")
ORDERS = ("angle", "acquisition")
IMAGES = ("auto", "stack", "tilt")
SOURCES = ("data_dir", "entry", "star")
_ONLY_OF = {
    "directory": ("entry",),
    "pattern": ("data_dir", "entry"),
    "root": ("star",),
    "images": ("data_dir", "entry"),
}
_DEFAULTS = {"directory": None, "pattern": None, "root": None, "images": "auto"}


def check_source(options: Any) -> str:
    """Which of the sources was named.

    Args:
        options: a config.

    Raises:
        OptionError: none, or several; or an option means nothing for it.
    """
    if options.data_files:
        msg = "tilt_series reads data_dir='FOLDER', entry=NUMBER or star='FILE', not data_files"
        raise OptionError(msg)
    named = [name for name in SOURCES if getattr(options, name) is not None]
    if len(named) != 1:
        said = " and ".join(f"{name}={getattr(options, name)!r}" for name in named) or "no source"
        msg = f"{said}: tilt_series reads one of data_dir='FOLDER', entry=NUMBER or star='tilt_series.star'"
        raise OptionError(msg)
    (source,) = named
    for option, sources in _ONLY_OF.items():
        value = getattr(options, option)
        if value != _DEFAULTS[option] and source not in sources:
            msg = f"{option}={value!r} does nothing with {source}=: it is for {' and '.join(sources)}"
            raise OptionError(msg)
    return source


def check_folder(value: Any) -> str:
    """The absolute path of `data_dir`.

    Raises:
        OptionError: it names none.
    """
    if not isinstance(value, str | os.PathLike):
        msg = f"data_dir is {value!r}: expected the path of a folder"
        raise OptionError(msg)
    check_named("data_dir", value)
    return os.path.abspath(Path(value).expanduser())  # noqa: PTH100 - resolving links would rename the files


def check_directory(value: Any) -> str:
    """The path inside an entry.

    Raises:
        OptionError: it is none.
    """
    if value is None:
        return "data"
    if not isinstance(value, str):
        msg = f"directory is {value!r}: expected a path inside the entry, such as 'data/tilt_series'"
        raise OptionError(msg)
    return "/".join(segments_of(value))


def check_pattern(value: Any) -> str | None:
    """A glob of images.

    Raises:
        OptionError: it is no text.
    """
    if value is None or (isinstance(value, str) and value):
        return value
    msg = f"pattern is {value!r}: expected a glob of images, such as '*.st' or 'frames/*.tif'"
    raise OptionError(msg)


def check_names(value: Any) -> list[str] | None:
    """Names of series; one name stands for a list of it, and None stays None.

    Raises:
        OptionError: they are no list of names.

    Example:
        >>> check_names("TS_01")
        ['TS_01']
    """
    if value is None:
        return None
    if isinstance(value, str) and value:
        return [value]
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(n, str) for n in value):
        msg = f"tilt_series is {value!r}: expected a list of names of series, such as ['TS_01', 'TS_03']"
        raise OptionError(msg)
    if not value or len(set(value)) < len(value):
        msg = f"tilt_series is {list(value)!r}: expected at least one name, and none twice"
        raise OptionError(msg)
    return list(value)


def check_star(value: Any) -> Place:
    """The place of a table.

    Raises:
        OptionError: it names none.
    """
    return place_of("star", value[0] if isinstance(value, list | tuple) and len(value) == 1 else value)


def check_archive(value: Any, source: str, places: Sequence[Place]) -> str | None:
    """The archive that entries are in.

    Raises:
        OptionError: one is named, and nothing is in an entry.
    """
    if value is None:
        return None
    if source != "entry" and all(place.entry is None for place in places):
        msg = f"archive={value!r} does nothing: entry=, or a star or root that begins with {SCHEME}, is read from it"
        raise OptionError(msg)
    return str(os.fspath(value))
