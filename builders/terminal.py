"""What may be printed of text that others wrote: file names, servers' answers; and what can be, in a plain terminal."""

import codecs
import sys

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


def printable(text: str) -> str:
    r"""Text as a terminal may get it: what would move its cursor, colour it or turn it around is a `?`; lines stay.

    Example:
        >>> printable("a\x1b[31m\u202eb\nc")
        'a?[31m?b\nc'
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
