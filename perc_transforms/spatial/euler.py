"""RELION's Euler angles of one matrix, in Python's numbers; of many, `perc_transforms.functional.spatial.euler`."""

import numpy as np
from numpy.typing import NDArray

from perc_transforms.functional.spatial import euler
from perc_transforms.functional.spatial.euler import matrices_of

__all__ = ["angles_of", "matrices_of", "matrix_of"]


def matrix_of(rot: float, tilt: float, psi: float) -> NDArray[np.float64]:
    """The matrix of one set of RELION's angles (degrees): see `functional.matrices_of`.

    Example:
        >>> matrix_of(0, 0, 90).round(6) + 0.0
        array([[ 0.,  1.,  0.],
               [-1.,  0.,  0.],
               [ 0.,  0.,  1.]])
    """
    return matrices_of(np.array([rot, tilt, psi], np.float64))


def angles_of(matrix: NDArray[np.float64]) -> tuple[float, float, float]:
    """The angles `(rot, tilt, psi)` (degrees) of one matrix: see `functional.angles_of`.

    Example:
        >>> [round(angle, 6) for angle in angles_of(matrix_of(10, 20, 30))]
        [10.0, 20.0, 30.0]
    """
    rot, tilt, psi = euler.angles_of(np.asarray(matrix, np.float64)).tolist()
    return rot, tilt, psi
