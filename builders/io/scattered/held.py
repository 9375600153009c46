"""Decoded chunks, kept for the boxes that follow: those of a stream overlap."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from builders.io.layout import Array

MOST = 512 * 1024 * 1024
"""Bytes of chunks that are kept."""
Chunk = tuple[int, ...]


class Held:
    """Chunks of one array that were decoded last.

    Args:
        most: bytes of chunks that are kept at the most.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._size = most, 0
        self._chunks: OrderedDict[Chunk, Array | None] = OrderedDict()
        self._alone = threading.Lock()

    def get(self, chunk: Chunk, fetch: Callable[[Chunk], Array | None]) -> Array | None:
        """A chunk, fetched unless it is kept; None: it is missing."""
        with self._alone:
            if chunk in self._chunks:
                self._chunks.move_to_end(chunk)
                return self._chunks[chunk]
        pixels = fetch(chunk)
        with self._alone:
            self._chunks[chunk] = pixels
            self._size += 0 if pixels is None else pixels.nbytes
            while self._size > self._most:
                _, old = self._chunks.popitem(last=False)
                self._size -= 0 if old is None else old.nbytes
        return pixels
