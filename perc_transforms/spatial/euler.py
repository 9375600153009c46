"""RELION's Euler angles."""

import math

import numpy as np
from numpy.typing import NDArray


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
    angles = np.radians([rot, tilt, psi])
    (ca, cb, cg), (sa, sb, sg) = np.cos(angles), np.sin(angles)
    about_z = np.array([[ca, sa, 0], [-sa, ca, 0], [0, 0, 1]])
    about_y = np.array([[cb, 0, -sb], [0, 1, 0], [sb, 0, cb]])
    about_new_z = np.array([[cg, sg, 0], [-sg, cg, 0], [0, 0, 1]])
    return np.asarray(about_new_z @ about_y @ about_z, np.float64)


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
