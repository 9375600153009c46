"""Transforms that take parts of images away."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch

from perc_transforms.core.batch import Rows
from perc_transforms.core.random_draws import RandomTransform
from perc_transforms.core.sizing import are_lengths, are_sides, is_number, is_whole, sides_of
from perc_transforms.errors import TransformError
from perc_transforms.functional.intensity.erasing import cutout


@dataclass(repr=False)
class Cutout(RandomTransform):
    """Replace squares of each image, or cubes of each volume, by its mean or by a number.

    They lie whole inside the image, each at a place of its own drawn uniformly among all; they may overlap. The mean is
    that of the image before; each frame of a row with leading axes has its own, and the same places. (DeVries & Taylor
    2017, who fill with 0 and let squares reach beyond the edge; copick-torch's `RandomCutout` is alike for volumes.)
    A row's `target` stays whole.
    Recorded: `corner`, the first pixel of each, and `size`, in pixels, both in the order (x, y) or (x, y, z).

    Args:
        size: pixels of a side; or of each axis, `(ny, nx)` or `(nz, ny, nx)`.
        number: how many; 0 changes nothing. Default: 1.
        fill: `"mean"`, the default, or a number.
        size_angstrom: the size in Å instead, by each row's `pixel_size`, rounded to whole pixels, of which it has one
            at least.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: an option is none of these, the size is larger than an image or has another number of axes, or Å
            are asked for where no pixel size is known.

    Example:
        >>> Cutout(2, fill=0.0)(torch.ones(4, 4)).sum()
        tensor(12.)
    """

    columns: ClassVar[tuple[str, ...]] = ("pixel_size",)

    size: int | Sequence[int] | None = None
    number: int = 1
    fill: float | str = "mean"
    size_angstrom: float | Sequence[float] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        fine = are_lengths(self.size_angstrom) if self.size is None else are_sides(self.size)
        if (self.size is None) == (self.size_angstrom is None) or not fine:
            msg = f"{self!r}: expected size (pixels) or size_angstrom (Å), one of them, above 0, or one for each axis"
            raise TransformError(msg)
        if not is_whole(self.number) or self.number < 0:
            msg = f"{self!r}: number is {self.number!r}: expected a whole number from 0"
            raise TransformError(msg)
        if self.fill != "mean" and not is_number(self.fill):
            msg = f"{self!r}: fill is {self.fill!r}: expected 'mean' or a number"
            raise TransformError(msg)

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw the corners for one row."""
        size = self._pixels(rows, place)
        room = np.array(rows.sizes) - np.array(size)
        corners = rng.integers(0, room, (self.number, len(size)), endpoint=True)
        return {"corner": corners[:, ::-1].tolist(), "size": size[::-1]}

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Replace what was drawn, in the images of one shape in one go."""
        dims = rows.spatial_dims
        corners = torch.tensor([[list(map(int, c))[::-1] for c in drawn["corner"]] for drawn in params]).long()
        sizes = torch.tensor([list(map(int, drawn["size"]))[::-1] for drawn in params])
        if not corners.numel():
            return replace(rows, images=rows.images.clone())
        between = [1] * (rows.images.ndim - dims - 1)
        corners = corners.reshape(len(params), *between, -1, dims)
        sizes = sizes.reshape(len(params), *between, dims)
        fill = None if isinstance(self.fill, str) else float(self.fill)
        return replace(rows, images=cutout(rows.images, corners, sizes, spatial_dims=dims, fill=fill))

    def _pixels(self, rows: Rows, place: int) -> list[int]:
        """The size for one row, along each axis."""
        sides = sides_of(self.size, self.size_angstrom, rows, place, self)
        if any(side > n for side, n in zip(sides, rows.sizes, strict=True)):
            msg = f"{self!r}: {sides} pixels of an image of {rows.sizes}: expected a size that is not larger"
            raise TransformError(msg)
        return list(sides)
