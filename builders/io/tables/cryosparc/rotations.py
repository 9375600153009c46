"""CryoSPARC's rotation vectors -> RELION's Euler angles."""

import numpy as np
from numpy.typing import NDArray

_SMALL = 1e-6
"""Radians: below, the tilt is none that single precision can tell from 0, and psi is put into rot."""


def euler_angles(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Euler angles of rotation vectors.

    With the unit quaternion of a vector v, (w, x, y, z) = (cos |v|/2, v/|v| sin |v|/2), and that of
    R = Rz(rot) Ry(tilt) Rz(psi), the product of those of its three turns:
    w = cos tilt/2 cos (rot + psi)/2, z = cos tilt/2 sin (rot + psi)/2,
    y = sin tilt/2 cos (rot - psi)/2, x = - sin tilt/2 sin (rot - psi)/2.
    That is `scipy.spatial.transform.Rotation.from_rotvec(v).as_euler("ZYZ")`.

    Args:
        vectors: `(n, 3)`, radians; zeros are the identity.

    Returns:
        `(n, 3)`: rot, tilt, psi in degrees, rot and psi from -180 to 180, tilt from 0 to 180; NaN where a vector is not
        finite.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        return _angles(np.asarray(vectors, np.float64))


def _angles(given: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = np.linalg.norm(given, axis=1)
    scale = 0.5 * np.sinc(angle / (2 * np.pi))  # sin(angle / 2) / angle
    w = np.cos(angle / 2)
    x, y, z = (given * scale[:, None]).T
    tilt = 2 * np.arctan2(np.hypot(x, y), np.hypot(w, z))
    half_sum, half_difference = np.arctan2(z, w), np.arctan2(-x, y)
    rot, psi = half_sum + half_difference, half_sum - half_difference
    is_flat = tilt < _SMALL
    rot, psi = np.where(is_flat, 2 * half_sum, rot), np.where(is_flat, 0.0, psi)
    turns = np.stack([rot, psi])
    rot, psi = turns - 2 * np.pi * np.round(turns / (2 * np.pi))
    angles: NDArray[np.float64] = np.degrees(np.stack([rot, tilt, psi], axis=1))
    return angles
