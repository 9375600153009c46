"""From an id to a file: which database, which of its entries, which format; each attempt is told when all fail."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from builders.errors import FormatError, NotFoundError, PercError
from builders.io.net.answers import shown
from builders.structures.databases.holdings import told_removed, told_unreleased
from builders.structures.databases.ids import Id, accession_of, parse_id, tell_notes
from builders.structures.databases.services import Check, Services
from builders.structures.databases.sources import Candidate, Source, claims, sources
from builders.structures.reading import content
from builders.structures.uniprot.entries import is_entry, successors, told_inactive

logger = logging.getLogger(__name__)

_MERGED = 303
_NOWHERE = (400, 404)


@dataclass(frozen=True, slots=True)
class Wish:
    """Where to look for structures, and for what.

    Attributes:
        db: the database that is asked first.
        fallback: whether the others are asked, too.
        format: of the file, `cif` or `pdb`; where an entry has none of it, the other one is taken.
        services: whom to ask.
    """

    db: str = "pdb"
    fallback: bool = True
    format: str = "cif"
    services: Services = field(default_factory=Services)


@dataclass(frozen=True, slots=True)
class Found:
    """A structure that answers to an id.

    Attributes:
        id: what was asked for.
        candidate: the entry that was chosen.
        format: of its file.
        place: where that is, a URL or a path.
    """

    id: str
    candidate: Candidate
    format: str
    place: str

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.id if self.id.lower() in self.place.lower() else f"{self.id} ({self.place})"


def parse_all(given: Iterable[object], on_error: str = "raise") -> tuple[list[Id], list[tuple[str, PercError]]]:
    """Ids in whatever case, each of them once, as their databases spell them.

    Args:
        given: as people wrote them.
        on_error: what one of no known form does: `raise`, or `skip`.

    Returns:
        The ids, and those that are none with what is wrong with them.

    Raises:
        OptionError: one of them has no known form.
    """
    known: dict[str, Id] = {}
    written: dict[str, Id] = {}
    refused: list[tuple[str, PercError]] = []
    for text in given:
        try:
            id = parse_id(text, claims())
        except PercError as err:
            if on_error == "raise":
                raise
            refused.append((str(text), err))
        else:
            known.setdefault(id.text, id)
            written[str(text)] = id
    tell_notes(written)
    return list(known.values()), refused


def find(id: Id, wish: Wish) -> tuple[Found, Path]:
    """The structure that answers to an id, and its file.

    Databases are asked in their order, entries are tried from the best one on. Only what is said not to be there leads
    to the next attempt: a server that fails is an error, as the answer would depend on the day.

    Raises:
        NotFoundError: it is nowhere; names every place that was asked.
        FormatError: what a server sends is no structure.
        PercError: a server fails.
    """
    with naming(id.text):
        return _find(id, wish, wish.services.bring)


def foresee(id: Id, wish: Wish) -> Found:
    """The structure that `find` would bring, as far as databases tell without sending its file.

    Raises:
        NotFoundError: it is nowhere; names every place that was asked.
        PercError: a server fails.
    """

    def looked(place: str, _check: Check) -> Path:
        if not wish.services.is_there(place):
            msg = f"{shown(place)}: not there"
            raise NotFoundError(msg)
        return Path(place)

    with naming(id.text):
        return _find(id, wish, looked)[0]


@contextlib.contextmanager
def naming(id: str) -> Iterator[None]:
    """Errors with the id in front, of which servers and disks know nothing."""
    try:
        yield
    except PercError as err:
        if str(err).lower().startswith(id.lower()):
            raise
        msg = f"{id}: {err}"
        raise type(err)(msg) from err


def _find(id: Id, wish: Wish, bring: Callable[[str, Check], Path]) -> tuple[Found, Path]:
    attempts: list[str] = []
    known = sources()
    order = [wish.db, *(name for name in known if name != wish.db)] if wish.fallback else [wish.db]
    for name in order:
        source = known[name]
        if name not in id.sources:
            if name == wish.db:
                attempts.append(f"{name}: {id.text} is none of its ids")
            continue
        candidates = source.candidates(id.text, wish.services)
        if not candidates:
            attempts.append(f"{name}: nothing for {id.text}")
        for candidate in candidates:
            found = _brought(id, candidate, source, wish, bring, attempts)
            if found is not None:
                return found
    msg = f"{id.text}: no structure of it: {'; '.join(attempts)}{_status(id, wish.services)}"
    raise NotFoundError(msg)


def exists(id: Id, source: Source, services: Services) -> bool:
    """Whether a database has a structure for an id, as it says or as its files tell."""
    with naming(id.text):
        candidates = source.candidates(id.text, services)
        if id.accession is not None or not candidates:
            return bool(candidates)
        places = (place for format in source.formats for place in source.places(candidates[0], format, services))
        return any(map(services.is_there, places))


def _brought(
    id: Id,
    candidate: Candidate,
    source: Source,
    wish: Wish,
    bring: Callable[[str, Check], Path],
    attempts: list[str],
) -> tuple[Found, Path] | None:
    """The file of an entry, in the format that is wished if it has one."""
    formats = [wish.format, *(format for format in source.formats if format != wish.format)]
    for format in [format for format in formats if format in source.formats]:
        places = source.places(candidate, format, wish.services)
        if not places:
            attempts.append(f"{source.name}: no {format} of {candidate.entry_id}")
        for place in places:
            found = Found(id.text, candidate, format, place)
            try:
                return found, bring(place, _Check(source, found))
            except NotFoundError:
                attempts.append(f"{shown(place)}: not there")
    return None


@dataclass(frozen=True, slots=True)
class _Check:
    """Lets pass the whole file of an entry."""

    source: Source
    found: Found

    def __call__(self, data: bytes) -> None:
        name = f"{self.found.id} ({shown(self.found.place)})"
        plain = content.plain(data, name)
        format = content.sniff(plain, name)
        if format != self.found.format:
            msg = f"{name}: is {format}, expected {self.found.format}"
            raise FormatError(msg)
        self.source.check(plain, format, name)


def _status(id: Id, services: Services) -> str:
    """What became of an id that is nowhere: its database may have withdrawn it, or have another one in its place."""
    if id.accession is None:
        return _told(_status_in_pdb, id.text, services) if "pdb" in id.sources else ""
    return _told(_status_in_uniprot, id.accession, services)


def _told(ask: Callable[[str, Services], str], id: str, services: Services) -> str:
    try:
        said = ask(id, services)
    except PercError as err:
        logger.debug("%s: it is not said what became of it: %s", id, err)
        return ""
    return f"; {said}" if said else ""


def _status_in_uniprot(accession: str, services: Services) -> str:
    if not services.is_wanted("uniprot"):
        return ""
    entry = uniprot_entry(accession.partition("-")[0], services)
    if entry is None:
        return f"uniprot: there is no {accession}"
    said = told_inactive(entry, accession)
    return "" if said is None else f"uniprot: {said}{_hint(successors(entry))}"


def _status_in_pdb(id: str, services: Services) -> str:
    if not services.is_wanted("rcsb_data"):
        return ""
    removed = services.ask("rcsb_data", f"/rest/v1/holdings/removed/{id.upper()}")
    if removed is not None:
        said, others = told_removed(removed, id)
        return f"pdb: {said}{_hint(others)}"
    waiting = services.ask("rcsb_data", f"/rest/v1/holdings/unreleased/{id.upper()}")
    return "" if waiting is None else f"pdb: {told_unreleased(waiting, id)}"


def _hint(others: Sequence[str]) -> str:
    return "" if not others else ": ask for that one" if len(others) == 1 else ": ask for one of them"


def uniprot_entry(accession: str, services: Services) -> Any:
    """What UniProt says of an accession, in its own form; None: it has none such.

    That one was merged may be told by nothing but a redirect to the other.
    """
    entry = services.ask(
        "uniprot", f"/uniprotkb/{accession}.json", absent=_NOWHERE, good=(_MERGED,), is_answer=is_entry
    )
    if not isinstance(entry, Mapping) or set(entry) != {"location"}:
        return entry
    target = accession_of(PurePosixPath(urlsplit(str(entry["location"])).path).stem)
    reason = {"inactiveReasonType": "MERGED", "mergeDemergeTo": [target] if target else []}
    return {"entryType": "Inactive", "primaryAccession": accession, "inactiveReason": reason}
