"""Images as bytes in Arrow tables: rows of one shape and type as blocks, of which each is one array."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.hf.image_storage import layout_in, read, stored_value
from builders.hf.stream_blocks import Filled, Places
from builders.io.finite import is_finite
from builders.io.layout import Array, Layout

_PIECE = 256 * 1024
"""Bytes that are copied in one go: so many are still in the processor's cache when they are looked at."""


class BytesBlock:
    """Rows of a table with images of one shape and type; see `builders.hf.stream_blocks.Block`.

    Args:
        place: of its first row.
        rows: of the table.
        pixels: `(rows, ...)`, as they are stored.
        image: the column of the images.
        name: what keys of rows begin with.
    """

    lies = None

    def __init__(self, place: int, rows: pa.Table, pixels: Array, image: str, name: str) -> None:
        self.place, self.count, self.image = place, len(rows), image
        self.shape, self.dtype = pixels.shape[1:], pixels.dtype.newbyteorder("=")
        self.names = tuple(rows.column_names)
        self.shared: Mapping[str, Any] = {}
        self.varying = {name: _values(rows[name]) for name in self.names if name != image}
        self._pixels: Array | None = pixels
        self._name = name

    def fill(self, out: Array, start: int, stop: int, places: Places | None = None) -> Filled:
        """See `builders.hf.stream_blocks.Block`."""
        stop = min(stop, self.count)
        assert self._pixels is not None, "its pixels are there until the next block is asked for"
        finite, step = True, max(1, _PIECE // max(1, self._pixels[:1].nbytes))
        for first in range(start, stop, step):
            some = slice(first, min(first + step, stop))
            into = slice(first - start, some.stop - start)
            out[into if places is None else places[into]] = rows = self._pixels[some]
            finite = finite and is_finite(rows)
        return range(start, stop), finite

    def stored(self, number: int) -> dict[str, Any]:
        """See `builders.hf.stream_blocks.Block`: it refers to nothing, for the pixels are here."""
        return stored_value(shape=list(self.shape), dtype=self.dtype.str)

    def key(self, number: int) -> str:
        """See `builders.hf.stream_blocks.Block`."""
        return f"{self._name}:{self.place + number}"

    def close(self) -> None:
        """Let go of the pixels."""
        self._pixels = None


def blocks_of(table: pa.Table, image: str, name: str, skip: int = 0) -> Iterator[BytesBlock]:
    """The rows of a table, without the first `skip`, in as few blocks as can be.

    Args:
        table: none of its images is missing.
        image: the column of the images, records of bytes, shapes and types.
        name: of the table.
        skip: rows that are left out.

    Raises:
        FormatError: something is no image.
        TruncatedError: an image has fewer bytes than its shape says.
    """
    place = 0
    for batch in table.to_batches():
        start = max(0, skip - place)
        for first, stop, pixels in _stacks(batch.column(image), start, f"{name}:{place}"):
            yield BytesBlock(
                place + first, pa.Table.from_batches([batch.slice(first, stop - first)]), pixels, image, name
            )
        place += len(batch)


def stored_row(table: pa.Table, place: int, images: Sequence[str]) -> dict[str, Any]:
    """A row as `EMImage` and the other features store it."""
    row = {name: values[0] for name, values in table.slice(place, 1).to_pydict().items()}
    return row | {name: row[name] and stored_value(**row[name]) for name in images}


def _stacks(images: pa.StructArray, start: int, name: str) -> Iterator[tuple[int, int, Array]]:
    """Stretches of images of one shape and type, from the place `start` on, each as one array."""
    data, starts = _bytes_of(images.field("bytes"))
    shapes, dtypes = images.field("shape"), images.field("dtype")
    edges = _edges(shapes, dtypes)
    for first, stop in pairwise(edges):
        first = max(first, start)
        if first < stop:
            value = {"shape": shapes[first].as_py(), "dtype": dtypes[first].as_py(), "bytes": b""}
            layout = layout_in(value, name)
            if layout is None or len(layout.shape) not in (2, 3):
                msg = (
                    f"{name}: an array of shape {value['shape']} and type {value['dtype']}: expected an image (2 axes)"
                )
                msg += " or a volume (3 axes)"
                raise FormatError(msg)
            yield first, stop, _stack(data, starts[first : stop + 1], layout, value, name)


def _edges(shapes: pa.ListArray, dtypes: pa.StringArray) -> list[int]:
    """Where stretches of one shape and type begin, and where the last one ends."""
    codes = dtypes.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    changes = codes[1:] != codes[:-1]
    lengths, flat = shapes.value_lengths().to_numpy(zero_copy_only=False), shapes.flatten()
    if len(lengths) and not flat.null_count and (lengths == lengths[0]).all():
        sides = flat.to_numpy(zero_copy_only=False).reshape(len(lengths), -1)
        changes = changes | (sides[1:] != sides[:-1]).any(axis=1)
    else:
        listed = shapes.to_pylist()
        changes = changes | np.array([one != two for one, two in pairwise(listed)], bool)
    return [0, *(np.flatnonzero(changes) + 1).tolist(), len(codes)] if len(codes) else []


def _bytes_of(values: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of binary values, and where each one begins among them, and the last one ends."""
    kind = np.dtype(np.int64 if pa.types.is_large_binary(values.type) else np.int32)
    _, starts, data = values.buffers()
    edges = np.frombuffer(starts, kind, len(values) + 1, values.offset * kind.itemsize).astype(np.int64)
    return np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8), edges


def _stack(
    data: NDArray[np.uint8], starts: NDArray[np.int64], layout: Layout, value: Mapping[str, Any], name: str
) -> Array:
    """Images of one layout as one array, which lies where their bytes do if these are plain pixels and nothing else."""
    if type(layout) is Layout and layout.is_plain and (np.diff(starts) == layout.nbytes).all():
        rows = len(starts) - 1
        return np.ndarray((rows, *layout.shape), np.dtype(layout.encoding), data, int(starts[0]))
    own = (data[start:stop].tobytes() for start, stop in pairwise(starts))
    return np.stack([read({**value, "bytes": one}, name) for one in own])


def _values(column: pa.ChunkedArray) -> NDArray[Any]:
    """The values of a column: an array of numbers, or one of Python's objects."""
    kind = column.type
    if not column.null_count and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.asarray(column.to_numpy())
    return np.fromiter(column.to_pylist(), object, len(column))
