"""Rows divided into training and validation so that what belongs together stays together."""

import hashlib
import logging
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import OptionError

logger = logging.getLogger(__name__)

_FAR = 0.5
"""How far a share may be from the one that was asked for, in parts of that, before it is said."""


def held_out(groups: pa.ChunkedArray, fraction: float, seed: int, name: str) -> NDArray[np.bool_]:
    """Which rows are for validation: whole groups, drawn until their rows are as near to a share of all as they come.

    A group's turn depends on `seed` and its own value alone, not on which other groups there are, or in which order.

    Args:
        groups: of each row, the value that tells its group.
        fraction: the share that is wanted, above 0 and below 1.
        seed: decides which groups.
        name: of the column, for messages.

    Raises:
        OptionError: rows are of no group, or all are of one: either side would be empty.

    Example:
        >>> held_out(pa.chunked_array([["a", "a", "b", "c"]]), 0.25, seed=1, name="micrograph").tolist()
        [False, False, True, False]
    """
    if groups.null_count:
        msg = f"group_by={name!r}: {groups.null_count} of {len(groups)} rows have no {name}, so that what belongs "
        msg += "together cannot be told: another column, such as group_by='path' (their stacks), has to"
        raise OptionError(msg)
    coded = _coded(groups)
    which = coded.indices.to_numpy()
    sizes = np.bincount(which, minlength=len(coded.dictionary))
    present = np.flatnonzero(sizes)
    if len(present) < 2:
        value = coded.dictionary[int(present[0])].as_py() if len(present) else None
        msg = f"validation_fraction={fraction}: all rows are of one group, {name}={value!r}: group_by= has to name a "
        msg += "column that tells more apart"
        raise OptionError(msg)
    values = [str(value) for value in coded.dictionary.to_pylist()]
    order = sorted(map(int, present), key=lambda group: hashlib.sha256(f"{seed}\0{values[group]}".encode()).digest())
    chosen = _nearest(order, sizes, fraction * len(which))
    share = int(sizes[chosen].sum()) / len(which)
    if abs(share - fraction) > _FAR * min(fraction, 1 - fraction):
        logger.warning(
            "particles: validation has %.3g of the rows, not %.3g: the %d groups of %s are too large for that",
            *(share, fraction, len(present), name),
        )
    is_held_out = np.zeros(len(sizes), bool)
    is_held_out[chosen] = True
    return cast(NDArray[np.bool_], is_held_out[which])


def _coded(groups: pa.ChunkedArray) -> pa.DictionaryArray:
    """The values numbered."""
    if not pa.types.is_dictionary(groups.type):
        groups = pc.dictionary_encode(groups)
    return groups.unify_dictionaries().combine_chunks()


def _nearest(order: list[int], sizes: NDArray[np.int64], wanted: float) -> list[int]:
    """Those groups, in their order, each of which brings their rows nearer to a number; at least one, and not all."""
    chosen: list[int] = []
    taken = 0
    for group in order:
        if abs(taken + sizes[group] - wanted) < abs(taken - wanted):
            chosen.append(group)
            taken += sizes[group]
    if not chosen:
        chosen = [min(order, key=lambda group: sizes[group])]
    if len(chosen) == len(order):
        chosen.remove(min(chosen, key=lambda group: sizes[group]))
    return chosen
