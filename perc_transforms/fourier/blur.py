"""Transforms that blur."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Rows
from perc_transforms.core.random_draws import RandomTransform
from perc_transforms.core.sizing import is_number, known_pixel_size
from perc_transforms.errors import TransformError
from perc_transforms.functional.fourier.blur import gaussian_blur


@dataclass(repr=False)
class GaussianBlur(Transform):
    """Blur with a Gaussian along every spatial axis: both of an image, all three of a volume.

    The kernel `exp(-r^2 / (2 sigma^2))` reaches to 4 sigma and sums to 1; edges are mirrored. It agrees with
    torchvision's `gaussian_blur`. Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`. (CAKED draws a new sigma at every
    read, and blurs volumes slice by slice.)

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
        if len(given) != 1 or not _is_sigma(given[0]):
            msg = f"{self!r}: expected sigma (pixels) or sigma_angstrom (Å), one of them, not negative"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Blur the images of one shape in one go."""
        if self.sigma_angstrom is None:
            return _blurred(rows, [float(self.sigma or 0.0)])
        angstrom = self.sigma_angstrom
        return _blurred(rows, [_pixels(angstrom, size, self) for size in rows.columns["pixel_size"]])


@dataclass(repr=False)
class RandomGaussianBlur(RandomTransform):
    """Blur each image with a Gaussian whose width is drawn, uniformly between two; else as `GaussianBlur`.

    CAKED's blur is one of these with `sigma=(0, 1)`, but it draws from a global state and blurs volumes slice by slice.
    A row's `target` is blurred as its image is. Recorded: `sigma`, in pixels.

    Args:
        sigma: lowest and highest standard deviation in pixels.
        sigma_angstrom: the same in Å, by each row's `pixel_size`. One of the two is given.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: neither or both are given, one is no pair of numbers from 0 in ascending order, or Å are asked
            for where no pixel size is known.

    Example:
        >>> import torch
        >>> row = {"image": torch.rand(8, 8), "path": "a.mrcs", "index": 0}
        >>> [record] = RandomGaussianBlur((0.5, 2.0), record=True)(row)["transforms"]
        >>> record["transform"], 0.5 <= record["sigma"] <= 2.0
        ('RandomGaussianBlur', True)
    """

    columns: ClassVar[tuple[str, ...]] = ("pixel_size",)

    sigma: Sequence[float] | None = None
    sigma_angstrom: Sequence[float] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [value for value in (self.sigma, self.sigma_angstrom) if value is not None]
        if len(given) != 1 or not _is_range(given[0]):
            msg = f"{self!r}: expected sigma=(low, high) (pixels) or sigma_angstrom=(low, high) (Å), one of them, "
            msg += "with 0 <= low <= high"
            raise TransformError(msg)

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw the width for one row."""
        low, high = self.sigma or self.sigma_angstrom or (0.0, 0.0)
        drawn = float(rng.uniform(low, high))
        return {"sigma": drawn if self.sigma else _pixels(drawn, rows.columns["pixel_size"][place], self)}

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Blur the images of one shape in one go."""
        return _blurred(rows, [float(drawn["sigma"]) for drawn in params])


def _blurred(rows: Rows, sigmas: Sequence[float]) -> Rows:
    """Rows blurred with one sigma, or with one each."""
    sigma: float | torch.Tensor = sigmas[0]
    if len(set(sigmas)) > 1:
        leading = rows.images.ndim - rows.spatial_dims - 1
        sigma = torch.tensor(sigmas, dtype=torch.float64).reshape(-1, *[1] * leading)
    return rows.through(partial(gaussian_blur, sigma=sigma, spatial_dims=rows.spatial_dims))


def _is_sigma(value: Any) -> bool:
    return is_number(value) and value >= 0


def _is_range(value: Any) -> bool:
    pair = isinstance(value, Sequence) and len(value) == 2 and all(map(_is_sigma, value))
    return pair and float(value[0]) <= float(value[1])


def _pixels(angstrom: float, pixel_size: float | None, transform: Transform) -> float:
    return angstrom / known_pixel_size(pixel_size, transform, "sigma")
