"""Decoded chunks of an array, kept for the boxes that follow: those of a stream overlap."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from itertools import pairwise
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from builders.io.layout import Array, Range
from builders.io.scattered.grid import Grid
from builders.io.scattered.shelf import MOST, Key, Shelf

Chunk = tuple[int, ...]
Numbers = NDArray[np.int64]


class _Image(Protocol):
    @property
    def grid(self) -> Grid: ...

    def full(self, bounds: Sequence[Range]) -> list[Range]: ...


class Held:
    """Chunks of one array that were decoded last; threads may share them.

    A chunk that another thread is reading is waited for and not read again. Where they are more bytes than may be
    kept, those go first that were used the longest time ago, or, if the boxes to come are known (`of_boxes`), that are
    needed last.

    Args:
        most: bytes of decoded chunks that are kept at the most, besides those that are being read.
        shelf: where they are kept, along with those of other arrays; None: one of its own.
        name: of the array on that shelf.
    """

    def __init__(self, most: int = MOST, shelf: Shelf | None = None, name: str = "") -> None:
        self._shelf = Shelf(most) if shelf is None else shelf
        self._name = name

    @classmethod
    def of_boxes(cls, image: _Image, boxes: Sequence[Sequence[Range]], most: int = MOST) -> Self:
        """Chunks that go with the last box that needs them.

        Boxes may come otherwise than is said here: that costs reads, nothing else.

        Args:
            image: the array, a `Chunked`.
            boxes: bounds of those that will be read, in their order, as `read_parts` takes them.
            most: as of the class.
        """
        held = cls(most)
        held.expect(image, np.array(boxes, np.int64), np.arange(len(boxes)))
        return held

    def expect(self, image: _Image, boxes: Numbers, numbers: Numbers) -> None:
        """Say which boxes will be read.

        Args:
            image: the array, a `Chunked`.
            boxes: where they begin and end along each axis, `(count, axes, 2)`, all inside.
            numbers: of each, in the order in which all boxes of the shelf will come; rising.
        """
        needed = _needed(image, boxes, numbers)
        self._shelf.expect({(self._name, *chunk): boxes for chunk, boxes in needed.items()})

    @property
    def size(self) -> int:
        """Bytes of decoded chunks that are kept, of all arrays on its shelf."""
        return self._shelf.size

    def claim(self, chunks: Iterable[Chunk]) -> tuple[list[Chunk], list[tuple[Chunk, "Future[Array | None]"]]]:
        """Chunks that the caller has to read, and to `keep` or `give_up`; and those that others read, or have read."""
        keys: dict[Key, Chunk] = {(self._name, *chunk): chunk for chunk in chunks}
        mine, theirs = self._shelf.claim(keys)
        return [keys[key] for key in mine], [(keys[key], future) for key, future in theirs]

    def keep(self, chunk: Chunk, pixels: Array | None) -> None:
        """Keep a chunk that was claimed, for whoever needs it; None: it holds the fill value alone."""
        self._shelf.keep((self._name, *chunk), pixels)

    def give_up(self, chunks: Iterable[Chunk]) -> None:
        """Say of chunks that were claimed that they were not read: whoever waits for one reads it by itself."""
        self._shelf.give_up([(self._name, *chunk) for chunk in chunks])

    def used(self, chunk: Chunk, boxes: int) -> None:
        """Say that so many of the boxes that need a chunk have it; it goes with the last one that is known."""
        self._shelf.used((self._name, *chunk), boxes)


def _needed(image: _Image, boxes: Numbers, numbers: Numbers) -> Mapping[Chunk, Sequence[int]]:
    """Which boxes need each chunk."""
    if not len(boxes):
        return {}
    grid, axes = image.grid, boxes.shape[1]
    leading = len(image.full([(0, 1)] * axes)) - axes
    sides = np.array(grid.chunk[leading:])
    first, stop = boxes[..., 0] // sides, -(-boxes[..., 1] // sides)
    spans = np.maximum(stop - first, 0)
    counts = spans.prod(1)
    which = np.repeat(np.arange(len(boxes)), counts)
    rest = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    chunks = np.zeros((len(which), leading + axes), np.int64)
    for axis in reversed(range(axes)):
        chunks[:, leading + axis] = first[which, axis] + rest % spans[which, axis]
        rest //= spans[which, axis]
    flat = np.ravel_multi_index(tuple(chunks.T), grid.counts)
    order = np.argsort(flat, kind="stable")  # boxes of a chunk stay in their order
    edges = [0, *(np.flatnonzero(np.diff(flat[order])) + 1).tolist(), len(order)]
    return {
        tuple(chunks[order[start]].tolist()): numbers[which[order[start:stop]]].tolist()
        for start, stop in pairwise(edges)
    }
