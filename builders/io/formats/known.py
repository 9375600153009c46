"""The formats that are known, and which of them a file is of."""

import functools

from builders.io.formats import compression
from builders.io.formats.mrc.format import Mrc
from builders.io.formats.npy import Npy
from builders.io.formats.protocol import Format

_MRC = Mrc()
_formats: list[Format] = [Npy(), _MRC]
"""In the order in which they are asked; one line makes a format known."""


def register(format: Format) -> None:
    """Make a format known to this process, before all others; one of the same name is replaced.

    Workers that are forked know it, too; those that are spawned have to import what registers it.
    """
    suffixes.cache_clear()
    _formats[:] = [format, *(other for other in _formats if other.name != format.name)]


def formats() -> tuple[Format, ...]:
    """Those that are known."""
    return tuple(_formats)


def format_of(head: bytes) -> Format:
    """The format of a file that begins so. What none recognises is left to MRC, whose files have no sure mark."""
    return next((format for format in _formats if format.recognises(head)), _MRC)


@functools.cache
def suffixes() -> tuple[str, ...]:
    """Endings of the names of all files that can be read, packed ones too, in lower case."""
    plain = [(suffix, format.is_packed) for format in _formats for suffix in format.suffixes]
    return tuple(s for s, _ in plain) + tuple(s + ending for s, may in plain if may for ending in compression.SUFFIXES)
