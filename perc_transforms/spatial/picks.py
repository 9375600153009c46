"""Picks and rotations of a row after a motion of its image.

Values are understood in every form in which `datasets` gives them, and keep it: nested lists, arrays and tensors. What
is no such value, though its column has the name, is left alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perc_transforms.spatial.moves import Matrix, Moves, inside

PIXELS = "pixels"
ROTATION = "rotation"
_SPACE = 3


def floats(value: Any, shape: tuple[int, ...]) -> Matrix | None:
    """Values of one shape, `(N, *shape)`, with NaN for null; None: they are something else.

    Example:
        >>> floats([[1, 2, 3], None], (3,))
        array([[ 1.,  2.,  3.],
               [nan, nan, nan]])
    """
    try:
        if isinstance(value, Tensor):
            array = value.detach().cpu().double().numpy()
        elif isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype == object):
            array = np.array([np.full(shape, np.nan) if one is None else _numbers(one) for one in value], np.float64)
        elif isinstance(value, np.ndarray):
            array = value.astype(np.float64)
        else:
            return None
    except (TypeError, ValueError):
        return None
    if array.size == 0:
        return array.reshape(0, *shape)
    return array if array.shape[1:] == shape else None


def _numbers(value: Any) -> Matrix:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
    elif isinstance(value, list | tuple) and value and isinstance(value[0], Tensor):
        value = [one.detach().cpu().numpy() for one in value]
    return np.asarray(value, np.float64)


def points_of(picks: Any, dims: int) -> Matrix | None:
    """The pixels of picks, `(N, axes)`: of a dict of them, or of places alone; None: they are something else."""
    value = picks.get(PIXELS) if isinstance(picks, Mapping) else picks
    for axes in (_SPACE, 2) if isinstance(picks, Mapping) else (2, _SPACE):
        if axes >= dims and (found := floats(value, (axes,))) is not None:
            return found
    return None


def move_picks(picks: Any, moves: Moves, row: int, old: Sequence[int], new: Sequence[int], keeps_hand: bool) -> Any:
    """A row's `picks` after its motion.

    Of a dict, those outside of the new image are dropped, and with them what else it tells of each. Of places alone,
    `(N, 2)`, which other columns tell more of, all are kept.
    """
    points = points_of(picks, moves.dims)
    if points is None:
        return picks
    moved = moves.moved(points, row, old, new)
    if not isinstance(picks, Mapping):
        return alike(picks, moved)
    kept = np.flatnonzero(inside(moved, new))
    out = {name: chosen(value, kept, len(points)) for name, value in picks.items()}
    out[PIXELS] = alike(picks[PIXELS], moved[kept])
    if picks.get(ROTATION) is not None:
        out[ROTATION] = turned(out[ROTATION], moves, row) if keeps_hand else None
    return out


def chosen(values: Any, kept: NDArray[np.int64], count: int) -> Any:
    """Those of `count` values that are kept; something else as it is."""
    if len(kept) == count or not hasattr(values, "__len__") or len(values) != count:
        return values
    if isinstance(values, Tensor):
        return values[torch.from_numpy(kept).to(values.device)]
    return values[kept] if isinstance(values, np.ndarray) else [values[number] for number in kept.tolist()]


def turned(rotations: Any, moves: Moves, row: int) -> Any:
    """Rotations `(N, 3, 3)` of objects in a row's image after its motion: `R @ rotation`, null where it was null."""
    given = floats(rotations, (_SPACE, _SPACE))
    if given is None or not moves.turns[row]:
        return rotations
    turn = np.eye(_SPACE)
    turn[: moves.dims, : moves.dims] = moves.matrices[row]
    return alike(rotations, turn @ given)


def move_point(pixels: Any, moves: Moves, row: int, old: Sequence[int], new: Sequence[int]) -> Any:
    """A row's own place in its image after its motion: inside or not, for it is the row's."""
    for axes in (_SPACE, 2):
        if axes >= moves.dims and (found := floats([pixels], (axes,))) is not None:
            return alike([pixels], moves.moved(found, row, old, new))[0]
    return pixels


def is_rotation(value: Any) -> bool:
    """Whether a row's `rotation` is a matrix of space."""
    return floats([value], (_SPACE, _SPACE)) is not None


def turn_one(rotation: Any, moves: Moves, row: int) -> Any:
    """The rotation of a row's object after its motion."""
    found = None if rotation is None else turned([rotation], moves, row)
    return None if found is None else found[0]


def alike(values: Any, new: Matrix) -> Any:
    """New values in the form of the old ones; NaN is null in lists."""
    if isinstance(values, Tensor):
        dtype = values.dtype if values.is_floating_point() else torch.float32
        return torch.from_numpy(new).to(values.device, dtype)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return new.astype(values.dtype if values.dtype.kind == "f" else np.float64)
    if len(values) == len(new) and len(values) and isinstance(values[0], Tensor | np.ndarray):
        return [None if old is None else alike(old, one) for old, one in zip(values, new, strict=True)]
    return [None if np.isnan(one).all() else one.tolist() for one in new]
