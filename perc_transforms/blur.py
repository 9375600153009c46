"""Transforms that blur."""

import math
import numbers
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from perc_transforms import functional as F
from perc_transforms.base import Transform
from perc_transforms.batch import Rows
from perc_transforms.errors import TransformError


@dataclass(repr=False)
class GaussianBlur(Transform):
    """Blur with a Gaussian along every spatial axis: both of an image, all three of a volume.

    The kernel `exp(-r^2 / (2 sigma^2))` reaches to 4 sigma and sums to 1; edges are mirrored. It agrees with
    torchvision's `gaussian_blur`. (CAKED draws a new sigma at every read, and blurs volumes slice by slice.)

    Args:
        sigma: standard deviation in pixels; 0 changes nothing.
        sigma_angstrom: the same in Å, by each row's `pixel_size`. One of the two is given.

    Raises:
        TransformError: neither or both are given, one is negative, or Å are asked for where no pixel size is known.

    Example:
        >>> import torch
        >>> row = {"image": torch.rand(8, 8, 8), "pixel_size": 2.0}
        >>> GaussianBlur(sigma_angstrom=3.0)(row)["image"].shape
        torch.Size([8, 8, 8])
    """

    columns: ClassVar[tuple[str, ...]] = ("pixel_size",)

    sigma: float | None = None
    sigma_angstrom: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [value for value in (self.sigma, self.sigma_angstrom) if value is not None]
        if len(given) != 1 or not isinstance(given[0], numbers.Real) or not 0 <= given[0] < math.inf:
            msg = f"{self!r}: expected sigma (pixels) or sigma_angstrom (Å), one of them, not negative"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Blur the images of one shape, those of one sigma in one go."""
        places: dict[float, list[int]] = {}
        for place, pixel_size in enumerate(rows.columns["pixel_size"]):
            places.setdefault(self._pixels(pixel_size), []).append(place)
        images = torch.empty_like(rows.images)
        for sigma, chosen in places.items():
            images[chosen] = F.gaussian_blur(rows.images[chosen], sigma, spatial_dims=rows.spatial_dims)
        return replace(rows, images=images)

    def _pixels(self, pixel_size: float | None) -> float:
        if self.sigma_angstrom is None:
            return float(self.sigma or 0.0)
        if pixel_size is None or not pixel_size > 0:
            msg = f"{self!r}: the row's pixel_size is {pixel_size}: give sigma in pixels, or a pixel_size in Å"
            raise TransformError(msg)
        return self.sigma_angstrom / pixel_size
