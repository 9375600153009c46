"""A few made-up complexes, as the places of their blobs, and what these look like from anywhere."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

BOX = 64
PIXEL_SIZE = 3.0
BLOB = 5.0


def ring() -> Points:
    """Six-fold ring, like a hexameric helicase; coordinates in Å."""
    angles = np.arange(6) * np.pi / 3
    return 45 * np.stack([np.cos(angles), np.sin(angles), np.zeros(6)], 1)


def rod() -> Points:
    """Straight filament."""
    return np.stack([np.zeros(9), np.zeros(9), np.linspace(-64, 64, 9)], 1)


def barrel() -> Points:
    """Two stacked seven-fold rings, like a chaperonin."""
    angles = np.arange(7) * 2 * np.pi / 7
    wall = 38 * np.stack([np.cos(angles), np.sin(angles), np.zeros(7)], 1)
    return np.concatenate([wall + np.array([0.0, 0.0, z]) for z in (-36, -12, 12, 36)])


def tripod() -> Points:
    """Three legs from a hub, like clathrin."""
    angles = np.arange(3) * 2 * np.pi / 3
    legs = np.stack([np.cos(angles), np.sin(angles), -0.4 * np.ones(3)], 1)
    return np.concatenate([leg * np.linspace(6, 62, 5)[:, None] for leg in legs])


def globule() -> Points:
    """A compact ball of blobs."""
    steps = np.arange(40) + 0.5
    polar, azimuth = np.arccos(1 - 2 * steps / 40), np.pi * (1 + 5**0.5) * steps
    sphere = np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], 1)
    return 24 * sphere * np.linspace(0.3, 1, 40)[:, None]


COMPLEXES: dict[str, Callable[[], Points]] = {
    "barrel": barrel,
    "globule": globule,
    "ring": ring,
    "rod": rod,
    "tripod": tripod,
}


def project(points: Points) -> NDArray[np.float64]:
    """Sum of Gaussian blobs at points (Å) along z, on a square grid of `BOX` pixels of `PIXEL_SIZE` Å."""
    axis = (np.arange(BOX) - BOX // 2) * PIXEL_SIZE
    along_x = np.exp(-0.5 * ((axis - points[:, :1]) / BLOB) ** 2)
    along_y = np.exp(-0.5 * ((axis - points[:, 1:2]) / BLOB) ** 2)
    return along_y.T @ along_x


def random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation matrix, uniform over all rotations: a normalised Gaussian quaternion."""
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
