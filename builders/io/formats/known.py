"""The formats that are known, and which of them a file is of."""

import functools
import sys
from collections.abc import Iterable
from dataclasses import replace

from builders.errors import FormatError
from builders.io.formats import compression, foreign
from builders.io.formats.contents import Contents
from builders.io.formats.protocol import HEAD, Format, Read

_added: list[Format] = []
"""Those that were registered, the latest first: they are asked before those that are built in."""


@functools.cache
def _built_in() -> tuple[Format, ...]:
    """One line makes a format known. They are imported once a file is there to be read."""
    from builders.io.formats.dm.format import Dm
    from builders.io.formats.eer.format import Eer
    from builders.io.formats.hdf5 import Hdf5
    from builders.io.formats.mrc.format import Mrc
    from builders.io.formats.npy import Npy
    from builders.io.formats.pictures import Jpeg, Png
    from builders.io.formats.tiff.format import Tiff
    from builders.io.formats.zarr.format import Zarr

    return Npy(), Tiff(), Eer(), Png(), Jpeg(), Dm(), Zarr(), Hdf5(), Mrc()


def _mrc() -> Format:
    return _built_in()[-1]


def register(format: Format) -> None:
    """Make a format known, before all others; one of the same name is replaced.

    A loader's workers learn it with the feature of their images, if its class stands in a module that they can import.
    """
    suffixes.cache_clear()
    _added[:] = [format, *(other for other in _added if other.name != format.name)]


def formats() -> tuple[Format, ...]:
    """Those that are known, in the order in which they are asked."""
    names = {format.name for format in _added}
    return *_added, *(format for format in _built_in() if format.name not in names)


def registered() -> tuple[Format, ...]:
    """Those that are not built in and can be told to other processes: their classes can be imported by their names."""
    return tuple(format for format in reversed(_added) if _is_importable(type(format)))


def learn(others: Iterable[Format]) -> None:
    """Register those of another process that are not known here."""
    for format in others:
        if type(format) not in map(type, formats()):
            register(format)


def _is_importable(kind: type) -> bool:
    return getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind


def format_of(head: bytes) -> Format:
    """The format of a file that begins so. What none recognises is left to MRC, whose files have no sure mark."""
    return next((format for format in formats() if format.recognises(head)), _mrc())


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
        if format is not _mrc() or what in (None, foreign.MRC):
            raise
        all_of_it = f"{len(head)} bytes, " if 0 < len(head) < HEAD else ""
        msg = f"{name}: {all_of_it}{what}: expected an image file of a format that is read ({', '.join(titles())})"
        raise FormatError(msg) from err


def titles() -> tuple[str, ...]:
    """What people call the formats that are known, in the order of their names."""
    return tuple(format.title or format.name.upper() for format in sorted(formats(), key=lambda format: format.name))


@functools.cache
def suffixes(sure: bool = False) -> tuple[str, ...]:
    """Endings of the names of all files that can be read, packed ones too, in lower case.

    Args:
        sure: only those of formats whose files are images for sure.
    """
    wanted = [format for format in formats() if not (sure and format.by_name)]
    plain = [(suffix, format.is_packed) for format in wanted for suffix in format.suffixes]
    return tuple(s for s, _ in plain) + tuple(s + ending for s, may in plain if may for ending in compression.SUFFIXES)
