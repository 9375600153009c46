"""Images to compare on, and what is read off them. Everything is float64 and without chance but for fixed seeds."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Values = NDArray[np.float64]


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Gaussian noise of mean 0 and variance 1."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def gaussian(n: int, sigma: float) -> Tensor:
    """A Gaussian of maximum 1 at the centre `n // 2` of an image of n x n pixels."""
    x = torch.arange(n, dtype=torch.float64) - n // 2
    return torch.exp(-(x[:, None] ** 2 + x[None, :] ** 2) / (2 * sigma**2))


def point(*sizes: int, at: Sequence[int]) -> Tensor:
    """One pixel of 1 among zeros."""
    image = torch.zeros(*sizes, dtype=torch.float64)
    image[tuple(at)] = 1.0
    return image


def off_centre(image: Any) -> Values:
    """How far content lies from the centre `n // 2`, in pixels `(y, x)`: by the phase of the lowest frequency."""
    array = np.asarray(image, np.float64)
    sizes = np.array(array.shape)
    spectrum = np.fft.fft2(array)
    place = -np.angle([spectrum[1, 0], spectrum[0, 1]]) * sizes / (2 * math.pi)
    return np.asarray((place - sizes // 2 + sizes / 2) % sizes - sizes / 2, np.float64)


def response(transform: Callable[[Any], Any], *sizes: int, **columns: Any) -> Values:
    """What a filter multiplies the spectrum with, as `rfftn` orders it: the spectrum of a filtered point at the origin.

    Raises:
        ValueError: the filter moves what it filters: the response is not real.
    """
    row = {"image": point(*sizes, at=(0,) * len(sizes)), **columns}
    spectrum = np.fft.rfftn(np.asarray(transform(row)["image"]))
    if abs(spectrum.imag).max() > 1e-9:
        msg = f"{transform!r}: a response with an imaginary part of {abs(spectrum.imag).max():.3g}"
        raise ValueError(msg)
    return np.asarray(spectrum.real)


def axes(sizes: tuple[int, int], pixel_size: float) -> tuple[Values, Values]:
    """Frequencies `(x, y)` in 1/Å of the spectrum that `rfftn` gives, to be broadcast."""
    x, y = np.fft.rfftfreq(sizes[1], pixel_size), np.fft.fftfreq(sizes[0], pixel_size)
    return np.asarray(x, np.float64)[None, :], np.asarray(y, np.float64)[:, None]


def effective(weights: Any, *sizes: int) -> Values:
    """What is left of half a spectrum's filter, as `rfftn` orders it, when a real image is filtered with it.

    The inverse transform takes the mean of components that are each other's mirror and stand both in the half.
    """
    filtered = np.fft.irfft2(np.asarray(weights, np.float64), s=sizes)
    return np.asarray(np.fft.rfft2(filtered).real)
