"""What tells structures, as somebody names them, from what they were before."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from datasets.fingerprint import Hasher

from builders.io.files.local import etag_of
from builders.synthetic.options import plain


def named(structures: Any) -> Any:
    """Structures as lists, texts and dicts, of whatever else gives them in an order.

    Args:
        structures: files, ids, rows of `structures`, any number of these, or such by the name of their class.

    Example:
        >>> named(one for one in ["4v1w", "6z6u"])
        ['4v1w', '6z6u']
    """
    if isinstance(structures, Mapping):
        is_row = "coordinates" in structures or "element" in structures
        return structures if is_row else {name: named(one) for name, one in structures.items()}
    if isinstance(structures, str | bytes | os.PathLike | set | frozenset):
        return structures
    told = plain(structures)
    return list(told) if isinstance(told, Iterable) else told


def state_of(structures: Any) -> str:
    """A text that is another one when structures are: of files, by where they are, their sizes and times of change.

    Args:
        structures: files, ids, rows of `structures`, lists of these, or such by the name of their class.

    Example:
        >>> state_of(["4v1w", "6z6u"])
        "['4v1w', '6z6u']"
    """
    return repr(_told(structures))


def _told(structures: Any) -> Any:
    if isinstance(structures, str | os.PathLike):
        path = Path(structures)
        return (str(path.absolute()), etag_of(path.stat())) if path.is_file() else str(structures)
    if isinstance(structures, list | tuple):
        return [_told(one) for one in structures]
    if isinstance(structures, Mapping) and "coordinates" not in structures and "element" not in structures:
        return [(name, _told(one)) for name, one in structures.items()]
    return Hasher.hash(structures)
