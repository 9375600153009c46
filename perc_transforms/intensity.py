"""Transforms of pixel values."""

from dataclasses import dataclass, replace

from perc_transforms import functional as F
from perc_transforms.base import Transform
from perc_transforms.batch import Rows


@dataclass(repr=False)
class Normalize(Transform):
    """Each image to mean 0 and standard deviation 1: `(x - mean) / std`; a constant one (std < 1e-10) to 0.

    Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`, statistics over the spatial axes of each image. RELION and every
    package derived from it normalise so; CAKED's `normalise` subtracts 0 and divides by 1.

    Example:
        >>> import torch
        >>> Normalize()(torch.tensor([[1.0, 3.0]]))
        tensor([[-1.,  1.]])
    """

    def apply(self, rows: Rows) -> Rows:
        """Normalise the images of one shape in one go."""
        return replace(rows, images=F.normalize(rows.images, spatial_dims=rows.spatial_dims))


@dataclass(repr=False)
class MinMax(Transform):
    """Each image to the range 0 to 1: `(x - min) / (max - min)`; a constant one to 0. CAKED calls it `shiftmin`.

    Example:
        >>> import torch
        >>> MinMax()(torch.tensor([[2.0, 4.0, 6.0]]))
        tensor([[0.0000, 0.5000, 1.0000]])
    """

    def apply(self, rows: Rows) -> Rows:
        """Bring the images of one shape into the range in one go."""
        return replace(rows, images=F.minmax(rows.images, spatial_dims=rows.spatial_dims))
