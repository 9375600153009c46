"""What may be printed of text that others wrote: file names, servers' answers; and what can be, in a plain terminal."""

import codecs
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

_SPELLED = {"\u212b": "A", "Å": "A", "²": "2", "³": "3", "µ": "u", "μ": "u", "±": "+-", "…": "...", "\u2013": "-"}
_SPELL = "perc.spelled"


def print_anywhere() -> None:
    """Let standard output and error print text that they have not all the characters of, in place of an error.

    An `Å` becomes an `A` there; what has no such twin becomes its number, as in a Python string.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_SPELL)


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_SPELLED.get(c) or c.encode("ascii", "backslashreplace").decode() for c in missing), error.end


codecs.register_error(_SPELL, _spell)


class _NoTerminal:
    """A stream as it is where nobody watches it: what draws bars on a terminal leaves it alone."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """A stretch in which no progress bars are drawn, of ours or of `datasets`."""
    import datasets

    were_there = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with contextlib.redirect_stderr(_NoTerminal(sys.stderr)):
            yield
    finally:
        if were_there:
            datasets.enable_progress_bars()


def readable(size: float) -> str:
    """Bytes for people.

    Example:
        >>> readable(999), readable(147_500), readable(1.9e12)
        ('999 bytes', '147.5 kB', '1.9 TB')
    """
    if size < 1000:
        return f"{size:.0f} bytes"
    power = next((power for power in (1, 2, 3) if size < 999.95 * 1000**power), 4)
    return f"{size / 1000**power:,.1f} {'kMGT'[power - 1]}B"


def printable(text: str) -> str:
    r"""Text as a terminal may get it: what would move its cursor, colour it or turn it around is a `?`; lines stay.

    Example:
        >>> printable("a\x1b[31m\u202eb\nc")
        'a?[31m?b\nc'
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
