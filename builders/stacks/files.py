"""A file that may hold images, as a listing names it; or images of several files that make one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that may hold images.

    Attributes:
        path: as rows have it, `/`-separated, such as `data/p/x.mrcs`.
        location: its URL, or its path on this machine.
        most: a bound on its bytes; the exact number on this machine.
        stamp: what changes when the file does, as far as the listing tells.
        parts: of images of several files that are read as one, `(sections, ny, nx)`: the files, of which it is the
            first.
        sections: of these images, in order: the number of the part, and which of its slices, or -1: all of it.
    """

    path: str
    location: str
    most: int
    stamp: str
    parts: "tuple[SourceFile, ...]" = ()
    sections: tuple[tuple[int, int], ...] = ()

    @property
    def all_parts(self) -> "tuple[SourceFile, ...]":
        """The files that have to be looked at."""
        return self.parts or (self,)

    @classmethod
    def revived(cls, facts: Mapping[str, Any]) -> "SourceFile":
        """A file out of what `asdict` and JSON left of it."""
        parts = tuple(map(cls.revived, facts.get("parts", ())))
        sections = tuple((part, section) for part, section in facts.get("sections", ()))
        return cls(**{**facts, "parts": parts, "sections": sections})
