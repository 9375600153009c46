"""JSON of projects, which is other people's text."""

import json
from typing import Any

from builders.archive.listing import is_one_segment
from builders.errors import FormatError, UnsafePathError


def document(data: bytes, name: str, expected: str) -> dict[str, Any]:
    """A file of one JSON object.

    Args:
        data: its bytes.
        name: of it, for messages.
        expected: what it should be.

    Raises:
        FormatError: it is something else.

    Example:
        >>> document(b'{"voxel_spacing": 10.0}', "x.json", "metadata")
        {'voxel_spacing': 10.0}
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as err:
        msg = f"{name}: no JSON: {str(err)[:200]}: expected {expected}"
        raise FormatError(msg) from err
    if not isinstance(found, dict):
        msg = f"{name}: {str(found)[:60]!r}: expected {expected}, a JSON object"
        raise FormatError(msg)
    return found


def text(known: dict[str, Any], key: str, name: str) -> str | None:
    """The text of a key; None where there is none, or null.

    Raises:
        FormatError: it is no text, or one that cannot be printed.
    """
    value = known.get(key)
    if value is None or (isinstance(value, str) and value.isprintable()):
        return value
    msg = f"{name}: {key} is {str(value)[:60]!r}: expected text"
    raise FormatError(msg)


def segment(name: str, where: str) -> str:
    """A name that stands for one file or folder beside others.

    Raises:
        UnsafePathError: it leads somewhere else.
    """
    if not is_one_segment(name):
        msg = f"{where} names {name[:100]!r}: expected the name of one file or folder"
        raise UnsafePathError(msg)
    return name
