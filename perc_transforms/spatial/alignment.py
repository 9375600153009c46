"""The alignment of images of a tilt series after a motion: where the axis lies, and how they come into register."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from perc_transforms.core.forms import is_listed, like_value, plain
from perc_transforms.spatial.moves import Matrix, Moves

ALIGNMENT = ("axis_angle", "shift_x", "shift_y")
"""Of an image, or a list of those of a series: the angle from y to the tilt axis, degrees counter-clockwise where y
points up, and Å by which its content has to be moved, before it is turned by minus that angle, to be in register."""


def move_alignment(columns: dict[str, list[Any]], moves: Moves) -> None:
    """Turn axes with their images, and shifts, which take back what content is moved by.

    Content that was to move by s has to move by `R s - d` where it was turned by R and moved by d.

    Args:
        columns: `ALIGNMENT`, and `pixel_size` as it now is; changed.
        moves: of each row, in two spatial axes; neither mirrored nor stretched.
    """
    for place, size in enumerate(columns["pixel_size"]):
        axis, x, y = (columns[name][place] for name in ALIGNMENT)
        if axis is None and x is None and y is None:
            continue
        matrix, shift = moves.matrices[place], moves.shifts[place]
        if axis is not None and moves.turns[place]:
            angles = np.radians(_numbers(axis))
            along_x, along_y = matrix @ np.stack([-np.sin(angles), np.cos(angles)]).reshape(2, -1)
            turned = np.degrees(np.arctan2(-along_x, along_y)).reshape(angles.shape)
            columns["axis_angle"][place] = _as_given(axis, turned)
        if x is None or y is None or not (moves.turns[place] or shift.any()):
            continue
        told = np.stack([_numbers(x), _numbers(y)]).reshape(2, -1)
        moved = matrix @ told - (shift[:, None] * (math.nan if size is None else size) if shift.any() else 0.0)
        for name, old, new in zip(ALIGNMENT[1:], (x, y), moved, strict=True):
            columns[name][place] = _as_given(old, new.reshape(_numbers(old).shape))


def _numbers(value: Any) -> Matrix:
    values: Sequence[Any] | Any = list(map(plain, value)) if is_listed(value) else plain(value)
    if isinstance(values, list):
        return np.array([math.nan if one is None else one for one in values], np.float64)
    return np.asarray(values, np.float64)


def _as_given(value: Any, new: Matrix) -> Any:
    """A number, a list of them, or the array or tensor that they were; null where nothing is known."""
    if new.ndim == 0:
        return None if math.isnan(new) else float(new)
    if isinstance(value, list | tuple):
        return [None if math.isnan(one) else one for one in new.tolist()]
    return like_value(value, new)
