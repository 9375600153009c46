"""Files packed as a whole, by gzip or bzip2: read as far as is needed, damage told in one form, their size counted."""

import bz2
import contextlib
import gzip
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, PercError, ReadError, TruncatedError
from builders.io.codecs.plain import DEFLATE_MOST as DEFLATE_MOST

logger = logging.getLogger(__name__)

PIECE = 1024 * 1024
MOST_TRAILING = 64 * 1024 * 1024
"""Bytes behind the pixels of a compressed file that are inflated at the most, to get to its checksum."""

_LEAST_KEPT, _MOST_KEPT = 4 * 1024 * 1024, 64 * 1024 * 1024
"""Bytes of a stream that are remembered behind the place that was read up to."""
_MOST_RETURNS = 32
"""How often a stream is read from its beginning for what lies farther back."""
_GZIP_SIZES = 2**32
"""A gzip file tells the rest of its content's size by this."""
_GZIP_LEAST = 18
"""Bytes of the smallest gzip file."""

Stream = gzip.GzipFile | bz2.BZ2File | BinaryIO


@dataclass(frozen=True, slots=True)
class Packing:
    """A way in which files of any format are packed as a whole.

    Attributes:
        suffix: what it adds to their names.
        magic: how they begin, which no file of a format does: of an MRC file, the first side would be above 2^17.
        stream: gives a stream of a file's content.
        inflater: gives what inflates one member of it, piece by piece.
    """

    suffix: str
    magic: bytes
    stream: Callable[[BinaryIO], Stream]
    inflater: Callable[[], Any]


PACKINGS = (
    Packing(".gz", b"\x1f\x8b\x08", lambda raw: gzip.GzipFile(fileobj=raw), lambda: zlib.decompressobj(31)),
    Packing(".bz2", b"BZh", lambda raw: bz2.BZ2File(raw), bz2.BZ2Decompressor),
)
SUFFIXES = tuple(packing.suffix for packing in PACKINGS)
_MAGICS = tuple(packing.magic for packing in PACKINGS)


def packing_of(head: bytes) -> Packing | None:
    """How a file that begins so is packed; None where it is not."""
    if not head.startswith(_MAGICS):
        return None
    return next(packing for packing in PACKINGS if head.startswith(packing.magic))


def opened(raw: BinaryIO) -> tuple[Stream, bool]:
    """The stream of a file's content, and whether it is a decompressing one."""
    packing = packing_of(raw.read(3))
    raw.seek(0)
    return (raw, False) if packing is None else (packing.stream(raw), True)


def is_gzip(stream: Stream) -> bool:
    """Whether a stream is of gzip, which tells the size of its content, and packs no more than `DEFLATE_MOST`."""
    return isinstance(stream, gzip.GzipFile)


def is_packed(name: str) -> bool:
    """Whether a file is packed, by its name."""
    return name.lower().endswith(SUFFIXES)


def plain_name(name: str) -> str:
    """A file's name in lower case, without what says that it is packed."""
    return name.lower().removesuffix(".gz").removesuffix(".bz2")


def read(stream: Stream, count: int) -> NDArray[np.uint8]:
    """`count` bytes, fewer where the stream ends; memory grows with what really comes."""
    data = bytearray()
    while len(data) < count and (piece := stream.read(min(PIECE, count - len(data)))):
        data += piece
    return np.frombuffer(data, np.uint8)


def read_to_checksum(stream: Stream, name: str) -> int | None:
    """Read what comes after the pixels, so that the decompressor checks all that it gave; not without end.

    Returns:
        How many bytes that was; None where it was left.
    """
    done = 0
    while done <= MOST_TRAILING:
        piece = stream.read(PIECE)
        if not piece:
            return done
        done += len(piece)
    logger.warning("%s: more than %d bytes after its pixels: its checksum was not looked at", name, MOST_TRAILING)
    return None


def reader_of(stream: Stream) -> Callable[[int, int], bytes]:
    """What gives bytes of a stream by offset and number, fewer where it ends."""
    if isinstance(stream, gzip.GzipFile | bz2.BZ2File):
        return _Forward(stream)

    def bytes_at(offset: int, count: int) -> bytes:
        stream.seek(offset)
        return read(stream, count).tobytes()

    return bytes_at


class _Forward:
    """Gives bytes of a decompressing stream and remembers the last ones that it came past: to go back is to begin anew.

    Where that is needed all the same, it remembers more from then on.

    Args:
        stream: may be moved by others in between.
    """

    def __init__(self, stream: gzip.GzipFile | bz2.BZ2File) -> None:
        self._stream, self._kept, self._end = stream, bytearray(), 0
        self._window, self._returns = _LEAST_KEPT, 0

    def __call__(self, offset: int, count: int) -> bytes:
        """Bytes of the content, fewer where it ends.

        Raises:
            ValueError: it has to begin anew again and again.
        """
        if self._stream.tell() != self._end:
            self._kept, self._end = bytearray(), self._stream.tell()
        if offset < self._end - len(self._kept):
            self._return()
        while self._end < offset + count and (piece := self._stream.read(min(PIECE, offset + count - self._end))):
            self._kept += piece
            self._end += len(piece)
            surplus = len(self._kept) - max(self._window, self._end - offset)
            if surplus > PIECE:
                del self._kept[:surplus]
        start = max(0, offset - self._end + len(self._kept))
        return bytes(self._kept[start : start + count])

    def _return(self) -> None:
        self._returns += 1
        if self._returns > _MOST_RETURNS:
            msg = f"what its header refers to lies more than {_MOST_KEPT} bytes back, again and again"
            raise ValueError(msg)
        self._window = min(2 * self._window, _MOST_KEPT)
        self._stream.seek(0)
        self._kept, self._end = bytearray(), 0


def begun(data: bytes) -> bytes:
    """The content of a compressed file as far as its first bytes tell it."""
    content = bytearray()
    with contextlib.suppress(zlib.error, OSError, EOFError):
        while data:
            packing = packing_of(data)
            if packing is None:
                break
            inflater = packing.inflater()
            content += inflater.decompress(data)
            data = inflater.unused_data
    return bytes(content)


def may_differ(raw: BinaryIO, size: int, expected: int, pixels: int) -> bool | None:
    """Whether the content of a gzip file may have another size than was expected, and not so much as to be a bomb.

    The last bytes of the file tell its size, if it is of one piece; the file is left where it was.

    Args:
        raw: the file.
        size: its bytes; where it holds fewer, its end is not here, and nothing is known.
        expected: bytes of content.
        pixels: bytes of pixels among them; where the file cannot hold those, that is told when they are read.

    Returns:
        None: the file ends with an empty piece, as those of many do, and tells nothing.
    """
    place = raw.tell()
    try:
        if raw.seek(0, os.SEEK_END) != size or size < _GZIP_LEAST:
            return False
        raw.seek(size - 4)
        told = int.from_bytes(raw.read(4), "little")
    finally:
        raw.seek(place)
    if told == expected % _GZIP_SIZES or pixels > DEFLATE_MOST * size:
        return False
    if not told:
        return None
    return not expected + MOST_TRAILING < told < _GZIP_SIZES


def count(stream: Stream, expected: int) -> int | None:
    """Bytes of a stream's content; None where there are many more than expected, or it is damaged."""
    done = 0
    try:
        stream.seek(0)
        while piece := stream.read(PIECE):
            done += len(piece)
            if done > expected + MOST_TRAILING:
                return None
    except (EOFError, OSError, zlib.error, ValueError):  # damage is told where pixels are read
        return None
    return done


@contextlib.contextmanager
def damage_named(name: str) -> Iterator[None]:
    """Give the decompressors' many errors one form."""
    try:
        yield
    except PercError:
        raise
    except EOFError as err:
        msg = f"{name}: the compressed stream ends early: the file is truncated"
        raise TruncatedError(msg) from err
    except (gzip.BadGzipFile, zlib.error, ValueError) as err:
        msg = f"{name}: damaged compressed stream: {err}"
        raise FormatError(msg) from err
    except OSError as err:
        if err.errno is None:  # bz2 has no error class of its own
            msg = f"{name}: damaged compressed stream: {err}"
            raise FormatError(msg) from err
        msg = f"{name}: cannot be read: {err.strerror}"
        raise ReadError(msg) from err
