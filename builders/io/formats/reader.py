"""Bytes of a file as a format asks for them: what is held already, else fetched, and not without end."""

from builders.errors import FormatError
from builders.io.formats.protocol import HEAD, Read

MOST_READS = 4096
MOST_BYTES = 256 * 1024 * 1024
"""Of one file's header, far more than any has: a file can refer a reader from one place to the next for ever."""


class Reader:
    """Gives a format bytes of a file; see `protocol.Read`.

    Args:
        fetch: gives those that are not held.
        head: the first bytes.
        size: bytes of the file; None where that is not known.
        name: what errors call it.
        held: pieces that were fetched before, by offset; those that are fetched now are added.
    """

    def __init__(
        self, fetch: Read, head: bytes, size: int | None, name: str, held: dict[int, bytes] | None = None
    ) -> None:
        self._fetch, self._head, self._size, self._name = fetch, head, size, name
        self._held = {} if held is None else held
        self._reads = self._bytes = 0

    def __call__(self, offset: int, count: int) -> bytes:
        """Bytes of the file, fewer where it ends.

        Raises:
            FormatError: a place before the file, or more of them than a header can take.
        """
        if offset < 0 or count < 0:
            msg = f"{self._name}: its header refers to {count} bytes at byte {offset}: expected nothing negative"
            raise FormatError(msg)
        stop = offset + count if self._size is None else min(offset + count, self._size)
        if stop <= len(self._head) or len(self._head) < HEAD or stop <= offset:
            return self._head[offset:stop]
        for place, piece in self._held.items():
            if place <= offset and stop <= place + len(piece):
                return piece[offset - place : stop - place]
        self._reads, self._bytes = self._reads + 1, self._bytes + stop - offset
        if self._reads > MOST_READS or self._bytes > MOST_BYTES:
            msg = f"{self._name}: its header takes more than {MOST_READS} reads or {MOST_BYTES} bytes: damaged"
            raise FormatError(msg)
        piece = self._fetch(offset, stop - offset)
        self._held[offset] = piece
        return piece
