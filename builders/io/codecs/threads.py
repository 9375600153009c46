"""The cores of this machine, shared by the parts of an image: decoders let other threads run."""

import contextlib
import functools
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def cores() -> int:
    """How many threads may decode at once: one in a child process, such as a loader's worker, of which there are many.

    Example:
        >>> cores() >= 1
        True
    """
    if multiprocessing.parent_process() is not None:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _pool(process: int, count: int) -> ThreadPoolExecutor:
    """Threads that help, one pool for all who ask; a forked child has none of its parent's."""
    return ThreadPoolExecutor(count, "decode")


def shared(task: Callable[[_T], None], pieces: Sequence[_T]) -> None:
    """Do a task for each of some pieces, in this thread and in those that are free.

    When it returns, or raises what a task raised, no thread works on any piece any more.

    Example:
        >>> done = []
        >>> shared(done.append, [1, 2, 3])
        >>> sorted(done)
        [1, 2, 3]
    """
    helpers = min(len(pieces), cores()) - 1
    if helpers < 1:
        for piece in pieces:
            task(piece)
        return
    left, lock = list(reversed(pieces)), threading.Lock()

    def work() -> None:
        try:
            while True:
                with lock:
                    if not left:
                        return
                    piece = left.pop()
                task(piece)
        except BaseException:
            with lock:
                left.clear()
            raise

    pool = _pool(os.getpid(), cores() - 1)
    helping: list[Future[None]] = []
    with contextlib.suppress(RuntimeError):  # the interpreter ends, and begins no thread any more
        helping.extend(pool.submit(work) for _ in range(helpers))
    try:
        work()
    finally:
        begun = [future for future in helping if not future.cancel()]
        failed = [err for err in (future.exception() for future in begun) if err is not None]
    if failed:
        raise failed[0]
