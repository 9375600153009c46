"""Chunks of volumes that a stream keeps: it knows which boxes it will read, so each goes with its last one."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from builders.io.net import remote
from builders.io.scattered.chunks import Chunked
from builders.io.scattered.held import Held
from builders.io.scattered.shelf import Shelf
from builders.stacks.picked.catalogue import Catalogue, Numbers
from builders.stacks.picked.groups import Shard

_MOST, _LEAST = 256 * 1024 * 1024, 32 * 1024 * 1024
"""Bytes of chunks that are kept: of all workers of a loader, and of one of many."""


class Keeping:
    """What a stream of boxes keeps of all of its volumes.

    Args:
        catalogue: of its rows.
        shards: which of them it reads, in order.
        skip: rows of the first one that it does not read.
        is_whole: whether it reads all others; if not, chunks are kept that were used last.
        memory: bytes of pixels that a shuffled stream may hold: of chunks, half as many are kept at the most.
    """

    def __init__(self, catalogue: Catalogue, shards: Sequence[Shard], skip: int, is_whole: bool, memory: int) -> None:
        self._catalogue, self._shards, self._skip = catalogue, shards, skip
        self._is_whole, self._memory = is_whole, memory
        self._told: set[tuple[int, str]] = set()
        self._alone = threading.Lock()

    def held(self, file: int, image: Chunked, path: str, etag: str, is_upright: bool) -> Held:
        """The chunks of an array.

        Args:
            file: the number in the catalogue of the file whose boxes are read; of a further image, that of the rows'.
            image: the array.
            path: its metadata file.
            etag: its version.
            is_upright: whether the boxes are cut upright: what these need is not known ahead.
        """
        name = f"{path} {etag}"
        if is_upright or not self._is_whole:
            return Held(shelf=self._last_used, name=name)
        held = Held(shelf=self._shelf, name=name)
        with self._alone:
            if (file, name) not in self._told:
                self._told.add((file, name))
                held.expect(image, *self._boxes(file, image.shape))
        return held

    def _boxes(self, file: int, volume: tuple[int, ...]) -> tuple[Numbers, Numbers]:
        """The boxes of a file as far as they are in the volume, in the order of the stream, and their places in it."""
        catalogue, box = self._catalogue, self._catalogue.box
        assert box is not None
        rows = np.flatnonzero((catalogue.numbers("file") == file) & (self._places >= 0))
        rows = rows[np.argsort(self._places[rows])]
        corners = catalogue.corners(rows)
        bounds = np.clip(np.stack([corners, corners + box], -1), 0, np.array(volume)[:, None])
        there = (bounds[..., 0] < bounds[..., 1]).all(1)
        return bounds[there], self._places[rows[there]]

    @cached_property
    def _places(self) -> Numbers:
        """Of each row of the catalogue, its place in the stream; -1 of those that it does not read."""
        places, count = np.full(len(self._catalogue.numbers("file")), -1, np.int64), 0
        for number, (start, stop) in enumerate(self._shards):
            first = min(stop, start + (0 if number else self._skip))
            places[first:stop] = np.arange(count, count + stop - first)
            count += stop - first
        return places

    @cached_property
    def _shelf(self) -> Shelf:
        return Shelf(_most(self._memory))

    @cached_property
    def _last_used(self) -> Shelf:
        return Shelf(_most(self._memory))


@dataclass(frozen=True, slots=True)
class Kept:
    """What a stream keeps for the boxes of one file of its catalogue.

    Attributes:
        keeping: what it keeps of all.
        file: the number of the file.
    """

    keeping: Keeping
    file: int


def _most(memory: int) -> int:
    return max(_LEAST, min(_MOST, memory // 2) // remote.sharers())
