"""Power spectra of images and volumes."""

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]


def power(image: Plane) -> Plane:
    """The power spectrum of an image, `|F|^2` with DC at pixel n // 2.

    Example:
        >>> power(np.ones((2, 2)))
        array([[ 0.,  0.],
               [ 0., 16.]])
    """
    spectrum: Plane = np.abs(np.fft.fftshift(np.fft.fftn(image))) ** 2
    return spectrum


def log_power(plane: Plane) -> Plane:
    """Decades below the strongest component that is not DC: 0 and less.

    Components without any power, as filters leave them, are at -30.
    """
    others = plane.copy()
    others[tuple(n // 2 for n in plane.shape)] = 0
    top = others.max() or 1.0
    return np.minimum(np.log10(np.maximum(plane / top, 1e-30)), 0.0)
