"""Rows as Arrow tables of a schema; pixels are copied once, without a Python object for each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from datasets.table import embed_table_storage

from builders.errors import FormatError, MixedError
from builders.publishing.writing import encoding
from builders.publishing.writing.pixels import BYTES, Bytes, Pixels, as_array
from builders.publishing.writing.schema import PREVIEW, Row, Schema
from builders.publishing.writing.values import array_of

_MOST = 2**31 - 1
"""Values of one list in Arrow, and bytes of its binary values: of a row group, which may be a single image."""


class WiderError(MixedError):
    """A row does not fit the schema, which has to be widened; the message is one that fits it, as JSON."""


def table_of(rows: Sequence[Row], schema: Schema) -> pa.Table:
    """Rows as a table; pictures that lie in files of their own are in it.

    Args:
        rows: decoded, all with the schema's columns.
        schema: what they are stored as.

    Raises:
        WiderError: an image has another shape or type; the message is the wider schema.
        MixedError: a row has other columns, or values of other kinds.
    """
    names = [name for name in schema.features if name != PREVIEW or not schema.preview]
    for row in rows:
        if row.keys() != set(names):
            msg = f"a row has the columns {', '.join(map(repr, row))}, where others have {', '.join(map(repr, names))}"
            raise MixedError(msg)
    arrays = []
    for column, kind in zip(schema.features, schema.features.arrow_schema.types, strict=True):
        if column == PREVIEW and schema.preview:
            arrays.append(_previews(rows, next(iter(schema.pixels)), kind))
            continue
        values = [row[column] for row in rows]
        if column in schema.pixels:
            arrays.append(_images(values, column, schema, kind))
        else:
            arrays.append(_values(values, column, schema.features[column]))
    return embed_table_storage(pa.table(arrays, schema=schema.features.arrow_schema))


def _images(values: Sequence[Any], column: str, schema: Schema, kind: pa.DataType) -> pa.Array:
    images = [None if value is None else as_array(value, column) for value in values]
    wider = schema
    for image in images:
        if image is not None:
            pixels = wider.pixels[column]
            fitting = pixels.with_image(image, column)
            wider = wider if fitting == pixels else wider.widened(column, fitting)
    if wider is not schema:
        raise WiderError(wider.as_json())
    pixels = schema.pixels[column]
    if isinstance(pixels, Bytes):
        return _as_bytes(images, column)
    storage = _nested(images, pixels, column)
    return pa.ExtensionArray.from_storage(kind, storage) if isinstance(kind, pa.ExtensionType) else storage.cast(kind)


def _nested(images: Sequence[Any], pixels: Pixels, column: str) -> pa.Array:
    """Images as lists of lists, null where there is none."""
    there = [image for image in images if image is not None]
    count, largest = sum(image.size for image in there), max((image.size for image in there), default=0)
    most = min(_MOST, encoding.most_pixels(pa.from_numpy_dtype(np.dtype(pixels.dtype))))
    if largest > most:
        msg = f"{column!r}: an image of {largest} pixels of {pixels.dtype}: a page of Parquet holds {most}: "
        msg += "crop or rescale it"
        raise FormatError(msg)
    if count > _MOST:
        msg = f"{column!r}: {len(there)} images of {count} pixels, between much smaller ones: a list of Arrow holds"
        msg += f" {_MOST}: publish them as datasets of their own, or as a stream"
        raise FormatError(msg)
    flat = np.empty(count, pixels.dtype)
    if there:
        np.concatenate([image.reshape(-1) for image in there], out=flat, casting="safe")
    nested = pa.array(flat)
    for axis in reversed(range(1, pixels.axes)):
        # the length of each list along this axis: as many as there are lists before it
        lengths = np.repeat([i.shape[axis] for i in there], [int(np.prod(i.shape[:axis])) for i in there])
        nested = pa.ListArray.from_arrays(_offsets(lengths), nested)
    rows = [0 if image is None else image.shape[0] for image in images]
    missing = np.array([image is None for image in images])
    offsets = pa.array(np.asarray(_offsets(rows)), mask=np.append(missing, False)) if missing.any() else _offsets(rows)
    return pa.ListArray.from_arrays(offsets, nested)


def _as_bytes(images: Sequence[Any], column: str) -> pa.Array:
    """Images as records of their bytes, shapes and types, null where there is none."""
    sizes = [0 if image is None else image.nbytes for image in images]
    if max(sizes) > encoding.MOST_BYTES:
        msg = f"{column!r}: an image of {max(sizes)} bytes: a page of Parquet holds {encoding.MOST_BYTES}: "
        msg += "crop or rescale it"
        raise FormatError(msg)
    if sum(sizes) > _MOST:
        msg = f"{column!r}: {len(images)} images of {sum(sizes)} bytes, between much smaller ones: a column of Arrow"
        msg += f" holds {_MOST}: publish them as datasets of their own, or as a stream"
        raise FormatError(msg)
    flat = np.empty(sum(sizes), np.uint8)
    start = 0
    for image, size in zip(images, sizes, strict=True):
        if size:
            np.copyto(flat[start : start + size].view(image.dtype).reshape(image.shape), image)
        start += size
    buffers = [None, _offsets(sizes).buffers()[1], pa.py_buffer(flat)]
    missing = np.array([image is None for image in images])
    columns = {
        "bytes": pa.BinaryArray.from_buffers(pa.binary(), len(images), buffers),
        "shape": pa.array([None if image is None else list(image.shape) for image in images], pa.list_(pa.int64())),
        "dtype": pa.array([None if image is None else image.dtype.str for image in images], pa.string()),
    }
    return pa.StructArray.from_arrays([columns[name] for name in BYTES], list(BYTES), mask=pa.array(missing))


def _offsets(lengths: Any) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


def _values(values: Sequence[Any], column: str, feature: Any) -> pa.Array:
    try:
        return array_of(values, feature)
    except (TypeError, ValueError, pa.ArrowException) as err:
        msg = f"{column!r}: a value does not fit {feature}, which earlier rows are: {err}; where `map` made it, tell"
        msg += " its kind by features="
        raise MixedError(msg) from err


def _previews(rows: Sequence[Row], column: str, kind: pa.DataType) -> pa.Array:
    from builders.publishing.writing.preview import preview_png

    pictures = [
        None if row[column] is None else {"bytes": preview_png(as_array(row[column], column)), "path": None}
        for row in rows
    ]
    return pa.array(pictures, kind)
