"""A file that may hold images, as a listing names it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that may hold images.

    Attributes:
        path: as rows have it, `/`-separated, such as `data/p/x.mrcs`.
        location: its URL, or its path on this machine.
        most: a bound on its bytes; the exact number on this machine.
        stamp: what changes when the file does, as far as the listing tells.
    """

    path: str
    location: str
    most: int
    stamp: str
