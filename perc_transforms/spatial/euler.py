"""RELION's Euler angles."""

import math
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = TypeVar("Numbers", Tensor, NDArray[np.float64])


def matrix_of(rot: float, tilt: float, psi: float) -> NDArray[np.float64]:
    """The matrix `A = Rz(psi) Ry(tilt) Rz(rot)` of RELION's angles (degrees), for vectors `(x, y, z)`.

    A particle's image at `(x, y)` is the integral over z of the map at `A.T @ (x, y, z)`. RELION's
    `Euler_angles2matrix` (src/euler.cpp).

    Example:
        >>> matrix_of(0, 0, 90).round(6) + 0.0
        array([[ 0.,  1.,  0.],
               [-1.,  0.,  0.],
               [ 0.,  0.,  1.]])
    """
    return matrices_of(np.array([rot, tilt, psi], np.float64))


def matrices_of(angles: Numbers) -> Numbers:
    """The matrices of many particles' angles.

    Args:
        angles: `(..., 3)`: rot, tilt, psi in degrees; a tensor or an array.

    Returns:
        `(..., 3, 3)`, of the same kind: each as `matrix_of` makes it; gradients flow.

    Example:
        >>> matrices_of(torch.tensor([[0.0, 0.0, 90.0]])).round(decimals=6) + 0.0
        tensor([[[ 0.,  1.,  0.],
                 [-1.,  0.,  0.],
                 [ 0.,  0.,  1.]]])
    """
    library: Any = torch if isinstance(angles, Tensor) else np
    radians = library.deg2rad(angles)
    matrices: Numbers = library.stack(_elements(library.cos(radians), library.sin(radians)), -1)
    return matrices.reshape(*angles.shape, 3)


def _elements(cosines: Any, sines: Any) -> list[Any]:
    """The nine elements of matrices, row by row, given those of their angles."""
    ca, cb, cg = (cosines[..., axis] for axis in range(3))
    sa, sb, sg = (sines[..., axis] for axis in range(3))
    return [
        *(cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb),
        *(-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb),
        *(sb * ca, sb * sa, cb),
    ]


def angles_of(matrix: NDArray[np.float64]) -> tuple[float, float, float]:
    """The angles `(rot, tilt, psi)` (degrees) of a matrix; tilt is 0 to 180, and rot 0 where it is 0 or 180.

    Example:
        >>> [round(angle, 6) for angle in angles_of(matrix_of(10, 20, 30))]
        [10.0, 20.0, 30.0]
    """
    a = matrix
    sine = math.hypot(a[0, 2], a[1, 2])
    if sine > 1e-9:
        rot, psi = math.atan2(a[2, 1], a[2, 0]), math.atan2(a[1, 2], -a[0, 2])
        return math.degrees(rot), math.degrees(math.atan2(sine, a[2, 2])), math.degrees(psi)
    if a[2, 2] > 0:
        return 0.0, 0.0, math.degrees(math.atan2(a[0, 1], a[0, 0]))
    return 0.0, 180.0, math.degrees(math.atan2(a[1, 0], -a[0, 0]))
