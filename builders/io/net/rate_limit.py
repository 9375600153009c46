"""How fast requests may follow each other, where a server limits how many an address may send."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """In any `t` seconds, no more than `at_once + a_second * t` requests.

    Attributes:
        at_once: how many may be sent without any pause.
        a_second: how many more each second allows.

    Example:
        >>> Limit(4000, 5.5).divided(2)
        Limit(at_once=2000, a_second=2.75)
    """

    at_once: int
    a_second: float

    def divided(self, processes: int) -> "Limit":
        """The share of one of several processes that send at once."""
        return Limit(max(1, self.at_once // processes), self.a_second / processes)


class Pace:
    """Says how long each request has to wait, so that all of them keep to a limit.

    Pauses stay short: one request more pauses for one request's time, whatever was sent before.

    Example:
        >>> pace = Pace(Limit(at_once=2, a_second=10))
        >>> [round(pace.reserve(now=0.0), 1) for _ in range(4)]
        [0.0, 0.0, 0.1, 0.2]
    """

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._all_free_at = float("-inf")

    def reserve(self, now: float) -> float:
        """Seconds to wait before the next request, asked for at `now` of a clock that only goes forward."""
        with self._lock:
            self._all_free_at = max(self._all_free_at, now) + 1 / self.limit.a_second
            return max(0.0, self._all_free_at - self.limit.at_once / self.limit.a_second - now)
