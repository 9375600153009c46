"""Chunks that are not there, which Zarr reads as a fill value without a word: counted, and said once an array."""

import logging

logger = logging.getLogger(__name__)

_said: set[str] = set()


def told_missing(path: str, count: int, of: int, value: str) -> None:
    """Say, once of an array, how many of the chunks that were read are missing."""
    if path not in _said:
        _said.add(path)
        told = f"{count} of the {of} chunks that were read are missing: read as {value} (said once of an array)"
        logger.warning("%s: %s", path, told)
