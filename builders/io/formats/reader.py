"""Bytes of a file as a format asks for them: what is held already, else fetched, and not without end."""

import bisect
from collections.abc import Callable, Iterable, Sequence

from builders.errors import FormatError, TruncatedError
from builders.io.formats.protocol import HEAD, Read
from builders.io.layout import Range

MOST_READS = 2**20
MOST_BYTES = 256 * 1024 * 1024
"""Of one file's header, far more than any has: a file can refer a reader from one place to the next for ever."""
MOST_REQUESTS = 4096
"""Of them, to a server."""
MOST_SKIMMED = 8 * 1024 * 1024
BLOCK = 4 * 1024
"""Bytes that are fetched at the least of a server: what a header refers to often lies side by side."""
BLOCK_HERE = 512


class Reader:
    """Gives a format bytes of a file; see `protocol.Read`.

    Args:
        fetch: gives those that are not held.
        head: the first bytes.
        size: bytes of the file; None where that is not known.
        name: what errors call it.
        held: pieces that were fetched before, by offset; those that are fetched now are added.
        most: how often bytes may be fetched.
        is_far: each time is a request to a server.
        fetch_several: gives several stretches, from and to in rising order, one after another, by requests that are
            under way at once; None: they come one by one, when they are asked for.
    """

    def __init__(
        self,
        fetch: Read,
        head: bytes,
        size: int | None,
        name: str,
        held: dict[int, bytes] | None = None,
        most: int = MOST_READS,
        is_far: bool = False,
        fetch_several: Callable[[Sequence[Range]], bytes] | None = None,
    ) -> None:
        self._fetch, self._head, self._size, self._name, self._most = fetch, head, size, name, most
        self._is_far, self._fetch_several = is_far, fetch_several
        self._stretch, self._skimmed = (0, 0), b""
        self._held = {} if held is None else held
        self._places = sorted(self._held)
        self._reads = self._fetches = self._bytes = 0

    def __call__(self, offset: int, count: int) -> bytes:
        """Bytes of the file, fewer where it ends.

        Raises:
            FormatError: a place before the file, or more of them than a header can take.
        """
        return self._read(offset, count, BLOCK if self._is_far else BLOCK_HERE)

    def _read(self, offset: int, count: int, least: int) -> bytes:
        """Bytes of the file; of those that are not held, so many are fetched at the least."""
        if offset < 0 or count < 0:
            msg = f"{self._name}: its header refers to {count} bytes at byte {offset}: expected nothing negative"
            raise FormatError(msg)
        self._reads += 1
        stop = offset + count if self._size is None else min(offset + count, self._size)
        pieces = []
        while offset < stop and not (len(self._head) < HEAD and offset >= len(self._head)):
            piece, place = self._piece(offset, stop, least)
            pieces.append(piece[offset - place : stop - place])
            offset += len(pieces[-1])
            if not pieces[-1]:
                break
        if self._reads > MOST_READS or self._fetches > self._most or self._bytes > MOST_BYTES:
            msg = f"{self._name}: its header takes more than {self._most} reads or {MOST_BYTES} bytes: damaged"
            raise FormatError(msg)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, offset: int, stop: int, least: int) -> tuple[bytes, int]:
        """A piece that holds the first of some bytes, and where it begins; no byte is fetched that is held already."""
        held, following = self._held_at(offset)
        if held is not None:
            return held
        wanted = stop if following is None else min(stop, following)
        piece = self._within(offset, wanted)
        if piece is None:
            limits = [limit for limit in (self._size, following) if limit is not None]
            end = min([max(wanted, offset + least), *limits])
            self._fetches, self._bytes = self._fetches + 1, self._bytes + end - offset
            if self._fetches > self._most or self._bytes > MOST_BYTES:
                return b"", offset
            piece = self._fetch(offset, end - offset)
        if piece:
            bisect.insort(self._places, offset)
            self._held[offset] = piece
        return piece, offset

    def _held_at(self, offset: int) -> tuple[tuple[bytes, int] | None, int | None]:
        """The piece that holds a byte, if any does, with its place; else where the next one begins, if there is one."""
        if offset < len(self._head):
            return (self._head, 0), None
        number = bisect.bisect_right(self._places, offset)
        if number:
            place = self._places[number - 1]
            if offset < place + len(self._held[place]):
                return (self._held[place], place), None
        return None, self._places[number] if number < len(self._places) else None

    def _within(self, offset: int, stop: int) -> bytes | None:
        """A piece out of the stretch that was skimmed, or is to be, if it lies in it."""
        first, last = self._stretch
        if not first <= offset < stop <= last:
            return None
        if not self._skimmed:
            if self._fetches >= self._most:
                return None
            self._fetches += 1
            self._skimmed = self._fetch(first, last - first)
        self._bytes += stop - offset
        return self._skimmed[offset - first : stop - first]

    def ahead(self, offset: int, stop: int, far: int) -> bool:
        """See `ahead`."""
        stop = stop if self._size is None else min(stop, self._size)
        while offset < stop and (held := self._held_at(offset)[0]) is not None:
            offset = held[1] + len(held[0])
        if offset >= stop:
            return False
        is_skimmed = self._stretch[0] <= offset and stop <= self._stretch[1]
        self._read(offset, (stop if is_skimmed else far) - offset, 1)
        return not is_skimmed

    def gather(self, stretches: Iterable[Range]) -> None:
        """See `gather`."""
        if self._fetch_several is None:
            return
        wanted: list[Range] = []
        for start, stop in stretches:
            held, following = self._held_at(start)
            limits = [limit for limit in (self._size, following) if limit is not None]
            if held is not None or start >= min([stop, *limits]) or (wanted and start < wanted[-1][1]):
                break
            wanted.append((start, min([stop, *limits])))
        count = sum(stop - start for start, stop in wanted)
        if len(wanted) < 2 or self._fetches + len(wanted) > self._most or self._bytes + count > MOST_BYTES:
            return
        self._fetches, self._bytes = self._fetches + len(wanted), self._bytes + count
        came, done = self._fetch_several(wanted), 0
        for start, stop in wanted:
            bisect.insort(self._places, start)
            self._held[start] = came[done : done + stop - start]
            done += stop - start

    def skim(self, offset: int, count: int) -> None:
        """See `skim`."""
        first, stop = max(0, offset), max(0, offset) + min(count, MOST_SKIMMED)
        stop = stop if self._size is None else min(stop, self._size)
        is_asked_for = self._stretch[0] <= first and min(first + BLOCK, stop) <= self._stretch[1]
        if self._is_far and first < stop and not is_asked_for:
            self._stretch, self._skimmed = (first, stop), b""


def skim(read: Read, offset: int, count: int) -> None:
    """Have a stretch of a file come in one request of which small pieces are asked for next, a server's file alone.

    Only those pieces are remembered; the next stretch takes the place of this one.

    Args:
        read: gives bytes of the file.
        offset: where it begins.
        count: bytes, at most `MOST_SKIMMED` of which come.
    """
    if isinstance(read, Reader):
        read.skim(offset, count)


def ahead(read: Read, offset: int, stop: int, far: int) -> bool:
    """Have bytes come in one request that are asked for next, unless they are held, and those behind them with them.

    Args:
        read: gives bytes of the file.
        offset: the first one.
        stop: the byte after the last one that is surely asked for.
        far: the byte after the last one that may be.

    Returns:
        Whether any were fetched for that.
    """
    return isinstance(read, Reader) and read.ahead(offset, stop, max(stop, far))


def gather(read: Read, stretches: Iterable[Range]) -> None:
    """Have stretches come at once, of a server's file: one that is asked for next, and those that may be after it.

    Args:
        read: gives bytes of the file.
        stretches: from and to, in rising order, up to the first that is held; where that is the first, none is fetched.
    """
    if isinstance(read, Reader):
        read.gather(stretches)


def exactly(read: Read, offset: int, count: int, name: str, what: str) -> bytes:
    """Bytes of a file that must be there.

    Args:
        read: gives them.
        offset: where they begin.
        count: how many.
        name: of the file, for the error.
        what: they are, for the error, such as `"index"`.

    Raises:
        TruncatedError: the file ends before their last.
    """
    data = read(offset, count)
    if len(data) < count:
        msg = f"{name}: {len(data)} bytes of {what} at byte {offset}, expected {count}: the file is truncated"
        raise TruncatedError(msg)
    return data
