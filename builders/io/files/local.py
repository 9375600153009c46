"""Files of this machine: opened for one read and closed again, so nothing has to survive a fork or a pickle."""

import contextlib
import errno
import io
import os
import stat
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from builders.errors import AccessError, ChangedError, FormatError, NotFoundError, PercError, ReadError
from perc_transforms.core import buffers

_AT_ONCE: int = getattr(os, "O_NONBLOCK", 0)
_NO_FILE = (errno.ENXIO, errno.EOPNOTSUPP)
"""What opening a socket, or a device that is not there, gives."""
_TOLD = 128 * 1024
"""Bytes that any system reads of what it is told will be needed."""
_PIECE = 1024 * 1024

Watch = Callable[[NDArray[np.uint8]], None]


def etag_of(status: os.stat_result) -> str:
    """A local file's identity in the form the archives' servers use: size and time of change, hexadecimal."""
    return f"{status.st_size:x}-{status.st_mtime_ns:x}"


def opened(path: str) -> io.FileIO:
    """A file of this machine, opened; what is wrong with it is one of our errors."""
    try:
        raw = io.FileIO(path, opener=_open_at_once)
    except FileNotFoundError as err:
        msg = f"{path}: no such file"
        raise NotFoundError(msg) from err
    except IsADirectoryError as err:
        msg = f"{path}: a folder, expected an image file"
        raise FormatError(msg) from err
    except PermissionError as err:
        msg = f"{path}: no permission to read it"
        raise AccessError(msg) from err
    except (OSError, ValueError) as err:
        if isinstance(err, OSError) and err.errno in _NO_FILE:
            raise _no_file(path) from err
        msg = f"{path!r}: cannot be opened: {err}"
        raise ReadError(msg) from err
    if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        raw.close()
        raise _no_file(path)
    return raw


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for somebody to write into a pipe."""
    try:
        return os.open(path, flags | _AT_ONCE)
    except BlockingIOError:  # a regular file for sure, that another process has a lease on: a file server does that
        return os.open(path, flags)


def _no_file(path: str) -> FormatError:
    return FormatError(f"{path}: a pipe, a device or a socket: expected a file")


def check_version(raw: io.FileIO, path: str, etag: str | None) -> int:
    """The size of an open file of the version `etag`, any if that is None or empty.

    Raises:
        ChangedError: it is of another version.
    """
    status = os.fstat(raw.fileno())
    if etag and (now := etag_of(status)) != etag:
        msg = f"{path}: changed since the dataset was loaded ({etag} then, {now} now): call load_dataset again"
        raise ChangedError(msg)
    return status.st_size


def fill(raw: io.FileIO, place: "memoryview[int]", watch: Watch | None = None) -> int:
    """Fill memory with the bytes that come next, straight from the file.

    Args:
        raw: the file.
        place: the memory.
        watch: called with the bytes, piece by piece, while they are still in the processor's cache.

    Returns:
        How many came: fewer where the file ends.
    """
    done, count = 0, len(place)
    while done < count:
        piece = place[done : done + _PIECE]
        filled = 0
        while filled < len(piece) and (got := raw.readinto(piece[filled:])):
            filled += got
        if watch is not None:
            watch(np.frombuffer(piece[:filled], np.uint8))
        done += filled
        if filled < len(piece):
            break
    return done


def read(raw: io.FileIO, count: int, watch: Watch | None = None) -> NDArray[np.uint8]:
    """The bytes that come next, straight into memory that is used again; fewer where the file ends."""
    buffer = buffers.take(count)
    done = fill(raw, buffer.data, watch)
    return buffer if done == count else buffer[:done]


def will_read(path: str, stretches: Iterable[tuple[int, int]]) -> None:
    """Tell the system that stretches of a file will be read soon, but for those whose last byte is in memory already.

    Where it listens, it has them by then. What is wrong with the file is said when it is read.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(PercError, OSError), opened(path) as raw:
        for start, stop in stretches:
            if not is_in_memory(raw.fileno(), stop - 1):
                os.posix_fadvise(raw.fileno(), start, stop - start, os.POSIX_FADV_WILLNEED)


def bring(path: str, stretches: Iterable[tuple[int, int]]) -> None:
    """Have the system read all bytes of some stretches into memory that it spares, unless it has done so already.

    Of what it is told at once, it reads a first part.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(PercError, OSError), opened(path) as raw:
        for start, stop in stretches:
            told = () if is_in_memory(raw.fileno(), stop - 1) else range(start, stop, _TOLD)
            for place in told:
                os.posix_fadvise(raw.fileno(), place, min(_TOLD, stop - place), os.POSIX_FADV_WILLNEED)


def is_in_memory(file: int, place: int) -> bool:
    """Whether the system surely has a byte of an open file in memory.

    Args:
        file: the file's descriptor.
        place: the byte.
    """
    try:
        return os.preadv(file, [bytearray(1)], place, os.RWF_NOWAIT) == 1
    except (OSError, AttributeError):  # it is not; or the file system, or Python here, cannot tell
        return False
