"""Images of different sizes brought to one, by cutting and padding, so that they can be published as arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from builders.errors import FormatError, OptionError
from builders.publishing.writing.pixels import as_array
from builders.publishing.writing.schema import Row

Size = int | tuple[int, ...]
Image = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Fitting:
    """Cut and pad the `image` of each row about its centre; columns that depend on it stay true.

    Attributes:
        crop: pixels along each axis to cut to, `(ny, nx)` or `(nz, ny, nx)`, or one number for all; None does not cut.
        pad: the same, to pad to, with the image's mean. With both, an image that is smaller than `crop` is only padded.

    Raises:
        OptionError: a size is none.
    """

    crop: Size | None = None
    pad: Size | None = None

    def __post_init__(self) -> None:
        for name in ("crop", "pad"):
            size = getattr(self, name)
            sides = size if isinstance(size, tuple) else (size,)
            if size is not None and not all(type(n) is int and n > 0 for n in sides):
                msg = f"{name} is {size!r}: expected a number of pixels, or one for each axis, such as (256, 256)"
                raise OptionError(msg)

    def __str__(self) -> str:
        """As it was asked for, which is what a front page says: this class is not public."""
        told = ((name, getattr(self, name)) for name in ("crop", "pad"))
        return f"publish(..., {', '.join(f'{name}={size}' for name, size in told if size is not None)})"

    def __bool__(self) -> bool:
        return self.crop is not None or self.pad is not None

    def __call__(self, row: Row) -> Row:
        """The row with its image cut and padded, in its own type.

        Raises:
            TransformError: the image is smaller than `crop`, or larger than `pad`, and the other is not given.
            OptionError: there is no column `image`.
            FormatError: the image is complex.
        """
        from perc_transforms import CenterCrop, Pad

        if "image" not in row:
            msg = f"crop and pad are for a column 'image': the rows have {', '.join(map(repr, row))}"
            raise OptionError(msg)
        if row["image"] is None:
            return row
        image = as_array(row["image"], "image")
        if image.dtype.kind == "c":
            msg = f"'image' holds complex pixels ({image.dtype}), which are not cut and padded: leave crop and pad out"
            raise FormatError(msg)
        # a batch of one: alone, a volume beside a list as long as it is deep would be taken for a batch of images
        done: Any = {name: [value] for name, value in row.items()} | {"image": [_exact(image)]}
        if self.crop is not None:
            sides = _sides(self.crop, image.ndim)
            if self.pad is not None:
                sides = tuple(min(side, n) for side, n in zip(sides, image.shape, strict=True))
            done = CenterCrop(sides, spatial_dims=image.ndim)(done)
        if self.pad is not None:
            done = Pad(_sides(self.pad, image.ndim), value=_mean(image), spatial_dims=image.ndim)(done)
        done["image"] = [np.asarray(done["image"][0]).astype(image.dtype)]
        return {name: row[name] if name not in _FOLLOW else values[0] for name, values in done.items()}


_FOLLOW = {"image", "coordinate_x", "coordinate_y", "pose", "shift_z"}
"""Columns that cutting and padding change; the others are given back as they were, null where they are."""


def _exact(image: Image) -> Any:
    """What transforms leave as it is: they make float32 of arrays, which has not all the bits of wide ones."""
    import torch

    kind, width = image.dtype.kind, image.dtype.itemsize
    wide = (kind == "f" and width > 4) or (kind in "iu" and width == 4)
    return torch.from_numpy(image.astype(np.float64)) if wide else image


def _mean(image: Image) -> float:
    """The mean of the finite pixels, as a value of their type; 0 of none."""
    finite = image[np.isfinite(image)]
    mean = float(np.mean(finite, dtype=np.float64)) if finite.size else 0.0
    return mean if image.dtype.kind == "f" else round(mean)


def _sides(size: Size, axes: int) -> tuple[int, ...]:
    sides = size if isinstance(size, tuple) else (size,) * axes
    if len(sides) != axes:
        msg = f"a size of {sides} for an image of {axes} axes: expected a number for each axis, or one for all"
        raise OptionError(msg)
    return sides
