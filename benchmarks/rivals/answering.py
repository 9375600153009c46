"""What the programs of this folder share: work that is timed when it is asked for, over a pipe."""

import os
import sys
import time
from collections.abc import Callable, Mapping

_ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what a package prints is no answer


def answer(ways: Mapping[str, Callable[[], int]]) -> None:
    """Work in the way that each line of the input names; answer with the rows that it made, and seconds."""
    for line in sys.stdin:
        way = ways[line.strip()]
        start = time.perf_counter()
        rows = way()
        print(rows, time.perf_counter() - start, file=_ANSWERS, flush=True)
