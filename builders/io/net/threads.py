"""Threads for reads that may hang: they never keep a process from ending, and their reads can be broken off.

A server can stall for half a minute, and be tried five times. Nobody who pressed Ctrl-C, or who wants no more of a
stream, shall wait for that: so a pool's threads are daemons, and a `Stop` hangs up the connections of those who read
under it and ends their waiting.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from builders.errors import ReadError

_R = TypeVar("_R")
_local = threading.local()


def fork_safe_lock() -> threading.RLock:
    """A lock for the life of the process, that nobody holds in a child: a fork waits until it is free.

    The same thread may take it again, since a collection of garbage can run anything anywhere.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


class StoppedError(ReadError):
    """A read that nobody waits for any more was broken off."""


class Stop:
    """Breaks off the reads that are made under it, once it is set.

    Example:
        >>> stop = Stop()
        >>> with stop.over():
        ...     check()
        >>> stop.set()
        >>> with stop.over():
        ...     check()
        Traceback (most recent call last):
        ...
        builders.io.net.threads.StoppedError: broken off
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._hang_ups: list[Callable[[], object]] = []

    def set(self) -> None:
        """Hang up, and let none of its reads go on or wait."""
        self.event.set()
        if self._process != os.getpid():
            return  # a forked child does not hang up what its parent reads
        with self._lock:
            for hang_up in list(self._hang_ups):
                with suppress(Exception):  # the answer has ended by itself in the meantime
                    hang_up()

    @contextmanager
    def over(self) -> Iterator[None]:
        """Let what this thread reads be under it."""
        before = current()
        _local.stop = self
        try:
            yield
        finally:
            _local.stop = before

    @contextmanager
    def watching(self, hang_up: Callable[[], object]) -> Iterator[None]:
        """Call `hang_up` should it be set in the meantime."""
        with self._lock:
            self._hang_ups.append(hang_up)
        try:
            yield
        finally:
            with self._lock:
                self._hang_ups.remove(hang_up)


def current() -> Stop | None:
    """What this thread reads under."""
    return getattr(_local, "stop", None)


def check() -> None:
    """Go on, unless this thread's reads are to be broken off.

    Raises:
        StoppedError: they are.
    """
    stop = current()
    if stop is not None and stop.event.is_set():
        msg = "broken off"
        raise StoppedError(msg)


def pause(seconds: float) -> None:
    """Wait, no longer than this thread's reads may go on.

    Raises:
        StoppedError: they are broken off.
    """
    stop = current()
    if stop is None:
        time.sleep(seconds)
    else:
        stop.event.wait(seconds)
        check()


@contextmanager
def hung_up_by_stop(hang_up: Callable[[], object]) -> Iterator[None]:
    """A stretch in which a stop of this thread's reads calls `hang_up`."""
    stop = current()
    if stop is None:
        yield
        return
    with stop.watching(hang_up):
        check()
        yield


_Job = tuple["Future[Any]", Stop | None, Callable[..., Any], tuple[Any, ...]]


class Pool:
    """So many threads, begun as they are needed, that work on tasks in their order.

    Args:
        count: how many at the most.
        name: what the threads are called.

    Example:
        >>> Pool(2, "example").submit(pow, 2, 5).result()
        32
    """

    def __init__(self, count: int, name: str) -> None:
        self.count, self.name = count, name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def submit(self, task: Callable[..., _R], *arguments: object, stop: Stop | None = None) -> "Future[_R]":
        """Begin a task as soon as a thread is free, under `stop` or what the caller itself reads under."""
        future: Future[_R] = Future()
        self._jobs.put((future, stop or current(), task, arguments))
        if not self._idle.acquire(blocking=False):
            with self._lock:
                if len(self._threads) < self.count:
                    name = f"{self.name}_{len(self._threads)}"
                    thread = threading.Thread(target=self._work, name=name, daemon=True)
                    thread.start()
                    self._threads.append(thread)
        return future

    def close(self, wait: float = 0.0) -> None:
        """Begin nothing more, and let the threads end; wait for them so many seconds at most."""
        with suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    job[0].cancel()
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + wait
        for thread in self._threads:
            if wait and thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                self._idle.release()
                job = self._jobs.get()
            if job is None:
                return
            _run(*job)
            del job  # what it gave belongs to whoever holds its future


def _run(future: "Future[Any]", stop: Stop | None, task: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        if stop is None:
            future.set_result(task(*arguments))
            return
        with stop.over():
            check()
            future.set_result(task(*arguments))
    except BaseException as err:  # raised where the result is waited for
        future.set_exception(err)
    finally:
        del future, arguments  # an error's traceback leads here, and nothing shall lead from here to the error
