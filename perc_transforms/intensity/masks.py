"""Masks about the centre of the box."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Rows
from perc_transforms.core.sizing import is_number, known_pixel_size
from perc_transforms.errors import TransformError
from perc_transforms.functional.intensity.masks import soft_mask


@dataclass(repr=False)
class Circular(Transform):
    """What transforms are that tell a circle, or a sphere, about the centre of the box from what is around it.

    A subclass says in `within` what is done to images, given the radius in pixels.

    Args:
        radius: in pixels, from pixel `n // 2`; at most half the box, which is the shortest side.
        radius_angstrom: the same in Å, by each row's `pixel_size`. Default: `default_share` of the box.

    Raises:
        TransformError: both are given, one is not positive, Å are asked for where no pixel size is known, or the radius
            is larger than half the box.
    """

    columns: ClassVar[tuple[str, ...]] = ("pixel_size",)
    default_share: ClassVar[float] = 0.5

    radius: float | None = None
    radius_angstrom: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [value for value in (self.radius, self.radius_angstrom) if value is not None]
        if len(given) > 1 or not all(is_number(value) and value > 0 for value in given):
            msg = f"{self!r}: expected radius (pixels) or radius_angstrom (Å), not both, more than 0"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Transform the images of one shape, those of one radius in one go."""
        places: dict[float, list[int]] = {}
        for place, pixel_size in enumerate(rows.columns["pixel_size"]):
            places.setdefault(self._pixels(rows.sizes, pixel_size), []).append(place)

        def change(images: Tensor, by: Tensor | None = None) -> Tensor:
            if len(places) == 1:
                return self.within(images, next(iter(places)), rows.spatial_dims, by)
            done = torch.empty_like(images)
            for radius, chosen in places.items():
                some = None if by is None else by[chosen]
                done[chosen] = self.within(images[chosen], radius, rows.spatial_dims, some)
            return done

        return rows.through(change, partial(change, by=rows.images))

    def within(self, images: Tensor, radius: float, spatial_dims: int, by: Tensor | None = None) -> Tensor:
        """Transform images, given the radius in pixels; targets by what is found of the images that they belong to."""
        raise NotImplementedError

    def _pixels(self, sizes: tuple[int, ...], pixel_size: float | None) -> float:
        """The radius in pixels in a box."""
        box = min(sizes)
        if self.radius_angstrom is None:
            radius = self.default_share * box if self.radius is None else float(self.radius)
        else:
            radius = self.radius_angstrom / known_pixel_size(pixel_size, self, "radius")
        if radius > box / 2 * (1 + 1e-6):  # a pixel_size may have been rounded to single precision
            msg = (
                f"{self!r}: a radius of {radius:g} pixels in a box of {sizes}, which is smaller than the mask: expected"
                f" at most {box / 2:g}: give a smaller radius, or extract or pad to a larger box"
            )
            raise TransformError(msg)
        return radius


@dataclass(repr=False)
class SoftMask(Circular):
    """Keep a circle, or in volumes a sphere, and fill what is around it, with a raised-cosine edge between.

    With r the distance from pixel `n // 2`, pixels stay where r <= radius and are replaced where r >= radius + edge;
    between, the filling has the weight `0.5 + 0.5 cos(pi (radius + edge - r) / edge)`. Shapes `(..., ny, nx)` or
    `(..., nz, ny, nx)`. It agrees with RELION's `softMaskOutsideMap` (mask.cpp), whose edge is 3 pixels unless told
    otherwise, and 5 where `relion_refine` calls it.

    Args:
        radius: in pixels; default: half the box, that is half the shortest side.
        edge: width of the edge, in pixels, outside the radius; 0 for a step. It may reach beyond the box. Default: 5.
        fill: "background", the default: each image's mean where it is replaced, weighted as the filling is; or a
            number.
        radius_angstrom: the radius in Å, by each row's `pixel_size`.

    Raises:
        TransformError: an option is out of its range, Å are asked for where no pixel size is known, or the radius is
            larger than half the box.

    Example:
        >>> import torch
        >>> SoftMask(1, edge=2, fill=0)(torch.ones(1, 7).expand(7, 7))[3]
        tensor([0.0000, 0.5000, 1.0000, 1.0000, 1.0000, 0.5000, 0.0000])
    """

    edge: float = 5.0
    fill: float | Literal["background"] = "background"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_number(self.edge) or self.edge < 0:
            msg = f"{self!r}: edge is {self.edge!r}: expected a width in pixels, 0 or more"
            raise TransformError(msg)
        if self.fill != "background" and not is_number(self.fill):
            msg = f"{self!r}: fill is {self.fill!r}: expected 'background' or a number"
            raise TransformError(msg)

    def within(self, images: Tensor, radius: float, spatial_dims: int, by: Tensor | None = None) -> Tensor:
        """Mask images, given the radius in pixels; each gets the mean of its own background."""
        return soft_mask(images, radius, spatial_dims=spatial_dims, edge=float(self.edge), fill=self.fill)
