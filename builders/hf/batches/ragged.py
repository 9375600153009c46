"""Lists of any length of numbers, or of lists of known lengths of them, as picks have: an array a row, out of Arrow's.

`datasets` makes an object of each inner list; and of a list with nothing in it, one that does not know its axes. Lists
of known lengths alone, as rotations are, come as one array.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from datasets.features import List

from builders.hf.nulls import is_number, sides_of

_KINDS: dict[str, Any] = {"f": np.float32, "i": np.int64, "u": np.int64}
"""What tensors are made of, by NumPy's kinds of numbers."""


def axes_of(feature: Any) -> tuple[int, ...] | None:
    """The shape of what such a list holds, `()` for numbers; None of other features.

    Example:
        >>> from datasets import Value
        >>> axes_of(List(List(Value("float32"), length=3))), axes_of(List(Value("float32"), length=3))
        ((3,), None)
    """
    if not isinstance(feature, List) or feature.length >= 0:
        return None
    return () if is_number(feature.feature) else sides_of(feature.feature)


def is_ragged(feature: Any) -> bool:
    """Whether a column is a struct of such lists, some of them of lists of known lengths."""
    if not isinstance(feature, dict) or not feature:
        return False
    axes = [axes_of(inner) for inner in feature.values()]
    return None not in axes and any(axes)


def columns(
    table: pa.Table, features: Mapping[str, Any], ready: Callable[[list[Any]], list[Any] | None]
) -> dict[str, list[dict[str, Any]]]:
    """The ragged ones among the columns of a table, as dicts of arrays, one a row.

    Args:
        table: its columns.
        features: of those in which null is filled.
        ready: arrays in the wanted format, or None where `datasets` is to make them.
    """
    found = {}
    for name in table.column_names:
        if not is_ragged(features.get(name)):
            continue
        made = arrays(table.column(name), features[name])
        fields = None if made is None else {field: ready(rows) for field, rows in made.items()}
        if fields is not None and None not in fields.values():
            rows = zip(*(values or () for values in fields.values()), strict=True)
            found[name] = [dict(zip(fields, row, strict=True)) for row in rows]
    return found


def arrays(column: pa.ChunkedArray, feature: Mapping[str, Any]) -> dict[str, list[Any]] | None:
    """A column of structs of such lists as lists of arrays, one a row; None where `datasets` is to make it.

    Args:
        column: it.
        feature: for which `is_ragged` is true.
    """
    structs = column.combine_chunks()
    structs = structs.combine_chunks() if isinstance(structs, pa.ChunkedArray) else structs
    if structs.null_count or not pa.types.is_struct(structs.type):
        return None
    fields = dict(zip((field.name for field in structs.type), structs.flatten(), strict=True))
    made = {name: _rows(fields[name], axes_of(inner) or ()) for name, inner in feature.items() if name in fields}
    found = {name: rows for name, rows in made.items() if rows is not None}
    return found if len(found) == len(feature) else None


def stacked(column: pa.ChunkedArray) -> Any:
    """Lists of one length each of numbers, or of such lists, as one array; None where `datasets` is to make it.

    Args:
        column: of a table.

    Returns:
        `(rows, length, ...)`, of the types of tensors: float32 or int64.

    Example:
        >>> points = pa.array([[1.5, 2.0], [3.0, 4.0]], pa.list_(pa.float64(), 2))
        >>> stacked(pa.chunked_array([points]))
        array([[1.5, 2. ],
               [3. , 4. ]], dtype=float32)
    """
    if not pa.types.is_fixed_size_list(column.type) or column.null_count or not len(column):
        return None
    lists = column.combine_chunks()
    values = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
    sides = [len(values)]
    while pa.types.is_fixed_size_list(values.type):
        sides.append(values.type.list_size)
        values = values.flatten()
        if values.null_count:
            return None
    numbers = _numbers(values)
    return None if numbers is None else numbers.reshape(sides)


def _numbers(values: pa.Array) -> Any:
    """Numbers as tensors have them; None where there is null, or something else."""
    if values.null_count:
        return None
    plain = values.to_numpy(zero_copy_only=False)
    kind = _KINDS.get(plain.dtype.kind)
    return None if kind is None else plain.astype(kind)


def _rows(lists: pa.Array, sides: tuple[int, ...]) -> list[Any] | None:
    """Lists as arrays, None for null; None for all where there is null in one."""
    if not pa.types.is_list(lists.type):
        return None
    if lists.null_count == len(lists):
        return [None] * len(lists)
    edges = lists.offsets.to_numpy()
    values = lists.values.slice(edges[0], edges[-1] - edges[0])
    for _ in sides:
        if values.null_count or not pa.types.is_fixed_size_list(values.type):
            return None
        values = values.flatten()
    numbers = _numbers(values)
    if numbers is None:
        return None
    whole = numbers.reshape(-1, *sides)
    there = lists.is_valid().to_numpy(zero_copy_only=False).tolist()
    bounds = (edges - edges[0]).tolist()
    pairs = zip(bounds[:-1], bounds[1:], there, strict=True)
    return [whole[first:stop] if is_there else None for first, stop, is_there in pairs]
