"""Further images of picked rows, such as a segmentation: the same boxes of another file, read with the rows' own."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from builders.hf.image_storage import Fetched, fetched, read
from builders.hf.shuffling.memory import fresh, fresh_image, size_of
from builders.hf.stream_blocks import Block, Further, Piece
from builders.io.layout import Array


class Companion(Block, Protocol):
    """The same rows, of further images."""

    def close(self) -> None:
        """Let go of what is held of them."""
        ...


class Beside(Further):
    """A column of further images.

    Args:
        block: the same rows, of these images.
    """

    def __init__(self, block: Companion) -> None:
        self._block = block
        self._stacks: list[tuple[list[int], Array, bool]] = []
        self._held: dict[int, tuple[Array, bool]] = {}

    @property
    def size(self) -> int:
        """Bytes of each."""
        return size_of(self._block)

    def read(self, numbers: Sequence[int]) -> Sequence[int]:
        """Read the images of some rows, in rising order; gives those that came."""
        self._settle()
        block, came = self._block, list[int]()
        edges = [0, *(np.flatnonzero(np.diff(np.asarray(numbers, np.int64)) != 1) + 1).tolist(), len(numbers)]
        for first, stop in pairwise(edges):
            if first == stop:
                continue
            start, end = numbers[first], numbers[stop - 1] + 1
            stack = fresh(end - start, block)
            there, finite = block.fill(stack, start, end)
            self._stacks.append(([*there], stack, finite))
            came += there
        return numbers if len(came) == len(numbers) else came

    def _settle(self) -> None:
        """Give what nobody took yet memory of its own: whoever holds one row does not hold those beside it."""
        for numbers, stack, finite in self._stacks:
            for place, number in enumerate(numbers):
                pixels = fresh_image(self._block)
                pixels[...] = stack[place]
                self._held[number] = pixels, finite
        self._stacks = []

    def __getitem__(self, chosen: Any) -> "Chosen":
        numbers = range(self._block.count)[chosen] if isinstance(chosen, slice) else np.asarray(chosen).tolist()
        return Chosen(self, numbers)

    def pieces(self) -> list[Piece]:
        """See `builders.hf.stream_blocks.Further`."""
        return self[:].pieces()

    def item(self, number: int) -> Fetched:
        """See `builders.hf.stream_blocks.Further`."""
        self._settle()
        stored = self._block.stored(number)
        if number not in self._held:  # it was taken before
            return fetched(stored, read(stored, stored["path"]), False)
        return fetched(stored, *self._held.pop(number))

    def taken(self, numbers: Sequence[int]) -> list[Piece]:
        """The images of some rows, of those that were read last as they are."""
        if len(self._stacks) == 1 and self._stacks[0][0] == [*numbers]:
            _, stack, finite = self._stacks.pop()
            return [Piece(stack[: len(numbers)], finite, lambda place: self._block.stored(numbers[place]))]
        values = [self.item(number) for number in numbers]
        return [Piece(value.pixels()[None], value.finite, [value].__getitem__) for value in values]

    def close(self) -> None:
        """See `PickedBlock.close`."""
        self._settle()
        self._block.close()


class Chosen(Further):
    """Some of a column of further images.

    Args:
        column: the column.
        numbers: of its rows.
    """

    def __init__(self, column: Beside, numbers: Sequence[int]) -> None:
        self._column, self._numbers = column, numbers

    def __getitem__(self, chosen: Any) -> "Chosen":
        return self._column[np.asarray(self._numbers, np.int64)[chosen]]

    def pieces(self) -> list[Piece]:
        """See `builders.hf.stream_blocks.Further`."""
        return self._column.taken(self._numbers)

    def tolist(self) -> list[Fetched]:
        """See `builders.hf.stream_blocks.Further`."""
        return [self._column.item(number) for number in self._numbers]

    def item(self, number: int) -> Fetched:
        """See `builders.hf.stream_blocks.Further`."""
        return self._column.item(self._numbers[number])
