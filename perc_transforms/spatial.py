"""Transforms of size and place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perc_transforms import functional as F
from perc_transforms.base import Transform
from perc_transforms.batch import Rows
from perc_transforms.errors import TransformError
from perc_transforms.motion import COLUMNS, Motion, moved
from perc_transforms.sizing import are_sides


@dataclass(repr=False)
class Rescale(Transform):
    """Resample to a given number of pixels; `pixel_size` and coordinates are updated.

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

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    shape: int | Sequence[int]
    stretch: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not are_sides(self.shape):
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
        steps = F.rescale_steps(rows.sizes, shape, stretch=self.stretch)
        return moved(rows, images, Motion(step=steps[::-1]), owner="Rescale")
