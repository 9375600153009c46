"""Resampling by Fourier series."""

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from perc_transforms.functional.axes import MATRIX_LIMIT, along, spatial_axes


def rescale(x: Tensor, shape: Sequence[int], *, spatial_dims: int, stretch: bool = False) -> Tensor:
    """Resample images to `shape` by their Fourier series, centre on centre.

    The result is the image's trigonometric interpolant, without the frequencies above the new Nyquist frequency,
    sampled at `x = n // 2 + (j - m // 2) * step` for output pixel j of an axis of n pixels that becomes m. So a
    band-limited image is reproduced, its mean is kept, and nothing aliases. At the Nyquist frequency of an
    even-sized axis cosines are kept, so that enlarging and reducing again gives the image back.

    Args:
        x: images.
        shape: number of pixels of each spatial axis of the result.
        spatial_dims: 2 or 3.
        stretch: False: one step for all axes, such that the image just fits `shape` with its true aspect; beyond half
            its side from its centre, the result is filled with its mean. True: each axis has its own step and fills
            its side.

    Example:
        >>> rescale(torch.full((6, 4), 2.0), (3, 3), spatial_dims=2).shape
        torch.Size([3, 3])
    """
    sizes = x.shape[-spatial_dims:]
    steps = rescale_steps(sizes, shape, stretch=stretch)
    covers = all(math.isclose(n, m * step) for n, m, step in zip(sizes, shape, steps, strict=True))
    mean = 0.0 if covers else x.mean(spatial_axes(spatial_dims), keepdim=True)
    y = x if covers else x - mean
    for axis, m, step in reversed(list(zip(spatial_axes(spatial_dims), shape, steps, strict=True))):
        y = _resample(y, axis, m, step)
    if y is x:
        return x.clone()
    return y if covers else y + mean


def rescale_steps(sizes: Sequence[int], shape: Sequence[int], *, stretch: bool = False) -> tuple[float, ...]:
    """Input pixels an output pixel, axis by axis, of `rescale` from `sizes` to `shape`.

    Example:
        >>> rescale_steps((100, 50), (20, 20)), rescale_steps((100, 50), (20, 20), stretch=True)
        ((5.0, 5.0), (5.0, 2.5))
    """
    steps = tuple(n / m for n, m in zip(sizes, shape, strict=True))
    return steps if stretch else (max(steps),) * len(steps)


def _resample(x: Tensor, axis: int, m: int, step: float) -> Tensor:
    """Resample one axis to m pixels that are `step` input pixels apart; zero where the image does not reach."""
    n = x.shape[axis]
    covered = round(n / step)
    if n == m and step == 1:
        return x
    if n <= MATRIX_LIMIT or not math.isclose(covered * step, n):
        return along(x, _interpolation_matrix(n, m, step), axis)
    y = _fourier_resample(x, axis, covered)
    before = m // 2 - covered // 2
    padding = [0, 0] * (-1 - axis) + [before, m - covered - before]
    return torch.nn.functional.pad(y, padding)


def _fourier_resample(x: Tensor, axis: int, m: int) -> Tensor:
    """Resample one axis of n pixels to m by cropping or padding its spectrum."""
    n = x.shape[axis]
    kept = min(n, m) // 2 + 1
    spectrum = torch.fft.rfft(x, dim=axis).narrow(axis, 0, kept)
    frequencies = torch.arange(kept, dtype=torch.float64)
    factor = torch.polar(torch.full_like(frequencies, m / n), 2 * math.pi * frequencies * (n // 2 / n - m // 2 / m))
    if min(n, m) % 2 == 0 and n != m:
        factor[-1] *= 2.0 if m < n else 0.5
    factor = factor.to(device=x.device, dtype=spectrum.dtype)
    y: Tensor = torch.fft.irfft(spectrum * factor.view(-1, *[1] * (-1 - axis)), n=m, dim=axis)
    return y


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _interpolation_matrix(n: int, m: int, step: float) -> Tensor:
    """The `(m, n)` matrix that takes n pixels to the m samples of their band-limited interpolant.

    Entry (j, i) is `1/n * sum_k w_k cos(2 pi k (x_j - i) / n)` over all |k| up to the lower Nyquist frequency, where
    w_k is 1, but 1/2 at +-n/2.
    """
    positions = n // 2 + (torch.arange(m, dtype=torch.float64) - m // 2) * step
    highest = math.floor(n / (2 * max(step, 1.0)) + 1e-9)
    frequencies = torch.arange(1, highest + 1, dtype=torch.float64)
    weights = torch.where(frequencies * 2 == n, 1.0, 2.0)
    angles = 2 * math.pi / n * frequencies
    at_positions, at_pixels = (
        torch.outer(positions, angles),
        torch.outer(torch.arange(n, dtype=torch.float64), angles),
    )
    cosines = (weights * at_positions.cos()) @ at_pixels.cos().T + (weights * at_positions.sin()) @ at_pixels.sin().T
    matrix = (1.0 + cosines) / n
    if not math.isclose(m * step, n):
        from_centre = positions - n // 2
        matrix[(from_centre < -n / 2 - 1e-9) | (from_centre >= n / 2 - 1e-9)] = 0.0
    return matrix
