"""Transforms of pixel values."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from perc_transforms import functional as F
from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Rows
from perc_transforms.core.sizing import is_number
from perc_transforms.errors import TransformError
from perc_transforms.functional.intensity.statistics import invert_contrast, percentile_clip


@dataclass(repr=False)
class Normalize(Transform):
    """Each image to mean 0 and standard deviation 1: `(x - mean) / std`; a constant one (std < 1e-10) to 0.

    Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`, statistics over the spatial axes of each image. RELION and every
    package derived from it normalise so; CAKED's `normalise` subtracts 0 and divides by 1.

    A row's `target` is normalised by the image's mean and standard deviation, so that what is alike in both stays so:
    cryoCARE, too, normalises both halves by those of one (its `CryoCARE_DataModule.get_normalizer`).

    Example:
        >>> import torch
        >>> Normalize()(torch.tensor([[1.0, 3.0]]))
        tensor([[-1.,  1.]])
    """

    def apply(self, rows: Rows) -> Rows:
        """Normalise the images of one shape in one go."""
        change = partial(F.normalize, spatial_dims=rows.spatial_dims)
        return rows.through(change, partial(change, by=rows.images))


@dataclass(repr=False)
class MinMax(Transform):
    """Each image to the range 0 to 1: `(x - min) / (max - min)`; a constant one to 0. CAKED calls it `shiftmin`.

    Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`, least and most over the spatial axes of each image. A row's `target`
    goes by those of the image.

    Example:
        >>> import torch
        >>> MinMax()(torch.tensor([[2.0, 4.0, 6.0]]))
        tensor([[0.0000, 0.5000, 1.0000]])
    """

    def apply(self, rows: Rows) -> Rows:
        """Bring the images of one shape into the range in one go."""
        change = partial(F.minmax, spatial_dims=rows.spatial_dims)
        return rows.through(change, partial(change, by=rows.images))


@dataclass(repr=False)
class PercentileClip(Transform):
    """Clip each image at two of its percentiles, so that hot pixels and gold beads do not set its range.

    Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`, percentiles over the spatial axes of each image, interpolated as
    `numpy.percentile` does, of any number of pixels. It agrees with MONAI's `ClipIntensityPercentiles`. A row's
    `target` is clipped at the image's percentiles.

    Args:
        low: percentile of the lowest value kept; 0 clips nothing. Default: 0.5.
        high: percentile of the highest value kept; 100 clips nothing. Default: 99.5.

    Raises:
        TransformError: not 0 <= low < high <= 100.

    Example:
        >>> import torch
        >>> PercentileClip(25, 75)(torch.tensor([[0.0, 1.0, 2.0, 3.0, 40.0]]))
        tensor([[1., 1., 2., 3., 3.]])
    """

    low: float = 0.5
    high: float = 99.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_number(self.low) and is_number(self.high)) or not 0 <= self.low < self.high <= 100:
            msg = f"PercentileClip: low is {self.low!r}, high is {self.high!r}: expected 0 <= low < high <= 100"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Clip the images of one shape in one go."""
        low, high = float(self.low), float(self.high)
        change = partial(percentile_clip, low=low, high=high, spatial_dims=rows.spatial_dims)
        return rows.through(change, partial(change, by=rows.images))


@dataclass(repr=False)
class InvertContrast(Transform):
    """Turn dark particles on a bright background to bright ones on a dark background: -x.

    With `mode="auto"` only where it takes that: images whose centre (mean of r < 0.5) is darker than their rim (mean
    of r > 0.8), r being the distance from pixel `n // 2` in units of half the side, along each axis. Each image is
    judged by itself, and stays where the two are equal. RELION's `--invert_contrast` always inverts; ASPIRE's
    `invert_contrast` compares the same means, but of a whole stack. A row's `target` is inverted where its image is.

    Args:
        mode: "always" (the default) or "auto".

    Raises:
        TransformError: another mode.

    Example:
        >>> import torch
        >>> dark = torch.tensor([[2.0, 1.0, 0.0, -4.0, 0.0, 1.0, 2.0]])
        >>> bright = InvertContrast("auto")(dark)
        >>> bright, bool((InvertContrast("auto")(bright) == bright).all())
        (tensor([[-2., -1., -0.,  4., -0., -1., -2.]]), True)
    """

    mode: Literal["always", "auto"] = "always"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("always", "auto"):
            msg = f"InvertContrast: mode is {self.mode!r}: expected 'always' or 'auto'"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Invert images of one shape in one go."""
        change = partial(invert_contrast, spatial_dims=rows.spatial_dims, mode=self.mode)
        return rows.through(change, partial(change, by=rows.images))
