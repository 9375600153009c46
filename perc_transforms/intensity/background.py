"""Transforms that go by the background of an image."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor

from perc_transforms.core.sizing import is_number
from perc_transforms.errors import TransformError
from perc_transforms.functional.intensity.background import BACKGROUND, normalize_background
from perc_transforms.intensity.masks import Circular


@dataclass(repr=False)
class NormalizeBackground(Circular):
    """Each image so that its background, the pixels with r > radius, has mean 0 and standard deviation 1.

    A plane is fitted to the background and subtracted, then `(x - mean) / std` is taken by the background's mean and
    standard deviation; where that is below 1e-10, or within rounding, it is skipped. r is the distance from pixel
    `n // 2`. Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`; no plane is fitted to volumes. It agrees with RELION's
    `normalise` (image.cpp), which draws random numbers in place of dust, and rounds the default radius and all others
    to whole pixels. A row's `target` is normalised by the background of the image.

    Args:
        radius: in pixels; default: 0.375 of the box, that is of the shortest side.
        ramp: whether to subtract the plane. Default: True.
        dust: clip pixels, first of all, at this many standard deviations from the background's mean; None, the
            default: do not.
        radius_angstrom: the radius in Å, by each row's `pixel_size`.

    Raises:
        TransformError: an option is out of its range, Å are asked for where no pixel size is known, the radius is
            larger than half the box, or no pixel lies beyond it.

    Example:
        >>> import torch
        >>> image = 1000 + 3 * torch.randn(4, 64, 64) + torch.linspace(-20, 20, 64)
        >>> corner = NormalizeBackground(spatial_dims=2)(image)[:, :9, :9]
        >>> bool(corner.mean().abs() < 0.3), bool((corner.std() - 1).abs() < 0.3)
        (True, True)
    """

    default_share: ClassVar[float] = BACKGROUND

    ramp: bool = True
    dust: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dust is not None and not (is_number(self.dust) and self.dust > 0):
            msg = f"{self!r}: dust is {self.dust!r}: expected a number of standard deviations, more than 0, or None"
            raise TransformError(msg)

    def within(self, images: Tensor, radius: float, spatial_dims: int, by: Tensor | None = None) -> Tensor:
        """Normalise images, given the radius in pixels, or targets by the background of their images."""
        sizes = tuple(images.shape[-spatial_dims:])
        if sum((n // 2) ** 2 for n in sizes) <= radius**2:
            msg = (
                f"{self!r}: a radius of {radius:g} pixels in a box of {sizes}: expected pixels beyond it,"
                " for they are the background: give a smaller radius"
            )
            raise TransformError(msg)
        normalized = partial(normalize_background, spatial_dims=spatial_dims, ramp=self.ramp, dust=self.dust)
        return normalized(images, radius, by=by)
