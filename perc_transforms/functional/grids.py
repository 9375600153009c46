"""Where pixels and Fourier components lie, and the one way in which images are filtered."""

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from perc_transforms.functional.axes import spatial_axes


def offsets(n: int, like: Tensor) -> Tensor:
    """Pixels of an axis, counted from its centre `n // 2`: float64, on the device of `like`.

    Example:
        >>> offsets(4, torch.zeros(1))
        tensor([-2., -1.,  0.,  1.], dtype=torch.float64)
    """
    return torch.arange(n, dtype=torch.float64, device=like.device) - n // 2


def radii(sizes: Sequence[int], like: Tensor) -> Tensor:
    """Distance of each pixel from the centre, in pixels: float64 of shape `sizes`.

    Example:
        >>> radii((1, 3), torch.zeros(1))
        tensor([[1., 0., 1.]], dtype=torch.float64)
    """
    return _length([offsets(n, like) for n in sizes])


def frequencies(sizes: Sequence[int], like: Tensor) -> list[Tensor]:
    """Frequencies of each axis, in cycles a pixel, as `torch.fft.rfftn` orders them: the last axis has `n // 2 + 1`.

    That of Nyquist is 0.5 exactly (-0.5 but for the last axis), which `torch.fft.fftfreq` misses at 98 pixels.

    Example:
        >>> frequencies((4, 4), torch.zeros(1))[1]
        tensor([0.0000, 0.2500, 0.5000], dtype=torch.float64)
    """
    n = sizes[-1]
    half = torch.arange(n // 2 + 1, dtype=torch.float64, device=like.device) / n
    return [torch.fft.ifftshift(offsets(n, like)) / n for n in sizes[:-1]] + [half]


def spatial_frequency(sizes: Sequence[int], like: Tensor) -> Tensor:
    """Length of each component's frequency vector, in cycles a pixel (Nyquist is 0.5), as `rfftn` orders them.

    Example:
        >>> spatial_frequency((1, 4), torch.zeros(1))
        tensor([[0.0000, 0.2500, 0.5000]], dtype=torch.float64)
    """
    return _length(frequencies(sizes, like))


def half_counts(n: int, like: Tensor) -> Tensor:
    """How many components of a full spectrum each of the `n // 2 + 1` along the last axis of a half one stands for.

    Example:
        >>> half_counts(4, torch.zeros(1)), half_counts(5, torch.zeros(1))
        (tensor([1., 2., 1.], dtype=torch.float64), tensor([1., 2., 2.], dtype=torch.float64))
    """
    counts = torch.full((n // 2 + 1,), 2.0, dtype=torch.float64, device=like.device)
    counts[0] = 1.0
    if n % 2 == 0:
        counts[-1] = 1.0
    return counts


def shift_phases(sizes: Sequence[int], by: Tensor, like: Tensor) -> Tensor:
    """What moves the content of images by `+d` pixels when their spectra are multiplied by it.

    `exp(-2 pi i k d)` along each axis, k in cycles a pixel, but `cos(pi d)` at the Nyquist frequency of an even side,
    so that the images stay real.

    Args:
        sizes: pixels along the spatial axes.
        by: `(rows, axes)`, in pixels, in the order (x, y) or (x, y, z).
        like: a tensor of the images' dtype and device.

    Returns:
        Complex, `(rows, *spectrum)` with the spectrum of `sizes` that `rfftn` gives.

    Example:
        >>> shift_phases((1, 4), torch.tensor([[1.0, 0.0]]), torch.zeros(1)).imag.round(decimals=2) + 0.0
        tensor([[[ 0., -1.,  0.]]])
    """
    precision = torch.complex128 if like.dtype == torch.float64 else torch.complex64
    phases = torch.ones((), dtype=precision, device=like.device)
    for axis, k in enumerate(frequencies(sizes, like)):
        distance = by[:, len(sizes) - 1 - axis, None].to(k)
        angle = -2 * math.pi * k * distance
        phase = torch.complex(angle.cos(), angle.sin() * (k.abs() != 0.5))
        phases = phases * phase.to(precision).view(len(by), *[1] * axis, len(k), *[1] * (len(sizes) - 1 - axis))
    return phases


def filtered(x: Tensor, weights: Tensor, *, spatial_dims: int) -> Tensor:
    """Multiply the spectra of images: one real FFT there and one back, for all of them.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        weights: real or complex, broadcast against the spectrum `(..., ny, nx // 2 + 1)` that `rfftn` gives.
        spatial_dims: 2 or 3.

    Example:
        >>> filtered(torch.ones(2, 4, 4), torch.tensor(0.5), spatial_dims=2).mean()
        tensor(0.5000)
    """
    dim = spatial_axes(spatial_dims)
    spectrum = torch.fft.rfftn(x, dim=dim)
    weights = weights.to(spectrum.dtype if weights.is_complex() else x.dtype)
    y: Tensor = torch.fft.irfftn(multiply(spectrum, weights), s=x.shape[-spatial_dims:], dim=dim)
    return y


def multiply(spectrum: Tensor, weights: Tensor) -> Tensor:
    """A spectrum by real or complex weights; one that no gradient needs is changed, which takes a quarter of the time.

    Example:
        >>> multiply(torch.tensor([1 + 2j]), torch.tensor([2.0]))
        tensor([2.+4.j])
    """
    if spectrum.requires_grad or weights.requires_grad:
        return spectrum * weights
    if weights.is_complex():
        return spectrum.mul_(weights)
    torch.view_as_real(spectrum).mul_(weights[..., None])
    return spectrum


def _length(components: Sequence[Tensor]) -> Tensor:
    """Euclidean length of vectors whose components are given along an axis each."""
    squares = [c.square().view(-1, *[1] * (len(components) - 1 - axis)) for axis, c in enumerate(components)]
    return functools.reduce(torch.add, squares).sqrt()
