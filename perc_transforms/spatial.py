"""Transforms of size and place."""

import numbers
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from perc_transforms import functional as F
from perc_transforms.base import Transform
from perc_transforms.batch import Rows
from perc_transforms.errors import TransformError


def _is_side(n: object) -> bool:
    return isinstance(n, numbers.Integral) and not isinstance(n, bool) and int(n) > 0


@dataclass(repr=False)
class Rescale(Transform):
    """Resample to a given number of pixels; `pixel_size` is updated.

    By the image's Fourier series, centre on centre, without the frequencies that the new grid cannot hold, so that a
    band-limited image is reproduced and nothing aliases (see `functional.rescale`). An image of unequal sides keeps
    its true aspect: it is fitted into `shape`, and the rest is filled with its mean. CAKED's `rescale=N` aliases, and
    stretches.

    Args:
        shape: pixels along each axis, `(ny, nx)` or `(nz, ny, nx)`; one number for all of them.
        stretch: let each axis fill its side instead; `pixel_size`, which is that along x, is then x's.

    Raises:
        TransformError: `shape` is not made of positive integers, or has another number of axes than the image.

    Example:
        >>> import torch
        >>> row = Rescale(32)({"image": torch.rand(64, 64, 64), "pixel_size": 1.5})
        >>> row["image"].shape, row["pixel_size"]
        (torch.Size([32, 32, 32]), 3.0)
    """

    columns: ClassVar[tuple[str, ...]] = ("pixel_size",)

    shape: int | Sequence[int]
    stretch: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        sides = list(self.shape) if isinstance(self.shape, Sequence) else [self.shape]
        if not sides or not all(_is_side(n) for n in sides):
            msg = f"Rescale: shape is {self.shape!r}: expected a number of pixels, or one for each axis"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Resample the images of one shape in one go."""
        dims = rows.spatial_dims
        shape = tuple(map(int, self.shape)) if isinstance(self.shape, Sequence) else (int(self.shape),) * dims
        if len(shape) != dims:
            msg = f"Rescale: shape is {shape} for images of {dims} spatial axes {rows.sizes}: expected {dims} numbers"
            raise TransformError(msg)
        images = F.rescale(rows.images, shape, spatial_dims=dims, stretch=self.stretch)
        step = F.rescale_steps(rows.sizes, shape, stretch=self.stretch)[-1]
        sizes = [None if size is None else size * step for size in rows.columns["pixel_size"]]
        return replace(rows, images=images, columns={**rows.columns, "pixel_size": sizes})
