"""What all rows that were written have between them: which columns, and which optics groups."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from builders.particles.writing.pieces import Piece

GROUP = ("optics_group", "pixel_size", "size", "voltage", "spherical_aberration", "amplitude_contrast")
"""Columns of which all particles of an optics group have the same value."""

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Survey:
    """What was written.

    Attributes:
        rows: how many.
        known: columns that have a value in some row.
        whole: columns that have a value in every row.
        groups: the number of the optics group of each set of values of `GROUP`.
        longest: bytes of the longest text of each column of texts, and of a stack's name (`"stack"`).
        kinds: the type of each column.
        lengths: values of the lists of each column of lists.
    """

    rows: int
    known: frozenset[str]
    whole: frozenset[str]
    groups: dict[Key, int]
    longest: dict[str, int]
    kinds: dict[str, pa.DataType]
    lengths: dict[str, int]


def survey(pieces: Iterable[Piece]) -> Survey:
    """Look at all rows, a piece at a time."""
    count, nulls, longest, lengths = 0, dict[str, int](), dict[str, int](), dict[str, int]()
    kinds: dict[str, pa.DataType] = {}
    keys: dict[Key, None] = {}
    for piece in pieces:
        count += len(piece.rows)
        for name, column in zip(piece.rows.column_names, piece.rows.columns, strict=True):
            kinds[name] = column.type
            nulls[name] = nulls.get(name, 0) + column.null_count
            if pa.types.is_string(column.type):
                longest[name] = max(longest.get(name, 1), pc.max(pc.binary_length(column)).as_py() or 0)
            elif pa.types.is_list(column.type):
                lengths[name] = max(lengths.get(name, 1), pc.max(pc.list_value_length(column)).as_py() or 0)
        names = [len(stack.name.encode()) for stack in piece.stacks]
        longest["stack"] = max([longest.get("stack", 1), *names])
        keys.update(dict.fromkeys(keys_of(piece.rows.group_by(list(GROUP)).aggregate([]))))
    known = frozenset(name for name, missing in nulls.items() if missing < count)
    whole = frozenset(name for name in known if not nulls[name])
    return Survey(count, known, whole, _numbered(sorted(keys, key=_order)), longest, kinds, lengths)


def keys_of(rows: pa.Table) -> list[Key]:
    """The values of `GROUP` of each row."""
    return list(zip(*(rows[name].to_pylist() for name in GROUP), strict=True))


def _order(key: Key) -> list[tuple[bool, Any]]:
    return [(value is None, value) for value in key]


def _numbered(keys: list[Key]) -> dict[Key, int]:
    """The number of each group: that of the rows where only one has it, else the next one that is free."""
    numbers: dict[Key, int] = {}
    taken = {key[0] for key in keys if key[0] is not None}
    given: set[int] = set()
    free = 1
    for key in keys:
        number = key[0]
        if number is None or number < 1 or number in given:
            while free in taken | given:
                free += 1
            number = free
        given.add(number)
        numbers[key] = number
    return numbers
