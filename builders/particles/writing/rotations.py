"""RELION's angles as CryoSPARC's rotation vectors, in NumPy."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_SMALL = 1e-12


def rotation_vectors(rot: Values, tilt: Values, psi: Values) -> Values:
    """The rotation vectors `(N, 3)`, radians, of which RELION's angles are the Euler angles.

    That is `scipy.spatial.transform.Rotation.from_euler("ZYZ", [rot, tilt, psi], degrees=True).as_rotvec()`, of at most
    half a turn, by the quaternion of the three turns.

    Args:
        rot: `(N,)`, degrees.
        tilt: the same.
        psi: the same.

    Example:
        >>> zero, angle = np.zeros(1), np.array([90.0])
        >>> rotation_vectors(zero, angle, zero).round(4).tolist()
        [[-0.0, 1.5708, 0.0]]
    """
    half_tilt = np.radians(tilt) / 2
    plus, minus = np.radians(rot + psi) / 2, np.radians(rot - psi) / 2
    real = np.cos(half_tilt) * np.cos(plus)
    vector = np.stack(
        [-np.sin(half_tilt) * np.sin(minus), np.sin(half_tilt) * np.cos(minus), np.cos(half_tilt) * np.sin(plus)], 1
    )
    vector, real = np.where(real[:, None] < 0, -vector, vector), np.abs(real)
    sine = np.linalg.norm(vector, axis=1)
    angle = 2 * np.arctan2(sine, real)
    factor = np.where(sine > _SMALL, angle / np.maximum(sine, _SMALL), 2.0)
    return np.asarray(vector * factor[:, None])
