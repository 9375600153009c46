"""The images of a batch, read together: from the columns of an Arrow table straight into one stack."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import PercError
from builders.hf.batches import remote_reads
from builders.hf.batches.columns import Places
from builders.hf.batches.cropping import crop
from builders.hf.features import EMImage
from builders.io import gathering
from builders.io.casting import cast, copy, is_sure
from builders.io.files import location
from builders.io.finite import count_non_finite, floats_of, is_finite
from builders.io.formats.compression import is_packed
from builders.io.layout import USUAL, Array, Layout
from perc_transforms.core import buffers

Group = tuple["Source", NDArray[np.int64], NDArray[np.int64] | None]
"""A source, where in it some images lie, and their places in the stack; None: it is all of them."""
Memory = Callable[[int], NDArray[np.uint8]]
"""Gives memory for some bytes."""

_ROW_BY_ROW = 0
"""The source of images that have none: of packed files, coded, boxes, null, or with something wrong."""
_MOST_BYTES = 2**40
"""Of an image: beyond that, something is wrong with its shape."""
_PIECE = 128 * 1024
"""Pixels that are converted in one go: they are still in the processor's cache when they are looked at."""


@dataclass(slots=True)
class Source:
    """Where images of one layout lie: anywhere in one version of a file, or in memory.

    Attributes:
        first: their layout at the start of it.
        path: a plain file, of this machine or of a server.
        etag: its version.
        data: the memory, if it is no file.
    """

    first: Layout
    path: str = ""
    etag: str = ""
    data: NDArray[np.uint8] | None = None

    @property
    def is_known(self) -> bool:
        """Whether what was seen there once is seen there for ever."""
        return self.data is not None or bool(self.etag)

    @property
    def is_remote(self) -> bool:
        """Whether the file is a server's."""
        return location.is_remote(self.path)


class Images:
    """A column of an EMImage's storage: for each row which source it is of, and where in it.

    Args:
        count: rows of the table.
    """

    def __init__(self, count: int) -> None:
        self._ids = np.empty(count, np.int32)
        self._offsets = np.empty(count, np.int64)
        self._sources: list[Source | None] = [None]
        self._known: dict[tuple[Any, ...], int] = {}
        self._finite = np.zeros(count, np.bool_)

    def fill(self, start: int, block: pa.StructArray) -> None:
        """Take over the rows from `start` on."""
        fields = dict(zip((field.name for field in block.type), block.flatten(), strict=True))
        here = {name: field.is_valid().to_numpy(zero_copy_only=False) for name, field in fields.items()}
        ids = np.full(len(block), _ROW_BY_ROW, np.int32)
        offsets = fields["offset"].fill_null(0).to_numpy(zero_copy_only=False).copy()
        told = here["shape"] & here["dtype"] & (offsets >= 0)
        files = told & here["path"] & here["offset"] & ~here["bytes"] & ~here["index"]
        inline = told & here["bytes"]
        if files.any():
            ids[files] = self._identified(_chosen(fields, files), ("path", "etag", "dtype", "shape"), _of_file)
        if inline.any():
            some = _chosen(fields, inline)
            data, first, ends = _bytes_in(some["bytes"])
            ids[inline] = self._identified(some, ("dtype", "shape"), _of_memory(data, start))
            sizes = np.array([0 if source is None else source.first.nbytes for source in self._sources])[ids[inline]]
            offsets[inline] += first
            ids[inline] = np.where(offsets[inline] + sizes <= ends, ids[inline], _ROW_BY_ROW)
        self._ids[start : start + len(block)] = ids
        self._offsets[start : start + len(block)] = offsets

    def _identified(
        self, fields: dict[str, pa.Array], names: tuple[str, ...], make: Callable[..., tuple[Any, Source | None]]
    ) -> NDArray[np.int32]:
        """The source of each of some rows, told apart by the values of some fields."""
        codes, values = zip(*(_coded(fields[name]) for name in names), strict=True)
        joint = codes[0]
        for code, few in zip(codes[1:], values[1:], strict=True):
            joint = joint * len(few) + code
        _, firsts, inverse = np.unique(joint, return_index=True, return_inverse=True)
        ids = []
        for row in firsts.tolist():
            key, source = make(*(few[code[row]] for code, few in zip(codes, values, strict=True)))
            if key not in self._known:
                self._known[key] = _ROW_BY_ROW if source is None else len(self._sources)
                self._sources.extend([] if source is None else [source])
            ids.append(self._known[key])
        return np.array(ids, np.int32)[inverse]

    def take(self, places: Places) -> "TakenImages":
        """The rows at some places, in that order."""
        return TakenImages(self._ids[places], self._offsets[places], self._sources, self._finite, places)


def _chosen(fields: dict[str, pa.Array], rows: NDArray[np.bool_]) -> dict[str, pa.Array]:
    return fields if rows.all() else {name: field.filter(pa.array(rows)) for name, field in fields.items()}


def _coded(field: pa.Array) -> tuple[NDArray[np.int64], list[Any]]:
    """A number for each value, and the values that they stand for."""
    if pa.types.is_list(field.type):
        lengths, numbers = field.value_lengths().to_numpy(), field.flatten()
        length = int(lengths[0])
        if numbers.null_count == 0 and (lengths == length).all():
            table = numbers.to_numpy().reshape(len(field), length)
            if (table == table[0]).all():
                return np.zeros(len(field), np.int64), [tuple(table[0].tolist())]
        shapes = [tuple(shape) for shape in field.to_pylist()]
        known = {shape: code for code, shape in enumerate(dict.fromkeys(shapes))}
        return np.array([known[shape] for shape in shapes], np.int64), list(known)
    coded = field.dictionary_encode()
    values = coded.dictionary.to_pylist()
    indices = coded.indices.fill_null(len(values)) if coded.indices.null_count else coded.indices
    return indices.to_numpy(zero_copy_only=False).astype(np.int64), [*values, None]


@functools.cache
def _layout(dtype: str, shape: tuple[Any, ...]) -> Layout | None:
    """The layout of plain pixels that a reference tells in this way; None where it is another, or none."""
    if dtype not in USUAL or len(shape) not in (2, 3) or not all(side is not None and side > 0 for side in shape):
        return None
    first = Layout(shape, dtype, 0)
    return first if first.is_plain and math.prod(shape) < _MOST_BYTES else None


def _of_file(path: str, etag: str | None, dtype: str, shape: tuple[Any, ...]) -> tuple[Any, Source | None]:
    is_other = is_packed(path) if location.is_remote(path) else "://" in path
    first = None if is_other else _layout(dtype, shape)
    return (path, etag, dtype, shape), None if first is None else Source(first, path, etag or "")


def _of_memory(data: NDArray[np.uint8], start: int) -> Callable[..., tuple[Any, Source | None]]:
    def make(dtype: str, shape: tuple[Any, ...]) -> tuple[Any, Source | None]:
        first = _layout(dtype, shape)
        return (start, dtype, shape), None if first is None else Source(first, data=data)

    return make


def _bytes_in(values: pa.LargeBinaryArray) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """The memory in which values lie, and where each of them begins and ends."""
    _, offsets, data = values.buffers()
    edges = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    return np.frombuffer(data, np.uint8), edges[:-1], edges[1:]


@dataclass(slots=True)
class TakenImages:
    """The images of some rows.

    Attributes:
        ids: the source of each, as a number.
        offsets: where it begins there.
        sources: all that the table has.
        finite: of each row of the table, whether its pixels were seen to be finite before.
        places: which rows of the table these are.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    sources: list[Source | None]
    finite: NDArray[np.bool_]
    places: Places

    def stack(self, feature: EMImage, memory: Memory = buffers.take) -> Array | None:
        """All of them in one array, `(rows, ..., ny, nx)`, as the feature wants them.

        Args:
            feature: tells their type.
            memory: where to put them.

        Returns:
            None where they have to be read one by one: they cannot be read together, or are not alike, or something is
            wrong with one of them, which is to be named.

        Raises:
            PercError: something is wrong with one that lies on a server, which is not asked a second time.
        """
        groups = self._by_source()
        if groups is None:
            return None
        stored = np.dtype(groups[0][0].first.encoding)
        wanted = stored.newbyteorder("=") if feature.dtype is None else np.dtype(feature.dtype)
        if (stored.kind == "f" and wanted.kind in "biu") or (stored.kind == "c" != wanted.kind):
            return None
        is_watched = stored.kind in "fc" and feature._needs_watch() and not self.finite[self.places].all()
        if feature.shape is None:
            pixels = _read(groups, len(self.ids), wanted, is_watched, memory)
        else:
            pixels = _read(groups, len(self.ids), stored.newbyteorder("="), is_watched, buffers.take)
        if is_watched and pixels is not None and all(source.is_known for source, _, _ in groups):
            self.finite[self.places] = True
        if feature.shape is not None and pixels is not None:
            try:
                return crop(pixels, feature.shape, feature.dtype, "a batch of images", memory)
            except PercError:
                return None
        return pixels

    def _by_source(self) -> list[Group] | None:
        """The offsets and the places in the stack for each source; None where they have not one layout."""
        ids = self.ids
        if not len(ids) or ids.min() == _ROW_BY_ROW:
            return None
        if (ids == ids[0]).all():
            source = self.sources[ids[0]]
            return None if source is None else [(source, self.offsets, None)]
        found: dict[int, list[int]] = {}
        for place, number in enumerate(ids.tolist()):
            found.setdefault(number, []).append(place)
        groups: list[Group] = []
        for number, some in found.items():
            source = self.sources[number]
            if source is None or (groups and source.first is not groups[0][0].first):
                return None
            places = np.array(some)
            groups.append((source, self.offsets[places], places))
        return groups


def _read(groups: list[Group], count: int, wanted: np.dtype[Any], is_watched: bool, memory: Memory) -> Array | None:
    """Images of one layout as one array; None where that cannot be, or not all are finite, and that is to be told.

    Raises:
        PercError: something is wrong with one that lies on a server.
    """
    first = groups[0][0].first
    stored = np.dtype(first.encoding)
    floats = floats_of(first) if is_watched else None
    try:
        raw = (memory if stored == wanted else buffers.take)(count * first.nbytes)
    except OSError:  # there is not so much
        return None
    rows = np.ndarray((count, first.nbytes), np.uint8, raw)
    far = [(source.path, source.etag, offsets, places) for source, offsets, places in groups if source.is_remote]
    are_finite = not far or remote_reads.gather(far, rows, floats)
    try:
        are_finite &= _fill([group for group in groups if not group[0].is_remote], rows, floats)
        pixels: Array = np.ndarray((count, *first.shape), stored, raw)
        is_watched = is_watched and not (floats is not None and are_finite)
        if stored != wanted:
            pixels, are_finite = _converted(pixels, wanted, memory, is_watched)
            is_watched = is_watched and not are_finite
    except (PercError, OSError):
        return None
    return None if is_watched and count_non_finite(pixels) else pixels


def _fill(groups: list[Group], rows: NDArray[np.uint8], floats: np.dtype[Any] | None) -> bool:
    """Read images that are at hand, each into its row: what `gather` does, also for those in memory."""
    are_finite = True
    for source, offsets, places in groups:
        if source.data is None:
            are_finite &= gathering.gather(source.path, offsets, rows, places, source.etag, floats)
        else:
            are_finite &= _copied(source.data, offsets, rows, places, floats)
    return are_finite


def _copied(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    out: NDArray[np.uint8],
    places: NDArray[np.int64] | None,
    floats: np.dtype[Any] | None,
) -> bool:
    """What `gather` does, from memory."""
    size = out.shape[1]
    are_finite = floats is not None
    for place, offset in zip(range(len(offsets)) if places is None else places.tolist(), offsets.tolist(), strict=True):
        row = out[place]
        row[:] = data[offset : offset + size]
        are_finite = are_finite and is_finite(row.view(floats))
    return are_finite


def _converted(pixels: Array, wanted: np.dtype[Any], memory: Memory, is_watched: bool) -> tuple[Array, bool]:
    """Pixels of another type, and whether they are surely finite; False says nothing, as where nobody watches.

    Raises:
        FormatError: a value does not fit.
    """
    converted: Array = np.ndarray(pixels.shape, wanted, memory(pixels.size * wanted.itemsize))
    source, target = pixels.reshape(-1), converted.reshape(-1)
    are_finite = is_watched
    for start in range(0, source.size, _PIECE):
        piece, place = source[start : start + _PIECE], target[start : start + _PIECE]
        if is_sure(piece.dtype, wanted):
            copy(piece, place)
        else:
            place[:] = cast(piece.astype(piece.dtype.newbyteorder("="), copy=False), wanted, "a batch")
        are_finite = are_finite and is_finite(place)
    return converted, are_finite
