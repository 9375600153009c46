"""Where molecules of a sample are seen in an image, and how they are turned there.

Parakeet turns the sample about its centre and moves it: an atom at p comes to `S (p - centre) + centre - shift`, and to
the pixel `(x, y) - origin` divided by the pixel size. A molecule's atoms lie at `R r + position`, r being the
structure's, from its centre: so it is seen as RELION's A = S R would show it. Heights are along the beam: the focus is
at the sample's centre, and what lies higher has more underfocus by as much.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perc_transforms.functional.spatial.euler import angles_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """Molecules in an image.

    Attributes:
        numbers: which ones of the sample: those whose centres lie in the image.
        x: columns, in pixels from 0, the centre of a pixel being a whole number.
        y: rows.
        heights: Å above the centre of the sample, along the beam.
        angles: `(n, 3)`: RELION's rot, tilt, psi, in degrees.
    """

    numbers: NDArray[np.int64]
    x: Floats
    y: Floats
    heights: Floats
    angles: Floats


@dataclass(frozen=True, slots=True)
class View:
    """How an image shows the sample.

    Attributes:
        centre: of the sample, x, y, z, Å.
        turn: rotation vector of the sample, radians.
        shift: that it is moved by, backwards, x, y, z, Å.
        origin: of the detector, x, y, Å.
        pixel_size: of the image, Å.
        binning: pixels of the detector, along a side, that are one of the image.
        shape: `(ny, nx)` of the image.
    """

    centre: Floats
    turn: Floats
    shift: Floats
    origin: Floats
    pixel_size: float
    binning: int
    shape: tuple[int, int]

    def of(self, positions: Floats, orientations: Floats) -> Seen:
        """Where molecules are seen.

        Args:
            positions: `(N, 3)`, Å from the sample's corner.
            orientations: `(N, 3)`, rotation vectors.
        """
        turn = rotations(self.turn[None])[0]
        moved = (positions - self.centre) @ turn.T - self.shift
        places = (moved[:, :2] + self.centre[:2] - self.origin) / self.pixel_size - (
            self.binning - 1
        ) / 2 / self.binning
        inside = ((places >= -0.5) & (places < np.array(self.shape[::-1]) - 0.5)).all(1)
        numbers = np.flatnonzero(inside)
        angles = angles_of(turn @ rotations(orientations[numbers]))
        x, y = places[numbers].T
        return Seen(numbers, x, y, moved[numbers, 2], angles)


def rotations(vectors: Floats) -> Floats:
    """The matrices of rotation vectors: turns about them by their lengths in radians, as Rodrigues has it.

    Args:
        vectors: `(N, 3)`.

    Returns:
        `(N, 3, 3)`, for vectors (x, y, z).

    Example:
        >>> rotations(np.array([[0.0, 0.0, np.pi / 2]])).round(6).tolist()
        [[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]
    """
    angles = np.linalg.norm(vectors, axis=1)
    x, y, z = (vectors / np.where(angles > 0, angles, 1)[:, None]).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    sines, cosines = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    turned: Floats = np.eye(3) + sines * cross + (1 - cosines) * (cross @ cross)
    return turned
