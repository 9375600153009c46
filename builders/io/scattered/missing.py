"""Chunks that are not there, which Zarr reads as a fill value without a word: counted, and said once an array."""

import logging
from collections.abc import Iterable

from builders.io.net.threads import fork_safe_lock
from builders.io.reports import MOST_TOLD

logger = logging.getLogger(__name__)

_alone = fork_safe_lock()
_missing: dict[str, set[tuple[int, ...]]] = {}


def count(path: str) -> int:
    """How many chunks of an array were missing so far, in this process.

    Args:
        path: the array's metadata file, or its URL.
    """
    with _alone:
        return len(_missing.get(path, ()))


def tell(path: str, chunks: Iterable[tuple[int, ...]], of: int, value: str) -> None:
    """Count chunks that are missing; of each array, of the first ones alone where there are many, say so once.

    Args:
        path: the array's metadata file, or its URL.
        chunks: those that are missing.
        of: how many were read.
        value: of a pixel that is nowhere stored.
    """
    with _alone:
        is_new, number = path not in _missing, len(_missing)
        found = _missing.setdefault(path, set())
        found.update(chunks)
        missing = len(found)
    if is_new and number < MOST_TOLD:
        more = "; of more such arrays nothing is said" if number + 1 == MOST_TOLD else ""
        logger.warning("%s: %d of %d chunks are missing: read as %s (said once)%s", path, missing, of, value, more)
