"""Decoded chunks of any number of arrays in bounded memory: what is needed last goes first."""

import heapq
import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from weakref import WeakSet

from builders.io.layout import Array
from builders.io.net.threads import fork_safe_lock

MOST = 512 * 1024 * 1024
"""Bytes of chunks that are kept, of all shelves of a process together."""

Key = tuple[str | int, ...]
"""The name of an array, and which of its chunks it is."""
_LEAST = 512
"""Bytes that it takes to remember that a chunk is missing."""
_STALE = 1024
"""How many more chunks may wait in the order in which they go than there are."""
_alive: "WeakSet[Shelf]" = WeakSet()
_alone = fork_safe_lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alive.clear)  # those of the parent hold nothing here


class Shelf:
    """Chunks that were decoded last; threads may share them.

    As long as it is not said which boxes will come (`expect`), those go first that were used the longest time ago; else
    those that are needed last, and each with the last box that needs it.

    Args:
        most: bytes of decoded chunks that are kept at the most, besides those that are being read; less where other
            shelves of this process need some of `MOST`.
    """

    def __init__(self, most: int = MOST) -> None:
        self._asked = self._most = most
        self.size = 0
        self._chunks: dict[Key, Future[Array | None]] = {}
        self._boxes: dict[Key, deque[int]] | None = None
        self._order: list[tuple[int, Key]] = []
        self._ranks: dict[Key, int] = {}
        self._clock = 0
        self._alone = threading.Lock()
        with _alone:
            _alive.add(self)
            for one in (alive := list(_alive)):
                one._most = min(one._asked, MOST // len(alive))

    def expect(self, boxes: Mapping[Key, Sequence[int]]) -> None:
        """Say which boxes will need some chunks.

        Args:
            boxes: of each chunk, the numbers of its boxes in the order in which they will come.
        """
        with self._alone:
            known = self._boxes = {} if self._boxes is None else self._boxes
            for key, numbers in boxes.items():
                known[key] = deque(sorted([*known[key], *numbers]) if key in known else numbers)

    def claim(self, keys: Iterable[Key]) -> tuple[list[Key], list[tuple[Key, "Future[Array | None]"]]]:
        """See `Held`."""
        mine: list[Key] = []
        theirs: list[tuple[Key, Future[Array | None]]] = []
        with self._alone:
            for key in keys:
                if key in self._chunks:
                    theirs.append((key, self._chunks[key]))
                else:
                    self._chunks[key] = Future()
                    mine.append(key)
        return mine, theirs

    def keep(self, key: Key, pixels: Array | None) -> None:
        """See `Held`."""
        with self._alone:
            future = self._chunks.get(key)
            if future is None or future.done():
                return  # given up, after another chunk's failure
            self.size += _weight(pixels)
            future.set_result(pixels)

    def give_up(self, keys: Iterable[Key]) -> None:
        """See `Held`."""
        with self._alone:
            for key in keys:
                if key in self._chunks and not self._chunks[key].done():
                    self._chunks.pop(key).cancel()

    def used(self, key: Key, boxes: int) -> None:
        """See `Held`."""
        with self._alone:
            if self._boxes is None:
                self._clock += 1
                self._rank(key, self._clock)
            else:
                left = self._boxes.get(key, deque())
                for _ in range(min(boxes, len(left))):
                    left.popleft()
                if left:
                    self._rank(key, -left[0])
                else:
                    self._boxes.pop(key, None)
                    self._drop(key)
            while self.size > self._most and self._order:
                rank, last = heapq.heappop(self._order)
                if self._ranks.get(last) == rank:
                    self._drop(last)

    def _rank(self, key: Key, rank: int) -> None:
        """Note when a chunk goes: that of the lowest rank first."""
        if key not in self._chunks:
            return
        self._ranks[key] = rank
        heapq.heappush(self._order, (rank, key))
        if len(self._order) > 2 * len(self._ranks) + _STALE:
            self._order = [(rank, key) for key, rank in self._ranks.items()]
            heapq.heapify(self._order)

    def _drop(self, key: Key) -> None:
        self._ranks.pop(key, None)
        future = self._chunks.get(key)
        if future is not None and future.done():
            self.size -= _weight(self._chunks.pop(key).result())


def _weight(pixels: Array | None) -> int:
    return _LEAST if pixels is None else pixels.nbytes
