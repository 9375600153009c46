"""Bytes of a file of this machine where the system holds them, for a copy that is made right away.

Where few bytes of a stretch are wanted, or each row goes to a place of its own, this spares a copy of all: tiles come
out of a volume twice as fast, and small cubes five times. But memory that is mapped has no way to say that a read
failed but to end the process (SIGBUS). So files are mapped for the time of one copy, after their version and length
were looked at, and the system is asked to have all that is wanted ready first, which fails as a read does: whoever
cannot be served reads as ever. What is left is a file that somebody shortens during the copy.
"""

import contextlib
import errno
import io
import mmap
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.io.files import local

LEAST = 1024 * 1024
"""Bytes of one stretch from which on it is worth the calls to the system."""
_POPULATE_READ = 22
"""MADV_POPULATE_READ of Linux 5.14, which Python has no name for: "prefault page tables readable"; where reading would
fail, it gives an error instead of the signal that a look at the memory would (madvise(2))."""
_OWN = frozenset(("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"))
"""File systems of disks of this machine, as Linux calls them."""
_MOUNTS = Path("/proc/self/mountinfo")


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
    file, first = raw.fileno(), start - start % mmap.ALLOCATIONGRANULARITY
    window = None
    if stop - start >= LEAST and local.is_in_memory(file, start) and local.is_in_memory(file, stop - 1):
        window = _window(file, first, stop)
    if window is not None and _refusal(window, [(0, stop - first)]):
        window.close()
        window = None
    with _shown(window, start - first) as held:
        yield held


@contextlib.contextmanager
def mapped_parts(raw: io.FileIO, stop: int, parts: Iterable[tuple[int, int]]) -> Iterator[NDArray[np.uint8] | None]:
    """Bytes of an open file from its start on, of which some parts are looked at within the `with` block; see `mapped`.

    Of a kernel that cannot promise bytes, those of a disk of this machine are taken without.

    Args:
        raw: the file.
        stop: the byte after the last.
        parts: first byte, and the one after the last, of each stretch that will be looked at; the file has them.

    Returns:
        The bytes; None where the file is on no disk of this machine, ends before `stop`, or the parts cannot be read.
    """
    window = _window(raw.fileno(), 0, stop) if _is_own(os.fstat(raw.fileno()).st_dev) else None
    if window is not None and _refusal(window, parts) not in (0, errno.EINVAL):
        window.close()
        window = None
    with _shown(window, 0) as held:
        yield held


def lies_on_own_disk(path: str) -> bool:
    """Whether parts of a file are mapped, if there are addresses for them: it is on a disk of this machine."""
    try:
        return _is_own(Path(path).stat().st_dev)
    except OSError:  # whoever opens it says what is wrong
        return False


def _window(file: int, first: int, stop: int) -> mmap.mmap | None:
    """The pages that hold some bytes."""
    try:
        return mmap.mmap(file, stop - first, access=mmap.ACCESS_READ, offset=first)
    except (OSError, ValueError, OverflowError):  # there are not so many addresses, for instance
        return None


def _refusal(window: mmap.mmap, parts: Iterable[tuple[int, int]]) -> int:
    """Have the system make parts ready to be read; 0, or why it does not, which is EINVAL if it cannot for any."""
    try:
        for start, stop in parts:
            first = start - start % mmap.PAGESIZE
            window.madvise(_POPULATE_READ, first, stop - first)
    except AttributeError:
        return errno.EINVAL
    except (OSError, ValueError) as err:
        return getattr(err, "errno", None) or errno.EFAULT
    return 0


@contextlib.contextmanager
def _shown(window: mmap.mmap | None, start: int) -> Iterator[NDArray[np.uint8] | None]:
    """The bytes of a window from some one on, which is closed then."""
    if window is None:
        yield None
        return
    found = np.frombuffer(window, np.uint8)[start:]
    found.flags.writeable = False
    try:
        yield found
    finally:
        del found
        with contextlib.suppress(BufferError):  # somebody has a view of it still: it is unmapped with that
            window.close()


@lru_cache(maxsize=64)
def _is_own(device: int) -> bool:
    """Whether a device is a disk of this machine, as far as the system tells."""
    try:
        told = _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return False
    return kind_of(told, device) in _OWN


def kind_of(mounts: str, device: int) -> str:
    """The kind of the file system of a device; empty where it is not told.

    Example:
        >>> kind_of("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - nfs4 host:/root rw", os.makedev(98, 0))
        'nfs4'
    """
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) > 4 and fields[2] == number and "-" in fields[:-1]:
            return fields[fields.index("-") + 1]
    return ""
