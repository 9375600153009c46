"""How glibc's malloc hands out large blocks, which decides a memmap loader's rate, kept the same in every run.

Blocks above a threshold come from the kernel, page by page, and go back to it when they are freed: each batch then
costs its page faults. The threshold moves with what was freed before, so that a bare memmap loader gives 16,000 rows a
second in one run and 82,000 in the next. Pinned, it is as fast as it can be; what we read does not depend on it.
"""

import os
import subprocess
import sys

PINNED = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**31)}


def run_pinned(module: str, *arguments: str) -> None:
    """Run a module in a process of its own, with the thresholds set: malloc reads them once."""
    subprocess.run([sys.executable, "-m", module, *arguments], env={**os.environ, **PINNED}, check=True)


def unpinned() -> dict[str, str]:
    """An environment in which malloc does as it likes."""
    return {name: value for name, value in os.environ.items() if name not in PINNED}
