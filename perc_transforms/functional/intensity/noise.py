"""Adding noise of a given strength and colour."""

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from perc_transforms.errors import TransformError
from perc_transforms.functional.axes import spatial_axes
from perc_transforms.functional.grids import filtered, half_counts, spatial_frequency
from perc_transforms.functional.intensity.statistics import rounding


def add_noise(
    x: Tensor, white: Tensor, std: float | Tensor, *, spatial_dims: int, spectrum: Sequence[float] | None = None
) -> Tensor:
    """Add noise to images: `x + std * noise`.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        white: Gaussian noise of variance 1 in the shape of `x`.
        std: standard deviation of what is added; a tensor is broadcast against the leading axes.
        spatial_dims: 2 or 3.
        spectrum: the noise's power spectrum; see `coloured`. None: as it is.

    Example:
        >>> add_noise(torch.zeros(1, 2), torch.tensor([[1.0, -1.0]]), 3.0, spatial_dims=2)
        tensor([[ 3., -3.]])
    """
    noise = white if spectrum is None else coloured(white, spectrum, spatial_dims=spatial_dims)
    strength = torch.as_tensor(std, dtype=x.dtype, device=x.device)
    return torch.addcmul(x, noise, strength.reshape(*strength.shape, *[1] * spatial_dims))


def noise_std(x: Tensor, snr: float, *, spatial_dims: int) -> Tensor:
    """Standard deviation of the noise that gives images a signal-to-noise ratio: `sqrt(var(x) / snr)`, shape `(...)`.

    The variance is that of each image's pixels (divided by their number), all of which count as signal; within the
    rounding of the mean it is taken for 0.

    Example:
        >>> noise_std(torch.tensor([[1.0, 3.0]]), 0.25, spatial_dims=2)
        tensor(2.)
    """
    axes = spatial_axes(spatial_dims)
    mean = x.mean(axes, keepdim=True, dtype=torch.float64).to(x.dtype)
    norm = torch.linalg.vector_norm(x - mean, dim=axes, dtype=torch.float64)
    std = norm / math.sqrt(math.prod(x.shape[-spatial_dims:]))
    flat = std < rounding(mean.reshape(std.shape))
    return torch.where(flat, 0.0, std / math.sqrt(snr)).to(x.dtype)


def coloured(white: Tensor, spectrum: Sequence[float], *, spatial_dims: int) -> Tensor:
    """Give white noise a power spectrum; its expected variance stays what it was.

    Args:
        white: noise, `(..., ny, nx)` or `(..., nz, ny, nx)`.
        spectrum: power at evenly spaced frequencies from 0 to 0.5 cycles a pixel (Nyquist), by any unit. Linear in
            between, the last value beyond (in the corners of the spectrum). The first is that of the image's mean.
        spatial_dims: 2 or 3.

    Raises:
        TransformError: the spectrum is 0 at every frequency that images of this size have.

    Example:
        >>> noise = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
        >>> float(coloured(noise, [0.0, 1.0, 0.0], spatial_dims=2).mean().abs()) < 1e-6
        True
    """
    weights = _amplitudes(tuple(white.shape[-spatial_dims:]), tuple(spectrum))
    return filtered(white, weights.to(white.device), spatial_dims=spatial_dims)


@functools.lru_cache(maxsize=4)
@torch.inference_mode(False)
def _amplitudes(sizes: tuple[int, ...], spectrum: tuple[float, ...]) -> Tensor:
    """Square roots of a power spectrum whose mean over all frequencies is 1, as `rfftn` orders them."""
    values = torch.tensor(spectrum, dtype=torch.float64)
    places = (spatial_frequency(sizes, values) * 2).clamp(max=1) * (len(values) - 1)
    below = places.floor().long()
    above = (below + 1).clamp(max=len(values) - 1)
    power = torch.lerp(values[below], values[above], places - below)
    mean = (power * half_counts(sizes[-1], power)).sum() / torch.Size(sizes).numel()
    if mean == 0:
        msg = f"noise of the power spectrum {spectrum}: it is 0 at every frequency of images of {sizes} pixels: "
        msg += "expected power at one of them"
        raise TransformError(msg)
    return (power / mean).sqrt()
