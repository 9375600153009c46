"""Trying again: which faults may pass, how often to try, how long to wait in between."""

import logging
import random
import time
from dataclasses import dataclass

import requests
import urllib3

from builders.errors import ChangedError, HttpError, PercError, StalledError, TruncatedError, UnreachableError
from builders.io.net import threads
from builders.io.net.no_connection import Cause, cause_of, in_short
from builders.io.net.passing import Busy, Dripping, PassingError, TwoTagsError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long the client waits, and how often it tries.

    Attributes:
        tries: attempts without a single new byte before it gives up.
        most_tries: attempts in all, for a body that comes in crumbs.
        connect: seconds for a connection.
        read: seconds without a byte.
        least_bytes: bytes that must come in every `rate_window` seconds: a server that drips is as bad as one that
            stalls.
        rate_window: see there.
        backoff: seconds before the second try; doubled each time, with jitter.
        longest_wait: seconds; a server that asks for a longer one (Retry-After) is an error at once.
    """

    tries: int = 5
    most_tries: int = 50
    connect: float = 10.0
    read: float = 30.0
    least_bytes: int = 64 * 1024
    rate_window: float = 30.0
    backoff: float = 0.5
    longest_wait: float = 120.0


_PASSING = (PassingError, requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
FAULTS = (PercError, *_PASSING)
"""What a `Retry` is to be told of."""
_TIMEOUTS = (Dripping, requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)


_SILENT = 3.0
"""Seconds without anything new after which people are told what is waited for."""
_said: set[str] = set()
"""Hosts that this was said of."""


def say_waiting(url: str, why: str) -> None:
    """Say what is waited for, once for a host: what a server does, it may do thousands of times."""
    host = "/".join(url.split("/", 3)[:3])
    if host not in _said:
        _said.add(host)
        logger.warning("%s: %s: waiting (said once)", host, why)


class Retry:
    """Counts the tries of one read, and waits between them or gives up.

    Args:
        url: what is read, as it may be shown.
        what: how it is asked for.
        patience: how often to try.
        is_known: whether its host has answered before: then it may do so again.
    """

    def __init__(self, url: str, what: str, patience: Patience, is_known: bool = True) -> None:
        self._url, self._asked = url, what
        self._what = f"{url}: {what}"
        self._patience, self._is_known = patience, is_known
        self._count = self._fruitless = 0
        self._saw_two_tags = False
        self._since = time.monotonic()

    def pause_after(self, error: Exception, progressed: bool = False) -> None:
        """Wait before the next try.

        Raises:
            PercError: there have been enough; or the error is one of ours, which no other try will mend.
            StoppedError: nobody waits for it any more.
        """
        threads.check()
        if isinstance(error, TwoTagsError) and not self._saw_two_tags:
            self._saw_two_tags = True  # the next connection may lead to the server that answered before
            self._count += 1
            return
        if isinstance(error, PercError):
            error = ChangedError(str(error)) if isinstance(error, TwoTagsError) else error
            msg = f"{error} ({self._asked}, try {self._count + 1})"
            raise type(error)(msg) from error
        self._count += 1
        self._fruitless = 0 if progressed else self._fruitless + 1
        cause = cause_of(error)
        if self._fruitless >= self._tries(cause) or self._count >= self._patience.most_tries:
            raise self._final(error, cause) from error
        pause = self._patience.backoff * 2 ** max(self._fruitless - 1, 0) * random.uniform(0.5, 1.5)
        if isinstance(error, Busy) and error.wait is not None:
            pause = error.wait
            logger.warning("%s: %s, asked to wait %.0f s: waiting", self._what, error, pause)
        if progressed:
            self._since = time.monotonic()
        elif time.monotonic() + pause - self._since > _SILENT:
            say_waiting(self._url, cause.words if cause is not None else in_short(error))
        threads.pause(pause)

    def _tries(self, cause: Cause | None) -> int:
        """How many in a row are worth while."""
        if cause is None or (cause.may_pass and self._is_known):
            return self._patience.tries
        return min(cause.tries, self._patience.tries)

    def _final(self, error: Exception, cause: Cause | None) -> PercError:
        tries = f"{self._count} tries" if self._count > 1 else "1 try"
        if cause is not None:
            kind = StalledError if isinstance(error, _TIMEOUTS) else UnreachableError if cause.is_offline else HttpError
            return kind(f"{self._what}: no connection in {tries}: {cause.words}")
        if isinstance(error, Busy):
            return HttpError(f"{self._what}: {error} after {tries}")
        if isinstance(error, _TIMEOUTS):
            return StalledError(f"{self._what}: next to nothing came in {tries}")
        if isinstance(error, requests.ConnectionError):
            return UnreachableError(f"{self._what}: the connection breaks off, {tries}: {in_short(error)}")
        return TruncatedError(f"{self._what}: the answer broke off, {tries}")
