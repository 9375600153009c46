"""What a structure is asked for by: ids as people write them, in lists and in files."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from builders.errors import NotFoundError, OptionError, ReadError

ACCESSION = re.compile(r"([OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9]([A-Z][A-Z0-9]{2}[0-9]){1,2})(-[1-9][0-9]{0,3})?")
"""https://www.uniprot.org/help/accession_numbers, and the number of an isoform."""
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
    """

    text: str
    sources: tuple[str, ...]

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
    """An id in whatever case.

    Args:
        text: as somebody wrote it.
        claims: by the name of each database, which ids are its.

    Raises:
        OptionError: no database has ids of that form.
    """
    if isinstance(text, str):
        spelled = {name: claim(text.strip()) for name, claim in claims.items()}
        known = {name: id for name, id in spelled.items() if id is not None}
        if known:
            return Id(next(iter(known.values())), tuple(known))
    shown = repr(text if not isinstance(text, str) else text[:100])
    msg = (
        f"{shown} is no id: expected a PDB id (4v1w), a UniProt accession (P45523), an AlphaFold id (AF-P45523-F1)"
        f" or another one of {', '.join(claims)}"
    )
    raise OptionError(msg)


def read_ids(ids: object, claims: Mapping[str, Claim]) -> list[str]:
    """The ids of a list, of a file with one a line and `#` before comments, or a single one; as they are written.

    Args:
        ids: a list, an id, or the path of a file.
        claims: by the name of each database, which ids are its.

    Raises:
        OptionError: there are none, or they are nothing of the kind.
        NotFoundError: a path that leads to no file.
    """
    if isinstance(ids, str) and (_is_id(ids, claims) or not (_PATH.search(ids) or Path(ids).is_file())):
        return [ids.strip()]
    if isinstance(ids, str | os.PathLike):
        return _read_list(Path(ids), claims)
    if ids is None or isinstance(ids, bytes | Mapping) or not isinstance(ids, Iterable):
        msg = f"ids is {ids!r}: expected a list of ids, or the path of a file with one id a line"
        raise OptionError(msg)
    found = [item.strip() if isinstance(item, str) else item for item in ids]
    if not found:
        msg = f"ids is {ids!r}: expected at least one id"
        raise OptionError(msg)
    return found


def _is_id(text: str, claims: Mapping[str, Claim]) -> bool:
    return any(claim(text.strip()) is not None for claim in claims.values())


def _read_list(path: Path, claims: Mapping[str, Claim]) -> list[str]:
    try:
        lines = path.expanduser().read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as err:
        msg = f"ids is {str(path)!r}: neither an id ({', '.join(claims)}) nor a file that is there"
        raise NotFoundError(msg) from err
    except (OSError, RuntimeError) as err:
        msg = f"ids is {str(path)!r}: cannot be read: {err}"
        raise ReadError(msg) from err
    except ValueError as err:
        msg = f"ids is {str(path)!r}: not a text file with one id a line: {err}"
        raise OptionError(msg) from err
    found = [line.partition("#")[0].strip() for line in lines]
    found = [line for line in found if line]
    if not found:
        msg = f"{path}: no id in it: expected one a line, and # before comments"
        raise OptionError(msg)
    return found
