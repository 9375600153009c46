"""The formats that are known, and which of them a file is of."""

import functools
import sys
from collections.abc import Iterable
from dataclasses import replace

from builders.errors import FormatError
from builders.io.formats import compression, foreign
from builders.io.formats.contents import Contents
from builders.io.formats.dm.format import Dm
from builders.io.formats.eer.format import Eer
from builders.io.formats.mrc.format import Mrc
from builders.io.formats.npy import Npy
from builders.io.formats.pictures import Jpeg, Png
from builders.io.formats.protocol import HEAD, Format, Read
from builders.io.formats.tiff.format import Tiff
from builders.io.formats.zarr.format import Zarr

_MRC = Mrc()
_BUILT_IN = (Npy(), Tiff(), Eer(), Png(), Jpeg(), Dm(), Zarr(), _MRC)
"""One line makes a format known."""
_formats: list[Format] = list(_BUILT_IN)
"""In the order in which they are asked."""


def register(format: Format) -> None:
    """Make a format known, before all others; one of the same name is replaced.

    A loader's workers learn it with the feature of their images, if its class stands in a module that they can import.
    """
    suffixes.cache_clear()
    _formats[:] = [format, *(other for other in _formats if other.name != format.name)]


def formats() -> tuple[Format, ...]:
    """Those that are known."""
    return tuple(_formats)


def registered() -> tuple[Format, ...]:
    """Those that are not built in and can be told to other processes: their classes can be imported by their names."""
    return tuple(format for format in reversed(_formats) if format not in _BUILT_IN and _is_importable(type(format)))


def learn(formats: Iterable[Format]) -> None:
    """Register those of another process that are not known here."""
    for format in formats:
        if type(format) not in map(type, _formats):
            register(format)


def _is_importable(kind: type) -> bool:
    return getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind


def format_of(head: bytes) -> Format:
    """The format of a file that begins so. What none recognises is left to MRC, whose files have no sure mark."""
    return next((format for format in _formats if format.recognises(head)), _MRC)


def contents_of(head: bytes, read: Read, size: int | None, name: str) -> Contents:
    """What a file holds, as the format says that recognises how it begins.

    Args:
        head: its first bytes.
        read: gives bytes of it.
        size: how many it has; None where that is not known.
        name: what errors call it.

    Raises:
        FormatError: it is of none, and what it is, where that can be told; or damaged.
        TruncatedError: it ends before what has to be read.
    """
    format = format_of(head)
    try:
        contents = format.describe(read, size, name)
        return replace(contents, format=contents.format or format.name)
    except FormatError as err:
        what = foreign.told(head) or ("a text file" if foreign.is_text(head) else None)
        if format is not _MRC or what in (None, foreign.MRC):
            raise
        all_of_it = f"{len(head)} bytes, " if 0 < len(head) < HEAD else ""
        msg = f"{name}: {all_of_it}{what}: expected an image file of a format that is read ({', '.join(titles())})"
        raise FormatError(msg) from err


def titles() -> tuple[str, ...]:
    """What people call the formats that are known, in the order of their names."""
    return tuple(format.title or format.name.upper() for format in sorted(_formats, key=lambda format: format.name))


@functools.cache
def suffixes(sure: bool = False) -> tuple[str, ...]:
    """Endings of the names of all files that can be read, packed ones too, in lower case.

    Args:
        sure: only those of formats whose files are images for sure.
    """
    formats = [format for format in _formats if not (sure and format.by_name)]
    plain = [(suffix, format.is_packed) for format in formats for suffix in format.suffixes]
    return tuple(s for s, _ in plain) + tuple(s + ending for s, may in plain if may for ending in compression.SUFFIXES)
