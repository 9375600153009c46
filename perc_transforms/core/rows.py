"""Rows as transforms get them, those whose images have one shape, stacked; and the images that stand beside these.

`segmentation`, `segmentation_NAME` and `labels` are masks: they keep their type, and no filter touches them. `target`
and `clean` are second images of the same thing, as of the other half of the frames, or without noise. Columns of these
names that are no images, such as one class a row, are left alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perc_transforms.core.forms import LABELS, TARGETS, as_image
from perc_transforms.errors import TransformError

FRAME = "(frame)"
"""A column that no row has, and that lasts as long as a batch: how the image is turned against its micrograph."""
RECORDS = "transforms"
"""The column in which transforms record what they drew."""
Change = Callable[[Tensor], Tensor]
_FEWEST, _MOST = 2, 3
"""Axes of a section and of a volume."""


@dataclass
class Rows:
    """Rows whose images have one shape.

    Attributes:
        images: `(rows, ..., ny, nx)` or `(rows, ..., nz, ny, nx)`.
        spatial_dims: how many of the last axes are space: 2 or 3.
        columns: the rows' other values by column; only those that transforms know of.
        beside: images that are moved with these, by column: masks and a target, `(rows, ...)` with
            the same spatial axes.
    """

    images: Tensor
    spatial_dims: int
    columns: dict[str, list[Any]]
    beside: dict[str, Tensor] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pixels along the spatial axes."""
        return tuple(self.images.shape[-self.spatial_dims :])

    def through(self, function: Change, target: Change | None = None) -> "Rows":
        """Rows whose images went through a function, and whose targets did likewise; masks stay.

        Args:
            function: images -> images of the same shape.
            target: what the targets go through instead. Default: the same function.
        """
        changed = {name: (target or function)(images) for name, images in self.beside.items() if name in TARGETS}
        return replace(self, images=function(self.images), beside={**self.beside, **changed})

    def some(self, numbers: Sequence[int]) -> "Rows":
        """Some of the rows."""
        chosen = list(numbers)
        columns = {name: [values[number] for number in chosen] for name, values in self.columns.items()}
        beside = {name: images[chosen] for name, images in self.beside.items()}
        return replace(self, images=self.images[chosen], columns=columns, beside=beside)


Groups = list[tuple[list[int], Rows]]
"""Rows of one shape each, and their places in the batch."""


class Recorded(dict[str, Any]):
    """What was recorded of one transform for one row: it tells when a parameter is asked for that it lacks."""

    def __missing__(self, name: str) -> Any:
        msg = f"{self['transform']}: no {name!r} among {dict(self)}: expected what record=True wrote"
        raise TransformError(msg)


def as_beside(name: str, value: Any, image: Tensor, owner: str) -> Tensor | None:
    """A column's value as a tensor: of a mask in its own type, of a target as images are; None: it is no image.

    Raises:
        TransformError: it has other sides than the image.
    """
    axes = _axes(value)
    if axes < _FEWEST:
        return None
    made = as_image(value, f"{owner}: {name}") if name in TARGETS else _mask(value, f"{owner}: {name}")
    if made.shape[-_FEWEST:] == image.shape[-_FEWEST:]:
        return made
    if name in (*TARGETS, LABELS) and axes < min(image.ndim, _MOST):  # a matrix, beside a volume
        return None
    raise _unlike(name, made, image.shape, owner)


def check_sides(name: str, value: Tensor, sizes: Sequence[int], owner: str) -> None:
    """Refuse an image that has other spatial axes than the one that it stands beside, or a target of another shape.

    Raises:
        TransformError: it has.
    """
    shape = value.shape if name in TARGETS else value.shape[-len(sizes) :]
    if tuple(shape) != tuple(sizes):
        raise _unlike(name, value, sizes, owner)


def _unlike(name: str, value: Tensor, shape: Sequence[int], owner: str) -> TransformError:
    msg = f"{owner}: {name} of shape {tuple(value.shape)} beside an image of {tuple(shape)}: expected the same sides, "
    return TransformError(msg + "for both are moved together; a column of something else needs another name")


def _axes(value: Any) -> int:
    if isinstance(value, Tensor | np.ndarray):
        return value.ndim
    axes = 0
    while isinstance(value, list | tuple) and len(value) > 0:
        axes, value = axes + 1, value[0]
    return axes + (value.ndim if isinstance(value, Tensor | np.ndarray) else 0)


def _mask(value: Any, owner: str) -> Tensor:
    if isinstance(value, Tensor):
        return value
    try:
        array = np.asarray(value)
        usable = array.dtype.isnative and array.flags.writeable and all(step >= 0 for step in array.strides)
        return torch.from_numpy(array if usable else array.astype(array.dtype.newbyteorder("="), order="C"))
    except (TypeError, ValueError) as err:
        msg = f"{owner} is {type(value).__name__}: expected numbers in an array of as many axes as the image has"
        raise TransformError(msg) from err
