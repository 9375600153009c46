"""What a structure is asked for by: ids as people write them, in lists and in files."""

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builders.errors import OptionError
from builders.structures.databases.id_files import read_list, split
from builders.structures.databases.spellings import readings, why_not
from builders.structures.reading import content
from builders.structures.uniprot.entries import ACCESSION

logger = logging.getLogger(__name__)

_PATH = re.compile(r"[./\\~]")
"""No id has these: what has is meant for the path of a file."""

Claim = Callable[[str], str | None]
"""A text as a source spells an id that it knows by its form; None: it is none of its."""


@dataclass(frozen=True, slots=True)
class Id:
    """What was asked for.

    Attributes:
        text: as its databases spell it: `4v1w`, `P45523`, `AF-P45523-F1`.
        sources: names of the databases that know ids of this form.
        note: what is to be said of the way it was written; empty: nothing.
    """

    text: str
    sources: tuple[str, ...]
    note: str = field(default="", compare=False)

    @property
    def accession(self) -> str | None:
        """The id, where it is a UniProt accession."""
        return accession_of(self.text)


def accession_of(text: str) -> str | None:
    """A UniProt accession in capitals; None for what has not its form.

    Example:
        >>> accession_of("p45523"), accession_of("P05067-2"), accession_of("4v1w")
        ('P45523', 'P05067-2', None)
    """
    match = ACCESSION.fullmatch(text.strip().upper())
    return None if match is None else match[0]


def parse_id(text: object, claims: Mapping[str, Claim]) -> Id:
    """An id in whatever case, and in whatever way people write it: `PDB:4V1W`, `4v1w.cif.gz`, a URL.

    Args:
        text: as somebody wrote it.
        claims: by the name of each database, which ids are its.

    Raises:
        OptionError: no database has ids of that form.
    """
    found = _find_id(text, claims) if isinstance(text, str) else None
    if found is not None:
        return found
    shown = repr(text if not isinstance(text, str) else text[:100])
    why = why_not(text) if isinstance(text, str) else ""
    msg = (
        f"{shown} is no id: it {why}"
        if why
        else (
            f"{shown} is no id: expected a PDB id (4v1w), a UniProt accession (P45523), an AlphaFold id (AF-P45523-F1)"
            f" or another one of {', '.join(claims)}"
        )
    )
    raise OptionError(msg)


def _find_id(text: str, claims: Mapping[str, Claim]) -> Id | None:
    for reading in readings(text):
        spelled = {name: claim(reading.text) for name, claim in claims.items()}
        known = {name: id for name, id in spelled.items() if id is not None}
        if known:
            return Id(next(iter(known.values())), tuple(known), reading.note)
    return None


def tell_notes(written: Mapping[str, Id]) -> None:
    """Say once what is to be said of ids that were written in ways that mean something else.

    Args:
        written: the ids, by how they were written.
    """
    notes: dict[str, list[str]] = {}
    for text, id in written.items():
        if id.note:
            notes.setdefault(id.note, []).append(text)
    for note, texts in notes.items():
        more = f" and {len(texts) - 1} more" if len(texts) > 1 else ""
        logger.warning("structures: %s%s: %s", texts[0], more, note)


def read_ids(ids: object, claims: Mapping[str, Claim]) -> list[str]:
    """The ids of a list, of a file (`id_files.read_list`), or a single one or a few in one text; as they are written.

    Args:
        ids: a list, a text, or the path of a file.
        claims: by the name of each database, which ids are its.

    Raises:
        OptionError: there are none, or they are nothing of the kind.
        NotFoundError: a path that leads to no file.
    """

    def is_id(text: str) -> bool:
        return not text.isdigit() and _find_id(text, claims) is not None  # not a year of a title

    if isinstance(ids, str):
        is_path = bool(_PATH.search(ids)) and "://" not in ids
        if _is_plain(ids, claims) or not (is_path or Path(ids).is_file()):
            return split(ids, is_id)
        if is_id(ids) and not Path(ids).is_file():
            return [ids.strip()]
    if isinstance(ids, str | os.PathLike):
        _refuse_structure(Path(ids))
        return read_list(Path(ids), is_id, ", ".join(claims))
    if ids is None or isinstance(ids, bytes | Mapping) or not isinstance(ids, Iterable):
        msg = f"ids is {ids!r}: expected a list of ids, or the path of a file with one id a line"
        raise OptionError(msg)
    found = [item.strip() if isinstance(item, str) else item for item in ids]
    if not found:
        msg = f"ids is {ids!r}: expected at least one id"
        raise OptionError(msg)
    return found


def _is_plain(text: str, claims: Mapping[str, Claim]) -> bool:
    """Whether a text is an id as a database spells it, whatever files there are."""
    return any(claim(text.strip()) is not None for claim in claims.values())


def _refuse_structure(path: Path) -> None:
    """Raises where a file is a structure, of which people think that it can stand for its id."""
    try:
        with path.expanduser().open("rb") as file:
            content.sniff(content.plain(file.read(content.HEAD), str(path)), str(path))
    except (OSError, RuntimeError, ValueError):
        return
    msg = f"ids is {str(path)!r}: a file of a structure: expected ids (builders.structures.clean takes files)"
    raise OptionError(msg)
