"""Timing by medians, the contenders in turn, so that a machine that slows down slows all of them."""

import statistics
import time
from collections.abc import Callable, Mapping


def medians(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each contender over some rounds, after one that is not counted.

    A contender that measures itself returns its seconds; for others the call is timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for count in range(rounds + 1):
        for name, contender in contenders.items():
            start = time.perf_counter()
            own = contender()
            elapsed = time.perf_counter() - start
            if count:
                seconds[name].append(own if isinstance(own, float) else elapsed)
    return {name: statistics.median(values) for name, values in seconds.items()}
