"""The spatial axes of a tensor of images, and what is done along one of them."""

import torch
from torch import Tensor

MATRIX_LIMIT = 256
"""Pixels of an axis up to which multiplying by a matrix beats everything else."""


def spatial_axes(spatial_dims: int) -> tuple[int, ...]:
    """The spatial axes, counted from the last: `(-2, -1)` or `(-3, -2, -1)`."""
    return tuple(range(-spatial_dims, 0))


def along(x: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """Apply a matrix along one of the last three axes."""
    matrix = matrix.to(x)
    if axis == -1:
        return x @ matrix.T
    if axis == -2:
        return matrix @ x
    return (matrix @ x.flatten(-2)).reshape(*x.shape[:-3], len(matrix), *x.shape[-2:])


def mirrored(n: int, reach: int) -> Tensor:
    """Pixels -reach to n + reach - 1 of an axis mirrored at its outermost pixels, as often as it takes."""
    period = max(2 * (n - 1), 1)
    places = torch.arange(-reach, n + reach).remainder(period)
    return torch.minimum(places, period - places) if n > 1 else torch.zeros_like(places)
