"""A remote file as a file object: seekable, and read ahead where it is read on and on."""

import errno
import io
from collections import deque
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import HttpError
from builders.io.net import remote
from builders.io.net.answers import RemoteFile
from builders.io.net.threads import Stop, hung_up_by_stop

_AHEAD = 4


class RangedFile(io.RawIOBase):
    """A file on a server, read by ranges. No connection is held between reads.

    The first read and those after a seek fetch what is asked for; those that go on from the last one fetch whole
    pieces, with more on their way.

    Args:
        file: the file, in one version, with its size.
        piece: bytes of one request where it is read on and on.
    """

    def __init__(self, file: RemoteFile, piece: int = remote.PIECE) -> None:
        if file.size is None:
            msg = f"{file.url}: the server neither tells its size nor sends parts of it: it cannot be opened"
            raise HttpError(msg)
        self.file, self.size, self._piece = file, file.size, piece
        self._place = self._last_end = 0
        self._held: tuple[int, NDArray[np.uint8]] = 0, np.empty(0, np.uint8)
        self._coming: deque[tuple[int, Future[NDArray[np.uint8]]]] = deque()
        self._stop = Stop()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere, without asking for anything."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            msg = f"{self.file.url}: seek to byte {base + offset}: expected 0 or more"
            raise OSError(errno.EINVAL, msg)
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, or as much of it as there is left."""
        view = memoryview(buffer).cast("B")
        count = min(len(view), max(0, self.size - self._place))
        runs_on = self._place == self._last_end > 0
        done = 0
        while done < count:
            start, data = self._held
            offset = self._place - start
            if not 0 <= offset < len(data):
                self._fetch(count - done, runs_on)
                continue
            part = data[offset : offset + count - done]
            view[done : done + len(part)] = part.data
            done += len(part)
            self._place += len(part)
        self._last_end = self._place
        return done

    def close(self) -> None:
        """Drop what is held and on its way."""
        self._forget()
        self._held = 0, np.empty(0, np.uint8)
        super().close()

    def _fetch(self, count: int, runs_on: bool) -> None:
        """Bring the bytes at the place: just those, or a piece of a run of them."""
        if not runs_on:
            self._forget()
            stop = min(self.size, self._place + count)
            self._held = self._place, remote.read(self.file, self._place, stop)
            return
        while self._coming and self._coming[0][0] != self._place:
            self._coming.popleft()[1].cancel()
        start = self._coming[-1][0] + self._piece if self._coming else self._place
        while len(self._coming) < _AHEAD and start < self.size:
            self._coming.append((start, self._ask(start)))
            start += self._piece
        place, future = self._coming.popleft()
        with hung_up_by_stop(self._stop.set):
            self._held = place, future.result()

    def _ask(self, start: int) -> "Future[NDArray[np.uint8]]":
        stop = min(self.size, start + self._piece)
        return remote.submit(remote.read, self.file, start, stop, self._piece, pool="ahead", stop=self._stop)

    def _forget(self) -> None:
        while self._coming:
            self._coming.popleft()[1].cancel()
        self._stop.set()
        self._stop = Stop()
