"""Images by their own statistics."""

import math

import torch
from torch import Tensor

from perc_transforms.functional.axes import spatial_axes

_FLAT = 1e-10


def normalize(x: Tensor, *, spatial_dims: int) -> Tensor:
    """Each image to mean 0 and standard deviation 1: `(x - mean) / std`.

    The standard deviation is that of the pixels (divided by their number). Below 1e-10, or within the rounding of the
    mean, it is taken for that of a constant image, and the result is `x - mean`.

    Example:
        >>> normalize(torch.tensor([[1.0, 3.0]]), spatial_dims=2)
        tensor([[-1.,  1.]])
    """
    axes = spatial_axes(spatial_dims)
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
    axes = spatial_axes(spatial_dims)
    low, high = x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
    spread = high - low
    flat = spread <= torch.maximum(_rounding(low), _rounding(high))
    return torch.where(flat, 0.0, (x - low) / torch.where(flat, 1.0, spread))


def _rounding(value: Tensor) -> Tensor:
    """How far apart numbers can come to lie, after a blur or a rescaling, that should be this one."""
    return 32 * torch.finfo(value.dtype).eps * value.abs()
