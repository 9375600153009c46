"""Images by their own statistics."""

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from perc_transforms.core.stacking import by_parts, is_plain
from perc_transforms.functional.axes import spatial_axes
from perc_transforms.functional.grids import offsets
from perc_transforms.functional.intensity.masks import kept_for_small_boxes

FLAT = 1e-10
"""A standard deviation below this is that of a constant image, as in RELION."""


_ROW = 256
"""Pixels that are summed in single precision, at least: fewer at once take longer; of many, squares lose digits."""


def normalize(x: Tensor, *, spatial_dims: int, by: Tensor | None = None) -> Tensor:
    """Each image to mean 0 and standard deviation 1: `(x - mean) / std`.

    The standard deviation is that of the pixels (divided by their number). Below 1e-10, or within the rounding of the
    mean, it is taken for that of a constant image, and the result is `x - mean`.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        spatial_dims: 2 or 3.
        by: images whose statistics are taken, such as those that `x` is the target of. Default: `x`.

    Example:
        >>> normalize(torch.tensor([[1.0, 3.0]]), spatial_dims=2)
        tensor([[-1.,  1.]])
    """
    images = (x,) if by is None else (x, by)
    is_whole = all(map(is_plain, images)) and x.shape[-spatial_dims:].numel() > 0
    change = partial(_by_rows if is_whole else _normalized, spatial_dims=spatial_dims)
    if by is not None and by.shape != x.shape:
        return change(*images)
    return by_parts(change, *images, axes=spatial_dims)


def _normalized(x: Tensor, by: Tensor | None = None, *, spatial_dims: int) -> Tensor:
    axes = spatial_axes(spatial_dims)
    of = x if by is None else by
    pixels = math.prod(of.shape[-spatial_dims:])
    mean = of.mean(axes, keepdim=True, dtype=torch.float64).to(of.dtype)
    centred = of - mean
    std = torch.linalg.vector_norm(centred, dim=axes, keepdim=True, dtype=torch.float64) / math.sqrt(pixels)
    flat = std < torch.clamp(rounding(mean), min=FLAT)
    return (centred if by is None else x - mean.to(x.dtype)) / torch.where(flat, 1.0, std).to(x.dtype)


def _by_rows(x: Tensor, by: Tensor | None = None, *, spatial_dims: int, out: Tensor | None = None) -> Tensor:
    """What `_normalized` gives, in a third of the time: sums of rows in single precision, of these in double.

    torch's sums of singles in double precision take ten times as long. What rounding has left in the mean is taken
    away in a second step, so that a constant image comes out as 0.
    """
    of = x if by is None else by
    shape = of.shape[-spatial_dims:]
    long = next((places for places in range(1, spatial_dims) if shape[-places:].numel() >= _ROW), spatial_dims)
    rows = of.reshape(-1, math.prod(shape[:-long]), shape[-long:].numel())
    mean = _mean_of(rows)
    centred = torch.sub(rows, mean, out=None if out is None or by is not None else out.view(rows.shape))
    left = _mean_of(centred)
    centred -= left
    of_rows = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
    std = torch.linalg.vector_norm(of_rows, dim=1, keepdim=True, dtype=torch.float64) / math.sqrt(shape.numel())
    if not math.isfinite(std.sum()):  # NaN, or squares that are no single precision
        exact = _normalized(x, by, spatial_dims=spatial_dims)
        return exact if out is None else out.copy_(exact)
    flat = std < torch.clamp(rounding(mean), min=FLAT)
    divisor = torch.where(flat, 1.0, std).to(x.dtype)
    if by is None:
        return centred.div_(divisor).view(x.shape)
    mean, left, divisor = (
        value.view(*of.shape[:-spatial_dims], *[1] * spatial_dims) for value in (mean, left, divisor)
    )
    return torch.sub(x, mean, out=out).sub_(left).div_(divisor)


def _mean_of(rows: Tensor) -> Tensor:
    """The mean of each image: `(N, 1, 1)` of `(N, rows, columns)`."""
    of_rows = rows.sum(-1, keepdim=True).mean(1, keepdim=True, dtype=torch.float64)
    return (of_rows / rows.shape[-1]).to(rows.dtype)


def minmax(x: Tensor, *, spatial_dims: int, by: Tensor | None = None) -> Tensor:
    """Each image to the range 0 to 1: `(x - min) / (max - min)`; a constant image, but for rounding, to 0.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        spatial_dims: 2 or 3.
        by: images whose least and most are taken, such as those that `x` is the target of. Default: `x`.

    Example:
        >>> minmax(torch.tensor([[2.0, 4.0, 6.0]]), spatial_dims=2)
        tensor([[0.0000, 0.5000, 1.0000]])
    """
    axes = spatial_axes(spatial_dims)
    of = x if by is None else by
    low, high = of.amin(axes, keepdim=True), of.amax(axes, keepdim=True)
    spread = high - low
    flat = spread <= torch.maximum(rounding(low), rounding(high))
    return torch.where(flat, 0.0, (x - low) / torch.where(flat, 1.0, spread))


def percentile_clip(x: Tensor, low: float, high: float, *, spatial_dims: int, by: Tensor | None = None) -> Tensor:
    """Clip each image at its percentiles: values below the one of `low` become it, those above that of `high` that.

    Percentiles are interpolated between the two nearest values, as `numpy.percentile` does. The same as MONAI's
    `ClipIntensityPercentiles`, and as the clipping of its `ScaleIntensityRangePercentiles`. `torch.quantile` is not
    asked: it sorts, and before torch 2.14 refuses more than 16 million pixels.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        low: 0 to 100; 0 clips nothing.
        high: more than `low`, up to 100; 100 clips nothing.
        spatial_dims: 2 or 3.
        by: images whose percentiles are taken, such as those that `x` is the target of. Default: `x`.

    Example:
        >>> percentile_clip(torch.tensor([[0.0, 1.0, 2.0, 3.0, 40.0]]), 25, 75, spatial_dims=2)
        tensor([[1., 1., 2., 3., 3.]])
    """
    of = x if by is None else by
    values = of.flatten(-spatial_dims)
    after = [1] * (spatial_dims - 1)
    bounds = [
        None if percent == nothing else _percentile(values, percent).reshape(*of.shape[:-spatial_dims], 1, *after)
        for percent, nothing in ((low, 0), (high, 100))
    ]
    return x.clone() if bounds == [None, None] else x.clamp(*bounds)


def _percentile(values: Tensor, percent: float) -> Tensor:
    """A percentile of the last axis, found among as many of its lowest or highest values as it takes."""
    n = values.shape[-1]
    below, part = divmod(percent / 100 * (n - 1), 1)
    low_end = bool(below < n / 2)  # of a NumPy number NumPy's, which topk refuses
    count = min(int(below) + 2, n) if low_end else n - int(below)
    outer = values.topk(count, largest=not low_end, sorted=False).values
    nearest = outer.topk(min(2, count), largest=low_end).values
    lower, upper = (nearest[..., -1], nearest[..., 0]) if low_end else (nearest[..., 0], nearest[..., -1])
    return lower.lerp(upper, part)


def invert_contrast(
    x: Tensor, *, spatial_dims: int, mode: Literal["always", "auto"] = "always", by: Tensor | None = None
) -> Tensor:
    """Turn dark to bright: -x, of every image, or ("auto") of those whose centre is darker than their rim.

    The centre are the pixels with r < 0.5, the rim those with r > 0.8, where r is the distance from pixel `n // 2` in
    units of half the side, along each axis; their means are compared. An image where they are equal, but for
    rounding, and one too small to have both, stays. RELION's `invert_contrast` always inverts. ASPIRE's compares the
    same means, of all images of a stack together.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        spatial_dims: 2 or 3.
        mode: "always" or "auto".
        by: images that are judged, such as those that `x` is the target of. Default: `x`.

    Example:
        >>> x = torch.tensor([[2.0, 1.0, 0.0, -4.0, 0.0, 1.0, 2.0]])
        >>> invert_contrast(x, spatial_dims=2, mode="auto")
        tensor([[-2., -1., -0.,  4., -0., -1., -2.]])
    """
    if mode == "always":
        return -x
    axes = spatial_axes(spatial_dims)
    of = x if by is None else by
    level = of.mean(axes, keepdim=True)
    weights = _centre_less_rim(tuple(of.shape[-spatial_dims:]), of.dtype, of.device)
    difference = ((of - level) * weights).sum(axes, keepdim=True)
    return torch.where(difference < -rounding(level), -x, x)


@kept_for_small_boxes
def _centre_less_rim(sizes: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Weights whose sum with an image is the mean of its centre less that of its rim; 0 where it lacks one of them."""
    squares = torch.zeros((), dtype=torch.float64, device=device)
    for n in sizes:
        squares = squares[..., None] + (offsets(n, squares) / (n / 2)).square()
    centre, rim = squares < 0.5**2, squares > 0.8**2
    if not (centre.any() and rim.any()):
        return torch.zeros_like(squares, dtype=dtype)
    return centre.to(dtype) / centre.sum() - rim.to(dtype) / rim.sum()


def rounding(value: Tensor) -> Tensor:
    """How far apart numbers can come to lie, after a blur or a rescaling, that should be this one."""
    return 32 * torch.finfo(value.dtype).eps * value.abs()
