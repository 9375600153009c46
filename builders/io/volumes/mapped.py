"""Maps of files: where boxes may be copied out of one instead of being read.

A map spares the bytes beside a box, which lie in the same rows, and one of two copies: tiles come out of it twice as
fast, and small cubes five times. But where its pages cannot be had, the system ends the process (SIGBUS) and no error
is raised: on a disk that is not there any more, or behind the end of a file that was shortened. So files are mapped on
disks of this machine alone, for the time of one call, after their version and length were looked at.
"""

import contextlib
import mmap
import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from builders.io.layout import Array, Layout

_OWN = frozenset(("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"))
"""File systems of disks of this machine, as Linux calls them."""
_MOUNTS = Path("/proc/self/mountinfo")


def are_mapped(path: str, volume: Layout) -> bool:
    """Whether the pixels of a volume in a file of this machine are mapped, if there are addresses for them."""
    try:
        return volume.is_plain and _is_own(Path(path).stat().st_dev)
    except OSError:  # whoever opens it says what is wrong
        return False


def pixels_of(file: int, volume: Layout) -> Array | None:
    """The pixels of a volume, mapped, in the file's byte order; None where they are to be read.

    Args:
        file: the number of an open file, which is long enough.
        volume: where the volume lies, rows of pixels one after another.
    """
    if not volume.is_plain or not _is_own(os.fstat(file).st_dev):
        return None
    with contextlib.suppress(OSError, ValueError, OverflowError):  # there are not so many addresses, for instance
        whole = mmap.mmap(file, volume.end, access=mmap.ACCESS_READ)
        return np.ndarray(volume.shape, np.dtype(volume.encoding), whole, volume.offset)
    return None


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
