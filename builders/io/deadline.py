"""Deadlines for what a server can drag out byte by byte, where no time-out of a single read ever strikes."""

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_Entry = tuple[float, int, Callable[[], object]]


class _Watchdog:
    """One thread that strikes for all whose time is up."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._changed = threading.Condition()
        self._entries: list[_Entry] = []
        self._numbers = itertools.count()
        self._over: set[int] = set()
        threading.Thread(target=self._watch, name="perc-deadlines", daemon=True).start()

    def begin(self, seconds: float, strike: Callable[[], object]) -> int:
        with self._changed:
            number = next(self._numbers)
            entry = time.monotonic() + seconds, number, strike
            heapq.heappush(self._entries, entry)
            if self._entries[0] is entry:
                self._changed.notify()
            return number

    def end(self, number: int) -> None:
        self._over.add(number)

    def _watch(self) -> None:
        with self._changed:
            while True:
                while self._entries and (self._entries[0][1] in self._over or self._entries[0][0] <= time.monotonic()):
                    _, number, strike = heapq.heappop(self._entries)
                    if number not in self._over:
                        with suppress(Exception):  # what it was to strike has ended by itself
                            strike()
                    self._over.discard(number)
                self._changed.wait(self._entries[0][0] - time.monotonic() if self._entries else None)


_watchdogs: dict[int, _Watchdog] = {}
_alone = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_alone.acquire, after_in_parent=_alone.release, after_in_child=_alone.release)


@contextmanager
def deadline(seconds: float, strike: Callable[[], object]) -> Iterator[None]:
    """A stretch that `strike`, called in another thread, is to end if it takes longer than so many seconds."""
    with _alone:
        dog = _watchdogs.get(os.getpid())
        if dog is None:
            _watchdogs.clear()
            dog = _watchdogs[os.getpid()] = _Watchdog()
    number = dog.begin(seconds, strike)
    try:
        yield
    finally:
        dog.end(number)
