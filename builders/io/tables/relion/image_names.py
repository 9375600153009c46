"""RELION's `000001@stack.mrcs`: the stack's name and the slice."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from builders.errors import FormatError
from builders.io.tables.particle_table import NAME
from builders.io.tables.relion.labels import IMAGE

_MOST = 2**63
_SHOWN = 80
Fail = Callable[[int, str], FormatError]
"""What is wrong with a row, by its number from 0."""


def split(names: pa.ChunkedArray, fail: Fail) -> tuple[pa.Array, pa.Array]:
    """Stacks and slices of images.

    Args:
        names: as RELION spells them: the number, from 1, before the first `@`; without one, the first slice is meant.
        fail: makes an error of what is wrong with a row.

    Returns:
        The names of stacks, of `NAME`, and numbers of slices from 0, `int64`; where there is no image, null and 0.

    Raises:
        FormatError: a number is none from 1 to 2^63, or no name follows.
    """
    stacks, slices, first = [], [], 0
    for chunk in names.chunks:
        parted = _quickly(chunk) or _one_by_one(chunk, first, fail)
        stacks.append(parted[0].dictionary_encode())
        slices.append(parted[1])
        first += len(chunk)
    encoded = pa.chunked_array(stacks, NAME).unify_dictionaries().combine_chunks()
    return encoded, pa.chunked_array(slices, pa.int64()).combine_chunks()


def _quickly(names: pa.Array) -> tuple[pa.Array, pa.Array] | None:
    """All at once where every name has a plain number; None where one does not."""
    if names.null_count or not pc.all(pc.match_substring(names, "@")).as_py():
        return None
    parts = pc.split_pattern(names, "@", max_splits=1).flatten()
    numbers, stacks = (parts.take(pa.array(np.arange(start, len(parts), 2))) for start in (0, 1))
    has_digits = pc.and_(pc.ascii_is_decimal(numbers), pc.less(pc.binary_length(numbers), 19))
    if not pc.all(pc.and_(has_digits, pc.greater(pc.binary_length(stacks), 0))).as_py():
        return None
    counted = numbers.cast(pa.int64())
    return (stacks, pc.subtract(counted, 1)) if pc.min(counted).as_py() else None


def _one_by_one(names: pa.Array, first: int, fail: Fail) -> tuple[pa.Array, pa.Array]:
    stacks: list[str | None] = []
    slices: list[int] = []
    for row, name in enumerate(names.to_pylist(), first):
        number, at, stack = (name or "").partition("@")
        if not at:
            stacks.append(name or None)
            slices.append(0)
            continue
        is_number = number.isascii() and number.isdigit() and len(number.lstrip("0")) < len(str(_MOST)) + 1
        if not is_number or not 1 <= int(number) <= _MOST:
            raise fail(row, f"{IMAGE} is {name[:_SHOWN]!r}: expected a number from 1 to 2^63 before the @")
        if not stack:
            raise fail(row, f"{IMAGE} is {name[:_SHOWN]!r}: expected the name of a stack after the @")
        stacks.append(stack)
        slices.append(int(number) - 1)
    return pa.array(stacks, pa.string()), pa.array(slices, pa.int64())
