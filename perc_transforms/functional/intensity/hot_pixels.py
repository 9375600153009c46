"""Pixels of a detector that count more than they should."""

import itertools

import torch
from torch import Tensor

from perc_transforms.functional.intensity.statistics import rounding


def hot_pixels(
    x: Tensor, *, sigma: float | None = 6.0, above: float | None = None, below: float | None = None
) -> Tensor:
    """Which pixels of images are hot: those beyond `mean + sigma * std`, those beyond a value, and those not finite.

    Mean and standard deviation are those of the image's finite pixels. RELION's motion correction finds hot pixels by
    6 standard deviations, in the sum of a movie's frames.

    Args:
        x: `(..., ny, nx)`.
        sigma: standard deviations above the mean; None: none.
        above: the value, in the image's unit; None: none.
        below: dead ones count, too: those below this value; None: none.

    Returns:
        True or False, in the shape of `x`.

    Example:
        >>> hot_pixels(torch.tensor([[0.0, 1.0, 0.0, 9.0]]), sigma=None, above=5.0)
        tensor([[False, False, False,  True]])
    """
    largest = torch.finfo(x.dtype).max
    low, high = x.new_tensor(-largest), x.new_tensor(largest)
    if below is not None:
        low = low.clamp(min=below)
    if above is not None:
        high = high.clamp(max=above)
    if sigma is not None:
        high = torch.minimum(high, _threshold(x.detach(), sigma))
    return ~((x >= low) & (x <= high))  # nothing compares with NaN


def _threshold(x: Tensor, sigma: float) -> Tensor:
    """Mean and some standard deviations of each image's finite pixels, `(..., 1, 1)`; beyond those of a flat one."""
    std, mean = torch.std_mean(x, (-2, -1), correction=0, keepdim=True)
    if not torch.isfinite(std).all():
        finite = torch.isfinite(x)
        count = finite.sum((-2, -1), keepdim=True).clamp(min=1)
        mean = torch.where(finite, x, 0.0).sum((-2, -1), keepdim=True, dtype=torch.float64).div(count).to(x.dtype)
        offsets = torch.where(finite, x - mean, 0.0)
        norm = torch.linalg.vector_norm(offsets, dim=(-2, -1), keepdim=True, dtype=torch.float64)
        std = norm.div(count.sqrt()).to(x.dtype)
    return mean + torch.maximum(sigma * std, rounding(mean))


def fill_from_neighbours(x: Tensor, bad: Tensor, *, size: int = 5) -> Tensor:
    """Replace pixels by the mean of the others around them; all others stay as they are, bit for bit.

    Args:
        x: `(..., ny, nx)`.
        bad: which to replace, in the shape of `x`, or of its last axes.
        size: side of the square around a pixel whose other pixels count, those that are not bad and inside the image;
            odd. Where there are none, the mean of all such pixels of the image counts, and 0 where there are none.

    Example:
        >>> x = torch.tensor([[1.0, 900.0, 3.0]])
        >>> fill_from_neighbours(x, x > 10, size=3)
        tensor([[1., 2., 3.]])
    """
    ny, nx = x.shape[-2:]
    images, bad = x.reshape(-1, ny, nx), bad.expand(x.shape).reshape(-1, ny, nx)
    number, row, column = bad.nonzero(as_tuple=True)
    if not len(number):
        return x.clone()
    total, count = images.new_zeros(len(number)), images.new_zeros(len(number))
    reach = size // 2
    for down, right in itertools.product(range(-reach, reach + 1), repeat=2):
        r, c = row + down, column + right
        inside = (r >= 0) & (r < ny) & (c >= 0) & (c < nx)
        place = number, r.clamp(0, ny - 1), c.clamp(0, nx - 1)
        good = inside & ~bad[place]
        total = total + torch.where(good, images[place], 0.0)
        count = count + good
    filling = total / count.clamp(min=1)
    lonely = count == 0
    if lonely.any():
        kept = torch.where(bad, 0.0, images).sum((-2, -1), dtype=torch.float64)
        means = kept / (~bad).sum((-2, -1)).clamp(min=1)
        filling = torch.where(lonely, means.to(x.dtype)[number], filling)
    return images.index_put((number, row, column), filling).reshape(x.shape)
