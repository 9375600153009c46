"""Bytes of a file of this machine where the system holds them, for a copy that is made right away.

Where few bytes of a stretch are wanted, or each row goes to a place of its own, this spares a copy of all. Memory that
is mapped has no way to say that a read failed but to end the process; so the system is asked to have all of it ready
first, which fails as a read does, and whoever cannot be served reads as ever.
"""

import contextlib
import io
import mmap
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from builders.io.files import local

LEAST = 1024 * 1024
"""Bytes from which on it is worth the calls to the system."""
_POPULATE_READ = 22
"""MADV_POPULATE_READ of Linux 5.14, which Python has no name for: "prefault page tables readable"; where reading would
fail, it gives an error instead of the signal that a look at the memory would (madvise(2))."""


@contextlib.contextmanager
def mapped(raw: io.FileIO, start: int, stop: int) -> Iterator[NDArray[np.uint8] | None]:
    """Bytes of an open file, to be looked at within the `with` block and not after it.

    Args:
        raw: the file.
        start: the first byte.
        stop: the one after the last; the file is known to have it.

    Returns:
        The bytes, which nobody may change; None where they are not all in memory already (a plain read brings them
        sooner), are too few, or the system cannot promise them.
    """
    window = _window(raw, start, stop) if stop - start >= LEAST else None
    if window is None:
        yield None
        return
    found = np.frombuffer(window, np.uint8)[start % mmap.ALLOCATIONGRANULARITY :]
    found.flags.writeable = False
    try:
        yield found
    finally:
        del found
        with contextlib.suppress(BufferError):  # somebody has a view of it still: it is unmapped with that
            window.close()


def _window(raw: io.FileIO, start: int, stop: int) -> mmap.mmap | None:
    """The pages that hold some bytes, ready to be read."""
    file = raw.fileno()
    if not (local.is_in_memory(file, start) and local.is_in_memory(file, stop - 1)):
        return None
    first = start - start % mmap.ALLOCATIONGRANULARITY
    try:
        window = mmap.mmap(file, stop - first, access=mmap.ACCESS_READ, offset=first)
    except (OSError, ValueError):
        return None
    try:
        window.madvise(_POPULATE_READ)
    except (OSError, ValueError, AttributeError):
        window.close()
        return None
    return window
