"""Decoded chunks, kept for the boxes that follow: those of a stream overlap."""

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Protocol, Self
from weakref import WeakValueDictionary

from builders.io.layout import Array, Range
from builders.io.net.threads import fork_safe_lock
from builders.io.scattered.grid import Grid

MOST = 512 * 1024 * 1024
"""Bytes of chunks that are kept; of all arrays of `shared` together, since shuffled streams read many at once."""

Chunk = tuple[int, ...]
_NEVER = float("inf")
_LEAST = 512
"""Bytes that it takes to remember that a chunk is missing."""
_shared: "WeakValueDictionary[tuple[int, str, str], Held]" = WeakValueDictionary()
"""Those of this process that somebody uses; a forked child has none of its parent's."""
_alone = fork_safe_lock()


def shared(path: str, etag: str, most: int = MOST) -> "Held":
    """What this process keeps of an array, as long as anybody who asked for it uses it.

    Args:
        path: the array's metadata file, or its URL.
        etag: its version.
        most: bytes of decoded chunks that are kept at the most, where nobody asked before.

    Example:
        >>> held = shared("a/.zarray", "1-2")
        >>> shared("a/.zarray", "1-2") is held, shared("b/.zarray", "1-2") is held
        (True, False)
    """
    key = os.getpid(), path, etag
    with _alone:
        held = _shared.get(key)
        if held is None:
            held = _shared[key] = Held(most)
            alive = list(_shared.values())
            for one in alive:
                one.limit(MOST // len(alive))
        return held


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
    """

    def __init__(self, most: int = MOST) -> None:
        self._asked = self._most = most
        self._size = 0
        self._chunks: OrderedDict[Chunk, Future[Array | None]] = OrderedDict()
        self._boxes: dict[Chunk, deque[int]] | None = None
        self._alone = threading.Lock()

    @classmethod
    def of_boxes(cls, image: _Image, boxes: Iterable[Sequence[Range]], most: int = MOST) -> Self:
        """Chunks that go with the last box that needs them.

        Boxes may come otherwise than is said here: that costs reads, nothing else.

        Args:
            image: the array, a `Chunked`.
            boxes: bounds of those that will be read, in their order, as `read_parts` takes them.
            most: as of the class.
        """
        held, needed = cls(most), dict[Chunk, deque[int]]()
        for number, box in enumerate(boxes):
            for row in image.grid.crossed(image.full(box)).tolist():
                needed.setdefault(tuple(row), deque()).append(number)
        held._boxes = needed
        return held

    def limit(self, most: int) -> None:
        """Keep no more than so many bytes from now on, however many were asked for."""
        self._most = min(self._asked, most)

    @property
    def size(self) -> int:
        """Bytes of decoded chunks that are kept."""
        return self._size

    def claim(self, chunks: Iterable[Chunk]) -> tuple[list[Chunk], list[tuple[Chunk, "Future[Array | None]"]]]:
        """Chunks that the caller has to read, and to `keep` or `give_up`; and those that others read, or have read."""
        mine: list[Chunk] = []
        theirs: list[tuple[Chunk, Future[Array | None]]] = []
        with self._alone:
            for chunk in chunks:
                if chunk in self._chunks:
                    theirs.append((chunk, self._chunks[chunk]))
                else:
                    self._chunks[chunk] = Future()
                    mine.append(chunk)
        return mine, theirs

    def keep(self, chunk: Chunk, pixels: Array | None) -> None:
        """Keep a chunk that was claimed, for whoever needs it; None: it holds the fill value alone."""
        with self._alone:
            future = self._chunks.get(chunk)
            if future is None or future.done():
                return  # given up, after another chunk's failure
            self._size += _weight(pixels)
            future.set_result(pixels)

    def give_up(self, chunks: Iterable[Chunk]) -> None:
        """Say of chunks that were claimed that they were not read: whoever waits for one reads it by itself."""
        with self._alone:
            for chunk in chunks:
                if chunk in self._chunks and not self._chunks[chunk].done():
                    self._chunks.pop(chunk).cancel()

    def used(self, chunk: Chunk, boxes: int) -> None:
        """Say that so many of the boxes that need a chunk have it; it goes with the last one that is known."""
        with self._alone:
            if self._boxes is not None:
                left = self._boxes.get(chunk, deque())
                for _ in range(min(boxes, len(left))):
                    left.popleft()
                if not left:
                    self._boxes.pop(chunk, None)
                    self._drop(chunk)
            elif chunk in self._chunks:
                self._chunks.move_to_end(chunk)
            while self._size > self._most and (last := self._needed_last()) is not None:
                self._drop(last)

    def _needed_last(self) -> Chunk | None:
        there = (chunk for chunk, future in self._chunks.items() if future.done())
        boxes = self._boxes
        if boxes is None:
            return next(there, None)
        return max(there, key=lambda chunk: boxes[chunk][0] if chunk in boxes else _NEVER, default=None)

    def _drop(self, chunk: Chunk) -> None:
        future = self._chunks.get(chunk)
        if future is not None and future.done():
            self._size -= _weight(self._chunks.pop(chunk).result())


def _weight(pixels: Array | None) -> int:
    return _LEAST if pixels is None else pixels.nbytes
