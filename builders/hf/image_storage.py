"""How an image stands in an Arrow table: its fields, what they say of its pixels, and the way to these."""

import os
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pyarrow as pa
from datasets import Features
from numpy.typing import NDArray

from builders.errors import ChangedError, FormatError, TruncatedError
from builders.io import image_file
from builders.io.files import location
from builders.io.finite import FiniteWatch
from builders.io.image_reference import layout_of, told
from builders.io.layout import Array, Layout, joined
from builders.io.pixels import read_layout

STORAGE = pa.struct(
    {
        "bytes": pa.large_binary(),
        "path": pa.string(),
        "index": pa.int64(),
        "offset": pa.int64(),
        "shape": pa.list_(pa.int64()),
        "dtype": pa.string(),
        "etag": pa.string(),
    }
)
"""How an image stands in an Arrow table. `shape`, `dtype` and `offset` say where the pixels lie in the file at `path`
or in `bytes`, and with `index` those of all slices of a file, among which the slice's do not lie apart; without them
the header of either one is read. What coded images and boxes need stands in `dtype` (`builders.io.image_reference`):
the type of the column is that of every version, so that datasets which somebody saved can be read, and no row that does
not need it is larger."""

FIELDS = tuple(f.name for f in STORAGE)


class Fetched(dict[str, Any]):
    """A stored value whose pixels have been asked for already, or are here.

    Attributes:
        held: the array, or what gives it or raises what went wrong.
        finite: its pixels are known to be finite.
    """

    __slots__ = ("finite", "held")
    held: Array | Callable[[], Array]
    finite: bool

    def pixels(self) -> Array:
        """The array."""
        return self.held() if callable(self.held) else self.held


def fetched(stored: dict[str, Any], pixels: Array, finite: bool) -> Fetched:
    """A stored value whose pixels are here; where it refers to nothing else, they stand in it, too."""
    refers = stored["path"] is not None or stored["bytes"] is not None
    value = Fetched(stored if refers else encode_array(pixels))
    value.held, value.finite = pixels, finite
    return value


class Row(dict[str, Any]):
    """A row of a stream whose values are stored as its features want them, its images as `Fetched`.

    Attributes:
        features: these; the stream says so.
    """

    __slots__ = ("features",)
    features: Features


def reference(file: image_file.ImageFile, layout: Layout) -> dict[str, Any]:
    """What an EMImage column stores to read `layout` of `file`, a described file, in one read."""
    if type(layout) is not Layout:
        return stored_value(path=file.path, etag=file.etag, **told(layout))
    return {
        **{"bytes": None, "path": file.path, "index": None, "offset": layout.offset},
        **{"shape": list(layout.shape), "dtype": layout.spelling, "etag": file.etag},
    }


def stored_value(**fields: Any) -> dict[str, Any]:
    """A value as it stands in a table, null where nothing is said."""
    return dict.fromkeys(FIELDS) | fields


def checked_fields(value: dict[str, Any]) -> dict[str, Any]:
    """The stored value that somebody gave as a dict.

    Raises:
        FormatError: it has other fields, or neither a path nor bytes.
    """
    unknown = [name for name in value if name not in FIELDS]
    if unknown:
        msg = f"an EMImage has no field {unknown[0]!r}: expected {', '.join(FIELDS)}"
        raise FormatError(msg)
    if value.get("bytes") is None and value.get("path") is None:
        msg = f"an EMImage needs 'path' or 'bytes', and both are None in {value}"
        raise FormatError(msg)
    stored = stored_value(**value)
    if stored["path"] is not None:
        stored["path"] = os.fspath(stored["path"])
    return stored


def encode_array(value: Any) -> dict[str, Any]:
    """The stored value of an array or tensor: its pixels, inline.

    Raises:
        FormatError: it is no 2-D or 3-D one of numbers.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    array = np.ascontiguousarray(value)
    if array.dtype.kind not in "biufc" or array.ndim not in (2, 3):
        msg = f"an EMImage cannot be made of an array of shape {array.shape} and type {array.dtype}: "
        msg += "expected 2 or 3 axes of numbers"
        raise FormatError(msg)
    return stored_value(bytes=array.tobytes(), shape=list(array.shape), dtype=array.dtype.str)


def layout_in(value: dict[str, Any], name: str) -> Layout | None:
    """The layout that a stored value spells out, if it does. Anyone may have written it, so nothing is believed.

    Raises:
        FormatError: it cannot be a layout.
    """
    shape, dtype, offset = value.get("shape"), value.get("dtype"), value.get("offset")
    if shape is None or dtype is None or (offset is None and value.get("bytes") is None):
        return None
    index = None if value.get("index") is None or value.get("bytes") is not None else int(value["index"])
    return layout_of(tuple(int(n) for n in shape), dtype, int(offset or 0), index, name)


def read(value: dict[str, Any], name: str, watch: FiniteWatch | None = None) -> Array:
    """The pixels of a stored value, in the file's own type."""
    layout, data, index = layout_in(value, name), value.get("bytes"), value.get("index")
    index = None if index is None else int(index)
    if data is not None:
        if layout is None:
            return _as_image(image_file.read_bytes(data, index, name))
        if layout.end > len(data):
            msg = f"{name}: {len(data)} bytes for shape {layout.shape} of {layout.encoding!r}: expected {layout.nbytes}"
            raise TruncatedError(msg)
        inside = [np.frombuffer(data, np.uint8, stop - start, start).copy() for start, stop in layout.ranges]
        return layout.decode(joined(inside))
    if "://" in name and not location.is_remote(name):
        msg = f"{name}: an EMImage reads local files and http or https URLs"
        raise FormatError(msg)
    if layout is not None:
        return read_layout(name, layout, value.get("etag"), watch and watch.expect(layout))
    file = image_file.describe(name)
    return read_layout(name, file.part(index).squeezed(), value.get("etag") or file.etag)


def outdated(error: ChangedError) -> ChangedError:
    """The same error with the way out, for somebody whose dataset refers to a file as it was."""
    way_out = "To rebuild a dataset that refers to it: load_dataset(..., download_mode='force_redownload')"
    return ChangedError(f"{error}. {way_out}")


def _as_image(pixels: Array) -> Array:
    """A file of one section is a 2-D image."""
    while pixels.ndim > 2 and pixels.shape[0] == 1:
        pixels = pixels[0]
    return pixels


def storage_array(columns: dict[str, pa.Array], like: pa.Array) -> pa.StructArray:
    """A storage array of some columns, null elsewhere, and null where `like` is."""
    arrays = [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(len(like), f.type) for f in STORAGE]
    return pa.StructArray.from_arrays(arrays, fields=list(STORAGE), mask=like.is_null())


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def list_depth(kind: pa.DataType) -> int:
    """How many lists a type nests around numbers; 0 when it holds anything else."""
    depth = 0
    while _is_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) else 0


def storage_of_lists(storage: pa.Array) -> pa.StructArray:
    """Nested lists, as `map` makes them of arrays, without a Python object a pixel."""
    rows = [encode_array(_rectangular(row)) if row.is_valid else None for row in storage]
    return pa.array(rows, STORAGE)


def _rectangular(row: pa.Scalar) -> NDArray[np.generic]:
    """The array that one row of nested lists spells, by its flat values."""
    values, shape = row.values, [len(row.values)]
    while _is_list(values.type):
        lengths = values.value_lengths().unique()
        if len(lengths) != 1 or not lengths[0].is_valid:
            msg = "rows of different lengths do not make an image: expected a rectangular array"
            raise TypeError(msg)
        shape.append(lengths[0].as_py())
        values = values.flatten()
    if values.null_count:
        msg = "nulls do not make an image: expected numbers"
        raise TypeError(msg)
    return cast(NDArray[np.generic], values.to_numpy(zero_copy_only=False)).reshape(shape)


def inlined(value: Fetched) -> dict[str, Any]:
    """A fetched value with its pixels inside, for where only plain dicts get through."""
    return encode_array(value.pixels()) | {"path": value["path"], "index": value["index"]}
