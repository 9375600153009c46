"""Rows of a loop -> Arrow columns of the types that were asked for: fast, and exact where a line is unusual."""

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from builders.io.tables.star.packing import OddError, Packed, pack
from builders.io.tables.star.text import MAX_LINE, PIECE, Text
from builders.io.tables.star.tokens import LoneQuoteError, Token, tokens
from builders.io.tables.star.values import NULLS, NUMBER, TEXT, number_of, text_of

_SMALL = 32 * 1024
"""Bytes: lines of which one is odd are halved down to this, and only what is left goes the exact way."""
_BLOCK = PIECE + 2 * MAX_LINE
"""Bytes that Arrow works on at a time: all that are given to it."""
_AHEAD = 2
"""Pieces that are packed before their columns are made."""
_SHOWN = 60


@dataclass(slots=True)
class LineNumbers:
    """Which line of the file each row of a table was: runs of rows, by their first rows."""

    rows: int = 0
    _starts: list[int] = field(default_factory=list)
    _lines: list[int | NDArray[np.int64]] = field(default_factory=list)

    def append(self, rows: int, lines: int | NDArray[np.int64]) -> None:
        """Add rows that stand in consecutive lines from the one given, or in the lines given."""
        if rows:
            self._starts.append(self.rows)
            self._lines.append(lines)
            self.rows += rows

    def of(self, row: int) -> int:
        """The line of a row, from 1."""
        run = int(np.searchsorted(self._starts, row, "right")) - 1
        lines, place = self._lines[run], row - self._starts[run]
        return lines + place if isinstance(lines, int) else int(lines[place])


class Loop(NamedTuple):
    """What is known of a table before its rows: labels in order, and the Arrow types of those that are read."""

    block: str
    labels: tuple[str, ...]
    types: Mapping[str, pa.DataType]


class _Exact(NamedTuple):
    columns: dict[str, list[str | float | None]]
    lines: list[int]
    next: int
    """Number of the line that follows."""
    rest: bytes | None
    """What follows the table; None where it may go on."""


def read_rows(text: Text, loop: Loop) -> tuple[pa.Table, LineNumbers]:
    """Read rows up to the next block or the file's end.

    Raises:
        FormatError: a row has too many or too few values, a value is none of its type, a quote is not closed: with the
            line's number. TruncatedError where the file ends there.
    """
    most, rest = _SMALL, None
    with ThreadPoolExecutor(1, "perc-star") as aside:
        rows = _Rows(text, loop, aside)
        while rest is None and (lines := text.lines(most)):
            rest = rows.add(lines)
            most = min(4 * most, PIECE)  # a file of many small tables is not gone through again for each of them
        rows.finish()
    if rest is not None:
        text.give_back(rest, text.line)
    return pa.concat_tables(rows.tables), rows.numbers


class _Job(NamedTuple):
    table: Future[pa.Table]
    piece: bytes
    packed: Packed
    line: int


class _Rows:
    """Rows that are read so far: while some are packed, a thread of its own makes columns of those before."""

    def __init__(self, text: Text, loop: Loop, aside: ThreadPoolExecutor) -> None:
        self._text, self._loop, self._aside = text, loop, aside
        self._schema = pa.schema(list(loop.types.items()))
        self._jobs: deque[_Job] = deque()
        self.tables, self.numbers = [self._schema.empty_table()], LineNumbers()

    def add(self, lines: bytes) -> bytes | None:
        """Read lines, which the text comes to; what of them follows the table, or None where it may go on."""
        try:
            packed = pack(lines)
        except OddError:
            self.finish()
            return self._carefully(lines, self._text.line)
        job = self._aside.submit(_columns, packed, self._loop, self._schema)
        self._jobs.append(_Job(job, lines, packed, self._text.line))
        self._text.line += packed.ends
        if len(self._jobs) > _AHEAD:
            self._finish_first()
        return None

    def finish(self) -> None:
        """Wait for what is under way."""
        while self._jobs:
            self._finish_first()

    def _finish_first(self) -> None:
        job, after = self._jobs.popleft(), self._text.line
        try:
            self._append(job.table.result(), job.packed, job.line)
        except pa.ArrowInvalid:
            self._carefully(job.piece, job.line)
            self._text.line = after

    def _append(self, table: pa.Table, packed: Packed, line: int) -> None:
        self.tables.append(table)
        self.numbers.append(packed.rows, line if packed.lines is None else packed.lines + line)

    def _carefully(self, piece: bytes, line: int) -> bytes | None:
        """Read lines of which one is odd, or wrong: what follows the table, as `add` has it."""
        parts = _halves(piece) if len(piece) > _SMALL else None
        if parts is None:
            found = _exactly(self._text, piece, line, self._loop)
            self.tables.append(_table(found.columns, self._schema))
            self.numbers.append(len(found.lines), np.array(found.lines, np.int64))
            self._text.line = found.next
            return found.rest
        for part, others in zip(parts, (parts[1], b""), strict=True):
            try:
                packed = pack(part)
                self._append(_columns(packed, self._loop, self._schema), packed, line)
                self._text.line = line + packed.ends
            except (OddError, pa.ArrowInvalid):
                if (rest := self._carefully(part, line)) is not None:
                    return rest + others
            line = self._text.line
        return None


def _halves(piece: bytes) -> list[bytes] | None:
    """Whole lines in two parts, or None where that cannot be done."""
    middle = piece.find(b"\n", len(piece) // 2) + 1 or piece.rfind(b"\n", 0, len(piece) // 2) + 1
    return [piece[:middle], piece[middle:]] if 0 < middle < len(piece) else None


def _columns(packed: Packed, loop: Loop, schema: pa.Schema) -> pa.Table:
    """Columns of packed rows, by Arrow's reader of CSV.

    Raises:
        pa.ArrowInvalid: a row has too many or too few values, or a value is none of its type.
    """
    if not packed.rows or not loop.types:
        return schema.empty_table()
    return csv.read_csv(
        pa.BufferReader(packed.data),
        csv.ReadOptions(column_names=list(loop.labels), block_size=_BLOCK, use_threads=False),
        csv.ParseOptions(delimiter=" ", quote_char=False, double_quote=False, escape_char=False),
        csv.ConvertOptions(
            column_types=dict(loop.types),
            include_columns=list(loop.types),
            null_values=NULLS,
            strings_can_be_null=True,
        ),
        pa.system_memory_pool(),  # Arrow's own gives what is freed back to the system, which clears it each time anew
    )


def _table(columns: dict[str, list[str | float | None]], schema: pa.Schema) -> pa.Table:
    kinds = {field.name: NUMBER if field.type == NUMBER else TEXT for field in schema}
    return pa.table([pa.array(columns[name], kind) for name, kind in kinds.items()], list(kinds)).cast(schema)


def _exactly(text: Text, piece: bytes, first: int, loop: Loop) -> _Exact:
    """Rows token by token, from the line of that number on."""
    columns: dict[str, list[str | float | None]] = {name: [] for name in loop.types}
    lines: list[int] = []
    places = {name: loop.labels.index(name) for name in loop.types}
    at = 0
    for number, line in enumerate(piece.split(b"\n"), first):
        row = cut(text, line, number)
        after, at = at, at + len(line) + 1
        if not row:
            continue
        if is_word(row, b"data_"):
            return _Exact(columns, lines, number, piece[after:])
        if is_word(row, b"loop_") and row[0].text == b"loop_":
            raise text.error(number, f"another loop_ in block {loop.block!r}: expected one in a block")
        if len(row) != len(loop.labels):
            count = f"{len(row)} value{'s' if len(row) > 1 else ''}"
            said = f"{count}: expected {len(loop.labels)}, one for each label of block {loop.block!r}"
            is_last = at > len(piece) and text.is_at_end and len(row) < len(loop.labels)
            raise text.cut(number, said) if is_last else text.error(number, said)
        for name, place in places.items():
            columns[name].append(value(text, number, name, row[place], loop.types[name]))
        lines.append(number)
    return _Exact(columns, lines, first + piece.count(b"\n"), None)


def value(text: Text, line: int, label: str, token: Token, kind: pa.DataType) -> str | float | None:
    """What a token says, as the type that its label has.

    Raises:
        FormatError: it is none of that type: with the line's number.
    """
    try:
        said = text_of(token)
        return number_of(said) if kind == NUMBER else said
    except ValueError as err:
        expected = "UTF-8" if isinstance(err, UnicodeDecodeError) else "a number"
        raise text.error(line, f"{label} is {shown(token)}: expected {expected}") from err


def cut(text: Text, line: bytes, number: int) -> list[Token]:
    """The tokens of a line.

    Raises:
        FormatError: a quote is not closed, or there is a NUL byte: with the line's number.
    """
    if b"\0" in line:
        raise text.error(number, "a NUL byte: the file is damaged, or no text")
    try:
        return tokens(line)
    except LoneQuoteError as err:
        raise text.error(number, f"the quote before {shown(Token(err.args[0][1:]))} is not closed") from err


def is_word(row: list[Token], word: bytes) -> bool:
    """Whether a line is a word of STAR's own, alone: a row, too, may begin with a path of a folder `data_1`."""
    return len(row) == 1 and not row[0].quoted and row[0].text.startswith(word)


def shown(token: Token) -> str:
    """A token as it may be printed."""
    return repr(token.text.decode(errors="backslashreplace")[:_SHOWN])
