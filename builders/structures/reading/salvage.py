"""Reads around what is damaged: an annotation that the parser refuses is no reason to lose the atoms."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

FAULTS = (RuntimeError, ValueError, LookupError, TypeError, OverflowError)
"""What gemmi raises."""

T = TypeVar("T")


def read_around(parts: Sequence[str], read: Callable[[Collection[str]], T]) -> tuple[T, dict[str, str]]:
    """What can be read, without the parts that cannot.

    Args:
        parts: names of what may be left out.
        read: reads with just these parts.

    Returns:
        What was read, and why each part that is missing from it could not be.

    Raises:
        Exception: what `read` raises without any of the parts.

    Example:
        >>> read_around(["1", "b", "3"], lambda parts: sum(map(int, parts)))
        (4, {'b': "invalid literal for int() with base 10: 'b'"})
    """
    faulty: dict[str, str] = {}
    while True:
        kept = [part for part in parts if part not in faulty]
        try:
            return read(kept), faulty
        except FAULTS as err:
            reason = str(err)
        named = next((part for part in kept if len(part) > len("ATOM") and part.strip(".") in reason), None)
        if named is None:
            named, reason = _find_faulty(kept, read, reason)
        faulty[named] = reason


def _find_faulty(parts: Sequence[str], read: Callable[[Collection[str]], T], reason: str) -> tuple[str, str]:
    """The first part with which reading fails, by halving."""
    read(())
    good, bad = 0, len(parts)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            read(parts[:middle])
            good = middle
        except FAULTS as err:
            bad, reason = middle, str(err)
    return parts[bad - 1], reason
