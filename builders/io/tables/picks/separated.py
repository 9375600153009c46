"""Tables of points in text: x, y, z and a class a line, parted by commas, semicolons, tabs or blanks."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from builders.errors import FormatError
from builders.io.tables.opening import HEAD, refuse_others
from builders.io.tables.picks.checking import check_finite, check_names, rotations, shown
from builders.io.tables.picks.headers import Columns, columns_of, is_number
from builders.io.tables.picks.picks import Picks

_EXPECTED = "a table of points: x, y, z and, if there is one, a class a line"
_LONGEST = 64 * 1024
"""Bytes of a line that tells the columns: what is no text may have no line end at all."""
_BLANKS = re.compile(rb"[ \t]+")
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
    data = data.removeprefix(_MARK)
    refuse_others(data[:HEAD], name, _EXPECTED)
    table = _opened(data, name)
    columns, rows = table.columns, table.rows()
    points = table.numbers(rows, columns.axes)
    turns = None
    if columns.matrix:
        matrices = table.numbers(rows, columns.matrix).reshape(-1, 3, 4)
        points = points + matrices[:, :, 3]
        turns = rotations(matrices[:, :, :3], "the matrix", table.where)
    labels = None if columns.label is None else table.names(rows, columns.label, "class")
    if labels is None and label is not None:
        labels = (label,) * len(points)
    return Picks(
        name=name,
        points=points,
        unit=columns.unit,
        labels=labels,
        rotations=turns,
        tomograms=None if columns.tomogram is None else table.names(rows, columns.tomogram, "tomogram"),
        pixel_size=pixel_size if columns.unit == "voxel" else None,
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """Lines of values, with what is known of their columns."""

    name: str
    data: bytes
    delimiter: str
    columns: Columns
    first: int
    """Number of the first line of values, from 1."""

    def rows(self) -> pa.Table:
        """All values, as text.

        Raises:
            FormatError: a line has too many or too few of them, or is no UTF-8.
        """
        names = self.columns.names
        if not self.data.strip():
            return pa.table({name: pa.array([], pa.string()) for name in names})
        self._check_quotes()
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(self.data),
                arrow_csv.ReadOptions(column_names=names, block_size=max(len(self.data), 1), use_threads=False),
                arrow_csv.ParseOptions(delimiter=self.delimiter),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, null_values=[]
                ),
            ).combine_chunks()
        except pa.ArrowInvalid as err:
            raise self._odd(str(err)) from err

    def _check_quotes(self) -> None:
        """Refuse a quote that is not closed in its line: Arrow's reader goes on to the next one, rows later."""
        if b'"' not in self.data:
            return
        for line, text in enumerate(io.BytesIO(self.data), self.first):
            if text.count(b'"') % 2:
                msg = f"{self.name}: line {line}: a quote that is not closed: expected {_EXPECTED}"
                raise FormatError(msg)

    def numbers(self, rows: pa.Table, columns: Sequence[str]) -> NDArray[np.float64]:
        """`(rows, columns)`.

        Raises:
            FormatError: a value is no number, or is not finite.
        """
        found = np.stack([self._numbers(rows[column], column) for column in columns], axis=1)
        check_finite(found, columns, self.where)
        return found

    def _numbers(self, texts: pa.ChunkedArray, column: str) -> NDArray[np.float64]:
        texts = pc.utf8_trim_whitespace(texts)
        try:
            return np.asarray(texts.cast(pa.float64()))
        except pa.ArrowInvalid as err:
            for row, text in enumerate(texts.to_pylist()):
                if not is_number(text):
                    msg = f"{self.where(row)}: {column} is {shown(text)}: expected a number"
                    raise FormatError(msg) from err
            msg = f"{self.name}: {column}: {err}"
            raise FormatError(msg) from err

    def names(self, rows: pa.Table, column: str, what: str) -> tuple[str, ...]:
        """Names of a column, each one once in memory."""
        coded = pc.utf8_trim_whitespace(rows[column]).combine_chunks().dictionary_encode()
        known: list[str] = coded.dictionary.to_pylist()
        codes: list[int] = coded.indices.to_pylist()
        check_names(known, what, lambda found: self.where(codes.index(known.index(found))))
        return tuple(map(known.__getitem__, codes))

    def where(self, row: int) -> str:
        """The file and the line of a row."""
        line, left = self.first, row
        for text in io.BytesIO(self.data):
            if text.strip(b"\r\n"):
                if not left:
                    break
                left -= 1
            line += 1
        return f"{self.name}: line {line}"

    def _odd(self, said: str) -> FormatError:
        """The first line that has not as many values as there are columns, or is no text."""
        line = self.first
        for raw in io.BytesIO(self.data):
            try:
                (values, *_) = csv.reader([raw.decode()], delimiter=self.delimiter, strict=True) or [[]]
            except UnicodeDecodeError:
                return FormatError(f"{self.name}: line {line}: no UTF-8: expected {_EXPECTED}")
            except csv.Error as err:
                return FormatError(f"{self.name}: line {line}: {err}: expected {_EXPECTED}")
            if values and len(values) != len(self.columns.names):
                expected = f"{len(self.columns.names)}: {', '.join(self.columns.names)}"
                return FormatError(f"{self.name}: line {line}: {len(values)} values: expected {expected}")
            line += 1
        return FormatError(f"{self.name}: {said}: expected {_EXPECTED}")


def _opened(data: bytes, name: str) -> _Table:
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
    delimiter = next((sign for sign in ";,\t" if sign in said), " ")
    values = _values(said, delimiter)
    has_names = not all(is_number(value) for value in values[:3])
    if has_names:
        header = values
        at, line = stop, line + 1
    else:
        header = _values(comment, delimiter) if comment else []
        header = header if len(header) == len(values) else []
    rest = data[at:]
    if delimiter == " ":
        rest = b"\n".join(row.strip() for row in _BLANKS.sub(b" ", rest).split(b"\n"))
    where = f"{name}: line {line - has_names}"
    return _Table(name, rest, delimiter, columns_of(header, len(values), where), line)


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


def _values(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    return [value.strip() for value in next(csv.reader([line], delimiter=delimiter), [])]
