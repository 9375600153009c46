"""JSON of somebody else's, read: what is wrong with it is one of our errors."""

import json

from builders.errors import FormatError, TruncatedError
from builders.io.formats import foreign
from builders.io.tables.opening import HEAD
from builders.io.tables.picks.checking import shown

_CUT = "Unterminated string"
"""How Python's reader begins what it says of a text without an end, which it tells by the text's beginning."""


def parsed(data: bytes, name: str, expected: str) -> dict[str, object]:
    """A file of one JSON object.

    Args:
        data: the file's bytes.
        name: of the file, or of a line of it, for errors.
        expected: what the file should be.

    Raises:
        FormatError: it is something else. TruncatedError where it ends too early.

    Example:
        >>> parsed(b'{"x": [1, 2]}', "a.json", "picks")
        {'x': [1, 2]}
    """
    try:
        document = json.loads(data)
    except RecursionError as err:
        msg = f"{name}: lists within lists without end: expected {expected}"
        raise FormatError(msg) from err
    except json.JSONDecodeError as err:
        is_cut = err.pos >= len(err.doc.rstrip()) or err.msg.startswith(_CUT)
        if err.doc.strip() and is_cut:
            msg = f"{name}: ends within its JSON: it is truncated"
            raise TruncatedError(msg) from err
        raise FormatError(_no_json(data, name, f"line {err.lineno}, column {err.colno}: {err.msg}", expected)) from err
    except ValueError as err:  # no UTF-8, or a number of thousands of digits
        raise FormatError(_no_json(data, name, str(err), expected)) from err
    if not isinstance(document, dict):
        msg = f"{name}: {shown(document)}: expected {expected}, a JSON object"
        raise FormatError(msg)
    return document


def _no_json(data: bytes, name: str, said: str, expected: str) -> str:
    told = foreign.told(data[:HEAD])
    if told is not None and told != foreign.told(b"{"):
        return f"{name}: {told}: expected {expected}, a JSON object"
    return f"{name}: no JSON: {said}: expected {expected}"


def text(document: dict[str, object], key: str, name: str) -> str | None:
    """The text of a key; None where there is none, or null.

    Raises:
        FormatError: it is no text.
    """
    value = document.get(key)
    if value is None or isinstance(value, str):
        return value
    msg = f"{name}: {key} is {shown(value)}: expected text"
    raise FormatError(msg)
