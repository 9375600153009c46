"""A file by its location, a URL or a path of this machine: what it is, and its bytes, asked for in the same words."""

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from builders.errors import TruncatedError
from builders.io.files import local
from builders.io.files.head import Head
from builders.io.files.ranged_file import RangedFile
from builders.io.formats.protocol import HEAD
from builders.io.layout import Range
from builders.io.net import remote
from builders.io.net.answers import RemoteFile, known_of, memory
from perc_transforms.core import buffers

GAP = 64 * 1024
"""Bytes between two stretches of a file that cost less than a request of their own."""
_ONE = 32 * 1024 * 1024
"""Bytes of one stretch, such as a frame of a movie, that are one request: archives limit how many they take."""


def is_remote(location: str) -> bool:
    """Whether a location is a URL."""
    return location.startswith(("http://", "https://"))


def why_no_text(path: str) -> str:
    """Why a path cannot be written into a table, as one of bytes that are no text; empty: it can."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        with contextlib.suppress(UnicodeError):
            os.fsencode(path).decode("utf-8")
            encoding = sys.getfilesystemencoding()
            return f"a name that {encoding}, the encoding of this process, does not hold: PYTHONUTF8=1 lets it be read"
        return "a name that is not UTF-8"
    return ""


def size_and_etag(location: str) -> tuple[int | None, str | None]:
    """A file's size and version.

    Raises:
        NotFoundError: there is none.
        AccessError: it is not given to us.
    """
    if is_remote(location):
        found = remote.client().head(location)
        return found.size, found.etag
    with local.opened(location) as raw:
        status = os.fstat(raw.fileno())
        return status.st_size, local.etag_of(status)


def head(location: str, count: int = HEAD) -> Head:
    """The first bytes of a file, its size and its version; all of it where it is shorter."""
    if is_remote(location):
        data, found = remote.client().probe(location, count)
        return Head(data, found.size, found.etag or "")
    with local.opened(location) as raw:
        status = os.fstat(raw.fileno())
        return Head(raw.read(count) or b"", status.st_size, local.etag_of(status))


def read(location: str, start: int, stop: int, etag: str | None = None, piece: int = remote.PIECE) -> NDArray[np.uint8]:
    """Bytes `start` to `stop` of a file of the version `etag`; `piece` is for remote ones the most of one request.

    Raises:
        ChangedError: it is of another version.
        TruncatedError: it ends before `stop`.
    """
    if is_remote(location):
        return remote.read(RemoteFile(location, None, etag or None), start, stop, piece)
    return read_ranges(location, ((start, stop),), etag)


def read_ranges(
    location: str, ranges: Sequence[Range], etag: str | None = None, watch: local.Watch | None = None
) -> NDArray[np.uint8]:
    """Some stretches of a file of the version `etag`, one after another; of a remote one, several at once.

    Args:
        location: the file.
        ranges: from and to, in rising order.
        etag: its version; None: any.
        watch: called with what comes of a file of this machine, piece by piece.

    Raises:
        ChangedError: it is of another version.
        TruncatedError: it ends before the last of them.
    """
    if is_remote(location):
        return _fetch_ranges(location, ranges, etag)
    with local.opened(location) as raw:
        size = local.check_version(raw, location, etag)
        if ranges and ranges[-1][1] > size:
            msg = f"{location}: {size} bytes, expected {ranges[-1][1]}: the file is truncated"
            raise TruncatedError(msg)
        return fill_ranges(raw, ranges, location, watch)


def fill_ranges(
    raw: io.FileIO, ranges: Sequence[Range], name: str, watch: local.Watch | None = None
) -> NDArray[np.uint8]:
    """What `read_ranges` does, of a file that is open.

    Raises:
        TruncatedError: it ends early.
    """
    buffer = buffers.take(sum(stop - start for start, stop in ranges))
    view, done = buffer.data, 0
    for start, stop in ranges:
        raw.seek(start)
        done += local.fill(raw, view[done : done + stop - start], watch)
    if done < len(view):
        msg = f"{name}: {done} bytes of pixels, expected {len(view)}: the file is truncated"
        raise TruncatedError(msg)
    return buffer


def at_once(count: int) -> int:
    """The most bytes of one request, of one stretch of so many: of a frame of a movie, all.

    Example:
        >>> at_once(23_000_000), at_once(100_000_000)
        (23000000, 8388608)
    """
    return count if count <= _ONE else remote.PIECE


def _fetch_ranges(location: str, ranges: Sequence[Range], etag: str | None) -> NDArray[np.uint8]:
    """Stretches of a remote file; those with few bytes between them are asked for together."""
    file = RemoteFile(location, None, etag or None)
    if len(ranges) == 1:
        start, stop = ranges[0]
        return remote.read(file, start, stop, at_once(stop - start))
    requests: list[Range] = []
    for start, stop in ranges:
        if requests and start - requests[-1][1] <= GAP and stop - requests[-1][0] <= remote.PIECE:
            requests[-1] = requests[-1][0], stop
        else:
            requests.append((start, stop))
    buffer = memory(sum(stop - start for start, stop in ranges), location)
    if file.etag is None and len(requests) > 1:  # all of them have to be of one version
        file = known_of(remote.client().head(location), file)
    came = remote.each(lambda request: remote.read(file, *request), requests, pool="ranges")
    done, wanted = 0, iter(ranges)
    for (first, end), raw in zip(requests, came, strict=True):
        while done < len(buffer):
            start, stop = next(wanted)
            buffer[done : done + stop - start] = raw[start - first : stop - first]
            done += stop - start
            if stop == end:
                break
    return buffer


def open_file(location: str) -> BinaryIO:
    """A file object, seekable, that reads no more than is asked for until it is read on and on.

    Raises:
        NotFoundError: there is no such file.
    """
    if is_remote(location):
        return _buffered(remote.client().head(location))
    return cast(BinaryIO, io.BufferedReader(local.opened(location)))


def open_version(location: str, size: int | None, etag: str | None) -> BinaryIO:
    """A file object of one version of a remote file whose size is known."""
    return _buffered(RemoteFile(location, size, etag or None))


def _buffered(file: RemoteFile) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(RangedFile(file), 64 * 1024))
