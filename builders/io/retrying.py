"""Trying again: which faults may pass, how often to try, how long to wait in between."""

import logging
import random
from dataclasses import dataclass

import requests
import urllib3

from builders.errors import ChangedError, HttpError, PercError, StalledError, TruncatedError, UnreachableError
from builders.io import threads

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


class PassingError(Exception):
    """A fault that another try may not meet."""


class BrokenOff(PassingError):
    """The body ended before its time."""


class Dripping(PassingError):
    """The body comes too slowly."""


class Busy(PassingError):
    """The server asks to try again, perhaps after some seconds."""

    def __init__(self, status: int, wait: float | None) -> None:
        super().__init__(f"HTTP {status}")
        self.wait = wait


class TwoTagsError(ChangedError):
    """Two answers call a version by two ETags and say nothing else that differs: it changed, or two servers answer."""


_PASSING = (PassingError, requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
FAULTS = (PercError, *_PASSING)
"""What a `Retry` is to be told of."""
_TIMEOUTS = (Dripping, requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)


class Retry:
    """Counts the tries of one read, and waits between them or gives up."""

    def __init__(self, url: str, what: str, patience: Patience) -> None:
        self._url, self._asked = url, what
        self._what = f"{url}: {what}"
        self._patience = patience
        self._count = self._fruitless = 0
        self._saw_two_tags = False

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
        if isinstance(error, requests.exceptions.SSLError) and "certificate" in str(error).lower():
            msg = f"{self._what}: its certificate is not to be trusted: {error}"
            raise HttpError(msg) from error
        self._count += 1
        self._fruitless = 0 if progressed else self._fruitless + 1
        if self._fruitless >= self._patience.tries or self._count >= self._patience.most_tries:
            raise self._final(error) from error
        pause = self._patience.backoff * 2 ** max(self._fruitless - 1, 0) * random.uniform(0.5, 1.5)
        if isinstance(error, Busy) and error.wait is not None:
            pause = error.wait
            logger.warning("%s: %s, asked to wait %.0f s: waiting", self._what, error, pause)
        threads.pause(pause)

    def _final(self, error: Exception) -> PercError:
        tries = f"{self._count} tries"
        if isinstance(error, Busy):
            return HttpError(f"{self._what}: {error} after {tries}")
        if isinstance(error, _TIMEOUTS):
            return StalledError(f"{self._what}: next to nothing came in {tries}")
        if isinstance(error, requests.ConnectionError):
            return UnreachableError(f"{self._what}: no connection in {tries}: {error}")
        return TruncatedError(f"{self._what}: the answer broke off, {tries}")
