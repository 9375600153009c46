"""Rows of a table with the values of their optics groups: each row its own group's."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from builders.errors import FormatError
from builders.io.tables.relion.labels import GROUP
from builders.io.tables.star import NUMBER, TEXT, Block

ABSENT = -999.0
"""RELION's number for what was not determined."""
_EXACT = 2.0**53
_SINGLE = float(np.finfo(np.float32).max)
_TOLD = 10


class Rows:
    """Rows of a block, and, behind the values that they do not have, those of their optics groups.

    Args:
        block: the table.
        optics: of its file, if there is such a block.
        name: of the file, for errors.

    Raises:
        FormatError: the optics groups do not tell which one a row is of: with the line's number.
    """

    def __init__(self, block: Block, optics: Block | None, name: str) -> None:
        self.block, self.name = block, name
        self.count = block.rows
        self._numbers: dict[str, pa.Array | None] = {}
        self._optics = optics if optics is not None and optics.rows else None
        self._group = None if self._optics is None else self._groups(self._optics)

    def error(self, row: int, said: str) -> FormatError:
        """What is wrong with a row, from 0."""
        return FormatError(f"{self.name}: line {self.block.lines.of(row)}: {said}")

    def texts(self, label: str) -> pa.ChunkedArray:
        """A column as it is spelled, all null where there is none."""
        own = self.block.columns[label].cast(TEXT) if label in self.block.columns.column_names else None
        of_group = self._of_group(label)
        if of_group is None:
            return pa.chunked_array([pa.nulls(self.count, TEXT)]) if own is None else own
        of_group = pa.chunked_array([of_group.cast(TEXT)])
        return of_group if own is None else pc.coalesce(own, of_group)

    def numbers(self, label: str) -> pa.Array | None:
        """A column of numbers, `float64`, with null for what is not finite and for RELION's -999; None: no column."""
        if label not in self._numbers:
            own = self.block.columns[label] if label in self.block.columns.column_names else None
            found = [_finite(own.combine_chunks())] if own is not None else []
            if (not found or found[0].null_count) and (of_group := self._of_group(label)) is not None:
                found.append(_finite(of_group))
            self._numbers[label] = (pc.coalesce(*found) if len(found) > 1 else found[0]) if found else None
        return self._numbers[label]

    def integers(self, label: str) -> pa.Array:
        """A column of whole numbers, `int64`, all null where there is none.

        Raises:
            FormatError: one is no whole number, or too large to be exact: with the line's number.
        """
        numbers = self.numbers(label)
        if numbers is None:
            return pa.nulls(self.count, pa.int64())
        if _reaches_beyond(numbers, _EXACT) or first(pc.not_equal(numbers, pc.floor(numbers))) is not None:
            is_odd = pc.or_(pc.not_equal(numbers, pc.floor(numbers)), pc.greater(pc.abs(numbers), _EXACT))
            row = pc.index(is_odd, True).as_py()
            raise self.error(row, f"{label} is {numbers[row].as_py()}: expected a whole number of at most 2^53")
        return numbers.cast(pa.int64())

    def single(self, label: str) -> pa.Array:
        """A column of numbers in single precision, all null where there is none.

        Raises:
            FormatError: one is too large for that: with the line's number.
        """
        numbers = self.numbers(label)
        return pa.nulls(self.count, pa.float32()) if numbers is None else self.narrowed(numbers, label)

    def narrowed(self, numbers: pa.Array, label: str) -> pa.Array:
        """Numbers in single precision.

        Raises:
            FormatError: one is too large for that: with the line's number.
        """
        if _reaches_beyond(numbers, _SINGLE):
            row = pc.index(pc.greater(pc.abs(numbers), _SINGLE), True).as_py()
            raise self.error(row, f"{label} is {numbers[row].as_py()}: expected a number that a float32 holds")
        return numbers.cast(pa.float32())

    def _of_group(self, label: str) -> pa.Array | None:
        """For each row, what its group says; None where groups have no such column."""
        if self._optics is None or label not in self._optics.columns.column_names:
            return None
        return self._optics.columns[label].combine_chunks().take(self._group)

    def _groups(self, optics: Block) -> pa.Array:
        """For each row, which row of the optics block is its group."""
        if GROUP not in self.block.labels:
            if optics.rows > 1 and self.count:
                said = f"no {GROUP} in block {self.block.name!r}, and {optics.rows} groups in block {optics.name!r}"
                msg = f"{self.name}: {said}: expected it to tell which group a row is of"
                raise FormatError(msg)
            return pa.array(np.zeros(self.count, np.int64))
        known = _group_numbers(optics, self.name)
        groups = Rows(self.block, None, self.name).integers(GROUP)
        found = pc.index_in(groups, known)
        if (row := first(pc.is_null(found))) is not None:
            some = ", ".join(map(str, known.to_pylist()[:_TOLD]))
            raise self.error(row, f"{GROUP} is {groups[row].as_py()}: expected one of block {optics.name!r}: {some}")
        return found


def _group_numbers(optics: Block, name: str) -> pa.Array:
    """The numbers of all groups, in the order of their rows."""
    rows = Rows(optics, None, name)
    known = rows.integers(GROUP)
    seen: set[int | None] = {None}
    for row, group in enumerate(known.to_pylist()):
        if group in seen:
            said = f"no {GROUP}" if group is None else f"a second group {group}"
            raise rows.error(row, f"{said} in block {optics.name!r}: expected a number of its own for each group")
        seen.add(group)
    return known


def first(flags: pa.Array) -> int | None:
    """The first row of which something is true."""
    row = pc.index(flags, True).as_py()
    return None if row < 0 else int(row)


def _finite(numbers: pa.Array) -> pa.Array:
    """Numbers with null for what is not finite, and for what was not determined."""
    given = numbers.to_numpy(zero_copy_only=False)  # a look, unless there are nulls; these are NaN then
    if np.isfinite(given.sum()) and not np.any(given == ABSENT):  # the usual case, in two passes
        return numbers
    is_there = pc.and_(pc.is_finite(numbers), pc.not_equal(numbers, ABSENT))
    return pc.if_else(is_there, numbers, pa.scalar(None, NUMBER))


def _reaches_beyond(numbers: pa.Array, most: float) -> bool:
    reach = pc.min_max(numbers)
    return bool(numbers.null_count < len(numbers) and max(abs(value.as_py()) for value in reach.values()) > most)
