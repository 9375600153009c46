"""Columns that were asked for besides: whether they are there, and what a text column is, decided over all of it."""

import difflib
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from builders.errors import OptionError

_INTEGER = r"^(?:0|-?[1-9][0-9]{0,18})$"
_NUMBER = r"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_LONG = r"^-?[0-9]{16,}$"
"""Whole numbers some of which a `float64` does not hold."""


def check_columns(columns: Sequence[str], there: Iterable[str], name: str) -> None:
    """Refuse names of columns that a table does not have.

    Raises:
        OptionError: names the closest ones.
    """
    known = sorted(set(there))
    for column in columns:
        if column not in known:
            close = difflib.get_close_matches(column, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"expected one of {', '.join(known)}"
            msg = f"{name}: no column {column!r}: {hint}"
            raise OptionError(msg)


def settled(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as numbers where all of a column's values are such.

    Integers (`int64`) where every value is one as Python writes it (`7`, not `007` or `7.0`), else numbers (`float64`)
    where every value is one in decimal, else text as it is spelled; also where there is no value. An id that a number
    would change (`007`, or one of 20 digits) makes text of its column.
    """
    given = texts.drop_null()
    if not len(given):
        return texts
    for pattern, kind in ((_INTEGER, pa.int64()), (_NUMBER, pa.float64())):
        if pc.all(pc.match_substring_regex(given, pattern)).as_py():
            if kind == pa.float64() and pc.any(pc.match_substring_regex(given, _LONG)).as_py():
                return texts
            try:
                return texts.cast(kind)
            except pa.ArrowInvalid:  # beyond int64
                continue
    return texts
