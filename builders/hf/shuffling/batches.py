"""Batches of rows that are drawn: their pixels go straight from where they are into one array."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.hf.shuffling.memory import GONE, Memory, Rows, kind_of, stretches
from builders.hf.stream_blocks import Block, Further, Piece
from builders.hf.streams.batches import Batch, ImageStack, memory_for, stack_of
from builders.hf.streams.filling import columns_for
from builders.hf.streams.picked_columns import Part, PickedColumn, add
from builders.io.layout import Array


@dataclass(slots=True)
class _Part:
    """Memory for images of one kind, the first ones of which are there, and which rows they are of."""

    memory: Array
    rows: list[Rows] = field(default_factory=list)
    count: int = 0
    finite: bool = True

    def fits(self, block: Block) -> bool:
        """Whether images of a block go in."""
        memory = self.memory
        return (memory.shape[1:], memory.dtype) == kind_of(block) and self.count < len(memory)

    def take(self, rows: Rows, source: Memory) -> Rows:
        """Take rows for which there is room; gives those that came."""
        place, stop = self.count, self.count + len(rows)
        came, finite = source.stack(rows, self.memory[place:stop])
        if not came.all():
            self.memory[place : place + came.sum()] = self.memory[place:stop][came]
            rows, finite = rows[came], finite[came]
        self.rows.append(rows)
        self.count += len(rows)
        self.finite = self.finite and bool(finite.all())
        return rows

    def piece(self) -> Piece:
        """As a batch has it."""
        memory, rows = self.memory, Rows.joined(self.rows)
        pixels = np.ndarray((self.count, *memory.shape[1:]), memory.dtype, buffer=memory.base)
        return Piece(pixels, self.finite, lambda place: rows.blocks[place].stored(int(rows.numbers[place])))


class Collected:
    """A batch that drawn rows go into.

    Args:
        size: rows of the batch.
        expected: how many there will be at most, as far as is known.
        declared: the features that they are stored as.
    """

    def __init__(self, size: int, expected: int, declared: Mapping[str, Any]) -> None:
        self._size, self._declared = size, declared
        self._expected = min(size, max(1, expected))
        self._parts: list[_Part] = []
        self._columns: dict[str, Any] = {}
        self._picked: list[Part] = []
        self._image, self._further = "", set[str]()
        self.count, self.key = 0, ""

    def take(self, rows: Rows, source: Memory) -> int:
        """Take the first ones of some rows, those that are alike and go in; gives how many are done with."""
        _, stop = next(stretches(rows[: self._size - self.count], _ANY))
        block = rows.blocks[0]
        if block is None:  # these could not be read again
            return stop
        part = self._parts[-1] if self._parts else None
        if part is None or not part.fits(block):
            part = _Part(memory_for(max(self._expected - self.count, stop), *kind_of(block)))
            self._parts.append(part)
        stop = min(stop, len(part.memory) - part.count)
        self._take_values(part.take(rows[:stop], source))
        return stop

    @property
    def is_full(self) -> bool:
        """Whether no more rows go in."""
        return self.count >= self._size

    def _take_values(self, rows: Rows) -> None:
        different = rows.different()
        if different and not self._columns:
            first = rows.blocks[0]
            self._columns, self._image = columns_for(first, self._picked), first.image
            self.key = first.key(int(rows.numbers[0]))
        told = different[0].told if different and different[0] is not None else {}
        for name, column in self._columns.items():
            if name != self._image and name not in told:
                column += _values(name, rows, different)
                is_further = any(block and isinstance(block.varying.get(name), Further) for block in different)
                self._further |= {name} if is_further else set()
        if told:
            firsts = np.array([block.first for block in rows.blocks.tolist()], np.int64)
            self._take_told(rows, different, firsts + rows.numbers)
        self.count += len(rows)

    def _take_told(self, rows: Rows, different: Sequence[Any], places: NDArray[np.int64]) -> None:
        """Take columns of a table, of rows that stand at some places in it."""
        if all(block.told is different[0].told for block in different):
            add(self._picked, different[0].told, places)
            return
        for place, block in enumerate(rows.blocks.tolist()):
            add(self._picked, block.told, places[place : place + 1])

    def batch(self) -> Batch:
        """The batch, of as many rows as came."""
        stack = ImageStack([part.piece() for part in self._parts if part.count])
        columns = self._columns | {self._image: stack}
        columns |= {name: stack_of(columns[name]) for name in self._further}
        return Batch(columns, self.count, stored=self._declared)


_ANY = 1 << 62


def told_of(rows: Rows) -> dict[str, list[Any]]:
    """Columns of a table, of rows that are held; anything for those that could not be read again."""
    different = [block for block in rows.different() if block is not None]
    if not different or not different[0].told:
        return {}
    blocks = [different[0] if block is None else block for block in rows.blocks.tolist()]
    places = np.array([block.first for block in blocks]) + np.where(rows.slots == GONE, 0, rows.numbers)
    picked: list[Part] = []
    if all(block.told is different[0].told for block in different):
        picked.append((different[0].told, places))
    else:
        picked += [(block.told, places[number : number + 1]) for number, block in enumerate(blocks)]
    return {name: PickedColumn(name, picked).values() for name in different[0].told}


def _values(name: str, rows: Rows, different: Sequence[Any]) -> list[Any]:
    """A column of rows that are of some blocks."""
    first = different[0].shared.get(name) if different else None
    if all(name in block.shared and block.shared[name] == first for block in different):
        return [first] * len(rows)
    return [
        block.shared[name] if name in block.shared else block.varying[name].item(number)
        for block, number in zip(rows.blocks.tolist(), rows.numbers.tolist(), strict=True)
    ]
