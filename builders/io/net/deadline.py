"""Deadlines for what a server can drag out byte by byte, where no time-out of a single read ever strikes."""

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from builders.io.net.threads import fork_safe_lock

_Entry = list[Any]
"""Time, number, and what to call, which is None once nobody waits any more."""


_MOST_OVER = 100
"""Entries that nobody waits for any more, before they are cleared away with what they hold."""


class _Watchdog:
    """One thread that strikes for all whose time is up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._entries: list[_Entry] = []
        self._over = 0
        self._numbers = itertools.count()
        threading.Thread(target=self._watch, name="perc-deadlines", daemon=True).start()

    def begin(self, seconds: float, strike: Callable[[], object]) -> _Entry:
        with self._changed:
            entry = [time.monotonic() + seconds, next(self._numbers), strike]
            heapq.heappush(self._entries, entry)
            if self._entries[0] is entry:
                self._changed.notify()
            return entry

    def end(self, entry: _Entry) -> None:
        with self._changed:
            entry[2] = None
            self._over += 1
            if self._over > _MOST_OVER:
                self._entries = [entry for entry in self._entries if entry[2] is not None]
                heapq.heapify(self._entries)
                self._over = 0

    def _watch(self) -> None:
        with self._changed:
            while True:
                while self._entries and self._entries[0][0] <= time.monotonic():
                    strike = heapq.heappop(self._entries)[2]
                    if strike is not None:
                        with suppress(Exception):  # what it was to strike has ended by itself
                            strike()
                self._changed.wait(self._entries[0][0] - time.monotonic() if self._entries else None)


_watchdogs: dict[int, _Watchdog] = {}
_alone = fork_safe_lock()


@contextmanager
def deadline(seconds: float, strike: Callable[[], object]) -> Iterator[None]:
    """A stretch that `strike`, called in another thread, is to end if it takes longer than so many seconds."""
    with _alone:
        dog = _watchdogs.get(os.getpid())
        if dog is None:
            _watchdogs.clear()
            dog = _watchdogs[os.getpid()] = _Watchdog()
    entry = dog.begin(seconds, strike)
    try:
        yield
    finally:
        dog.end(entry)
