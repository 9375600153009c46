"""What stands for null in the torch format of rows of ours, so that torch's default collate can stack them.

NaN for a number, an empty text for a text; in a struct, and in one that is null itself, for each of its values. A batch
is told from a row by its containers, so a column reads the same in either, also one that is null throughout, of which
Arrow tells NumPy nothing. So is a number that is null in a list. A list that is missing stays so, since nobody knows
how long it should be; one of known lengths, such as a matrix of 3 x 3 numbers, becomes NaN throughout.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from datasets.features import ClassLabel, LargeList, List, Value

from builders.hf.features import EMImage

_CONTAINERS = frozenset((list, dict, np.ndarray))


def nullable(features: Mapping[str, Any], are_ours: bool = False) -> dict[str, Any]:
    """The features of columns in which null is filled: none in rows of others, which hold no images either."""
    if not are_ours and not any(map(holds_image, features.values())):
        return {}
    return {name: feature for name, feature in features.items() if _is_fillable(feature)}


def holds_image(feature: Any) -> bool:
    """Whether there is an image in a feature, however deep."""
    if isinstance(feature, dict):
        return any(map(holds_image, feature.values()))
    if isinstance(feature, List | LargeList):
        return holds_image(feature.feature)
    return isinstance(feature, EMImage)


def kinds_of(features: Mapping[str, Any]) -> dict[str, Any]:
    """What columns hold, as `perc_transforms.core.batch_rows.BatchRows` tells it to who collates them.

    Example:
        >>> kinds_of({"dose": Value("float32"), "path": Value("string"), "pose": {"rot": Value("float32")}})
        {'dose': <class 'float'>, 'path': <class 'list'>, 'pose': {'rot': <class 'float'>}}
    """
    return {name: _kind(feature) for name, feature in features.items()}


def _kind(feature: Any) -> Any:
    if isinstance(feature, dict):
        return kinds_of(feature)
    return float if is_number(feature) else list


def filled(row: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
    """A row, or a batch as a dict of columns, with what stands for null in some columns.

    Example:
        >>> filled({"pixel_size": None, "path": "a.mrc"}, {"pixel_size": Value("float32"), "path": Value("string")})
        {'pixel_size': nan, 'path': 'a.mrc'}
    """
    row = dict(row)
    for name, feature in features.items():
        value = row.get(name, "")
        if value is None or type(value) in _CONTAINERS:
            row[name] = _filled(value, feature)
    return row


def known_lengths_filled(table: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    """A table with NaN in place of null in lists of known lengths, of which `datasets` makes no batch if one is first.

    Args:
        table: some columns.
        features: of those in which null is filled.
    """
    for number, name in enumerate(table.column_names):
        sides, column = sides_of(features.get(name)), table.column(name)
        if sides is None or not column.null_count:
            continue
        numbers = column.drop_null().combine_chunks()
        for _ in sides:
            numbers = numbers.flatten()
        values = np.full((len(column), *sides), np.nan, np.float32)
        values[column.is_valid().to_numpy()] = numbers.to_numpy(zero_copy_only=False).reshape(-1, *sides)
        lists = pa.array(values.reshape(-1))
        for side in reversed(sides):
            lists = pa.FixedSizeListArray.from_arrays(lists, side)
        table = table.set_column(number, name, lists)
    return table


def plainly_filled(batch: dict[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
    """A batch that a transform gave, with what stands for null in lists of numbers, texts and structs: still lists.

    All structs of a column come to have the same fields: of a pose that a mirror took away, each is NaN.

    Example:
        >>> plainly_filled({"imageset": [None, "A"], "index": [0, None]}, {"imageset": Value("string")})
        {'imageset': ['', 'A'], 'index': [0, None]}
    """
    for name, feature in features.items():
        column = batch.get(name)
        if type(column) is not list or not (isinstance(feature, dict) or type(None) in map(type, column)):
            continue
        if (sides := sides_of(feature)) is not None:
            batch[name] = _filled_lists(column, sides).tolist()
        elif isinstance(feature, dict):
            batch[name] = _filled_structs(column, feature)
        elif isinstance(feature, Value | ClassLabel):
            filler = _filler(feature.dtype)
            batch[name] = [filler if value is None else value for value in column]
    return batch


def _filled_structs(column: list[Any], feature: Mapping[str, Any]) -> list[Any]:
    """Structs of some rows, with the fields of the feature, and those that a transform has given any of them."""
    rows = [value for value in column if isinstance(value, Mapping)]
    fields = {name: Value("float32") for row in rows for name in row} | dict(feature)
    return [_filled(value, fields) for value in column]


def emptied(row: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
    """A row that may have been filled, with null again where NaN stands in a column that cannot hold it.

    Example:
        >>> emptied({"index": float("nan"), "dose": float("nan")}, {"index": Value("int64"), "dose": Value("float32")})
        {'index': None, 'dose': nan}
    """
    return {name: _emptied(value, features.get(name)) for name, value in row.items()}


def _emptied(value: Any, feature: Any) -> Any:
    if isinstance(feature, dict) and isinstance(value, Mapping):
        return emptied(value, feature)
    if _is_of_numbers(feature) and isinstance(value, list | np.ndarray):
        return [_emptied(item, feature.feature) for item in value]
    holds_no_nan = isinstance(feature, Value | ClassLabel) and feature.dtype.startswith(("int", "uint", "bool"))
    return None if holds_no_nan and value is not None and value != value else value


def _is_fillable(feature: Any) -> bool:
    if isinstance(feature, dict):
        return any(map(_is_fillable, feature.values()))
    return isinstance(feature, Value | ClassLabel) or _is_of_numbers(feature) or sides_of(feature) is not None


def _is_of_numbers(feature: Any) -> bool:
    """Whether it is one of lists of numbers, or of structs of numbers."""
    inner = feature.feature if isinstance(feature, List | LargeList) else None
    return all(map(is_number, inner.values())) if isinstance(inner, dict) and inner else is_number(inner)


def is_number(feature: Any) -> bool:
    """Whether a feature is of numbers."""
    return isinstance(feature, Value | ClassLabel) and isinstance(_filler(feature.dtype), float)


def _filled_list(value: Any, inner: Any) -> Any:
    """Numbers, or lists of such, with NaN for those that are null; a list that is null stays so."""
    if not isinstance(value, list) and not (isinstance(value, np.ndarray) and value.dtype == object):
        return value
    if any(isinstance(item, list | np.ndarray) for item in value):
        return [_filled_list(item, inner) for item in value]
    if isinstance(inner, dict):
        return [_filled(item, inner) for item in value]
    if not any(item is None for item in value):
        return value
    return np.array([float("nan") if item is None else item for item in value], np.float32)


def sides_of(feature: Any) -> tuple[int, ...] | None:
    """The shape of lists of known lengths of numbers; None of other features.

    Example:
        >>> sides_of(List(List(Value("float32"), length=3), length=2)), sides_of(List(Value("float32")))
        ((2, 3), None)
    """
    sides: tuple[int, ...] = ()
    while isinstance(feature, List) and feature.length >= 0:
        sides, feature = (*sides, feature.length), feature.feature
    return sides if sides and is_number(feature) else None


def _filled_lists(value: Any, sides: tuple[int, ...]) -> Any:
    """A list of known lengths, or a batch of such, with NaN in place of those that are null."""
    if value is None:
        return np.full(sides, np.nan, np.float32)
    is_batch = isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object)
    kinds = set(map(type, value)) if is_batch else set()
    if type(None) not in kinds or not kinds <= {type(None), list, np.ndarray}:
        return value
    rows = (_filled_lists(item, sides) for item in value)
    return np.stack([np.asarray(row.tolist() if isinstance(row, np.ndarray) else row, np.float32) for row in rows])


def _filled(value: Any, feature: Any) -> Any:
    if isinstance(feature, dict):
        if value is None or isinstance(value, Mapping):
            value = value or {}
            return {name: _filled(value.get(name), inner) for name, inner in feature.items()}
        return [_filled(item, feature) for item in value] if isinstance(value, list | np.ndarray) else value
    if (sides := sides_of(feature)) is not None:
        value = _filled_lists(value, sides)
    if _is_of_numbers(feature):
        return _filled_list(value, feature.feature)
    if not isinstance(feature, Value | ClassLabel):
        return value
    filler = _filler(feature.dtype)
    if type(value) is list and type(filler) is float and {type(None)} == set(map(type, value)):
        return np.full(len(value), filler, np.float32)
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object):
        values = [filler if item is None else item for item in value]
        lacks_some = any(item is None for item in value)
        is_number = lacks_some and all(isinstance(item, bool | float | int | np.number) for item in values)
        return np.array(values, np.float32) if is_number else values if lacks_some else value
    return filler if value is None else value


def _filler(dtype: str) -> Any:
    return "" if "string" in dtype else b"" if "binary" in dtype else float("nan")
