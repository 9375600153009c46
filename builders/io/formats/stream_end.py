"""A compressed file's content: its header, and what its end, where alone its size is sure, says of pixels read before.

Nobody inflates a file twice to learn its size: the header is believed, unless something is suspicious, until the end is
reached. Where the size then contradicts it, pixels that lie elsewhere are read again, or an error says so.
"""

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, TruncatedError
from builders.io.formats import compression
from builders.io.formats.compression import Stream
from builders.io.formats.contents import Contents, surplus_of
from builders.io.formats.known import format_of
from builders.io.formats.protocol import HEAD
from builders.io.formats.reader import Reader
from builders.io.layout import Layout

_MOST_KNOWN = 1000
_known: dict[tuple[str, int, bytes], Contents] = {}
"""What was found out of files whose size contradicts their header, by name, size and header."""
_misplaced: dict[tuple[str, str], str] = {}
"""What is wrong with files whose slices lie elsewhere than their headers say, by name and version."""

Pixels = NDArray[np.uint8]


class StreamEnd:
    """The end of a compressed file, and whether pixels that were read from it lie where it has them.

    Args:
        stream: the decompressing stream, at its start.
        name: what errors call the file.
        version: its etag; what was found out of it once is remembered.
    """

    def __init__(self, stream: Stream, name: str, version: str = "") -> None:
        self._stream, self._name, self._version = stream, name, version
        self._bytes_at = compression.reader_of(stream)
        self._head = self._bytes_at(0, HEAD)
        self._format = format_of(self._head)
        self._told = self._format.describe(Reader(self._bytes_at, self._head, None, name), None, name)

    def is_reached_by(self, place: int) -> bool:
        """Whether no pixels come after a place, as the header says or without what it lies of."""
        return place >= self._told.layout.end or place == self._told.least_end

    def check(self, layout: Layout) -> None:
        """Refuse slices of a version of a file whose end, reached before, told that they lie elsewhere.

        Raises:
            FormatError: they do.
        """
        told = self._told.layout
        if (layout.offset - told.offset) % max(1, layout.nbytes) == 0 and layout.nbytes < told.nbytes:
            if message := _misplaced.get((self._name, self._version)):
                raise FormatError(message)

    def settle(self, layout: Layout, pixels: Pixels) -> tuple[Pixels, str]:
        """Read on to the end, behind some pixels or where they ended early, and see whether they are the right ones.

        Args:
            layout: where they lay.
            pixels: their bytes; fewer than asked for, where the stream ended.

        Returns:
            The bytes, read again from where they lie if all of the file was wanted, and what the size contradicts, in
            words.

        Raises:
            FormatError: they are of another place than they were written to, or there are two readings.
            TruncatedError: the file ends before them.
        """
        stream, name, told = self._stream, self._name, self._told.layout
        is_short = pixels.size < layout.nbytes
        size = stream.tell()
        if not is_short:
            more = compression.read_to_checksum(stream, name)
            if more is None:
                return pixels, ""
            size += more
        if size == told.end and not is_short:
            return pixels, ""
        weighed = self._weighed(size)
        right = weighed.layout
        if weighed.cut and (is_short or not weighed.whole):
            raise TruncatedError(weighed.cut)
        if layout.offset == told.offset != right.offset and layout.nbytes == told.nbytes == right.nbytes:
            stream.seek(right.offset)
            return compression.read(stream, right.nbytes), weighed.said
        if is_short:
            msg = f"{name}: {pixels.size} bytes of pixels, expected {layout.nbytes}: the file is truncated"
            raise TruncatedError(msg)
        if right.offset != told.offset and not self._was_read_by(weighed, layout):
            msg = (
                f"{name}: {size} bytes, but its header says {told.end}: its pixels begin at byte {right.offset}, not "
                f"{told.offset}. Only the end of a compressed file shows that: its slices were read as the header says,"
                " and are not right; correct NSYMBT (bytes of extended header), or decompress the file"
            )
            if self._version and len(_misplaced) < _MOST_KNOWN:
                _misplaced[self._name, self._version] = msg
            raise FormatError(msg)
        if right.offset != told.offset or size < told.end:
            return pixels, weighed.said
        return pixels, surplus_of(size, told) if weighed.said else ""

    def _weighed(self, size: int) -> Contents:
        """What of the header stands; not weighed again for each row, since the stream is read anew for it."""
        key = self._name, size, self._head
        if key not in _known:
            while len(_known) >= _MOST_KNOWN:
                _known.pop(next(iter(_known)), None)
            read = Reader(self._bytes_at, self._head, size, self._name)
            _known[key] = self._format.describe(read, size, self._name)
        return _known[key]

    def _was_read_by(self, weighed: Contents, layout: Layout) -> bool:
        """Whether a slice lies where the file's size has it, found out before it was read."""
        right, told = weighed.layout, self._told.layout
        entry = max(1, layout.nbytes)
        if layout.end > right.end or layout.offset < right.offset or (layout.offset - right.offset) % entry:
            return False
        if (right.offset - told.offset) % entry or compression.is_gzip(self._stream):
            return True
        return self._format.is_doubtful(self._told, self._bytes_at)
