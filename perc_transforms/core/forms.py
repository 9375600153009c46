"""The forms in which images and the values beside them come: what they are, brought to plain values and back."""

import math
import numbers
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from perc_transforms.core.batch_rows import Columns, Structs
from perc_transforms.errors import TransformError

IMAGE = "image"
LABEL = "label"
ROW_COLUMNS = ("path", "index", LABEL, "suffix", "pixel_size", "id", "entry", "imageset", "micrograph", "tomogram")
"""Columns that hold one value a row: where they hold a list, a dict of columns is a batch."""
_NAMES = ("path", "index", "id")
"""Those of them that tell a row from all others."""
TEXTS = frozenset(("path", "suffix", "id", "entry", "imageset", "micrograph", "tomogram"))
"""Those of them that hold texts, which the values do not tell where they are null throughout a batch."""
KEEP_IT = "what leaves out columns that a model does not take (a Trainer with remove_unused_columns=True) is to keep it"
"""What helps where a column is not there at all."""
NULLABLE_NUMBERS = ("pixel_size",)
"""Columns whose null becomes NaN, as in datasets' torch format, so that torch's default collate can stack it."""

TARGET = "target"
CLEAN = "clean"
TARGETS = frozenset((TARGET, CLEAN))
"""Columns of second images of what the image shows: of the other half of the data, and without noise."""
LABELS = "labels"
SEGMENTATION = "segmentation"

Form = Literal["tensor", "list", "row", "batch"]
_EXACT = 2**24
"""Integers up to which float32 holds every one."""
_SMALL, _SINGLE = 2, 4
"""Bytes of the largest integers of which it holds all, and its own."""


def stands_beside(name: str) -> bool:
    """Whether a column of this name may hold images that are moved with the image: see `core.rows`.

    Example:
        >>> [stands_beside(name) for name in ("labels", "label", "clean", "segmentation_membrane")]
        [True, False, True, True]
    """
    return name in (*TARGETS, LABELS, SEGMENTATION) or name.startswith(f"{SEGMENTATION}_")


def as_image(value: Any, owner: str) -> Tensor:
    """An image as a floating-point tensor: arrays, integers and half precision become float32, float64 tensors stay.

    Raises:
        TransformError: complex or no numbers, numbers that float32 cannot hold, no axes, or a side of length 0.
    """
    if not isinstance(value, Tensor):
        value = _tensor(value, owner)
    if value.is_complex():
        msg = f"{owner}: a complex image ({value.dtype}): take its real part or its abs() first"
        raise TransformError(msg)
    if value.ndim < 2 or 0 in value.shape:
        msg = f"{owner}: an image of shape {tuple(value.shape)}: expected 2 axes or more, none empty"
        raise TransformError(msg)
    if not value.is_floating_point() and value.itemsize > _SMALL:
        whole = value if value.dtype in (torch.int32, torch.int64) else value.double()
        _check_exact(whole.min().item(), whole.max().item(), value.dtype, owner)
    image: Tensor = value
    return image if image.dtype in (torch.float32, torch.float64) else image.to(torch.float32)


def _check_exact(low: float, high: float, dtype: Any, owner: str) -> None:
    worst = max(low, high, key=abs)
    if abs(worst) > _EXACT:
        msg = f"{owner}: an image of integers ({dtype}) with the value {int(worst)}, which float32 cannot hold: "
        msg += "give it as float64"
        raise TransformError(msg)


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
    if array.dtype.kind in "iu" and array.dtype.itemsize > _SMALL and array.size:
        _check_exact(array.min().item(), array.max().item(), array.dtype, owner)
    usable = array.dtype == np.float32 and array.flags.writeable and all(step >= 0 for step in array.strides)
    if not usable and array.dtype.kind == "f" and array.dtype.itemsize > _SINGLE:
        return torch.from_numpy(_single(array, owner))
    return torch.from_numpy(array if usable else array.astype(np.float32))


def _single(array: Any, owner: str) -> Any:
    """Floats in single precision, none of which became infinite by that."""
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    lost = array[np.isfinite(array) & ~np.isfinite(single)]
    if lost.size:
        msg = f"{owner}: an image ({array.dtype}) with the value {lost.flat[0]}, which float32 cannot hold: "
        msg += "give it as a torch tensor of float64"
        raise TransformError(msg)
    return single


def form_of(data: Any, owner: str) -> Form:
    """Which form data has.

    Raises:
        TransformError: none that a transform knows.
    """
    if isinstance(data, Tensor) or (isinstance(data, np.ndarray) and data.dtype != object):
        return "tensor"
    if isinstance(data, list | tuple | np.ndarray):
        return "list"
    if isinstance(data, Columns) and IMAGE in data:
        return "batch"
    if isinstance(data, Mapping):
        if IMAGE not in data:
            msg = f"{owner}: a row without a column {IMAGE!r}: it has {', '.join(map(repr, data))}: {KEEP_IT}"
            raise TransformError(msg)
        return "batch" if _is_batch(data) else "row"
    msg = f"{owner}: cannot transform {type(data).__name__}: expected a tensor, an array, a list, a row or a batch"
    raise TransformError(msg)


def _is_batch(data: Mapping[str, Any]) -> bool:
    """Whether a dict holds several rows: a list of images says so; beside a stack of them, the other columns do."""
    image = data[IMAGE]
    lengths = {name: _length(value) for name, value in data.items() if not _says_nothing(name, value)}
    if not isinstance(image, Tensor | np.ndarray) or image.dtype == object:
        axes = _nesting(image)
        if axes == 2:
            return False
        return isinstance(image, list | tuple | np.ndarray) and (axes == 0 or set(lengths.values()) <= {len(image)})
    if image.ndim < 3:
        return False
    told = {name for name in ROW_COLUMNS if lengths.get(name) is not None}
    if told == {LABEL} and any(data.get(name) is not None for name in _NAMES):
        return False  # a movie that has labels of its picks, and a name of its own
    if told == {LABEL} and _is_soft(data[LABEL]):
        single = any(length is None and data[name] is not None for name, length in lengths.items())
        return not single and lengths[LABEL] == len(image)
    return bool(told) or (bool(lengths) and set(lengths.values()) == {len(image)})


def _says_nothing(name: str, value: Any) -> bool:
    """Whether a column looks alike in a row and in a batch: images, and picks as a dict of lists."""
    return name == IMAGE or stands_beside(name) or (name == "picks" and isinstance(value, Mapping))


def _is_soft(label: Any) -> bool:
    """Whether a label is numbers that need not be whole: of one row, the weight of each class."""
    values = label.tolist() if isinstance(label, Tensor | np.ndarray) else label
    return any(isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral) for value in values)


def _nesting(image: Any) -> int:
    """How many axes nested lists of numbers have, as `datasets` gives images without a format; 0 for all else."""
    axes = 0
    while isinstance(image, list | tuple) and len(image) > 0:
        axes, image = axes + 1, image[0]
    return axes if isinstance(image, numbers.Real) else 0


def _length(column: Any) -> int | None:
    """How many values a column holds; None for a single value."""
    if isinstance(column, Structs):
        return len(column)
    if isinstance(column, Mapping):  # a struct: of single values, or of columns
        return next((length for value in column.values() if (length := _length(value)) is not None), None)
    if isinstance(column, list | tuple):
        return len(column)
    return len(column) if isinstance(column, Tensor | np.ndarray) and column.ndim > 0 else None


_PYTHONS = frozenset((str, bool, int, float, type(None)))
"""Python's own values, of which only NaN differs from itself."""


def plain(value: Any) -> Any:
    """A value as a Python object; NaN, which stands for null, as None; what has axes as it is.

    Example:
        >>> plain({"rot": torch.tensor(1.5), "psi": float("nan")})
        {'rot': 1.5, 'psi': None}
    """
    if type(value) in _PYTHONS:  # the usual ones first: a batch of particles has a thousand values in dicts
        return None if value != value else value
    if type(value) is dict or isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, Tensor | np.ndarray | np.generic) and value.ndim == 0:
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def plain_column(column: Any) -> list[Any]:
    """The values of a batch's column; a dict of columns, as torch's default collate makes it, becomes dicts."""
    column = column.fields if isinstance(column, Structs) else column
    if isinstance(column, Tensor | np.ndarray) and column.ndim == 1 and not _is_of_objects(column):
        column = column.tolist()
    if isinstance(column, list) and _PYTHONS.issuperset(map(type, column)):
        return [None if value != value else value for value in column]
    if not isinstance(column, Mapping):
        return [plain(value) for value in column]
    columns = {name: plain_column(values) for name, values in column.items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def is_listed(value: Any) -> bool:
    """Whether a row has several values in a column: a list, or an array of objects, as the NumPy format gives it."""
    return isinstance(value, list | tuple) or _is_of_objects(value)


def _is_of_objects(column: Any) -> bool:
    return isinstance(column, np.ndarray) and column.dtype == object


def like_column(column: Any, values: list[Any]) -> Any:
    """Values in the kind of container that the column came in; integers become floats, which the values are."""
    if isinstance(column, Structs | Mapping) and any(map(is_listed, values)):
        return values
    if isinstance(column, Structs):
        return Structs(like_column(column.fields, values))
    if isinstance(column, Mapping):
        any_of_them: Any = next(iter(column.values()), [])
        names = list(column) + [n for v in values if v is not None for n in v if n not in column]
        of_rows = {name: [math.nan if v is None else v.get(name) for v in values] for name in dict.fromkeys(names)}
        return {name: like_column(column.get(name, any_of_them), inner) for name, inner in of_rows.items()}
    if isinstance(column, Tensor | np.ndarray) and (column.ndim > 1 or (column.dtype != object and np.ndim(values[0]))):
        return _stacked(column, values)
    if isinstance(column, Tensor):
        dtype = column.dtype if column.is_floating_point() else torch.float32
        return torch.tensor([math.nan if v is None else v for v in values], dtype=dtype, device=column.device)
    if isinstance(column, np.ndarray) and column.dtype != object:
        numbers = [math.nan if v is None else v for v in values]
        return np.array(numbers, column.dtype if column.dtype.kind == "f" else np.float64)
    if values and all(isinstance(v, dict | None) for v in values):
        return [like_value(old, new) for old, new in zip(column, values, strict=True)]
    return values


def _stacked(column: Any, values: list[Any]) -> Any:
    """Values with axes as one tensor or array, NaN where there is none; a list of them where they differ in shape."""
    if any(value is None for value in values) and _is_of_objects(column):
        return values
    if any(value is None for value in values):
        values = [column[place] * math.nan if value is None else value for place, value in enumerate(values)]
    if len({tuple(value.shape) for value in values}) > 1:
        return values
    return torch.stack(values).to(column.device) if isinstance(column, Tensor) else np.stack(values)


def like_value(value: Any, new: Any) -> Any:
    """A new value in the kind that the old one had: a tensor, an array, a NumPy or Python number, a dict of them."""
    if type(value) is dict and type(new) is dict and _PYTHONS.issuperset(map(type, value.values())):
        return new.copy()
    if isinstance(value, Mapping) and isinstance(new, Mapping):
        kind = next(iter(value.values()), None)
        return {name: like_value(value.get(name, kind), inner) for name, inner in new.items()}
    if isinstance(value, Tensor | np.ndarray | np.generic) and new is None:
        return None if value.ndim else like_value(value, math.nan)
    if isinstance(new, Tensor | np.ndarray) and isinstance(value, type(new)) and new.dtype == value.dtype:
        return new
    if isinstance(value, Tensor):
        dtype = value.dtype if value.is_floating_point() else torch.float32
        return torch.as_tensor(new, dtype=dtype, device=value.device)
    if isinstance(value, np.ndarray):
        return np.array(new, value.dtype if value.dtype.kind == "f" else np.float64)
    if isinstance(value, np.generic):
        return np.float64(new).astype(value.dtype if value.dtype.kind == "f" else None)
    return new
