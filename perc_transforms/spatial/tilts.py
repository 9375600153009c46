"""Columns that hold a list a row: a pose and a CTF for each section of a stack of tilts, or each pick of an image."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from perc_transforms.core.forms import is_listed, like_value, plain
from perc_transforms.errors import TransformError

TILT = "tilt"
"""The column that says which tilts a stack's sections are: rows that have a list there are such stacks."""
_SECTIONS = ("pose", "ctf")


def are_stacks(columns: Mapping[str, Sequence[Any]], dims: int, owner: str) -> list[bool]:
    """Which rows are stacks of tilts: what they show does not turn with their sections.

    Raises:
        TransformError: one is, and is to be moved as a volume.
    """
    stacks = [_has_axis(value) for value in columns[TILT]]
    if dims > 2 and (any(stacks) or any(is_listed(value) for name in _SECTIONS for value in columns[name])):
        msg = f"{owner}: a stack of tilts (ny, nx), which have a {' and a '.join(_SECTIONS)} each, and no volume: "
        raise TransformError(msg + f"expected {owner}(..., spatial_dims=2), which moves each of them")
    return stacks


def _has_axis(value: Any) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray | Tensor) and value.ndim > 0)


def flat(values: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """The values of all rows, those of a list of them one after another, and the row of each."""
    found, where = [], []
    for place, value in enumerate(values):
        inner = list(map(plain, value)) if is_listed(value) else [value]
        found += inner
        where += [place] * len(inner)
    return found, where


def regrouped(found: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """Rows' values, lists of them where they were, in the kinds that they had there."""
    left = iter(found)
    return [_alike(value, [next(left) for _ in value]) if is_listed(value) else next(left) for value in values]


def _alike(old: Any, new: Sequence[Any]) -> Any:
    made = [like_value(before, value) for before, value in zip(old, new, strict=True)]
    if not isinstance(old, np.ndarray):
        return made
    array = np.empty(len(made), object)
    array[:] = made
    return array
