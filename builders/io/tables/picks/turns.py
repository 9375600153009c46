"""Angles of programs -> matrices that turn an object into its tomogram."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def about_zyz(angles: Array) -> Array:
    """The matrices `A = Rz(psi) Ry(tilt) Rz(rot)` of RELION's angles, of passive elementary matrices.

    `Rz(a) = [[cos a, sin a, 0], [-sin a, cos a, 0], [0, 0, 1]]`. A point p of an object, from its centre, lies at `A p`
    in the tomogram (RELION's `Euler::anglesToMatrix3`, and `ParticleSet::getMatrix4x4`).

    Args:
        angles: `(n, 3)`: rot, tilt, psi in degrees.

    Returns:
        `(n, 3, 3)`.

    Example:
        >>> about_zyz(np.array([[0.0, 0.0, 90.0]])).round(6).tolist()
        [[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]
    """
    rot, tilt, psi = np.radians(angles).T
    return _z(psi) @ _y(tilt) @ _z(rot)


def about_zxz(angles: Array) -> Array:
    """The matrices of Dynamo's angles: `Rz(tdrot) Rx(tilt) Rz(narot)`, of the passive elementary matrices above.

    That is `scipy.spatial.transform.Rotation.from_euler("zxz", angles, degrees=True).inv().as_matrix()`.

    Args:
        angles: `(n, 3)`: tdrot, tilt, narot in degrees.

    Returns:
        `(n, 3, 3)`.
    """
    tdrot, tilt, narot = np.radians(angles).T
    return _z(tdrot) @ _x(tilt) @ _z(narot)


def _z(angle: Array) -> Array:
    return _about(angle, 0, 1)


def _y(angle: Array) -> Array:
    return _about(angle, 2, 0)


def _x(angle: Array) -> Array:
    return _about(angle, 1, 2)


def _about(angle: Array, first: int, second: int) -> Array:
    """Passive turns of the plane of two axes."""
    matrices = np.zeros((len(angle), 3, 3))
    matrices[:] = np.eye(3)
    matrices[:, first, first] = matrices[:, second, second] = np.cos(angle)
    matrices[:, first, second] = np.sin(angle)
    matrices[:, second, first] = -np.sin(angle)
    return matrices
