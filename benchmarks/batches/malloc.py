"""How glibc's malloc hands out large blocks, which decides a memmap loader's rate, kept the same in every run.

Blocks above a threshold come from the kernel, page by page, and go back to it when they are freed: each batch then
costs its page faults. The threshold moves with what was freed before, so that a bare memmap loader gives 16,000 rows a
second in one run and 82,000 in the next. Pinned, it is as fast as it can be; what we read does not depend on it.
"""

import os
import sys
from collections.abc import Sequence

PINNED = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**31)}


def pin(module: str, arguments: Sequence[str]) -> None:
    """Start this process anew with the thresholds set, if they are not: malloc reads them once."""
    if any(name not in os.environ for name in PINNED):
        os.execve(sys.executable, [sys.executable, "-m", module, *arguments], {**PINNED, **os.environ})


def unpinned() -> dict[str, str]:
    """An environment in which malloc does as it likes."""
    return {name: value for name, value in os.environ.items() if name not in PINNED}
