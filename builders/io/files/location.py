"""A file by its location, a URL or a path of this machine: what it is, and its bytes, asked for in the same words."""

import contextlib
import io
import os
import sys
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, HttpError, TruncatedError
from builders.io import image_file
from builders.io.files.ranged_file import RangedFile
from builders.io.formats import compression
from builders.io.formats.mrc import file_size
from builders.io.image_file import ImageFile
from builders.io.layout import Array, Layout
from builders.io.net import remote
from builders.io.net.answers import RemoteFile, known_of
from perc_transforms.core import buffers

HEAD = 1024


def is_remote(location: str) -> bool:
    """Whether a location is a URL."""
    return location.startswith(("http://", "https://"))


def is_compressed(location: str) -> bool:
    """Whether a file is compressed, by its name."""
    return location.lower().endswith((".gz", ".bz2"))


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
    with image_file.opened(location) as raw:
        status = os.fstat(raw.fileno())
        return status.st_size, image_file.etag_of(status)


def head(location: str, count: int = HEAD) -> tuple[bytes, int | None, str]:
    """The first bytes of a file, its size and its version; all of it where it is shorter."""
    if is_remote(location):
        data, found = remote.client().probe(location, count)
        return data, found.size, found.etag or ""
    with image_file.opened(location) as raw:
        status = os.fstat(raw.fileno())
        return raw.read(count) or b"", status.st_size, image_file.etag_of(status)


def read(location: str, start: int, stop: int, etag: str | None = None, piece: int = remote.PIECE) -> NDArray[np.uint8]:
    """Bytes `start` to `stop` of a file of the version `etag`; `piece` is for remote ones the most of one request.

    Raises:
        ChangedError: it is of another version.
        TruncatedError: it ends before `stop`.
    """
    if is_remote(location):
        return remote.read(RemoteFile(location, None, etag or None), start, stop, piece)
    with image_file.opened(location) as raw:
        size = image_file.check_version(raw, location, etag)
        if stop > size:
            msg = f"{location}: {size} bytes, expected {stop}: the file is truncated"
            raise TruncatedError(msg)
        buffer = buffers.take(stop - start)
        raw.seek(start)
        view, done = buffer.data, 0
        while done < len(view) and (got := raw.readinto(view[done:])):
            done += got
    return buffer


def open_file(location: str) -> BinaryIO:
    """A file object, seekable, that reads no more than is asked for until it is read on and on.

    Raises:
        NotFoundError: there is no such file.
    """
    if is_remote(location):
        return _buffered(remote.client().head(location))
    return cast(BinaryIO, io.BufferedReader(image_file.opened(location)))


def describe(location: str, known: tuple[bytes, int | None, str] | None = None) -> ImageFile:
    """What an image file holds, from its first bytes.

    Args:
        location: the file.
        known: what `head` gave for it, if that was asked before.

    Raises:
        FormatError: no image file that can be read, or one whose header lies.
        HttpError: the server does not tell the size of a plain file.
        TruncatedError: shorter than its header says.
    """
    return image_file.complete(survey(location, known))


def survey(location: str, known: tuple[bytes, int | None, str] | None = None) -> ImageFile:
    """What `describe` does, but that a file may be shorter than its header says: see `ImageFile.weighed`."""
    if not is_remote(location):
        return image_file.survey(location)
    data, size, etag = known or head(location)
    if data.startswith((b"\x1f\x8b\x08", b"BZh")):
        if not is_compressed(location):
            msg = f"{location}: compressed, which its name does not say: expected a name that ends in .gz or .bz2"
            raise FormatError(msg)
        with contextlib.suppress(TruncatedError):  # a header is squeezed to so little that it is there already
            file = image_file.survey_open(io.BytesIO(data), location, size, etag)
            begun = compression.begun(data)
            if len(data) == size or file.header is None:
                return file
            if not file.header.nsymbt and not file_size.is_doubtful(file.header, lambda start, stop: begun[start:stop]):
                return file
        with open_version(location, size, etag) as raw:  # pixels may begin elsewhere: the end of the file tells
            return image_file.survey_open(raw, location, size, etag)
    if size is None:
        msg = f"{location}: the server does not tell its size: what its header says cannot be checked"
        raise HttpError(msg)

    def peek(start: int, stop: int) -> bytes:
        return data[start:stop] if stop <= len(data) else read(location, start, min(stop, size), etag).tobytes()

    return image_file.survey_open(io.BytesIO(data), location, size, etag, peek)


def open_version(location: str, size: int | None, etag: str | None) -> BinaryIO:
    """A file object of one version of a remote file whose size is known."""
    return _buffered(RemoteFile(location, size, etag or None))


def _buffered(file: RemoteFile) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(RangedFile(file), 64 * 1024))


def read_layout(location: str, layout: Layout, etag: str | None = None) -> Array:
    """The pixels at a layout of a plain remote file, in one request (or several at once where they are many).

    Raises:
        ChangedError: the file is of another version.
        FormatError: what came is no image data.
    """
    raw = read(location, layout.offset, layout.offset + layout.nbytes, etag)
    return layout.decode(raw)


def read_compressed(location: str, layout: Layout, etag: str | None = None) -> Array:
    """The pixels at a layout of a remote `.gz` or `.bz2` file, which is read from its start up to there."""
    found = known_of(remote.client().head(location), RemoteFile(location, None, etag or None))
    with _buffered(found) as raw:
        return next(image_file.read_open(raw, [layout], location, found.etag or ""))
