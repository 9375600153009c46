"""Values of columns without images as Arrow arrays: as they are, or not at all."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Array2D, Array3D, Array4D, Array5D, ClassLabel, Features, LargeList, List, Value

_TYPES: dict[str, set[type]] = {
    **{"float": {float, int}, "int": {int}, "uint": {int}, "bool": {bool}},
    **{"string": {str}, "large_string": {str}},
}
"""What the values of a `Value` are in Python, by its `dtype` without bits; whatever is not here is left to Arrow."""


def array_of(values: Sequence[Any], feature: Any) -> pa.Array:
    """Values as an array; null where there is none, also of a dict's names.

    Features and Arrow convert what does not fit as well as they can, to less than it was (1.5 to 1, dicts to the names
    that are known): here that is an error.

    Raises:
        TypeError, ValueError, ArrowException: a value is not of the feature's kind.

    Example:
        >>> array_of([{"a": 1.0}, {}, None], {"a": Value("int8")}).to_pylist()
        [{'a': 1}, {'a': None}, None]
    """
    kind = Features({"column": feature}).arrow_schema.types[0]
    return pa.array([_encoded(value, feature) for value in values], _storage(kind)).cast(kind)


def plain(value: Any) -> Any:
    """A value with Python's numbers and lists in place of arrays and tensors."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return value.tolist() if hasattr(value, "tolist") else value


def _encoded(value: Any, feature: Any) -> Any:
    """A value as Arrow takes it."""
    if value is None:
        return None
    if isinstance(feature, dict):
        if not isinstance(value, Mapping) or not set(value) <= set(feature):
            msg = f"{_shown(value)} is no dict of {', '.join(map(repr, feature))}"
            raise ValueError(msg)
        return {name: _encoded(value.get(name), inner) for name, inner in feature.items()}
    if isinstance(feature, Value):
        return _checked([plain(value)], feature.dtype)[0]
    if isinstance(feature, List | LargeList):
        if isinstance(feature.feature, Value):
            value = plain(value)
        if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__len__"):
            msg = f"{_shown(value)} is no list"
            raise ValueError(msg)
        if isinstance(feature.feature, Value):
            return _checked(value, feature.feature.dtype)
        return [_encoded(item, feature.feature) for item in value]
    if isinstance(feature, Array2D | Array3D | Array4D | Array5D):
        return _array(value, feature)
    encode = getattr(feature, "encode_example", lambda kept: kept)
    encoded = plain(encode(_kept(value)))
    return _checked([encoded], "int64")[0] if isinstance(feature, ClassLabel) else encoded


def _checked(values: Sequence[Any], dtype: str) -> Sequence[Any]:
    """Plain values, if all of them are of a type, or None."""
    types = _TYPES.get(dtype.rstrip("0123456789"))
    if types is None or set(map(type, values)) <= types | {type(None)}:
        return values
    for value in values:
        whole = int in types and isinstance(value, float) and value.is_integer()
        alike = isinstance(value, tuple(types)) and (not isinstance(value, bool) or bool in types)
        if value is not None and not whole and not alike:
            msg = f"{_shown(value)} is no {dtype}"
            raise ValueError(msg)
    return values


def _array(value: Any, feature: Any) -> Any:
    """An array as nested lists, if it has the shape of a feature, and its numbers have their values in its type."""
    array = np.asarray(_kept(value))
    if array.ndim != len(feature.shape) or array.shape != tuple(
        n or m for n, m in zip(feature.shape, array.shape, strict=True)
    ):
        msg = f"an array of shape {array.shape}"
        raise ValueError(msg)
    with np.errstate(over="ignore", invalid="ignore"):
        stored = array.astype(feature.dtype)
    if not np.array_equal(stored, array, equal_nan=array.dtype.kind == "f"):
        msg = f"an array of {array.dtype}"
        raise ValueError(msg)
    return stored.tolist()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _storage(kind: pa.DataType) -> pa.DataType:
    """What a type is stored as, to the innermost of its fields."""
    if isinstance(kind, pa.BaseExtensionType):
        return _storage(kind.storage_type)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_storage(field.type)) for field in kind])
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_storage(kind.value_type), kind.list_size)
    if pa.types.is_list(kind):
        return pa.list_(_storage(kind.value_type))
    return pa.large_list(_storage(kind.value_type)) if pa.types.is_large_list(kind) else kind


def _kept(value: Any) -> Any:
    """Tensors as arrays, which features encode."""
    if isinstance(value, Mapping):
        return {name: _kept(item) for name, item in value.items()}
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
