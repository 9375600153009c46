"""The lines of a file, one by one where they differ and many at a time where they are rows."""

from collections.abc import Callable

from builders.errors import FormatError, TruncatedError
from builders.io.tables.opening import HEAD

PIECE = 4 * 1024 * 1024
"""Bytes that are read and worked on at a time: much more than a row, much less than memory."""
MAX_LINE = 1024 * 1024
"""Bytes: no row of a table has as many, and what is no text at all may have no line end at all."""
_MARK = b"\xef\xbb\xbf"
"""What some editors put before UTF-8."""


class Text:
    """The lines of a text file, in order.

    Args:
        read: gives up to so many of the bytes that come next; fewer, or none, where the file ends.
        name: of the file, for errors.

    Attributes:
        line: number of the line that comes next, from 1.
        head: the first bytes of the file.
    """

    def __init__(self, read: Callable[[int], bytes], name: str) -> None:
        self._read, self.name, self.line = read, name, 1
        self._held, self._at, self._is_all = b"", 0, False
        self._fill()
        self._at = len(_MARK) if self._held.startswith(_MARK) else 0
        self.head = self._held[self._at : HEAD]

    def lines(self, most: int) -> bytes:
        """Whole lines that come next, of `most` bytes or so; only the file's last one may lack its end.

        `line` stays as it is: who counts them anyway sets it.
        """
        if len(self._held) - self._at < most:
            self._fill()
        while True:
            limit = self._at + most
            if self._is_all and limit >= len(self._held):
                return self._take(len(self._held))
            stop = self._held.rfind(b"\n", self._at, limit) + 1 or self._held.find(b"\n", limit) + 1
            if stop or self._is_all:
                return self._take(stop or len(self._held))
            self._check_length(len(self._held) - self._at)
            self._fill()

    def next(self) -> bytes:
        """The line that comes next, with its end; nothing after the last one."""
        while (stop := self._held.find(b"\n", self._at) + 1) == 0 and not self._is_all:
            self._check_length(len(self._held) - self._at)
            self._fill()
        line = self._take(stop or len(self._held))
        self.line += line.endswith(b"\n")
        self._check_length(len(line))
        return line

    def give_back(self, lines: bytes, line: int) -> None:
        """Have what was taken last, or the end of it, come next again, as from the line of that number."""
        self._at -= len(lines)
        self.line = line

    @property
    def lacks_end(self) -> bool:
        """Whether the file's last line has no end; known when all was taken."""
        return self.is_at_end and not self._held.endswith(b"\n")

    @property
    def is_at_end(self) -> bool:
        """Whether all was taken."""
        return self._is_all and self._at == len(self._held)

    def error(self, line: int, said: str) -> FormatError:
        """What is wrong with a line."""
        return FormatError(f"{self.name}: line {line}: {said}")

    def cut(self, line: int, said: str) -> TruncatedError:
        """What is wrong with the file's last line, which has no end."""
        return TruncatedError(f"{self.name}: line {line}: {said}, and the file ends there: it is truncated")

    def _fill(self) -> None:
        if self._is_all:
            return
        data = self._read(PIECE)
        if data:
            self._held, self._at = self._held[self._at :] + data, 0
        self._is_all = not data

    def _take(self, stop: int) -> bytes:
        taken, self._at = self._held[self._at : stop], stop
        return taken

    def _check_length(self, length: int) -> None:
        if length > MAX_LINE:
            raise self.error(self.line, f"has more than {MAX_LINE} bytes: expected text in lines")
