"""Formulas of programs that cannot be installed beside us, transcribed from their source, in NumPy and float64."""

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def relion_wavelength(kilovolts: float) -> float:
    """RELION, `src/ctf.cpp`, `CTF::initialise`: Å."""
    volts = kilovolts * 1e3
    return 12.2643247 / math.sqrt(volts * (1.0 + volts * 0.978466e-6))


def relion_ctf(
    x: Values,
    y: Values,
    *,
    defocus_u: float,
    defocus_v: float,
    defocus_angle: float,
    voltage: float,
    spherical_aberration: float,
    amplitude_contrast: float,
    phase_shift: float,
    wavelength: float | None = None,
) -> Values:
    """RELION, `src/ctf.h`, `CTF::getCTF`, at frequencies x, y in 1/Å; no B-factor, no aberrations of higher order.

    With another `wavelength` (Å), what a program gives that has the same formula but other constants.
    """
    wavelength = relion_wavelength(voltage) if wavelength is None else wavelength
    k1 = math.pi / 2 * 2 * wavelength
    k2 = math.pi / 2 * spherical_aberration * 1e7 * wavelength**3
    k3 = math.atan(amplitude_contrast / math.sqrt(1 - amplitude_contrast**2))
    k5 = math.radians(phase_shift)
    average, deviation = -(defocus_u + defocus_v) * 0.5, -(defocus_u - defocus_v) * 0.5
    defocus = average + deviation * np.cos(2 * (np.arctan2(y, x) - math.radians(defocus_angle)))
    u2 = x * x + y * y
    return np.asarray(-np.sin(k1 * defocus * u2 + k2 * u2 * u2 - k5 - k3))


def relion_filter(shells: Values, *, size: int, pixel_size: float, resolution: float, width: int, high: bool) -> Values:
    """RELION, `src/fftw.cpp`, `lowPassFilterMap`: the gain at distances from the origin in pixels of the spectrum."""
    cutoff, half = math.floor(size * pixel_size / resolution + 0.5), width // 2
    low_edge, high_edge = max(0.0, (cutoff - half) / size), (cutoff + half) / size
    res = shells / size
    inside = math.pi * (res - low_edge) / (high_edge - low_edge)
    falling = np.where(res < low_edge, 1.0, np.where(res > high_edge, 0.0, 0.5 + 0.5 * np.cos(inside)))
    return 1 - falling if high else falling


def relion_soft_mask(image: Values, *, radius: float, cosine_width: float) -> Values:
    """RELION, `src/mask.cpp`, `softMaskOutsideMap` of an image, filled with its background."""
    y, x = np.indices(image.shape) - np.array(image.shape)[:, None, None] // 2
    r = np.sqrt(x * x + y * y)
    outer = radius + cosine_width
    raised = 0.5 + 0.5 * np.cos(math.pi * (outer - r) / cosine_width)
    weight = np.where(r < radius, 0.0, np.where(r > outer, 1.0, raised))
    background = (weight * image).sum() / weight.sum()
    return np.asarray((1 - weight) * image + weight * background)
