"""Fields of NumPy -> Arrow arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.tables.particle_table import NAME

_SHOWN = 80


def names(values: NDArray[Any], said: str) -> pa.DictionaryArray:
    """A field of text as dictionary-encoded names; an empty text is null.

    Args:
        values: of type `S` or `U`.
        said: what errors call it.

    Raises:
        FormatError: bytes that are not UTF-8.
    """
    if not len(values):
        return pa.nulls(0, NAME)
    plain = np.ascontiguousarray(values)
    width = pa.binary(plain.dtype.itemsize)
    raw = pa.Array.from_buffers(width, len(plain), [None, pa.py_buffer(plain.view(np.uint8))]).dictionary_encode()
    known = [np.frombuffer(value.as_py(), plain.dtype)[0] for value in raw.dictionary]
    texts = [value.encode("utf-8", "surrogatepass") if plain.dtype.kind == "U" else bytes(value) for value in known]
    return names_of(texts, raw.indices.to_numpy(), said)


def names_of(texts: Sequence[bytes], which: NDArray[np.integer], said: str) -> pa.DictionaryArray:
    """Names of rows, each one by its place among texts; an empty text is null.

    Raises:
        FormatError: bytes that are not UTF-8.
    """
    known: dict[str | None, int] = {}
    places = np.empty(len(texts), np.int32)
    for place, text in enumerate(texts):
        try:
            spelled = text.decode()
        except UnicodeDecodeError as err:
            msg = f"{said} is {text[:_SHOWN]!r}: expected UTF-8"
            raise FormatError(msg) from err
        places[place] = known.setdefault(spelled, len(known)) if spelled else -1
    indices = places[which] if len(texts) else np.empty(0, np.int32)
    dictionary = pa.array(list(known), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(indices, mask=indices < 0), dictionary)


def numbers(values: NDArray[Any], scale: float | NDArray[Any] = 1.0) -> pa.Array:
    """Numbers times a scale, in single precision; null where that is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        single = np.asarray(np.multiply(values, scale, dtype=np.float64), np.float32)
    return pa.array(single, mask=~np.isfinite(single))


def column(values: "NDArray[Any] | pa.DictionaryArray") -> pa.Array:
    """A field under its own name: vectors as lists, `uint64` as `int64` of the same bits, other integers as `int64`."""
    if not isinstance(values, np.ndarray):
        return values.cast(pa.string())
    kind = values.dtype.kind
    flat = values.reshape(-1)
    if kind == "u" and values.dtype.itemsize == 8:
        array = pa.array(np.ascontiguousarray(flat).view(np.int64))
    elif kind in "iu":
        array = pa.array(np.ascontiguousarray(flat, np.int64))
    else:
        array = pa.array(np.ascontiguousarray(flat))
    for axis in range(values.ndim - 1, 0, -1):
        count = int(np.prod(values.shape[:axis]))
        array = pa.ListArray.from_arrays(pa.array(np.arange(count + 1) * values.shape[axis], pa.int32()), array)
    return array
