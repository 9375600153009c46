"""Counts of electrons, of Poisson's distribution."""

import torch
from torch import Tensor

from builders.io.made.draws import Indices, generator

_FEW = 12.0
"""Electrons in a pixel from which on the expansion is used."""


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
    """Whole numbers of Poisson's distribution, as float32: the quantile of a random number for each pixel.

    So pixels are drawn each for itself, and the rounding of a mean changes hardly one of them and none beside it, as a
    generator of Poisson numbers would, which takes now more, now fewer random ones. Quantiles of means of 12 and above
    are those of Cornish and Fisher's expansion as Giles has it ("Algorithm 955", ACM TOMS 42, 2016), wrong by one count
    for 1 pixel in 1,000 or fewer; below, of the distribution itself.

    Args:
        mean: `(rows, ny, nx)`; taken for 0 where it is negative.
        seed: see `builders.io.made.draws`.
        purpose: see there.
        indices: of rows.
    """
    normal = white(seed, purpose, indices, tuple(mean.shape[1:]))
    mean = mean.clamp(min=0)
    few = mean < _FEW
    if not few.any():
        return _many(normal, mean)
    found = _few(torch.special.ndtr(normal), mean.clamp(max=_FEW))
    return found if few.all() else torch.where(few, found, _many(normal, mean.clamp(min=_FEW)))


def _many(w: Tensor, mean: Tensor) -> Tensor:
    """Giles' Q_N2 for normal numbers w."""
    root, square = mean.sqrt(), w.square()
    quantile = mean + root * w + square / 6 + 1 / 3
    quantile -= (square + 2) * w / (72 * root)
    quantile += ((3 * square + 7) * square - 16) / (810 * mean)
    return quantile.floor_().clamp_(min=0)


def _few(uniform: Tensor, mean: Tensor) -> Tensor:
    """How many counts have a cumulative probability below that of each pixel."""
    found = torch.zeros_like(mean)
    probability = (-mean).exp()
    beyond = uniform - probability
    step = 0
    while bool((above := beyond > 0).any()) and step < 8 * _FEW:
        found += above
        step += 1
        probability = probability * mean / step
        beyond = beyond - probability
    return found
