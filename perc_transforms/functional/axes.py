"""The spatial axes of a tensor of images, and what is done along one of them."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

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
    with without_autocast(x.device.type):
        if axis == -1:
            return x @ matrix.T
        if axis == -2:
            return matrix @ x
        return (matrix @ x.flatten(-2)).reshape(*x.shape[:-3], len(matrix), *x.shape[-2:])


def without_autocast(device: str) -> AbstractContextManager[Any]:
    """Where products of matrices have the precision of what is multiplied, also in `torch.autocast`."""
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def mirrored(n: int, reach: int) -> Tensor:
    """Pixels -reach to n + reach - 1 of an axis mirrored at its outermost pixels, as often as it takes."""
    period = max(2 * (n - 1), 1)
    places = torch.arange(-reach, n + reach).remainder(period)
    return torch.minimum(places, period - places) if n > 1 else torch.zeros_like(places)
