"""Counts of electrons: noise of Poisson's distribution."""

import torch
from torch import Tensor

_FEW = 12.0
"""Mean from which on the expansion is used."""
_MOST = 100
"""Counts that a mean below `_FEW` never has."""


def shot_noise(x: Tensor, white: Tensor, electrons: float | Tensor, *, spatial_dims: int = 2) -> Tensor:
    """What a detector counts of images of contrast: Poisson numbers about `electrons * (1 + x)`.

    Gradients are those of the expected counts.

    Args:
        x: contrast, I / I0 - 1: `(..., ny, nx)`. Below -1, where no electron passes, the counts are 0.
        white: Gaussian noise of variance 1 in the shape of `x`.
        electrons: how many a pixel of contrast 0 gets, dose times its area; a tensor is broadcast against the leading
            axes.
        spatial_dims: how many axes of `x` are no leading ones.

    Returns:
        Whole numbers, in the precision of `x`.

    Example:
        >>> shot_noise(torch.tensor([[0.0, 0.5, -1.0]]), torch.tensor([[-1.0, 1.0, 0.0]]), 30.0)
        tensor([[25., 52.,  0.]])
    """
    strength = torch.as_tensor(electrons, dtype=x.dtype, device=x.device)
    mean = strength.reshape(*strength.shape, *[1] * spatial_dims) * (1 + x)
    counts = poisson_counts(mean.detach(), white)
    return counts + (mean - mean.detach()) if mean.requires_grad else counts


def poisson_counts(mean: Tensor, white: Tensor) -> Tensor:
    """Whole numbers of Poisson's distribution: the quantile that each Gaussian number is of its own distribution.

    So each pixel is drawn for itself, and the rounding of a mean changes hardly one of them and none beside it: devices
    and precisions get the same, but for one count here and there. A generator of Poisson numbers would take now more,
    now fewer random ones. From a mean of 12 on they are those of Cornish and Fisher's expansion as Giles has it
    ("Algorithm 955", ACM TOMS 42, 2016), wrong by one count for 1 pixel in 1,000 or fewer; below, exact.

    Args:
        mean: taken for 0 where it is negative.
        white: Gaussian noise of variance 1, in the shape of `mean`.

    Example:
        >>> poisson_counts(torch.tensor([-1.0, 1.0, 100.0, 100.0]), torch.tensor([5.0, 0.0, 0.0, -2.0]))
        tensor([  0.,   1., 100.,  81.])
    """
    white, mean = white.to(mean), mean.clamp(min=0)
    few = mean < _FEW
    if not few.any():
        return _many(mean, white)
    if few.all():
        return _few(mean, white)
    found = _many(mean.clamp(min=_FEW), white)
    found[few] = _few(mean[few], white[few])
    return found


def _many(mean: Tensor, w: Tensor) -> Tensor:
    """Giles' Q_N2 for Gaussian numbers w."""
    root, square = mean.sqrt(), w.square()
    quantile = mean + root * w + square / 6 + 1 / 3
    quantile -= (square + 2) * w / (72 * root)
    quantile += ((3 * square + 7) * square - 16) / (810 * mean)
    return quantile.floor_().clamp_(min=0)


def _few(mean: Tensor, white: Tensor) -> Tensor:
    """Those below whose cumulative distribution lies that of the Gaussian numbers."""
    exact = mean.double()  # single precision ends at 5 standard deviations
    probability = (-exact).exp()
    left = torch.special.ndtr(white.double()) - probability
    found = torch.zeros_like(mean)
    for count in range(1, _MOST):
        above = left > 0
        if not above.any():
            break
        found += above
        left -= probability.mul_(exact).div_(count)
    return found
