"""Tables of shifts: which one is a movie's."""

import functools
from dataclasses import dataclass

from builders.errors import FormatError, OptionError
from builders.io.movies import shifts

Listed = tuple[str, str, str]
"""A file: its path, where it is, and its version."""
_SHOWN = 3


@dataclass(frozen=True)
class Tables:
    """Tables of shifts of frames, one for each movie, or one for all.

    Attributes:
        align: the option that named them.
        files: these, by whose versions an index knows that it is of others.
        is_for_all: the only one is that of every movie.
        is_beside: a movie's lies in its folder; else it is that of its name, wherever it lies.
    """

    align: str
    files: tuple[Listed, ...]
    is_for_all: bool = False
    is_beside: bool = False

    def of(self, movie: str) -> str:
        """Where the table of a movie is.

        Args:
            movie: its path, as those of the tables.

        Raises:
            FormatError: it has none.
            OptionError: it has several.
        """
        if self.is_for_all:
            return self.files[0][1]
        named = movie if self.is_beside else movie.rpartition("/")[2]
        found = shifts.beside(named, self._places.keys())
        if found is None:
            shown = ", ".join(name.rpartition("/")[2] for name in shifts.names_beside(named)[:_SHOWN])
            msg = f"{movie}: no table of shifts by align={self.align!r}: expected one of {shown}, ..."
            raise FormatError(msg)
        places = self._places[found]
        if len(places) > 1:
            msg = f"{movie}: {len(places)} tables of shifts by align={self.align!r}: {', '.join(places[:_SHOWN])}: "
            msg += "expected one"
            raise OptionError(msg)
        return places[0]

    @functools.cached_property
    def _places(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path, place, _ in self.files:
            found.setdefault(path if self.is_beside else path.rpartition("/")[2], []).append(place)
        return found
