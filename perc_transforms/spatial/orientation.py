"""Transforms that turn and mirror images without interpolating."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from perc_transforms.core.batch import Rows
from perc_transforms.core.random_draws import RandomTransform
from perc_transforms.errors import TransformError
from perc_transforms.functional.spatial.orientation import Element, orient, quarter_turns, turned_sizes
from perc_transforms.spatial.motion import COLUMNS, Motion, moved


def _oriented(rows: Rows, elements: Sequence[Element], owner: str) -> Rows:
    turn = partial(orient, elements=elements, spatial_dims=rows.spatial_dims)
    motions = [Motion(matrix=np.array(element, np.float64), wraps=True) for element in elements]
    return moved(rows, turn, motions, owner=owner)


@dataclass(repr=False)
class RandomFlip(RandomTransform):
    """Mirror along each axis with probability 1/2, independently.

    About the centre, pixel `n // 2`, which stays: pixel i goes to `(2 * (n // 2) - i) mod n`. On an odd side this is
    `torch.flip`; on an even one `torch.roll(torch.flip(x), 1)`, so that line 0 stays, and `pose` and coordinates hold.
    An odd number of mirrors changes the hand, which no angles describe: `pose` becomes null, with one warning.
    `RandomFlip` and `RandomRotate90` together draw the 8 symmetries of a square, or the 48 of a cube, uniformly.
    Recorded: `flip`, for each axis in the order (x, y) or (x, y, z) whether it was mirrored, 0 or 1.

    Args:
        axes: letters of the axes that may be mirrored, such as "x" or "zyx"; default: all.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: `axes` is not made of different letters x, y, z, or the image has no such axis.

    Example:
        >>> import torch
        >>> RandomFlip("x").replay(torch.tensor([[1.0, 2.0, 3.0]]), {"flip": [1, 0]})
        tensor([[3., 2., 1.]])
    """

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    axes: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axes is not None and not (
            isinstance(self.axes, str) and self.axes and set(self.axes) <= set("xyz") and _differ(self.axes)
        ):
            msg = f"{self!r}: axes is {self.axes!r}: expected different letters among 'x', 'y' and 'z', or None for all"
            raise TransformError(msg)

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw which axes to mirror."""
        there = "xyz"[: rows.spatial_dims]
        if self.axes is not None and not set(self.axes) <= set(there):
            msg = f"{self!r}: axes is {self.axes!r} for an image {rows.sizes} of the axes {there[::-1]}: "
            msg += f"expected letters among {', '.join(map(repr, there))}"
            raise TransformError(msg)
        drawn = rng.integers(2, size=len(there)).tolist()
        return {"flip": [int(self.axes is None or axis in self.axes) * d for axis, d in zip(there, drawn, strict=True)]}

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Mirror images of one shape, those along the same axes in one go."""
        flips = [tuple(map(bool, values["flip"])) for values in params]
        for flip in flips:
            if len(flip) != rows.spatial_dims:
                msg = f"{self!r}: a flip of {len(flip)} axes for an image {rows.sizes}: expected {rows.spatial_dims}"
                raise TransformError(msg)
        return _oriented(rows, [_mirror(flip) for flip in flips], type(self).__name__)


def _differ(letters: str) -> bool:
    return len(set(letters)) == len(letters)


def _mirror(flip: Sequence[bool]) -> Element:
    """The matrix that mirrors some axes."""
    return tuple(tuple((-1 if f else 1) * (row == at) for at in range(len(flip))) for row, f in enumerate(flip))


@dataclass(repr=False)
class RandomRotate90(RandomTransform):
    """Turn by quarters: one of the 4 rotations of a square, or of the 24 of a cube, uniformly.

    About the centre, pixel `n // 2`, which stays: at odd sizes as `torch.rot90` does; at even ones line 0 of an axis
    that comes to point backwards stays (see `RandomFlip`), so that this is a rotation as `RandomRotate` makes it, and
    `pose` and coordinates hold. An image of unequal sides gets one of the rotations that keep its shape, uniformly: an
    oblong 0 or 180 degrees. Recorded: `matrix`, rows of integers; content at p goes to `matrix @ p`, p = (x, y) or
    (x, y, z).

    Args:
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
        >>> RandomRotate90().replay(x, {"matrix": [[0, -1], [1, 0]]})
        tensor([[0., 0., 0.],
                [0., 0., 0.],
                [0., 1., 0.]])
    """

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw a rotation."""
        fitting = [e for e in quarter_turns(rows.spatial_dims) if turned_sizes(rows.sizes, e) == rows.sizes]
        return {"matrix": [list(row) for row in fitting[int(rng.integers(len(fitting)))]]}

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Turn images of one shape, those by the same rotation in one go."""
        elements = [tuple(tuple(map(int, row)) for row in values["matrix"]) for values in params]
        for element in elements:
            if element not in quarter_turns(rows.spatial_dims) or turned_sizes(rows.sizes, element) != rows.sizes:
                msg = (
                    f"{self!r}: the rotation {element} of an image of {rows.sizes}: expected one by quarter turns that "
                )
                msg += "keeps the shape"
                raise TransformError(msg)
        return _oriented(rows, elements, type(self).__name__)
