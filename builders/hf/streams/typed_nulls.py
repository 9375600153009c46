"""Rows that `datasets` makes Arrow tables of, one by one: a null among them is of the type that other rows have there.

Else tables of rows of which some lack a value do not go together: before `datasets` 5, batches of every stream are made
so, and those in the Arrow format still are.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from datasets.features import Features

from builders.hf.features import EMImage
from builders.hf.stream_layers import features_of, layers_of
from builders.hf.streaming import is_ours


def typing_nulls(stock: Callable[..., Any]) -> Callable[..., Any]:
    """The function that makes tables of rows, by which those of our streams have no column of nothing but null."""

    @functools.wraps(stock)
    def convert(iterable: Any, *args: Any, **kwargs: Any) -> Iterator[tuple[Any, pa.Table]]:
        layers = layers_of(iterable)
        features = features_of(layers) if is_ours(layers[-1]) else None
        for key, table in stock(iterable, *args, **kwargs):
            yield key, table if features is None else _typed(table, features)

    return convert


def _typed(table: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    for place, field in enumerate(table.schema):
        feature = features.get(field.name)
        if feature is None or isinstance(feature, EMImage):
            continue
        kind = _instead(field.type, Features({"column": feature}).arrow_schema.field("column").type)
        if kind != field.type:
            table = table.set_column(place, field.name, table.column(place).cast(kind))
    return table


def _instead(found: pa.DataType, wanted: pa.DataType) -> pa.DataType:
    """A type of Python's values in which there is none of null, as far as another one says what to have instead."""
    if pa.types.is_null(found):
        return _of_python(wanted)
    if pa.types.is_struct(found) and pa.types.is_struct(wanted):
        kinds = {field.name: field.type for field in wanted}
        fields = {field.name: _instead(field.type, kinds.get(field.name, field.type)) for field in found}
        return pa.struct(fields)
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return pa.list_(_instead(found.value_type, wanted.value_type))
    return found


def _of_python(kind: pa.DataType) -> pa.DataType:
    """The type that Arrow gives Python's values of what is stored as another one."""
    if pa.types.is_struct(kind):
        return pa.struct({field.name: _of_python(field.type) for field in kind})
    if pa.types.is_list(kind):
        return pa.list_(_of_python(kind.value_type))
    if pa.types.is_floating(kind):
        return pa.float64()
    return pa.int64() if pa.types.is_integer(kind) else kind
