"""What a token stands for: null, text, or a number."""

import re

import pyarrow as pa

from builders.io.tables.star.tokens import Token

TEXT = pa.string()
NUMBER = pa.float64()
NULLS = ("None", "none", "null", "NULL", "<NA>", "nan", "NaN", "NAN", "-nan", "-NaN")
"""How programs spell a value that is not there, in columns of text as in those of numbers."""

_NULLS = frozenset(null.encode() for null in NULLS)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def text_of(token: Token) -> str | None:
    """What a token says, or None for a null.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    return None if token.text in _NULLS else token.text.decode()


def number_of(text: str | None) -> float | None:
    """A number in decimal; an empty (quoted) text is null.

    Raises:
        ValueError: it is none.
    """
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        float_of = pa.scalar(text).cast(NUMBER)  # infinities and the like, as the fast way has them
        return float(float_of.as_py())
    return float(text)
