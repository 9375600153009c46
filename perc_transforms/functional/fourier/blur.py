"""Blurring with a Gaussian."""

import functools
import math

import torch
from torch import Tensor

from perc_transforms.functional.axes import MATRIX_LIMIT, along, mirrored, spatial_axes, without_autocast

_SHARP = 1e-3
"""Pixels: a narrower Gaussian is 0 one pixel away, in float64 as well, so the blur is none."""


def gaussian_blur(x: Tensor, sigma: float | Tensor, *, spatial_dims: int) -> Tensor:
    """Convolve with a Gaussian of `sigma` pixels along every spatial axis.

    The kernel reaches to 4 sigma, is sampled at whole pixels and sums to 1; beyond its edge an image is mirrored
    about the centre of its outermost pixel. The same as torchvision's `gaussian_blur` with a kernel of that size.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        sigma: standard deviation in pixels; 0 changes nothing. A tensor has one for each image: it is broadcast
            against the leading axes.
        spatial_dims: 2 or 3.

    Example:
        >>> float(gaussian_blur(torch.ones(5, 7), 1.5, spatial_dims=2).mean())
        1.0
        >>> gaussian_blur(torch.eye(2).expand(2, 2, 2), torch.tensor([0.0, 9.0]), spatial_dims=2)
        tensor([[[1.0000, 0.0000],
                 [0.0000, 1.0000]],
                [[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    if isinstance(sigma, Tensor):
        return _blur_each(x, sigma, spatial_dims)
    if sigma == 0:
        return x.clone()
    for axis in spatial_axes(spatial_dims):
        n = x.shape[axis]
        x = along(x, _blur_matrix(n, sigma), axis) if n <= MATRIX_LIMIT else _convolve(x, _kernels(sigma), axis)
    return x


def _blur_each(x: Tensor, sigma: Tensor, spatial_dims: int) -> Tensor:
    """Blur each image with its own sigma; images are rows of one axis on the way."""
    leading, sizes = x.shape[:-spatial_dims], x.shape[-spatial_dims:]
    kernels = _kernels(sigma.expand(leading).flatten())
    x = x.reshape(-1, *sizes)
    for axis in spatial_axes(spatial_dims):
        n = x.shape[axis]
        if n > MATRIX_LIMIT:
            x = _convolve(x, kernels, axis)
            continue
        with without_autocast(x.device.type):
            x = _along_each(x, _matrices(n, kernels).to(x), axis, spatial_dims)
    return x.reshape(*leading, *sizes)


def _along_each(x: Tensor, matrices: Tensor, axis: int, spatial_dims: int) -> Tensor:
    """Apply to each of the first axis its own matrix, along a spatial axis."""
    if axis == -1:
        return (x.flatten(1, -2) @ matrices.transpose(-1, -2)).view(x.shape)
    if axis == -spatial_dims:
        return (matrices @ x.flatten(2)).view(x.shape)
    return matrices[:, None] @ x


def _kernels(sigma: float | Tensor) -> Tensor:
    """The weights of one blur or of several, `(..., 2 reach + 1)`, each out to its 4 sigma; they sum to 1."""
    sigmas = torch.as_tensor(sigma, dtype=torch.float64).clamp(min=_SHARP)[..., None]
    reaches = (4 * sigmas).ceil().clamp(min=1)
    reach = math.ceil(reaches.max().item())
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64, device=sigmas.device)
    weights = torch.exp(-0.5 * (steps / sigmas) ** 2) * (steps.abs() <= reaches)
    return weights / weights.sum(-1, keepdim=True)


def _matrices(n: int, kernels: Tensor) -> Tensor:
    """The `(..., n, n)` matrices that blur an axis of n pixels."""
    width = kernels.shape[-1]
    sources = mirrored(n, width // 2).unfold(0, width, 1).to(kernels.device)
    spread = (*kernels.shape[:-1], n, width)
    empty = kernels.new_zeros(*kernels.shape[:-1], n, n)
    return empty.scatter_add_(-1, sources.expand(spread), kernels[..., None, :].expand(spread))


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _blur_matrix(n: int, sigma: float) -> Tensor:
    """The matrix of a sigma that is asked for again and again, which one that was drawn is not."""
    return _matrices(n, _kernels(sigma))


def _convolve(x: Tensor, kernels: Tensor, axis: int) -> Tensor:
    """Blur a long axis: the weighted sum of its shifted selves; one kernel, or one for each of the first axis."""
    n = x.shape[axis]
    padded = x.index_select(axis, mirrored(n, kernels.shape[-1] // 2).to(x.device))
    weights = kernels.to(x).movedim(-1, 0).reshape(kernels.shape[-1], *kernels.shape[:-1], *[1] * (x.ndim - 1))
    result = torch.zeros_like(x)
    for shift, weight in enumerate(weights):
        result = torch.addcmul(result, padded.narrow(axis, shift, n), weight)
    return result
