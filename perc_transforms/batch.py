"""What a transform is given, brought to one form and back: a tensor, an array, a list, a row or a batch of rows."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from perc_transforms.errors import TransformError
from perc_transforms.stacking import stack

IMAGE = "image"
ROW_COLUMNS = ("path", "index", "label", "suffix", "pixel_size", "id", "entry", "imageset", "micrograph")
"""Columns that hold one value a row: where they hold a list, a dict of columns is a batch."""
NULLABLE_NUMBERS = ("pixel_size",)
"""Columns whose null becomes NaN, as in datasets' torch format, so that torch's default collate can stack it."""

Form = Literal["tensor", "list", "row", "batch"]


@dataclass
class Rows:
    """Rows whose images have one shape.

    Attributes:
        images: `(rows, ..., ny, nx)` or `(rows, ..., nz, ny, nx)`.
        spatial_dims: how many of the last axes are space: 2 or 3.
        columns: the rows' other values by column; only those that transforms know of.
    """

    images: Tensor
    spatial_dims: int
    columns: dict[str, list[Any]]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pixels along the spatial axes."""
        return tuple(self.images.shape[-self.spatial_dims :])


class Batch:
    """Rows of any shapes on their way through transforms.

    Args:
        data: what a transform was called with.
        owner: the transform's name, for errors.
        spatial_dims: 2 or 3; None: two axes are an image, three or more a volume (with leading axes).

    Raises:
        TransformError: no images, or none that a transform can work on.
    """

    def __init__(self, data: Any, owner: str, spatial_dims: int | None = None) -> None:
        self.owner = owner
        self.source = data
        self.form: Form = _form(data, owner)
        images = data[IMAGE] if self.form in ("row", "batch") else data
        items: Sequence[Any] = images if self.form in ("list", "batch") else [images]
        if len(items) == 0:
            msg = f"{owner}: an empty batch: expected at least one image"
            raise TransformError(msg)
        self._listed = not isinstance(items, Tensor)
        if isinstance(items, Tensor | np.ndarray) and items.dtype != object:
            self._images: Tensor | list[Tensor] = as_image(items, owner)
        else:
            self._images = [as_image(item, owner) for item in items]
        self.spatial_dims = spatial_dims
        self._changed: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        return len(self._images)

    def column(self, name: str) -> list[Any]:
        """One value a row of a column, None where there is none; numbers as Python floats or ints."""
        if name in self._changed:
            return self._changed[name]
        if self.form not in ("row", "batch") or name not in self.source:
            return [None] * len(self)
        values = self.source[name] if self.form == "batch" else [self.source[name]]
        return [_plain(value) for value in values]

    def groups(self, columns: Sequence[str]) -> list[tuple[list[int], Rows]]:
        """The rows, those of equal image shape together, with the values of some columns."""
        places: dict[tuple[Any, ...], list[int]] = {}
        if isinstance(self._images, Tensor):
            places[()] = list(range(len(self)))
        else:
            for place, image in enumerate(self._images):
                places.setdefault((image.shape, image.dtype, image.device), []).append(place)
        values = {name: self.column(name) for name in columns}
        return [(chosen, self._rows(chosen, values)) for chosen in places.values()]

    def _rows(self, places: list[int], values: dict[str, list[Any]]) -> Rows:
        if isinstance(self._images, Tensor):
            images = self._images
        elif len(places) == 1:
            images = self._images[places[0]][None]
        else:
            images = stack([self._images[place] for place in places])
        axes = images.ndim - 1
        dims = self.spatial_dims if self.spatial_dims is not None else 2 if axes == 2 else 3
        if axes < dims:
            msg = f"{self.owner}: an image of shape {tuple(images.shape[1:])}: expected at least {dims} axes"
            raise TransformError(msg)
        return Rows(images, dims, {name: [column[place] for place in places] for name, column in values.items()})

    def replace(self, results: list[tuple[list[int], Rows]]) -> None:
        """Take over what a transform made of the groups."""
        images: list[Any] = [None] * len(self)
        for places, rows in results:
            for name, values in rows.columns.items():
                if self.form in ("row", "batch") and name in self.source:
                    column = self._changed.setdefault(name, list(self.column(name)))
                    for place, value in zip(places, values, strict=True):
                        column[place] = value
            if len(results) == 1:
                self._images = rows.images
                return
            for place, image in zip(places, rows.images.unbind(), strict=True):
                images[place] = image
        self._images = images

    def map_images(self, function: Callable[[Tensor], Any]) -> None:
        """Replace each image by what `function` makes of it; should it work in place, then on a copy."""
        self._images = [as_image(function(image.clone()), self.owner) for image in self._images]

    def add_channel(self) -> None:
        """Put an axis of length 1 before the others of each image."""
        self._images = [image[None] for image in self._images]

    def result(self) -> Any:
        """The images in the form they came in, with dependent columns kept true."""
        images: Any = self._images
        if self.form in ("tensor", "row"):
            images = images[0]
        elif self._listed:
            images = list(images)
        elif not isinstance(images, Tensor) and len({image.shape for image in images}) == 1:
            images = stack(images)
        if self.form in ("tensor", "list"):
            return images
        out = self.source.copy() if hasattr(self.source, "copy") else dict(self.source)
        out[IMAGE] = images
        for name in {*self._changed, *NULLABLE_NUMBERS} & set(out):
            values = [math.nan if v is None and name in NULLABLE_NUMBERS else v for v in self.column(name)]
            out[name] = _like(self.source[name], values) if self.form == "batch" else _like_one(out[name], values[0])
        return out


def as_image(value: Any, owner: str) -> Tensor:
    """An image as a floating-point tensor: arrays, integers and half precision become float32, float64 tensors stay.

    Raises:
        TransformError: complex or no numbers, no axes, or a side of length 0.
    """
    if not isinstance(value, Tensor):
        value = _tensor(value, owner)
    if value.is_complex():
        msg = f"{owner}: a complex image ({value.dtype}): take its real part or its abs() first"
        raise TransformError(msg)
    if value.ndim < 2 or 0 in value.shape:
        msg = f"{owner}: an image of shape {tuple(value.shape)}: expected 2 axes or more, none empty"
        raise TransformError(msg)
    image: Tensor = value
    return image if image.dtype in (torch.float32, torch.float64) else image.to(torch.float32)


def _tensor(value: Any, owner: str) -> Tensor:
    try:
        array = np.asarray(value)
    except ValueError as err:
        msg = f"{owner}: an image with rows of different lengths: expected a rectangular array"
        raise TransformError(msg) from err
    if array.dtype.kind == "c":
        msg = f"{owner}: a complex image ({array.dtype}): take its real part or its abs() first"
        raise TransformError(msg)
    if array.dtype.kind not in "biuf":
        msg = f"{owner}: an image of {type(value).__name__} ({array.dtype}): expected numbers"
        raise TransformError(msg)
    usable = array.dtype == np.float32 and array.flags.writeable and all(step >= 0 for step in array.strides)
    return torch.from_numpy(array if usable else array.astype(np.float32))


def _form(data: Any, owner: str) -> Form:
    if isinstance(data, Tensor) or (isinstance(data, np.ndarray) and data.dtype != object):
        return "tensor"
    if isinstance(data, list | tuple | np.ndarray):
        return "list"
    if isinstance(data, Mapping):
        if IMAGE not in data:
            msg = f"{owner}: a row without a column {IMAGE!r}: it has {', '.join(map(repr, data))}"
            raise TransformError(msg)
        return "batch" if _is_batch(data) else "row"
    msg = f"{owner}: cannot transform {type(data).__name__}: expected a tensor, an array, a list, a row or a batch"
    raise TransformError(msg)


def _is_batch(data: Mapping[str, Any]) -> bool:
    """Whether a dict holds several rows: a list of images says so; beside a stack of them, the other columns do."""
    image = data[IMAGE]
    if not isinstance(image, Tensor | np.ndarray) or image.dtype == object:
        return isinstance(image, list | tuple | np.ndarray)
    lengths = {name: _length(value) for name, value in data.items() if name != IMAGE}
    if any(lengths.get(name) is not None for name in ROW_COLUMNS):
        return True
    return image.ndim > 2 and bool(lengths) and set(lengths.values()) == {len(image)}


def _length(column: Any) -> int | None:
    """How many values a column holds; None for a single value."""
    if isinstance(column, list | tuple):
        return len(column)
    return len(column) if isinstance(column, Tensor | np.ndarray) and column.ndim > 0 else None


def _plain(value: Any) -> Any:
    """A column's value as a Python object; NaN, which stands for null, as None."""
    if isinstance(value, Tensor | np.ndarray | np.generic) and value.ndim == 0:
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def _like(column: Any, values: list[Any]) -> Any:
    """Values in the kind of container that the column came in; integers become floats, which the values are."""
    if isinstance(column, Tensor):
        dtype = column.dtype if column.is_floating_point() else torch.float32
        return torch.tensor(values, dtype=dtype, device=column.device)
    if isinstance(column, np.ndarray):
        return np.array(values, column.dtype if column.dtype.kind == "f" else np.float64)
    return values


def _like_one(value: Any, new: Any) -> Any:
    if isinstance(value, Tensor | np.ndarray):
        return _like(value, new)
    return (
        np.float64(new).astype(value.dtype if value.dtype.kind == "f" else None)
        if isinstance(value, np.generic)
        else new
    )
