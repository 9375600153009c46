"""Memory for pixels, used again as soon as nobody looks at it any more.

Fresh memory is dear: the kernel clears each page of it when it is first touched, which takes several times as long as
reading a volume from the page cache into pages that are there already. A loop over images frees one of a size and asks
for another of that size, so a small stock of freed memory spares nearly all of that.
"""

import mmap
from collections import deque

import numpy as np

SMALLEST = 512 * 1024
"""Bytes below which the C library keeps its own stock."""
STOCK = 128 * 1024 * 1024
"""Bytes that are kept at most while nobody uses them, in each process."""
_HUGE_PAGES_FROM = 4 * 1024 * 1024

_stock: deque[mmap.mmap] = deque()


class PixelBuffer(np.ndarray[tuple[int, ...], np.dtype[np.uint8]]):
    """Memory that pixels were read into and that nothing else refers to: a tensor may share it.

    Arrays made of it keep it alive.
    """

    __slots__ = ()


class _StockBuffer(PixelBuffer):
    """One whose memory goes back to stock once the last array made of it is gone.

    The memory itself is no array, so NumPy cannot make a view of it that would pass this object by.
    """

    _memory: mmap.mmap

    def __del__(self) -> None:
        memory = self.__dict__.pop("_memory", None)
        if memory is not None and _give_back is not None:  # globals are gone when the interpreter ends
            _give_back(memory)


def take(count: int) -> PixelBuffer:
    """A buffer of `count` bytes with anything in it, from stock if it can be.

    Example:
        >>> take(1000).shape
        (1000,)
    """
    if count < SMALLEST or not hasattr(mmap, "MAP_PRIVATE"):
        return PixelBuffer((count,), np.uint8)
    memory = _from_stock(count) or _fresh(count)
    buffer = _StockBuffer((count,), np.uint8, buffer=memory)
    buffer._memory = memory
    return buffer


def give_up(buffer: PixelBuffer, start: int, stop: int) -> None:
    """Let the system have the memory of some bytes of a buffer, whole pages of it; what they held is lost.

    Example:
        >>> buffer = take(1024 * 1024)
        >>> give_up(buffer, 0, 512 * 1024)
        >>> buffer.shape
        (1048576,)
    """
    memory = getattr(buffer, "_memory", None)
    first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, stop // mmap.PAGESIZE * mmap.PAGESIZE
    if memory is not None and first < last and hasattr(mmap, "MADV_DONTNEED"):
        memory.madvise(mmap.MADV_DONTNEED, first, last - first)


def _give_back(memory: mmap.mmap) -> None:
    """Put memory into stock, and drop from it what has waited longest or was not wanted."""
    _stock.append(memory)
    held = sum(map(len, tuple(_stock)))
    while held > STOCK:
        try:
            held -= len(_stock.popleft())
        except IndexError:  # another thread was faster
            return


def _from_stock(count: int) -> mmap.mmap | None:
    """Memory of at least this size, and not of much more; what else is met on the way is the next to be dropped."""
    for _ in range(len(_stock)):
        try:
            memory = _stock.pop()
        except IndexError:  # another thread was faster
            return None
        if count <= len(memory) <= count + count // 4:
            return memory
        _stock.appendleft(memory)
    return None


def _fresh(count: int) -> mmap.mmap:
    """Memory of this process alone: a child that is forked gets a copy."""
    memory = mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if count >= _HUGE_PAGES_FROM and hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory
