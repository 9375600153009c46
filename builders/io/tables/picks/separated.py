"""Tables of points in text: x, y, z and a class a line, parted by commas, semicolons, tabs or blanks."""

import csv
import logging

import pyarrow as pa

from builders.errors import FormatError
from builders.io.tables.opening import HEAD, refuse_others
from builders.io.tables.picks.checking import rotations, shown
from builders.io.tables.picks.headers import LABELS, Columns, columns_of
from builders.io.tables.picks.lines import BLANKS, Lines, is_number, split
from builders.io.tables.picks.picks import Picks

SUFFIXES = (".csv", ".tsv", ".txt")
logger = logging.getLogger(__name__)

_FEW = 5
"""Columns that are named."""
_EXPECTED = "a table of points: x, y, z and, if there is one, a class a line"
_LONGEST = 64 * 1024
"""Bytes of a line that tells the columns: what is no text may have no line end at all."""
_MARK = b"\xef\xbb\xbf"


def read(data: bytes, name: str, pixel_size: float | None = None, label: str | None = None) -> Picks:
    r"""Read a table of points.

    Without a line of names the columns are x, y, z and, if there is a fourth, the class, in voxels from the centre of
    voxel 0. With one, `headers.columns_of` says which names are known and which of them mean Å.

    Args:
        data: the file's bytes.
        name: of the file, for errors.
        pixel_size: Å, of its voxels.
        label: of its points, where it has no class.

    Raises:
        FormatError: it is something else, or a line is wrong: with its number.

    Example:
        >>> read(b"x_angstrom;y_angstrom;z_angstrom\n40;20;10\n", "picks.csv").unit
        'angstrom'
    """
    data = _plain(data)
    refuse_others(data[:HEAD], name, _EXPECTED)
    columns, lines = _opened(data, name)
    others = [column for column in (columns.label, columns.tomogram, *columns.guesses) if column is not None]
    rows = lines.read([*columns.axes, *columns.matrix, *others])
    points = lines.numbers(rows, columns.axes)
    turns = None
    if columns.matrix:
        matrices = lines.numbers(rows, columns.matrix).reshape(-1, 3, 4)
        points = points + matrices[:, :, 3]
        turns = rotations(matrices[:, :, :3], "the matrix", lines.where)
    told = columns.label or next((column for column in columns.guesses if _holds_words(rows[column])), None)
    labels = None if told is None else lines.names(rows, told, "class")
    _warn_of_words(columns, told, lines)
    if labels is None and label is not None:
        labels = (label,) * len(points)
    return Picks(
        name=name,
        points=points,
        unit=columns.unit,
        labels=labels,
        rotations=turns,
        tomograms=None if columns.tomogram is None else lines.names(rows, columns.tomogram, "tomogram"),
        pixel_size=pixel_size if columns.unit == "voxel" else None,
    )


def tomograms_named(data: bytes, name: str) -> tuple[str, ...] | None:
    r"""The tomograms that a table's points are of, whatever is wrong with the points; None where no column tells any.

    Args:
        data: the file's bytes.
        name: of the file, for errors.

    Raises:
        FormatError: there is one, which cannot be read either.

    Example:
        >>> tomograms_named(b"tomogram,x,y,z\nTS_1,1,2,nan\nTS_2,1,2,3\n", "picks.csv")
        ('TS_1', 'TS_2')
    """
    try:
        columns, lines = _opened(_plain(data), name)
    except FormatError:
        return None
    if columns.tomogram is None:
        return None
    return tuple(dict.fromkeys(lines.names(lines.read([columns.tomogram]), columns.tomogram, "tomogram")))


def _plain(data: bytes) -> bytes:
    """Lines as Arrow's reader has them."""
    return data.removeprefix(_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _holds_words(column: pa.ChunkedArray) -> bool:
    """Whether there is something that is no number, and nothing that is empty."""
    values = [value.strip() for value in column.unique().to_pylist()]
    return all(values) and not all(is_number(value) for value in values)


def _warn_of_words(columns: Columns, told: str | None, lines: Lines) -> None:
    """Say which columns of words, by the first line that has values, mean nothing here."""
    first = next((line for line in lines.data[:_LONGEST].split(b"\n") if line.strip()), b"").decode(errors="replace")
    try:
        values = [value.strip() for value in split(first, lines.delimiter)]
    except csv.Error:  # which the reader tells
        return
    used = {*columns.axes, *columns.matrix, told, columns.tomogram}
    words = [
        shown(name)
        for name, value in zip(columns.names, values, strict=False)
        if name not in used and value and not is_number(value)
    ]
    if words:
        known = "" if told else f"; a column of classes is called one of {LABELS}"
        logger.warning("%s: columns of words that are not used: %s%s", lines.name, ", ".join(words[:_FEW]), known)


def _opened(data: bytes, name: str) -> tuple[Columns, Lines]:
    """Where a file's values begin, and which columns they are of.

    Raises:
        FormatError: the first line tells no columns of points.
    """
    at, line, comment = 0, 1, ""
    while True:
        stop = data.find(b"\n", at, at + _LONGEST) + 1 or min(len(data), at + _LONGEST)
        said = _text(data[at:stop], f"{name}: line {line}")
        if said and not said.startswith("#"):
            break
        if stop == len(data):
            msg = f"{name}: no line that is not empty or a comment: expected {_EXPECTED}"
            raise FormatError(msg)
        comment = said.lstrip("# ") or comment
        at, line = stop, line + 1
    delimiter = next((sign for sign in ";,\t" if sign in said), BLANKS)
    try:
        values, comments = split(said, delimiter), split(comment, delimiter) if comment else []
    except csv.Error as err:
        msg = f"{name}: line {line}: {err}: expected {_EXPECTED}"
        raise FormatError(msg) from err
    has_names = not all(is_number(value) for value in values[:3])
    if has_names:
        header = values
        at, line = stop, line + 1
    else:
        header = comments if len(comments) == len(values) else []
    columns = columns_of(header, len(values), f"{name}: line {line - has_names}")
    return columns, Lines(name, data[at:], delimiter, columns.names, line, _EXPECTED)


def _text(line: bytes, where: str) -> str:
    try:
        said = line.decode().strip()
    except UnicodeDecodeError as err:
        msg = f"{where}: no UTF-8: expected {_EXPECTED}"
        raise FormatError(msg) from err
    if "\0" in said:
        msg = f"{where}: a NUL byte: expected {_EXPECTED}"
        raise FormatError(msg)
    return said
