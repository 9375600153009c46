"""Blocks of files, read ahead of the one who uses them, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes `start` to `stop` (not included) of a file."""

    file: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stop - self.start


def cut(file: str, start: int, stop: int, most: int, unit: int = 1) -> list[Block]:
    """Cut a stretch of a file into blocks of at most `most` bytes, at whole units such as slices.

    A unit that is larger than `most` is a block of its own.

    Example:
        >>> [(block.start, block.stop) for block in cut("x", 100, 125, most=10, unit=4)]
        [(100, 108), (108, 116), (116, 124), (124, 125)]
    """
    step = max(unit, most // unit * unit)
    return [Block(file, place, min(place + step, stop)) for place in range(start, stop, step)]


def read_ahead(
    blocks: Iterable[Block], read: Callable[[Block], _T], ahead: int = 4
) -> Generator[tuple[Block, _T], None, None]:
    """Read blocks by `ahead` threads while earlier ones are used, and give them in their order.

    No more than `ahead` blocks are under way or waiting besides the one that was given out, so memory is bounded by
    the size of the blocks. What fails is raised where its block would have come. When the generator is closed, what has
    not begun is cancelled and what has is waited for.

    Args:
        blocks: which, in order; taken as they are needed.
        read: reads one; called in other threads.
        ahead: how many at once.

    Example:
        >>> [data for _, data in read_ahead(cut("x", 0, 6, most=2), lambda block: block.start)]
        [0, 2, 4]
    """
    waiting: deque[tuple[Block, Future[_T]]] = deque()
    remaining = iter(blocks)
    with ThreadPoolExecutor(ahead, thread_name_prefix="read-ahead") as pool:
        try:
            waiting.extend((block, pool.submit(read, block)) for block in islice(remaining, ahead))
            while waiting:
                block, future = waiting.popleft()
                data = future.result()
                del future
                waiting.extend((block, pool.submit(read, block)) for block in islice(remaining, 1))
                yield block, data
                del data
        finally:
            for _, future in waiting:
                future.cancel()
