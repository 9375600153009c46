"""Fields of NumPy -> Arrow arrays."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.tables.particle_table import NAME


def names(values: NDArray[Any], said: str) -> pa.Array:
    """A field of text as dictionary-encoded names; an empty text is null.

    Args:
        values: of type `S` or `U`.
        said: what errors call it.

    Raises:
        FormatError: no text, or bytes that are not UTF-8.
    """
    if values.ndim != 1 or values.dtype.kind not in "SU":
        msg = f"{said} is of type {values.dtype.str} and shape {values.shape[1:]}: expected text"
        raise FormatError(msg)
    if not len(values) or not values.dtype.itemsize:
        return pa.nulls(len(values), NAME)
    plain = np.ascontiguousarray(values)
    width = pa.binary(plain.dtype.itemsize)
    raw = pa.Array.from_buffers(width, len(plain), [None, pa.py_buffer(plain)]).dictionary_encode()
    texts = []
    for spelled in np.array([value.as_py() for value in raw.dictionary], object):
        try:
            text = np.frombuffer(spelled, plain.dtype)[0]
            texts.append(str(text) if plain.dtype.kind == "U" else bytes(text).decode())
        except (UnicodeDecodeError, ValueError) as err:
            msg = f"{said} is {spelled.rstrip(bytes(1))[:80]!r}: expected UTF-8"
            raise FormatError(msg) from err
    unique = pa.array(texts, pa.string()).dictionary_encode()  # what differed behind a NUL is one
    indices = unique.indices.take(raw.indices)
    empty = pc.index(unique.dictionary, "").as_py()
    if empty >= 0:
        indices = pc.if_else(pc.equal(indices, empty), pa.scalar(None, pa.int32()), indices)
    return pa.DictionaryArray.from_arrays(indices, unique.dictionary)


def numbers(values: NDArray[Any], scale: float | NDArray[Any] = 1.0) -> pa.Array:
    """Numbers times a scale, in single precision; null where that is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        single = np.asarray(np.multiply(values, scale, dtype=np.float64), np.float32)
    return pa.array(single, mask=~np.isfinite(single))


def column(values: NDArray[Any], said: str) -> pa.Array:
    """A field under its own name: vectors as lists, `uint64` as `int64` of the same bits, other integers as `int64`.

    Raises:
        FormatError: text that is not UTF-8.
    """
    kind = values.dtype.kind
    flat = values.reshape(-1)
    if kind in "SU":
        array = names(flat, said).cast(pa.string())
    elif kind == "u" and values.dtype.itemsize == 8:
        array = pa.array(np.ascontiguousarray(flat).view(np.int64))
    elif kind in "iu":
        array = pa.array(np.ascontiguousarray(flat, np.int64))
    else:
        array = pa.array(np.ascontiguousarray(flat))
    for axis in range(values.ndim - 1, 0, -1):
        count = int(np.prod(values.shape[:axis]))
        array = pa.ListArray.from_arrays(pa.array(np.arange(count + 1) * values.shape[axis], pa.int32()), array)
    return array
