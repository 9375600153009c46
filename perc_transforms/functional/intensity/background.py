"""Images by their background: the pixels beyond a circle, or a sphere, about the centre."""

import math

import torch
from torch import Tensor

from perc_transforms.functional.axes import spatial_axes
from perc_transforms.functional.grids import offsets
from perc_transforms.functional.intensity.masks import beyond, kept_for_small_boxes
from perc_transforms.functional.intensity.statistics import FLAT, rounding

BACKGROUND = 0.375
"""Beyond this part of the shortest side from its centre, an image is background, unless told otherwise."""


def normalize_background(
    x: Tensor,
    radius: float,
    *,
    spatial_dims: int,
    ramp: bool = True,
    dust: float | None = None,
    by: Tensor | None = None,
) -> Tensor:
    """Each image so that its background has mean 0 and standard deviation 1.

    The background are the pixels with r > radius, r being the distance from pixel `n // 2`. In this order:

    1. `dust`: pixels of the whole image are clipped to the background's mean +- dust * std, unless std is 0.
    2. `ramp`: the plane `a x + b y + c` that fits the background best (least squares) is subtracted; images only.
    3. `(x - mean) / std` by the background's mean and standard deviation (divided by the number of pixels). A
       standard deviation below 1e-10, or within the rounding of the values, is taken for 0, and this step is skipped.

    So does RELION's `normalise` (image.cpp), which also compares r^2 > radius^2. It draws a random number in place of
    dust, where this clips and so gives the same result each time; and it refuses to fit a ramp to a volume.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`. A pixel that is not finite makes its image NaN, and no other.
        radius: in pixels; at least one pixel must lie beyond it.
        spatial_dims: 2 or 3.
        ramp: whether to subtract a plane. Nothing is fitted to volumes.
        dust: how many standard deviations from the mean pixels are clipped; None: they are not.
        by: images whose background is taken, such as those that `x` is the target of. Default: `x`.

    Example:
        >>> x = torch.tensor([[1.0, 0.0, 0.0, 0.0, 3.0]])
        >>> normalize_background(x, 1.0, spatial_dims=2, ramp=False)
        tensor([[-1., -2., -2., -2.,  1.]])
    """
    ramp = ramp and spatial_dims == 2
    of = x if by is None else by
    sizes = tuple(of.shape[-spatial_dims:])
    mask, pixels = _background(sizes, radius, of.dtype, of.device)
    level = of.mean(spatial_axes(spatial_dims), keepdim=True).detach()
    images = [of - level] if by is None else [of - level, x - level]
    # without the level, or single precision would lose the noise in the sums that follow
    if dust is not None:
        mean = _mean(images[0], mask, pixels)
        std = _deviation(images[0] - mean, mask, pixels)
        reach = torch.where(_is_flat(std, level, mean, spatial_dims=spatial_dims), math.inf, dust * std)
        images = [y.clamp(mean - reach, mean + reach) for y in images]
    taken = _plane(images[0], radius, mask) if ramp else (_mean(images[0], mask, pixels),)
    for part in taken:
        images = [y.sub_(part) for y in images]
    std = _deviation(images[0], mask, pixels)
    flat = _is_flat(std, level, *taken, spatial_dims=spatial_dims)
    y = images[-1]
    if not ramp:
        y = y.add_(torch.where(flat, level + taken[0], 0.0))
    return y / torch.where(flat, 1.0, std)


@kept_for_small_boxes
def _background(sizes: tuple[int, ...], radius: float, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, int]:
    """1 in the background, 0 elsewhere, and how many pixels the background has."""
    mask = beyond(sizes, radius, device)
    return mask.to(dtype), int(mask.sum())


def _mean(y: Tensor, mask: Tensor, pixels: int) -> Tensor:
    """Mean of the background; rows are summed in the images' precision, and over them in float64."""
    rows = (y * mask).sum(-1, keepdim=True).double()
    return (rows.sum(spatial_axes(mask.ndim), keepdim=True) / pixels).to(y.dtype)


def _deviation(y: Tensor, mask: Tensor, pixels: int) -> Tensor:
    """Root mean square of the background, summed as in `_mean`."""
    rows = torch.linalg.vector_norm(y * mask, dim=-1, keepdim=True).double()
    norm: Tensor = torch.linalg.vector_norm(rows, dim=spatial_axes(mask.ndim), keepdim=True)
    return (norm / math.sqrt(pixels)).to(y.dtype)


def _is_flat(std: Tensor, *taken: Tensor, spatial_dims: int) -> Tensor:
    """Whether deviations are no more than the rounding of what has been subtracted."""
    axes = spatial_axes(spatial_dims)
    size = sum((part.detach().abs().amax(axes, keepdim=True) for part in taken), torch.zeros_like(std))
    return std < torch.clamp(rounding(size), min=FLAT)


def _plane(y: Tensor, radius: float, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The plane that fits the background best, as a part that varies along y and one that varies along x."""
    i, j, inverse = _normal_equations((y.shape[-2], y.shape[-1]), radius, y.device)
    background = y * mask
    rows, columns = background.sum(-1).double(), background.sum(-2).double()
    moments = torch.stack([rows.sum(-1), rows @ i, columns @ j])
    mean, slope_y, slope_x = torch.tensordot(inverse, moments, 1)[..., None, None].to(y.dtype)
    return mean + slope_y * i[:, None].to(y.dtype), slope_x * j.to(y.dtype)


@kept_for_small_boxes
def _normal_equations(sizes: tuple[int, ...], radius: float, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates along y and x, counted from the background's centre of mass, and the inverse normal equations.

    Of a background that is a line or a point, the pseudo-inverse takes the plane that has no slope across it.
    """
    mask = beyond(sizes, radius, device)
    rows, columns = mask.sum(1).double(), mask.sum(0).double()
    i, j = (offsets(n, rows) for n in sizes)
    across = (mask.float() @ j.float()).double()  # of whole numbers, so exact in single precision
    i, j = i - i @ rows / rows.sum(), j - j @ columns / rows.sum()
    mixed = i @ across
    tilt = torch.stack([i**2 @ rows, mixed, mixed, j**2 @ columns]).view(2, 2)
    inverse = torch.zeros(3, 3, dtype=tilt.dtype, device=device)
    inverse[0, 0], inverse[1:, 1:] = 1 / rows.sum(), torch.linalg.pinv(tilt, hermitian=True, rtol=1e-6)
    return i, j, inverse
