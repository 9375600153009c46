"""Databases of structures, behind one protocol: whose ids they know, what they have of one, and where its file is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from builders.errors import OptionError
from builders.structures.databases.ids import Claim
from builders.structures.databases.services import BUILT_IN, Services


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry of a database that answers to an id.

    Attributes:
        source: name of the database.
        entry_id: the entry, as the database spells it.
        coverage: fraction of the UniProt sequence that it covers, from 0 to 1; None: not told, or not asked for one.
        resolution: Å; None: not told, or it has none.
        urls: by format, the URLs that an answer told of its files.
    """

    source: str
    entry_id: str
    coverage: float | None = None
    resolution: float | None = None
    urls: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    """A database. One object stands for it; it keeps nothing between calls.

    Its three attributes are plain ones in a class that keeps to it.
    """

    @property
    def name(self) -> str:
        """By which users choose it (`db=`)."""
        ...

    @property
    def services(self) -> Mapping[str, str]:
        """Base URLs of the web services it needs, by the name by which they can be replaced (`endpoints=`)."""
        ...

    @property
    def formats(self) -> tuple[str, ...]:
        """Of its files: `cif`, `pdb`."""
        ...

    def claim(self, text: str) -> str | None:
        """An id of a form that this database knows, as it spells it; None for any other text."""
        ...

    def candidates(self, id: str, services: Services) -> list[Candidate]:
        """The entries that answer to an id, the best one first; none where it has none."""
        ...

    def places(self, candidate: Candidate, format: str, services: Services) -> list[str]:
        """Where the file of an entry may be, in the order to look."""
        ...

    def check(self, data: bytes, format: str, name: str) -> None:
        """Let pass what is a whole file of this database.

        Raises:
            FormatError: it is none; `name` is what the message calls it.
        """
        ...


_sources: dict[str, Source] = {}


def register(source: Source) -> None:
    """Make a database known: `db`, ids and `endpoints` of all functions here then accept its.

    Naming it here is what permits contacting its services.

    Raises:
        OptionError: its name, or that of a service, is taken by another one.
    """
    known = _sources.get(source.name)
    if known is not None and type(known) is not type(source):
        msg = f"a database called {source.name!r} is there already: {known!r}"
        raise OptionError(msg)
    for name, base in source.services.items():
        if BUILT_IN.setdefault(name, base) != base:
            msg = f"a service called {name!r} is there already, at {BUILT_IN[name]}"
            raise OptionError(msg)
    _sources[source.name] = source


def sources() -> dict[str, Source]:
    """The databases by name, in the order in which they are asked."""
    return dict(_sources)


def claims() -> dict[str, Claim]:
    """By the name of each database, which ids are its."""
    return {name: source.claim for name, source in _sources.items()}
