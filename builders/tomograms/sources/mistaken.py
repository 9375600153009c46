"""What a folder has beside tomograms, by its looks, and is taken for such: their halves, and their masks."""

import logging
import re
from collections.abc import Mapping, Sequence

import numpy as np

from builders.tomograms.sources.names import half_of

logger = logging.getLogger(__name__)

_APART = re.compile(r"[-_.](?=[^\W\d])")
"""Between a tomogram's name and what a mask of it is called."""


def warn_of_halves(names: Sequence[str]) -> None:
    """Say once that halves are taken for tomograms, where both halves of one are.

    Args:
        names: of the tomograms.
    """
    seen: dict[str, dict[int, str]] = {}
    for name in names:
        told = half_of(name)
        if told is not None:
            seen.setdefault(told[0], {})[told[1]] = name
    pairs = [both for both in seen.values() if len(both) == 2]
    if pairs:
        words = "tomograms: %r and %r%s look like halves of one tomogram, and are rows by themselves: pairs=True makes "
        words += "them one row, with image and target; tomogram= chooses others"
        more = f", and {len(pairs) - 1} more such pairs," if len(pairs) > 1 else ""
        logger.warning(words, pairs[0][0], pairs[0][1], more)


def warn_of_masks(dtypes: Mapping[str, str]) -> None:
    """Say once that what looks like a mask is taken for a tomogram: whole numbers, beside one of another type.

    Args:
        dtypes: of the voxels of tomograms, by their names.
    """
    found = [(name, base) for name in dtypes for base in _bases(name) if _may_be_mask(dtypes, name, base)]
    if found:
        (name, base), count = found[0], len({name for name, _ in found})
        words = "tomograms: %r%s holds whole numbers, as a mask of %r would, and is a row by itself: segmentation=%r "
        words += "makes it a column, and tomogram= chooses others"
        more = f", as {count - 1} more," if count > 1 else ""
        logger.warning(words, name, more, base, name[len(base) + 1 :])


def _bases(name: str) -> list[str]:
    """What the tomogram may be called that a mask is of.

    Example:
        >>> _bases("TS_1_membrane"), _bases("TS_1")
        (['TS_1'], [])
    """
    return [name[: found.start()] for found in _APART.finditer(name)]


def _may_be_mask(dtypes: Mapping[str, str], name: str, base: str) -> bool:
    return base in dtypes and dtypes[base] != dtypes[name] and np.dtype(dtypes[name]).kind in "iub"
