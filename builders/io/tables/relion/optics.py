"""Rows of a table with the values of their optics groups: each row its own group's."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from builders.errors import FormatError
from builders.io.tables.relion.labels import GROUP
from builders.io.tables.star import NUMBER, Block

ABSENT = -999.0
"""RELION's number for what was not determined."""
_EXACT = 2.0**53
_SINGLE = float(np.finfo(np.float32).max)


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
        self.block, self.optics, self.name = block, optics, name
        self.count = block.rows
        self._group = None if optics is None else self._find_groups(optics)

    def has(self, label: str) -> bool:
        """Whether rows or their groups have a column."""
        return label in self.block.columns.column_names or self._is_of_group(label)

    def error(self, row: int, said: str) -> FormatError:
        """What is wrong with a row, from 0."""
        return FormatError(f"{self.name}: line {self.block.lines.of(row)}: {said}")

    def values(self, label: str) -> pa.ChunkedArray:
        """A column of which rows or their groups have some; nulls where neither has."""
        own = self.block.columns[label] if label in self.block.columns.column_names else None
        if not self._is_of_group(label):
            return own
        assert self.optics is not None
        of_group = self.optics.columns[label].combine_chunks().take(self._group)
        if own is None:
            return pa.chunked_array([of_group])
        return own if not own.null_count else pc.coalesce(own.cast(of_group.type), of_group)

    def numbers(self, label: str) -> pa.Array | None:
        """A column of numbers, `float64`, with nulls for what is not finite and for RELION's -999; None: no column."""
        if not self.has(label):
            return None
        own = self.block.columns[label] if label in self.block.columns.column_names else None
        of_group = None
        if self._is_of_group(label):
            assert self.optics is not None
            of_group = finite(self.optics.columns[label].combine_chunks()).take(self._group)
        if own is None:
            return of_group
        own = finite(own.combine_chunks())
        return own if of_group is None or not own.null_count else pc.coalesce(own, of_group)

    def integers(self, label: str) -> pa.Array | None:
        """A column of whole numbers, `int64`.

        Raises:
            FormatError: one is no whole number, or too large to be exact: with the line's number.
        """
        numbers = self.numbers(label)
        if numbers is None:
            return None
        is_odd = pc.or_(pc.not_equal(numbers, pc.floor(numbers)), pc.greater(pc.abs(numbers), _EXACT))
        if (row := first(is_odd)) is not None:
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
        row = first(pc.greater(pc.abs(numbers), _SINGLE))
        if row is not None:
            raise self.error(row, f"{label} is {numbers[row].as_py()}: expected a number that a float32 holds")
        return numbers.cast(pa.float32())

    def _is_of_group(self, label: str) -> bool:
        return self.optics is not None and self._group is not None and label in self.optics.columns.column_names

    def _find_groups(self, optics: Block) -> pa.Array | None:
        """For each row, which row of the optics block is its group."""
        if not optics.rows:
            return None
        has_names = GROUP in optics.labels
        if GROUP not in self.block.labels or (not has_names and optics.rows == 1):
            if optics.rows == 1:
                return pa.array(np.zeros(self.count, np.int64))
            if not self.count:
                return None
            said = f"no {GROUP} in block {self.block.name!r}, and {optics.rows} groups in the optics block"
            msg = f"{self.name}: {said}: expected it to tell which group a row is of"
            raise FormatError(msg)
        if not has_names:
            msg = f"{self.name}: line {optics.line}: no {GROUP} in the optics block: expected it, the groups' numbers"
            raise FormatError(msg)
        known = Rows(optics, None, self.name).integers(GROUP)
        assert known is not None
        counts = pc.value_counts(known)
        for group, count in zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True):
            if count > 1 or group is None:
                what = "a group has no number" if group is None else f"{GROUP} {group} stands there {count} times"
                msg = f"{self.name}: line {optics.line}: {what} in the optics block: expected one row a group"
                raise FormatError(msg)
        groups = Rows(self.block, None, self.name).integers(GROUP)
        assert groups is not None
        found = pc.index_in(groups, known)
        if found.null_count:
            row = first(pc.is_null(found))
            assert row is not None
            some = ", ".join(map(str, known.to_pylist()[:10]))
            raise self.error(row, f"{GROUP} is {groups[row].as_py()}: expected one of the optics block: {some}")
        return found


def finite(numbers: pa.Array) -> pa.Array:
    """Numbers with null for what is not finite, or RELION's for what was not determined."""
    return pc.if_else(pc.and_(pc.is_finite(numbers), pc.not_equal(numbers, ABSENT)), numbers, pa.scalar(None, NUMBER))


def first(flags: pa.Array) -> int | None:
    """The first row of which something is true."""
    row = pc.index(flags, True).as_py()
    return None if row < 0 else int(row)
