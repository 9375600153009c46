"""Lines of values as Arrow columns; and, of what is wrong with one, its number."""

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
from builders.io.tables.picks.checking import check_finite, check_names, shown
from builders.io.tables.star.packing import OddError, pack

BLANKS = " "
"""What parts values where any number of blanks and tabs does."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf|infinity)", re.I)
_FEW = 20
"""Columns that are named in an error."""
_RUN = re.compile(rb"[ \t]+")


def is_number(text: str) -> bool:
    """Whether text is a number in decimal, or one that is none: `nan`, `inf`.

    Example:
        >>> is_number("-1.5e3"), is_number("NaN"), is_number("x")
        (True, True, False)
    """
    return _NUMBER.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of values.

    Attributes:
        name: of the file, for errors.
        data: the lines; blank ones are passed over.
        delimiter: what parts values: a character, or `BLANKS`.
        columns: names of the columns, in order, each one once.
        first: number of the first line in the file, from 1.
        expected: what the file should be, for errors.
    """

    name: str
    data: bytes
    delimiter: str
    columns: Sequence[str]
    first: int
    expected: str

    def read(self, wanted: Sequence[str]) -> pa.Table:
        """Some columns, as text.

        Raises:
            FormatError: a line has too many or too few values, or is no UTF-8.
        """
        data = self._packed() if self.delimiter == BLANKS else self.data
        if not data.strip():
            return pa.table({column: pa.array([], pa.string()) for column in wanted})
        self._check_quotes()
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(data),
                arrow_csv.ReadOptions(column_names=self.columns, block_size=len(data), use_threads=False),
                arrow_csv.ParseOptions(delimiter=self.delimiter),
                arrow_csv.ConvertOptions(
                    include_columns=list(wanted),
                    column_types=dict.fromkeys(wanted, pa.string()),
                    strings_can_be_null=False,
                    null_values=[],
                ),
            ).combine_chunks()
        except pa.ArrowInvalid as err:
            raise self._odd(str(err)) from err

    def _packed(self) -> bytes:
        """Values parted by one blank."""
        try:
            return pack(self.data).data
        except OddError:
            return b"\n".join(row.strip() for row in _RUN.sub(b" ", self.data).split(b"\n"))

    def _check_quotes(self) -> None:
        """Refuse a quote that is not closed in its line: Arrow's reader goes on to the next one, rows later."""
        if b'"' not in self.data:
            return
        for line, text in enumerate(io.BytesIO(self.data), self.first):
            if text.count(b'"') % 2:
                msg = f"{self.name}: line {line}: a quote that is not closed: expected {self.expected}"
                raise FormatError(msg)

    def numbers(self, rows: pa.Table, columns: Sequence[str]) -> NDArray[np.float64]:
        """Columns as numbers.

        Returns:
            `(rows, columns)`.

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
        """A column of names, each one once in memory.

        Args:
            rows: of `read`.
            column: the column.
            what: they are, for errors.

        Raises:
            FormatError: one is empty, or has control characters.
        """
        coded = pc.utf8_trim_whitespace(rows[column]).combine_chunks().dictionary_encode()
        known: list[str] = coded.dictionary.to_pylist()
        codes: list[int] = coded.indices.to_pylist()
        check_names(known, what, lambda found: self.where(codes.index(known.index(found))))
        return tuple(map(known.__getitem__, codes))

    def where(self, row: int) -> str:
        """The file and the line of a row."""
        line, left = self.first, row
        for text in io.BytesIO(self.data):
            if text.strip(b"\r\n" if self.delimiter != BLANKS else None):
                if not left:
                    break
                left -= 1
            line += 1
        return f"{self.name}: line {line}"

    def _odd(self, said: str) -> FormatError:
        """The first line that has not as many values as there are columns, or is no text."""
        count = len(self.columns)
        for line, raw in enumerate(io.BytesIO(self.data), self.first):
            try:
                values = split(raw.decode(), self.delimiter)
            except UnicodeDecodeError:
                return FormatError(f"{self.name}: line {line}: no UTF-8: expected {self.expected}")
            except csv.Error as err:
                return FormatError(f"{self.name}: line {line}: {err}: expected {self.expected}")
            if values and len(values) != count:
                expected = f"{count}: {', '.join(self.columns)}" if count < _FEW else f"{count}, as the first line has"
                return FormatError(f"{self.name}: line {line}: {len(values)} values: expected {expected}")
        return FormatError(f"{self.name}: {said}: expected {self.expected}")


def split(line: str, delimiter: str) -> list[str]:
    """The values of a line.

    Raises:
        csv.Error: it is none.
    """
    if delimiter == BLANKS:
        return line.split()
    return [value.strip() for value in next(csv.reader([line], delimiter=delimiter), [])]
