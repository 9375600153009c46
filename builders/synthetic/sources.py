"""What tells structures, as somebody names them, from what they were before."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets.fingerprint import Hasher

from builders.io.files.local import etag_of


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
