"""The maths of the transforms: pure functions of tensors.

Images are `(..., ny, nx)` (`spatial_dims=2`) or `(..., nz, ny, nx)` (`spatial_dims=3`), float32 or float64, on any
device; leading axes are independent images. The centre of an axis of n pixels is pixel `n // 2`. Nothing here
changes its input, and gradients flow.
"""

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

_FLAT = 1e-10
_MATRIX_LIMIT = 256


def normalize(x: Tensor, *, spatial_dims: int) -> Tensor:
    """Each image to mean 0 and standard deviation 1: `(x - mean) / std`.

    The standard deviation is that of the pixels (divided by their number). Below 1e-10, or within the rounding of the
    mean, it is taken for that of a constant image, and the result is `x - mean`.

    Example:
        >>> normalize(torch.tensor([[1.0, 3.0]]), spatial_dims=2)
        tensor([[-1.,  1.]])
    """
    axes = _axes(spatial_dims)
    pixels = math.prod(x.shape[-spatial_dims:])
    mean = x.mean(axes, keepdim=True, dtype=torch.float64).to(x.dtype)
    centred = x - mean
    std = torch.linalg.vector_norm(centred, dim=axes, keepdim=True, dtype=torch.float64) / math.sqrt(pixels)
    flat = std < torch.clamp(_rounding(mean), min=_FLAT)
    return centred / torch.where(flat, 1.0, std).to(x.dtype)


def minmax(x: Tensor, *, spatial_dims: int) -> Tensor:
    """Each image to the range 0 to 1: `(x - min) / (max - min)`; a constant image, but for rounding, to 0.

    Example:
        >>> minmax(torch.tensor([[2.0, 4.0, 6.0]]), spatial_dims=2)
        tensor([[0.0000, 0.5000, 1.0000]])
    """
    axes = _axes(spatial_dims)
    low, high = x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
    spread = high - low
    flat = spread <= torch.maximum(_rounding(low), _rounding(high))
    return torch.where(flat, 0.0, (x - low) / torch.where(flat, 1.0, spread))


def _rounding(value: Tensor) -> Tensor:
    """How far apart numbers can come to lie, after a blur or a rescaling, that should be this one."""
    return 32 * torch.finfo(value.dtype).eps * value.abs()


def gaussian_blur(x: Tensor, sigma: float, *, spatial_dims: int) -> Tensor:
    """Convolve with a Gaussian of `sigma` pixels along every spatial axis.

    The kernel reaches to 4 sigma, is sampled at whole pixels and sums to 1; beyond its edge an image is mirrored
    about the centre of its outermost pixel. The same as torchvision's `gaussian_blur` with a kernel of that size.

    Example:
        >>> float(gaussian_blur(torch.ones(5, 7), 1.5, spatial_dims=2).mean())
        1.0
    """
    if sigma == 0:
        return x.clone()
    for axis in _axes(spatial_dims):
        n = x.shape[axis]
        x = _along(x, _blur_matrix(n, sigma), axis) if n <= _MATRIX_LIMIT else _convolve(x, _gaussian(sigma), axis)
    return x


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
    mean = 0.0 if covers else x.mean(_axes(spatial_dims), keepdim=True)
    y = x if covers else x - mean
    for axis, m, step in reversed(list(zip(_axes(spatial_dims), shape, steps, strict=True))):
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


def _axes(spatial_dims: int) -> tuple[int, ...]:
    return tuple(range(-spatial_dims, 0))


def _along(x: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """Apply a matrix along one of the last three axes."""
    matrix = matrix.to(x)
    if axis == -1:
        return x @ matrix.T
    if axis == -2:
        return matrix @ x
    return (matrix @ x.flatten(-2)).reshape(*x.shape[:-3], len(matrix), *x.shape[-2:])


def _gaussian(sigma: float) -> Tensor:
    """The weights of a blur, out to 4 sigma; they sum to 1."""
    reach = max(1, math.ceil(4 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    return weights / weights.sum()


def _mirrored(n: int, reach: int) -> Tensor:
    """Pixels -reach to n + reach - 1 of an axis mirrored at its outermost pixels, as often as it takes."""
    period = max(2 * (n - 1), 1)
    places = torch.arange(-reach, n + reach).remainder(period)
    return torch.minimum(places, period - places) if n > 1 else torch.zeros_like(places)


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _blur_matrix(n: int, sigma: float) -> Tensor:
    """The `(n, n)` matrix that blurs an axis of n pixels."""
    weights = _gaussian(sigma)
    sources = _mirrored(n, len(weights) // 2).unfold(0, len(weights), 1)
    return torch.zeros(n, n, dtype=torch.float64).scatter_add_(1, sources, weights.expand(n, -1))


def _convolve(x: Tensor, weights: Tensor, axis: int) -> Tensor:
    """Blur a long axis: the weighted sum of its shifted selves."""
    n = x.shape[axis]
    padded = x.index_select(axis, _mirrored(n, len(weights) // 2).to(x.device))
    result = torch.zeros_like(x)
    for shift, weight in enumerate(weights.tolist()):
        result = torch.add(result, padded.narrow(axis, shift, n), alpha=weight)
    return result


def _resample(x: Tensor, axis: int, m: int, step: float) -> Tensor:
    """Resample one axis to m pixels that are `step` input pixels apart; zero where the image does not reach."""
    n = x.shape[axis]
    covered = round(n / step)
    if n == m and step == 1:
        return x
    if n <= _MATRIX_LIMIT or not math.isclose(covered * step, n):
        return _along(x, _interpolation_matrix(n, m, step), axis)
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
