"""Rows -> batch for a DataLoader, where torch's own collate gives up."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

from perc_transforms.core.batch import RECORDS
from perc_transforms.core.batch_rows import BatchRows, Structs
from perc_transforms.core.forms import IMAGE, TEXTS, as_image
from perc_transforms.core.stacking import stack
from perc_transforms.errors import TransformError

PICKS, ROTATION = "picks", "rotation"
_SHOWN = 2
_TEXT = frozenset((str,))
Kinds = Mapping[str, Any]
"""What columns hold, as far as `BatchRows` knows."""
_FEWEST = 2
"""Axes of an image."""


def collate(rows: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> dict[str, Any]:
    """Stack rows into a batch: a `collate_fn` for `torch.utils.data.DataLoader`.

    A batch, as a loader with `batch_size=None` hands on of `stream.batch(64)`, comes out as its rows would.

    Images of one shape are stacked. Numbers, and lists of as many numbers each, become tensors, with NaN for null;
    lists of different lengths stay lists, with NaN for null, too. Dicts of them (`pose`, `ctf`) become one dict of
    tensors, and all else, as what transforms recorded, a list. Masks (`segmentation`, `labels`) and `target` are
    stacked in their own types, and a `rotation` becomes `(rows, 3, 3)`.
    `picks`, of which rows have different numbers, become one dict of lists, with an entry a row as it was; where they
    are places alone, a list. What is null in every row is a list of None where it is known to be text, by its name or
    from a map-style dataset of `builders`, and numbers otherwise.

    Raises:
        TransformError: images of different shapes, which cannot be stacked (the message says what can be done), rows
            of different columns, or one row alone.

    Example:
        >>> import torch
        >>> batch = collate([{"image": torch.zeros(4, 4), "pixel_size": None, "path": "a.mrc"}])
        >>> batch["image"].shape, batch["pixel_size"].isnan(), batch["path"]
        (torch.Size([1, 4, 4]), tensor([True]), ['a.mrc'])
    """
    if isinstance(rows, Mapping):
        if not _is_batch(rows):
            msg = f"collate: one row, of {', '.join(rows)}: expected a list of rows, or the columns of some"
            raise TransformError(msg)
        return _collated(rows, {})
    batch, kinds = (rows.columns, rows.kinds()) if isinstance(rows, BatchRows) else (None, {})
    if batch is not None:
        return _collated(batch, kinds)
    if not rows or any(row.keys() != rows[0].keys() for row in rows):
        found = " and ".join(sorted({str(sorted(row)) for row in rows})) or "no rows"
        msg = f"collate: {found}: expected rows, and all with the same columns"
        raise TransformError(msg)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    names = columns.get("path") or columns.get("id") or []
    return {name: _column(name, values, names, kinds) for name, values in columns.items()}


def _collated(batch: Mapping[str, Any], kinds: Kinds) -> dict[str, Any]:
    names = list(next((batch[name] for name in ("path", "id") if name in batch), []))
    return {name: _finished(name, column, names, kinds) for name, column in batch.items()}


def _is_batch(columns: Mapping[str, Any]) -> bool:
    """Whether these are columns, with an entry for each row, and not the values of one row."""
    are_many = all(isinstance(column, list | Structs) or getattr(column, "ndim", 0) > 0 for column in columns.values())
    return are_many and len({len(column) for column in columns.values()}) == 1


def _finished(name: str, column: Any, names: list[Any], kinds: Kinds) -> Any:
    """A column of a batch that was read as a whole, as it comes out where its rows are stacked."""
    if isinstance(column, Structs):
        return {field: _finished("", values, names, kinds) for field, values in column.fields.items()}
    if isinstance(column, Tensor) and name == IMAGE and column.ndim > _FEWEST:
        with contextlib.suppress(TransformError):  # which is to name the image
            return as_image(column, "collate")
    if isinstance(column, Mapping) and name == PICKS:
        return {field: list(values) for field, values in column.items()}
    if isinstance(column, Tensor) and name not in (IMAGE, RECORDS):
        return column
    values = list(column)
    if _TEXT.issuperset(map(type, values)) and name not in (IMAGE, RECORDS):
        return values
    return _column(name, values, names, kinds)


def _column(name: str, values: list[Any], names: list[Any], kinds: Kinds) -> Any:
    if name == IMAGE:
        return _images(values, names)
    if name == PICKS:
        return _picks(values)
    if name == ROTATION:
        values = _matrices(values)
    return values if name == RECORDS else _values(values, kinds.get(name, list if name in TEXTS else float))


def _picks(values: list[Any]) -> Any:
    """Picks of rows, which are never stacked: a batch is alike whether its rows happen to have as many or not."""
    names = dict.fromkeys(name for value in values if isinstance(value, Mapping) for name in value)
    if not names or not all(value is None or isinstance(value, Mapping) for value in values):
        return values
    return {name: [None if value is None else value.get(name) for value in values] for name in names}


def _matrices(values: list[Any]) -> list[Any]:
    """Rotations as tensors, NaN for null; values as they are where they are no matrices."""
    known = [value for value in values if value is not None]
    try:
        example = torch.as_tensor(known[0], dtype=torch.float32) if known else torch.empty(0)
    except (TypeError, ValueError, RuntimeError):
        return values
    if example.ndim != _FEWEST:
        return values
    empty = torch.full_like(example, math.nan)
    return [empty if value is None else torch.as_tensor(value) for value in values]


def _images(values: list[Any], names: list[Any]) -> torch.Tensor:
    images = [_image(value, names[place] if names else None) for place, value in enumerate(values)]
    places: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        places.setdefault(tuple(image.shape), []).append(place)
    if len(places) > 1:
        shapes = sorted(places)
        msg = f"collate: images of shapes {', '.join(map(str, shapes))} do not stack"
        msg += f" ({'; '.join(_which(places[shape], names) for shape in shapes)})" if names else ""
        msg += ": bring them to one shape with a transform (Pad(N), CenterCrop(N), or Rescale(N), which changes the "
        msg += "pixel size), or keep them apart with collate_fn=list"
        raise TransformError(msg)
    if get_worker_info() is not None:
        return cast(torch.Tensor, default_collate(images))  # into memory shared with the main process
    return stack(images)


def _image(value: Any, name: Any) -> torch.Tensor:
    try:
        return as_image(value, "collate")
    except TransformError as err:
        raise type(err)(str(err) if name is None else f"{name}: {err}") from err.__cause__


def _which(places: list[int], names: list[Any]) -> str:
    """Which rows these are: the first ones, and how many more."""
    shown = ", ".join(dict.fromkeys(str(names[place]) for place in places[:_SHOWN]))
    return shown + (f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else "")


def _values(values: list[Any], kind: Any) -> Any:
    types = set(map(type, values))
    if types == {NoneType}:
        return _nothing(values, kind)
    if types == {float} or types == {float, NoneType}:
        return torch.from_numpy(np.array(values, np.float64))  # None is NaN there
    inner = kind if isinstance(kind, Mapping) else {}
    if types == {dict} and len(keys := {tuple(value) for value in values}) == 1:
        fields = zip(*(value.values() for value in values), strict=True)
        return {name: _values(list(field), inner.get(name)) for name, field in zip(*keys, fields, strict=True)}
    structs = [value for value in values if isinstance(value, Mapping)]
    if structs and all(value is None or isinstance(value, Mapping) for value in values):
        names = dict.fromkeys(name for value in structs for name in value)
        of_rows = {name: [None if value is None else value.get(name) for value in values] for name in names}
        return {name: _values(field, inner.get(name)) for name, field in of_rows.items()}
    if any(isinstance(value, list | tuple) for value in values):
        return _lists(values)
    if any(value is None for value in values):
        filled = [math.nan if value is None else _number(value) for value in values]
        values = filled if all(isinstance(value, int | float) for value in filled) else values
    try:
        return default_collate([float(value) for value in values] if _has_float(values) else values)
    except (TypeError, RuntimeError):
        return values


def _nothing(values: list[Any], kind: Any) -> Any:
    """A column that is null throughout, and holds what it holds elsewhere, as far as that is known."""
    if isinstance(kind, Mapping):
        return {name: _nothing(values, inner) for name, inner in kind.items()}
    return values if kind is list else torch.full((len(values),), math.nan, dtype=torch.float64)


def _lists(values: list[Any]) -> Any:
    """Lists of as many numbers each as one tensor; others as they are (torch's collate would turn them about).

    Nulls among numbers are NaN in both, those of lists in lists, too.
    """
    if not all(value is None or _is_numbers(value) for value in values):
        return values
    filled = [None if value is None else _filled(value) for value in values]
    plain = all(value is not None and all(isinstance(number, int | float) for number in value) for value in filled)
    return torch.tensor(filled) if plain and len({len(value) for value in values}) == 1 else filled


def _is_numbers(value: Any) -> bool:
    """Whether these are lists, of lists or not, of numbers and nulls."""
    return isinstance(value, list | tuple) and all(
        one is None or isinstance(one, int | float) or _is_numbers(one) for one in value
    )


def _filled(value: Any) -> Any:
    """Numbers with NaN for null, in lists of lists."""
    if isinstance(value, list | tuple):
        return [_filled(one) for one in value]
    return math.nan if value is None else value


def _number(value: Any) -> Any:
    """A single value of a tensor or array as a Python number; anything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


def _has_float(values: list[Any]) -> bool:
    """Whether there are floats among Python numbers, which would be cut to integers if an integer came first."""
    return any(isinstance(value, float) for value in values) and all(isinstance(v, int | float) for v in values)
