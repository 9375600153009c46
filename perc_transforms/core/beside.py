"""Images that stand beside the image of a row, and that are moved with it: masks of whole numbers, and a target.

`segmentation`, `segmentation_NAME` and `labels` are masks: they keep their type, and no filter touches them. `target`
is a second image of the same thing, as of the other half of the frames. Columns of these names that are no images, such
as one class a row, are left alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perc_transforms.core.forms import LABELS, TARGET, as_image
from perc_transforms.errors import TransformError

_FEWEST, _MOST = 2, 3
"""Axes of a section and of a volume."""


def as_beside(name: str, value: Any, image: Tensor, owner: str) -> Tensor | None:
    """A column's value as a tensor: of a mask in its own type, of a target as images are; None: it is no image.

    Raises:
        TransformError: it has other sides than the image.
    """
    axes = _axes(value)
    if axes < _FEWEST:
        return None
    made = as_image(value, f"{owner}: {name}") if name == TARGET else _mask(value, f"{owner}: {name}")
    if made.shape[-_FEWEST:] == image.shape[-_FEWEST:]:
        return made
    if name in (TARGET, LABELS) and axes < min(image.ndim, _MOST):  # a matrix, beside a volume
        return None
    raise _unlike(name, made, image.shape, owner)


def check_sides(name: str, value: Tensor, sizes: Sequence[int], owner: str) -> None:
    """Refuse an image that has other spatial axes than the one that it stands beside, or a target of another shape.

    Raises:
        TransformError: it has.
    """
    shape = value.shape if name == TARGET else value.shape[-len(sizes) :]
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
