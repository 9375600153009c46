"""Images as bytes in tables and files: rows of one shape and type as blocks, see `builders.hf.stream_blocks`."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.hf.batches.mapped import TableColumn
from builders.hf.image_storage import encode_array, layout_in, read, stored_value
from builders.hf.stream_blocks import Filled, Further, Places
from builders.io.finite import floats_of, is_finite
from builders.io.gathering import gather
from builders.io.layout import Array, Layout

_PIECE = 256 * 1024
"""Bytes that are copied in one go: so many are still in the processor's cache when they are looked at."""


class InMemory:
    """Images that are here.

    Args:
        pixels: `(rows, ...)`, as they are stored.
    """

    def __init__(self, pixels: Array) -> None:
        self._pixels: Array | None = pixels
        self.shape, self.dtype = pixels.shape[1:], pixels.dtype.newbyteorder("=")

    def fill(self, out: Array, start: int, stop: int, places: Places | None) -> bool:
        """Copy some; whether all of them are known to be finite."""
        assert self._pixels is not None, "pixels are there until the next block is asked for"
        finite, step = True, max(1, _PIECE // max(1, self._pixels[:1].nbytes))
        for first in range(start, stop, step):
            some = slice(first, min(first + step, stop))
            into = slice(first - start, some.stop - start)
            out[into if places is None else places[into]] = rows = self._pixels[some]
            finite = finite and is_finite(rows)
        return finite

    def stored(self, number: int) -> dict[str, Any]:
        """The reference to one: it refers to nothing, for the pixels are here."""
        return stored_value(shape=list(self.shape), dtype=self.dtype.str)

    def value(self, number: int) -> dict[str, Any]:
        """One as a row has it."""
        assert self._pixels is not None, "pixels are there until the next block is asked for"
        return encode_array(self._pixels[number])

    def close(self) -> None:
        """Let go of them."""
        self._pixels = None


class InFile:
    """Images of plain pixels in a file of this machine.

    Args:
        path: the file.
        etag: its version.
        layout: of the first one.
        offsets: where each one begins.
    """

    def __init__(self, path: str, etag: str, layout: Layout, offsets: NDArray[np.int64]) -> None:
        self._path, self._etag, self._layout, self._offsets = path, etag, layout, offsets
        self.shape, self.dtype = layout.shape, layout.dtype

    def fill(self, out: Array, start: int, stop: int, places: Places | None) -> bool:
        """Read some; whether all of them are known to be finite."""
        memory, floats = out.reshape(len(out), -1).view(np.uint8), floats_of(self._layout)
        finite = gather(self._path, self._offsets[start:stop], memory, places, self._etag, floats)
        return finite or self.dtype.kind not in "fc"

    def stored(self, number: int) -> dict[str, Any]:
        """The reference to one."""
        where = {"path": self._path, "etag": self._etag, "offset": int(self._offsets[number])}
        return stored_value(**where, shape=list(self.shape), dtype=self._layout.spelling)

    value = stored

    def close(self) -> None:
        """Nothing is held."""


Pixels: TypeAlias = InMemory | InFile


class BytesBlock:
    """Rows with images of one shape and type; see `builders.hf.stream_blocks.Block`.

    Args:
        place: of the first one.
        values: the other columns.
        pixels: the images.
        image: their column.
        names: all columns, in order.
        name: what keys of rows begin with.
        count: how many rows.
    """

    lies = None
    more = 0

    def __init__(
        self,
        place: int,
        values: Mapping[str, NDArray[Any]],
        pixels: Pixels,
        image: str,
        names: Sequence[str],
        name: str,
        count: int,
    ) -> None:
        self.place, self.count, self.image, self.names = place, count, image, names
        self.shape, self.dtype = pixels.shape, pixels.dtype
        self.shared: Mapping[str, Any] = {}
        self.varying: Mapping[str, NDArray[Any] | Further] = values
        self.told: Mapping[str, TableColumn] = {}
        self.first = 0
        self._pixels, self._name = pixels, name

    def fill(self, out: Array, start: int, stop: int, places: Places | None = None) -> Filled:
        """See `builders.hf.stream_blocks.Block`."""
        stop = min(stop, self.count)
        return range(start, stop), self._pixels.fill(out, start, stop, places)

    def stored(self, number: int) -> dict[str, Any]:
        """See `builders.hf.stream_blocks.Block`."""
        return self._pixels.stored(number)

    def key(self, number: int) -> str:
        """See `builders.hf.stream_blocks.Block`."""
        return f"{self._name}:{self.place + number}"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Its rows, one by one."""
        columns = {name: values.tolist() for name, values in self.varying.items()}
        for number in range(self.count):
            image = {self.image: self._pixels.value(number)}
            yield {name: image[name] if name in image else columns[name][number] for name in self.names}

    def close(self) -> None:
        """Let go of the pixels."""
        self._pixels.close()


def layouts_of(shapes: pa.ListArray, dtypes: pa.StringArray, name: str) -> Iterator[tuple[int, int, Layout]]:
    """Stretches of images of one shape and type: where they begin and end, and the layout of each image as bytes.

    Args:
        shapes: of the images, none of which is missing.
        dtypes: their types.
        name: of what holds them.

    Raises:
        FormatError: something is no image.
    """
    for first, stop in pairwise(_edges(shapes, dtypes)):
        shape, dtype = shapes[first].as_py(), dtypes[first].as_py()
        layout = layout_in({"shape": shape, "dtype": dtype, "bytes": b""}, f"{name}:{first}")
        if layout is None or len(layout.shape) not in (2, 3):
            msg = f"{name}:{first}: an array of shape {shape} and type {dtype}: "
            msg += "expected an image (2 axes) or a volume (3 axes)"
            raise FormatError(msg)
        yield first, stop, layout


def _edges(shapes: pa.ListArray, dtypes: pa.StringArray) -> list[int]:
    """Where stretches of one shape and type begin, and where the last one ends."""
    codes = dtypes.dictionary_encode().indices.fill_null(-1).to_numpy()
    lengths, flat = shapes.value_lengths().fill_null(-1).to_numpy(), shapes.flatten()
    if not flat.null_count and (lengths == lengths[0]).all() and lengths[0] >= 0:
        sides = flat.to_numpy().reshape(len(lengths), -1)
        changes = (sides[1:] != sides[:-1]).any(axis=1)
    else:
        changes = np.array([one != two for one, two in pairwise(shapes.to_pylist())], bool)
    return [0, *(np.flatnonzero(changes | (codes[1:] != codes[:-1])) + 1).tolist(), len(codes)]


def in_memory(values: pa.Array, layout: Layout, name: str) -> InMemory:
    """Images of one layout out of binary values: they stay where they are if these are plain pixels and nothing else.

    Raises:
        FormatError: they are none.
        TruncatedError: one has fewer bytes than its shape says.
    """
    kind = np.dtype(np.int64 if pa.types.is_large_binary(values.type) else np.int32)
    _, starts, data = values.buffers()
    edges = np.frombuffer(starts, kind, len(values) + 1, values.offset * kind.itemsize)
    is_plain = type(layout) is Layout and layout.is_plain
    if is_plain and data is not None and (np.diff(edges) == layout.nbytes).all():
        dtype = np.dtype(layout.encoding)
        return InMemory(np.ndarray((len(values), *layout.shape), dtype, data, int(edges[0])))
    told = {"shape": layout.shape, "dtype": layout.spelling}
    return InMemory(np.stack([read({**told, "bytes": value}, name) for value in values.to_pylist()]))


def values_of(column: pa.ChunkedArray, is_image: bool) -> NDArray[Any]:
    """The values of a column as they are stored: an array of numbers, or one of Python's objects."""
    kind = column.type
    if not column.null_count and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.asarray(column.to_numpy())
    values = column.to_pylist()
    if is_image:
        values = [value and stored_value(**value) for value in values]
    return np.fromiter(values, object, len(column))
