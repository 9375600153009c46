"""The tokens of a line, as STAR has them: what the fast way through a table must agree with."""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    rb"(?P<comment>\#.*)"
    rb"|(?P<quoted>\"(?P<double>.*?)\"(?=[\x00-\x20]|$)|'(?P<single>.*?)'(?=[\x00-\x20]|$))"
    rb"|(?P<plain>[^\x00-\x20\"'\#][^\x00-\x20]*)"
    rb"|(?P<lone>[\"'].*)",
    re.DOTALL | re.VERBOSE,
)
"""A quote or a `#` means something only where a token begins, and a quote ends before a blank or the line's end."""


class Token(NamedTuple):
    """A token of a line: its bytes, and whether they stood in quotes."""

    text: bytes
    quoted: bool = False


class LoneQuoteError(ValueError):
    """A quote that is not closed on its line; the argument is what follows it."""


def tokens(line: bytes) -> list[Token]:
    r"""Cut a line into tokens. Bytes up to 32 are blanks; a comment runs to the line's end.

    Raises:
        LoneQuoteError: a quote is not closed.

    Example:
        >>> [token.text for token in tokens(b"1 it's 'a b' \"\" x#y # so")]
        [b'1', b"it's", b'a b', b'', b'x#y']
    """
    found = []
    for match in _TOKEN.finditer(line):
        if match["plain"] is not None:
            found.append(Token(match["plain"]))
        elif match["quoted"] is not None:
            found.append(Token(match["double"] if match["double"] is not None else match["single"], True))
        elif match["lone"] is not None:
            raise LoneQuoteError(match["lone"])
    return found
