"""A STAR file's blocks: names, labels and where they stand; what is read of each one is the caller's choice."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from builders.errors import FormatError, ReadError
from builders.io.reports import report_once
from builders.io.tables.opening import opened, refuse_others
from builders.io.tables.star.rows import LineNumbers, Loop, cut, read_rows, shown, value
from builders.io.tables.star.text import Text
from builders.io.tables.star.tokens import Token
from builders.io.tables.star.values import TEXT

MAX_LABELS = 4096
"""Of a block: RELION knows some 500, and each column takes memory, be it ever so short."""
MAX_BLOCKS = 100_000
"""Of a file: as labels, each takes more memory than its bytes."""
Select = Callable[[str, tuple[str, ...]], Mapping[str, pa.DataType]]
"""Which labels of a block are read, and as what: `TEXT`, `NUMBER` or a dictionary of text."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a STAR file.

    Attributes:
        name: what follows `data_`; may be empty, and need not be the only one of its name.
        line: of its `data_`, from 1.
        is_loop: whether it is a table; else it is a list of labels with one value each, which is given as one row.
        labels: all of its labels, in order, without the `_`.
        columns: those that were asked for.
        lines: the lines of its rows.
    """

    name: str
    line: int
    is_loop: bool
    labels: tuple[str, ...]
    columns: pa.Table
    lines: LineNumbers

    @property
    def rows(self) -> int:
        """How many rows it has, whatever was asked for."""
        return self.lines.rows


def all_text(_block: str, labels: tuple[str, ...]) -> Mapping[str, pa.DataType]:
    """Every label, as it is spelled."""
    return dict.fromkeys(labels, TEXT)


def read(source: bytes | str | Path, name: str | None = None, select: Select = all_text) -> list[Block]:
    r"""Read a STAR file.

    A row is a line, as programs write them; blank lines and comments between rows are passed over. `None`, `null`,
    `<NA>` and `nan` are null.

    Args:
        source: a path on this machine, or the bytes of a file.
        name: of the file, for errors; by default the path.
        select: says what is read of a block, by its name and its labels; everything as text by default.

    Raises:
        FormatError: the file is something else, or a line of it is wrong.
        TruncatedError: it ends within a row.
        PercError: it cannot be read.

    Example:
        >>> (block,) = read(b"data_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnVoltage #2\n1 300.0\n2 200.0\n")
        >>> block.name, block.columns.to_pydict()
        ('optics', {'rlnOpticsGroup': ['1', '2'], 'rlnVoltage': ['300.0', '200.0']})
    """
    if isinstance(source, bytes):
        return _blocks(io.BytesIO(source).read, name or "STAR file", select)
    told = name or str(source)
    with opened(Path(source), told) as file:
        try:
            return _blocks(file.read, told, select)
        except OSError as err:
            if isinstance(err, FormatError):
                raise
            msg = f"{told}: cannot be read: {err}"
            raise ReadError(msg) from err


def _blocks(read: Callable[[int], bytes], name: str, select: Select) -> list[Block]:
    text = Text(read, name)
    refuse_others(text.head, name, "a STAR file")
    blocks: list[Block] = []
    found = _next_line(text)
    while found is not None:
        number, row, _ = found
        title = row[0]
        if title.quoted or not title.text.startswith(b"data_"):
            raise text.error(number, f"{shown(title)}: expected data_ and the name of a block")
        if len(row) > 1:
            raise text.error(number, f"{shown(row[1])} after the name of a block: expected a line of its own")
        if len(blocks) == MAX_BLOCKS:
            raise text.error(number, f"more than {MAX_BLOCKS} blocks: expected fewer")
        blocks.append(_block(text, number, title.text[len(b"data_") :].decode(errors="replace"), select))
        found = _next_line(text)
    if not blocks:
        msg = f"{name}: no data_ in it: expected a STAR file"
        raise FormatError(msg)
    if text.lacks_end and blocks[-1].is_loop:
        report_once("its last line has no end: if the file was cut there, the last value is not whole", name)
    return blocks


class _Line(NamedTuple):
    number: int
    row: list[Token]
    data: bytes


def _next_line(text: Text) -> _Line | None:
    """The next line that is not blank."""
    while line := text.next():
        number = text.line - line.endswith(b"\n")
        if row := cut(text, line, number):
            return _Line(number, row, line)
    return None


def _block(text: Text, number: int, name: str, select: Select) -> Block:
    values: dict[str, tuple[int, Token]] = {}
    last = number
    while (found := _next_line(text)) is not None:
        line, row, data = found
        word = row[0].text
        if row[0].quoted or not word.startswith((b"_", b"data_", b"loop_")):
            raise text.error(line, f"{shown(row[0])} in block {name!r}: expected a label, loop_ or data_")
        if word.startswith(b"data_"):
            text.give_back(data, line)
            break
        if word.startswith(b"loop_"):
            if values or word != b"loop_" or len(row) > 1:
                said = "a loop_ after single values" if values else f"{shown(row[-1])} in the line of a loop_"
                raise text.error(line, f"{said} in block {name!r}: expected one loop_ in a block, alone")
            return _loop(text, number, name, select)
        label = _label(text, line, row[0], values)
        if len(row) != 2:
            raise text.error(line, f"{len(row) - 1} values after _{label}: expected one (in quotes, if it has blanks)")
        values[label] = line, row[1]
        last = line
    labels = tuple(values)
    types = select(name, labels)
    lines = LineNumbers()
    lines.append(1 if values else 0, last)
    columns = {
        label: pa.array([value(text, values[label][0], label, values[label][1], kind)], kind)
        for label, kind in types.items()
    }
    return Block(name, number, False, labels, pa.table(columns), lines)


def _loop(text: Text, number: int, name: str, select: Select) -> Block:
    labels: dict[str, tuple[int, Token]] = {}
    while (found := _next_line(text)) is not None:
        line, row, data = found
        is_label = row[0].text.startswith(b"_") and not row[0].quoted
        if not is_label or (labels and len(row) == len(labels) > 1):
            text.give_back(data, line)
            break
        if len(row) > 1:
            raise text.error(line, f"{shown(row[1])} after {shown(row[0])}: expected one label a line")
        labels[_label(text, line, row[0], labels)] = line, row[0]
    if not labels:
        raise text.error(text.line, f"no labels after loop_ in block {name!r}: expected them, one a line")
    loop = Loop(name, tuple(labels), select(name, tuple(labels)))
    columns, lines = read_rows(text, loop)
    return Block(name, number, True, loop.labels, columns, lines)


def _label(text: Text, line: int, token: Token, others: Mapping[str, tuple[int, Token]]) -> str:
    try:
        label = token.text[1:].decode()
    except UnicodeDecodeError as err:
        raise text.error(line, f"label {shown(token)}: expected UTF-8") from err
    if not label:
        raise text.error(line, "a label of no name: expected letters after the _")
    if label in others:
        raise text.error(line, f"a second _{label}: the first is in line {others[label][0]}")
    if len(others) == MAX_LABELS:
        raise text.error(line, f"more than {MAX_LABELS} labels in a block: expected fewer")
    return label
