"""Blurring with a Gaussian."""

import functools
import math

import torch
from torch import Tensor

from perc_transforms.functional.axes import MATRIX_LIMIT, along, mirrored, spatial_axes


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
    for axis in spatial_axes(spatial_dims):
        n = x.shape[axis]
        x = along(x, _blur_matrix(n, sigma), axis) if n <= MATRIX_LIMIT else _convolve(x, _gaussian(sigma), axis)
    return x


def _gaussian(sigma: float) -> Tensor:
    """The weights of a blur, out to 4 sigma; they sum to 1."""
    reach = max(1, math.ceil(4 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    return weights / weights.sum()


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _blur_matrix(n: int, sigma: float) -> Tensor:
    """The `(n, n)` matrix that blurs an axis of n pixels."""
    weights = _gaussian(sigma)
    sources = mirrored(n, len(weights) // 2).unfold(0, len(weights), 1)
    return torch.zeros(n, n, dtype=torch.float64).scatter_add_(1, sources, weights.expand(n, -1))


def _convolve(x: Tensor, weights: Tensor, axis: int) -> Tensor:
    """Blur a long axis: the weighted sum of its shifted selves."""
    n = x.shape[axis]
    padded = x.index_select(axis, mirrored(n, len(weights) // 2).to(x.device))
    result = torch.zeros_like(x)
    for shift, weight in enumerate(weights.tolist()):
        result = torch.add(result, padded.narrow(axis, shift, n), alpha=weight)
    return result
