"""Lists of ids in files, as people have them: one a line, in columns of a table, with titles, out of any editor."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

from builders.errors import NotFoundError, OptionError, ReadError

logger = logging.getLogger(__name__)

IsId = Callable[[str], bool]
Row = list[str]

_HEADINGS = frozenset(
    "id ids pdb pdbid pdbids pdbcode pdbcodes code codes entry entries entryid entryids accession accessions acc"
    " uniprot uniprotid uniprotids uniprotkb uniprotaccession identifier identifiers structure structures name names"
    " protein proteins target targets chain list alphafold alphafoldid".split()
)
_ATTEMPT = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{4,10}", re.ASCII)
"""What looks like an id, if not like one that is right."""


def read_list(path: Path, is_id: IsId, expected: str) -> list[str]:
    """The ids of a file, in its order, as they are written.

    Args:
        path: of a text file. `#` begins a comment; blanks, tabs, commas, semicolons and quotes are passed over, titles
            and other columns of a table as well, which is told. Of FASTA files, the headings are read.
        is_id: whether a text is an id.
        expected: whose ids, as errors name them.

    Raises:
        NotFoundError: there is no such file.
        ReadError: it cannot be read.
        OptionError: it has no ids, or is no such file.
    """
    lines = [line.partition("#")[0].strip() for line in _text(path, expected).splitlines()]
    headings = [line for line in lines if line.startswith(">")]
    if headings:
        return [heading[1:].split()[0] for heading in headings if heading[1:].split()]
    rows = [row for row in map(_cells, lines) if any(any(c.isalnum() for c in cell) for cell in row)]
    if not rows:
        msg = f"{path}: no id in it: expected one a line, and # before comments"
        raise OptionError(msg)
    titles = _titles(rows, is_id)
    if titles:
        told = "; ".join(" ".join(filter(None, row)) for row in rows[:titles])[:200]
        logger.warning("%s: taken for titles, as there is no id: %s", path, told)
    rows = rows[titles:]
    return _column(path, rows, is_id, titles > 0) or [cell for row in rows for cell in row if cell]


def split(text: str, is_id: IsId) -> list[str]:
    """The ids of one line; the line itself where not all of its parts are ids.

    Example:
        >>> split("4v1w, 2beg", lambda text: len(text) == 4), split("4v1w of mine", lambda text: len(text) == 4)
        (['4v1w', '2beg'], ['4v1w of mine'])
    """
    cells = [cell for cell in _cells(text) if cell]
    return cells if len(cells) > 1 and all(map(is_id, cells)) else [text.strip()]


def _text(path: Path, expected: str) -> str:
    try:
        data = path.expanduser().read_bytes()
    except FileNotFoundError as err:
        msg = f"ids is {str(path)!r}: neither an id ({expected}) nor a file that is there"
        raise NotFoundError(msg) from err
    except (OSError, RuntimeError) as err:
        msg = f"ids is {str(path)!r}: cannot be read: {err}"
        raise ReadError(msg) from err
    try:  # what PowerShell writes has a mark of UTF-16
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except ValueError as err:
        msg = f"ids is {str(path)!r}: not a text file with one id a line: {err}"
        raise OptionError(msg) from err


def _cells(line: str) -> Row:
    separator = next((mark for mark in ("\t", ",", ";") if mark in line), None)
    cells = line.split() if separator is None else line.split(separator)
    cells = [cell.strip().strip("\"'").strip() for cell in cells]
    return cells if separator is None else [part for cell in cells for part in _alike(cell)]


def _alike(cell: str) -> Row:
    """A cell of a table, or the ids in it: `4v1w 2beg, 1abc`."""
    parts = cell.split()
    return parts if len(parts) > 1 and all(map(_ATTEMPT.fullmatch, parts)) else [cell]


def _titles(rows: list[Row], is_id: IsId) -> int:
    """How many of the first rows are titles: all before the first one with an id, or none."""
    first = next((place for place, row in enumerate(rows) if any(map(is_id, row))), 0)
    return first if all(map(_is_title, rows[:first])) else 0


def _is_title(row: Row) -> bool:
    words = [cell for cell in row if cell]
    if any(re.sub("[^a-z]", "", word.lower()) in _HEADINGS for word in words):
        return True
    return len(words) > 1 and not any(map(_ATTEMPT.fullmatch, words))


def _column(path: Path, rows: list[Row], is_id: IsId, has_titles: bool) -> list[str]:
    """The ids of the first column that has nothing else; none where all cells are ids, or there is no such column.

    Without titles, what looks like an id in another column may be one of a list, with a slip of the pen.
    """
    place = next((at for at in range(min(map(len, rows))) if all(is_id(row[at]) for row in rows)), None)
    others = [cell for row in rows for at, cell in enumerate(row) if cell and at != place]
    wrong = [cell for cell in others if not is_id(cell)]
    if place is None or not wrong or not (has_titles or not any(is_id(c) or _ATTEMPT.fullmatch(c) for c in others)):
        return []
    logger.warning(
        "%s: the ids are taken from column %d; other cells are ignored, such as %r", path, place + 1, wrong[0][:40]
    )
    return [row[place] for row in rows]
