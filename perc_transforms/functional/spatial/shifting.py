"""Moving images by fractions of a pixel."""

import math

import torch
from torch import Tensor

from perc_transforms.functional.grids import filtered, frequencies


def fourier_shift(x: Tensor, by: Tensor, *, spatial_dims: int) -> Tensor:
    """Move the content of images by `+d` pixels, each by its own; what leaves on one side enters on the other.

    The spectrum is multiplied by `exp(-2 pi i k d)` along each axis, k in cycles a pixel, but by `cos(pi d)` at the
    Nyquist frequency of an even side, so that the result is real. By whole pixels it is `torch.roll`.

    Args:
        x: `(rows, ..., ny, nx)` or `(rows, ..., nz, ny, nx)`.
        by: `(rows, spatial_dims)`, in pixels, in the order (x, y) or (x, y, z).
        spatial_dims: 2 or 3.

    Example:
        >>> x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
        >>> fourier_shift(x, torch.tensor([[1.0, 0.0]]), spatial_dims=2).round(decimals=4)
        tensor([[[4., 1., 2., 3.]]])
    """
    sizes = tuple(x.shape[-spatial_dims:])
    precision = torch.complex128 if x.dtype == torch.float64 else torch.complex64
    weights = torch.ones((), dtype=precision, device=x.device)
    for axis, k in enumerate(frequencies(sizes, x)):
        distance = by[:, spatial_dims - 1 - axis, None].to(k)
        turns = -2 * math.pi * k * distance
        nyquist = k.abs() == 0.5
        size = torch.where(nyquist, torch.cos(math.pi * distance), 1.0)
        phase = torch.polar(torch.ones_like(turns), torch.where(nyquist, 0.0, turns)) * size
        leading = [1] * (x.ndim - 1 - spatial_dims)
        shape = [1] * axis + [len(k)] + [1] * (spatial_dims - 1 - axis)
        weights = weights * phase.to(precision).view(len(by), *leading, *shape)
    return filtered(x, weights, spatial_dims=spatial_dims)
