"""Blocks of files, read ahead of the one who uses them, in order."""

import atexit
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar
from weakref import WeakSet

from builders.io.net.threads import Pool, Stop

_T = TypeVar("_T")
_Item = TypeVar("_Item")


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
    items: Iterable[_Item],
    read: Callable[[_Item], _T],
    ahead: int = 4,
    size: Callable[[_Item], int] = lambda item: 0,
    most: int = 64 * 1024 * 1024,
    sharers: Callable[[], int] = lambda: 1,
    is_slow: Callable[[_Item], bool] = lambda item: True,
    waiting: int = 0,
) -> Generator[tuple[_Item, _T], None, None]:
    """Read blocks by `ahead` threads while earlier ones are used, and give them in their order.

    No more than `ahead` of them, or `waiting` if that is more, nor more than `most` bytes but for a single one, are
    under way or waiting besides the one that was given out, so memory is bounded. What fails is raised where its block
    would have come. When the generator is closed, what has not begun is cancelled and what has is waited for.

    Args:
        items: which, in order; taken as they are needed.
        read: reads one; called in other threads.
        ahead: how many at once.
        size: bytes that one will take.
        most: bytes that are under way or waiting at most.
        sharers: among how many readers `ahead` and `most` are divided; each has two blocks on their way at least.
        is_slow: whether one is worth a thread; others are read in the caller's, ahead of their use all the same.
        waiting: how many blocks one reader alone has under way or waiting: with more than threads, a thread that is
            done goes on at once, though an earlier block is not there yet.

    Example:
        >>> [data for _, data in read_ahead(cut("x", 0, 6, most=2), lambda block: block.start)]
        [0, 2, 4]
    """
    reader = _read_ahead(items, read, ahead, size, most, sharers, is_slow, max(waiting, ahead))
    _readers.add(reader)
    return reader


_readers: "WeakSet[Generator[Any, None, None]]" = WeakSet()


@atexit.register
def _close_readers() -> None:
    """End what a script leaves unread while there still is all that its end needs."""
    for reader in list(_readers):
        with suppress(ValueError):  # a thread is in it
            reader.close()


def _read_ahead(
    items: Iterable[_Item],
    read: Callable[[_Item], _T],
    ahead: int,
    size: Callable[[_Item], int],
    most: int,
    sharers: Callable[[], int],
    is_slow: Callable[[_Item], bool],
    most_waiting: int,
) -> Generator[tuple[_Item, _T], None, None]:
    waiting: deque[tuple[_Item, int, Future[_T]]] = deque()
    next_one: deque[tuple[_Item, int]] = deque()
    remaining = ((item, size(item)) for item in items)

    def fill() -> None:
        share = max(1, sharers())
        while len(waiting) < (most_waiting if share == 1 else max(min(ahead, 2), ahead // share)):
            next_one.extend(islice(remaining, 1 - len(next_one)))
            held = sum(taken for _, taken, _ in waiting)
            if not next_one or (waiting and held + next_one[0][1] > most // share):
                return
            item, taken = next_one.popleft()
            waiting.append((item, taken, pool.submit(read, item, stop=stop) if is_slow(item) else _done(read, item)))

    pool, stop = Pool(ahead, "read-ahead"), Stop()
    try:
        fill()
        while waiting:
            item, _, future = waiting.popleft()
            data = future.result()
            del future
            fill()
            yield item, data
            del data
    finally:
        stop.set()
        pool.close()


def _done(read: Callable[[_Item], _T], item: _Item) -> "Future[_T]":
    future: Future[_T] = Future()
    try:
        future.set_result(read(item))
    except Exception as err:  # raised where its block would have come
        future.set_exception(err)
    return future
