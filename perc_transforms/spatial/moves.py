"""What is done to the geometry of an image, and of many at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
_HALF = 0.5
"""Pixel i reaches from i - 1/2 to i + 1/2."""


@dataclass(frozen=True)
class Motion:
    """Where the content of an image goes: from `p` to `matrix @ p / step + shift`, in pixels from the centres.

    The centre of an axis of n pixels is pixel `n // 2`, before and after. Vectors are in the order `(x, y)` or
    `(x, y, z)`, other than shapes.

    Attributes:
        matrix: a rotation or a reflection; None: neither.
        shift: pixels of the new image; None: none.
        step: old pixels per new pixel along each axis; None: 1.
        wraps: what leaves the image on one side enters it on the other.
    """

    matrix: Matrix | None = None
    shift: tuple[float, ...] | None = None
    step: tuple[float, ...] | None = None
    wraps: bool = False


@dataclass(frozen=True)
class Moves:
    """The motions of all rows as arrays: one batch of them costs little more than one row.

    Attributes:
        matrices: `(rows, dims, dims)`, the identity for None.
        shifts: `(rows, dims)`.
        steps: `(rows, dims)`.
        turns: whether a row's motion has a matrix, `(rows,)`.
        shifting: whether it has a shift, if of 0.
        wraps: whether content that leaves the image enters it again.
    """

    matrices: Matrix
    shifts: Matrix
    steps: Matrix
    turns: NDArray[np.bool_]
    shifting: NDArray[np.bool_]
    wraps: NDArray[np.bool_]

    @classmethod
    def of(cls, each: Sequence[Motion], dims: int) -> "Moves":
        """Those of some motions, in images of so many spatial axes."""
        eye, zeros, ones = np.eye(dims), (0.0,) * dims, (1.0,) * dims
        return cls(
            np.array([eye if motion.matrix is None else motion.matrix for motion in each], np.float64),
            np.array([motion.shift or zeros for motion in each], np.float64),
            np.array([motion.step or ones for motion in each], np.float64),
            np.array([motion.matrix is not None for motion in each]),
            np.array([motion.shift is not None for motion in each]),
            np.array([motion.wraps for motion in each]),
        )

    @property
    def dims(self) -> int:
        """How many axes are space."""
        return int(self.matrices.shape[-1])

    @property
    def mirrored(self) -> NDArray[np.bool_]:
        """Whether a row's motion changes the hand."""
        return np.asarray(np.linalg.det(self.matrices) < 0)

    def taken(self, numbers: Sequence[int]) -> "Moves":
        """Those of some rows, any of them several times."""
        chosen = list(numbers)
        return Moves(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def moved(self, points: Matrix, row: int, old: Sequence[int], new: Sequence[int]) -> Matrix:
        """Where points of a row's image go.

        Args:
            points: `(N, axes)`, pixels in the order (x, y) or (x, y, z), from 0. Axes beyond the spatial ones stay.
            row: which of the rows.
            old: sizes of the image before, in the order of its axes.
            new: and after.

        Returns:
            Their places, inside the new image or not; of a motion that wraps, those of points that were inside are.
        """
        sizes, sides = np.array(old[::-1], np.float64), np.array(new[::-1], np.float64)
        places = points[:, : self.dims]
        went = (places - sizes // 2) @ self.matrices[row].T / self.steps[row] + self.shifts[row] + sides // 2
        if self.wraps[row]:
            went = np.where(inside(places, old)[:, None], (went + _HALF) % sides - _HALF, went)
        return np.concatenate([went, points[:, self.dims :]], 1)


def inside(points: Matrix, sizes: Sequence[int]) -> NDArray[np.bool_]:
    """Whether points `(N, axes)`, in pixels (x, y) or (x, y, z), lie in pixels of an image of some sizes."""
    sides = np.array(sizes[::-1], np.float64)
    places = points[:, : len(sides)]
    return np.asarray(((places >= -_HALF) & (places < sides - _HALF)).all(1))
