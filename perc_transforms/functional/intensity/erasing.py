"""Parts of images replaced."""

from collections.abc import Sequence

import torch
from torch import Tensor

from perc_transforms.functional.axes import spatial_axes


def cutout(x: Tensor, corners: Tensor, size: Tensor, *, spatial_dims: int, fill: float | None = None) -> Tensor:
    """Replace boxes in images.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        corners: first pixel of each box along the axes of space, `(..., boxes, spatial_dims)`, whole numbers; its
            leading axes are broadcast against those of `x`.
        size: pixels of the boxes along these axes, `(..., spatial_dims)`, broadcast likewise.
        spatial_dims: 2 or 3.
        fill: what to replace them by; None: the mean of each image.

    Example:
        >>> cutout(torch.ones(3, 3), torch.tensor([[0, 1]]), torch.tensor([2, 1]), spatial_dims=2, fill=0.0)
        tensor([[1., 0., 1.],
                [1., 0., 1.],
                [1., 1., 1.]])
    """
    holes = _boxes(x.shape[-spatial_dims:], corners.to(x.device), size.to(x.device))
    if fill is not None:
        return torch.where(holes, fill, x)
    mean = x.mean(spatial_axes(spatial_dims), keepdim=True, dtype=torch.float64)
    return torch.where(holes, mean.to(x.dtype), x)


def _boxes(sizes: Sequence[int], corners: Tensor, size: Tensor) -> Tensor:
    """Whether a pixel is in any of the boxes, `(..., *sizes)`."""
    spans = []
    for axis, n in enumerate(sizes):
        first = corners[..., axis, None]
        pixels = torch.arange(n, device=corners.device)
        spans.append(((pixels >= first) & (pixels < first + size[..., None, axis, None])).float())
    planes = spans[-1]
    for span in reversed(spans[1:-1]):
        planes = (span[..., None] * planes[..., None, :]).flatten(-2)
    counts = spans[0].transpose(-1, -2) @ planes  # in how many boxes, for all of them at once
    return (counts > 0).reshape(*counts.shape[:-2], *sizes)
