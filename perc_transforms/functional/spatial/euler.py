"""RELION's Euler angles, and the matrices that they stand for."""

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = TypeVar("Numbers", Tensor, NDArray[np.float32], NDArray[np.float64])

_UPRIGHT = 1e-9
"""Sine of the tilt below which rot and psi turn about one axis."""


def matrices_of(angles: Numbers) -> Numbers:
    """The matrices `A = Rz(psi) Ry(tilt) Rz(rot)` of RELION's angles, for vectors `(x, y, z)`.

    Rz and Ry are passive: `Rz(a) = [[cos a, sin a, 0], [-sin a, cos a, 0], [0, 0, 1]]`. A particle's image at `(x, y)`
    is the integral over z of the map at `A.T @ (x, y, z)`; a particle in a tomogram lies there turned by A: a point p
    of the map, counted from its centre, at `A @ p`. RELION's `Euler_angles2matrix` (src/euler.cpp).

    Args:
        angles: `(..., 3)`: rot, tilt, psi in degrees; a tensor or an array.

    Returns:
        `(..., 3, 3)`, of the same kind; gradients flow.

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


def angles_of(matrices: Numbers) -> Numbers:
    """RELION's angles of rotations: the way back from `matrices_of`.

    RELION's `Euler_matrix2angles` (src/euler.cpp), but for rotations about z alone, whose angle is psi here, too.

    Args:
        matrices: `(..., 3, 3)`, rotations of vectors `(x, y, z)`; a tensor or an array.

    Returns:
        `(..., 3)`, of the same kind: rot, tilt, psi in degrees. Tilt is 0 to 180, and rot 0 where it is 0 or 180.

    Example:
        >>> angles_of(matrices_of(np.array([[10.0, 20.0, 30.0], [0.0, 0.0, 40.0]]))).round(6)
        array([[10., 20., 30.],
               [ 0.,  0., 40.]])
    """
    library: Any = torch if isinstance(matrices, Tensor) else np
    a = matrices
    sine = library.hypot(a[..., 0, 2], a[..., 1, 2])
    tilted, up = sine > _UPRIGHT, a[..., 2, 2] > 0
    zero = library.zeros_like(sine)
    rot = library.where(tilted, library.arctan2(a[..., 2, 1], a[..., 2, 0]), zero)
    tilt = library.arctan2(library.where(tilted, sine, zero), a[..., 2, 2])
    in_plane = library.where(
        up, library.arctan2(a[..., 0, 1], a[..., 0, 0]), library.arctan2(a[..., 1, 0], -a[..., 0, 0])
    )
    psi = library.where(tilted, library.arctan2(a[..., 1, 2], -a[..., 0, 2]), in_plane)
    angles: Numbers = library.rad2deg(library.stack([rot, tilt, psi], -1))
    return angles
