"""A batch of a stream that blocks fill, each straight into its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from builders.hf.stream_blocks import Block, Further, Piece
from builders.hf.streams.batches import Batch, ImageStack, memory_for
from builders.hf.streams.picked_columns import Part, PickedColumn, add
from builders.io.layout import Array


def columns_for(block: Block, picked: list[Part]) -> dict[str, Any]:
    """Columns of no rows yet, for those of blocks like this one; those of a table have the rows that are picked."""
    return {name: PickedColumn(name, picked) if name in block.told else [] for name in block.names}


@dataclass(slots=True)
class _Filled:
    """Memory for images of one kind, the first rows of which are there."""

    memory: Array
    count: int = 0
    finite: bool = True
    sources: list[tuple[int, Block, Sequence[int]]] = field(default_factory=list)

    def fits(self, block: Block) -> bool:
        is_alike = self.memory.shape[1:] == tuple(block.shape) and self.memory.dtype == block.dtype
        return is_alike and self.count < len(self.memory)

    def pixels(self) -> Array:
        """Those that are there, as an array that is the only one of its memory."""
        memory = self.memory
        return np.ndarray((self.count, *memory.shape[1:]), memory.dtype, buffer=memory.base)

    def stored(self, place: int) -> dict[str, Any]:
        first, block, numbers = next(source for source in reversed(self.sources) if source[0] <= place)
        return block.stored(numbers[place - first])


class Filling:
    """A batch that blocks fill one after another, each straight into its place.

    Args:
        size: rows of the batch.
        expected: how many there will be, as far as is known.
        declared: the features that the rows are stored as.
    """

    def __init__(self, size: int, expected: int, declared: Mapping[str, Any]) -> None:
        self._size, self._expected, self._declared = size, expected, declared
        self._pieces: list[_Filled] = []
        self._columns: dict[str, Any] = {}
        self._picked: list[Part] = []
        self._image, self._further = "", set[str]()
        self.count, self.key = 0, ""

    @property
    def is_full(self) -> bool:
        """Whether no more rows go in."""
        return self.count >= self._size

    def take(self, block: Block, start: int) -> int:
        """Take as many rows of a block as go in, from `start` on; gives the place after the last of them."""
        if not self._pieces or not self._pieces[-1].fits(block):
            there = block.count - start
            rows = min(self._size - self.count, max(self._expected - self.count, there))
            self._pieces.append(_Filled(memory_for(rows, tuple(block.shape), block.dtype)))
        piece = self._pieces[-1]
        stop = min(block.count, start + min(len(piece.memory) - piece.count, self._size - self.count))
        numbers, finite = block.fill(piece.memory[piece.count :], start, stop)
        if not self._columns:
            self._columns, self._image = columns_for(block, self._picked), block.image
            self.key = block.key(start)
        if numbers:
            piece.sources.append((piece.count, block, numbers))
            piece.count += len(numbers)
            piece.finite = piece.finite and finite
            self.count += len(numbers)
            self._take_values(block, numbers)
        return stop

    def _take_values(self, block: Block, numbers: Sequence[int]) -> None:
        for name, value in block.shared.items():
            self._columns[name] += [value] * len(numbers)
        chosen = slice(numbers.start, numbers.stop) if isinstance(numbers, range) else numbers
        for name, values in block.varying.items():
            some = values[chosen]
            self._columns[name] += some.pieces() if isinstance(some, Further) else some.tolist()
            self._further |= {name} if isinstance(some, Further) else set()
        if block.told:
            first = block.first
            is_range = isinstance(numbers, range)
            places = range(first + numbers[0], first + numbers[-1] + 1) if is_range else np.array(numbers) + first
            add(self._picked, block.told, places)

    def batch(self) -> Batch:
        """The batch, of as many rows as came."""
        pieces = [Piece(piece.pixels(), piece.finite, piece.stored) for piece in self._pieces if piece.count]
        columns = self._columns | {self._image: ImageStack(pieces)}
        columns |= {name: ImageStack(columns[name]) for name in self._further}
        return Batch(columns, self.count, stored=self._declared)
