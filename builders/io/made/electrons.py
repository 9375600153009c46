"""Counts of electrons, of Poisson's distribution."""

import torch
from torch import Tensor

from builders.io.made.draws import Indices, generator
from perc_transforms.functional import poisson_counts


def white(seed: int, purpose: str, indices: Indices, shape: tuple[int, ...]) -> Tensor:
    """Gaussian noise of variance 1 of rows: float32, `(rows, *shape)`.

    Args:
        seed: see `builders.io.made.draws`.
        purpose: see there.
        indices: of rows, each of which has its own noise, whichever others there are.
        shape: of each.
    """
    noise = torch.empty(len(indices), *shape)
    for row, index in zip(noise.numpy(), indices.tolist(), strict=True):
        generator(seed, purpose, index).standard_normal(out=row, dtype="f4")
    return noise


def counts(mean: Tensor, seed: int, purpose: str, indices: Indices) -> Tensor:
    """Whole numbers of Poisson's distribution, as float32: `poisson_counts` of noise of the rows' own.

    Args:
        mean: `(rows, ny, nx)`; taken for 0 where it is negative.
        seed: see `builders.io.made.draws`.
        purpose: see there.
        indices: of rows.
    """
    return poisson_counts(mean, white(seed, purpose, indices, tuple(mean.shape[1:])))
