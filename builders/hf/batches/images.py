"""The images of a batch, read together: from the columns of an Arrow table straight into one stack."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import PercError
from builders.hf.batches import box_reads, remote_reads
from builders.hf.batches.columns import Places
from builders.hf.batches.cropping import crop
from builders.hf.batches.sources import Source, boxes_in, of_boxes, of_file, of_memory, of_recipe
from builders.hf.features import EMImage
from builders.io import gathering
from builders.io.casting import cast, copy, is_sure
from builders.io.finite import count_non_finite, floats_of, is_finite
from builders.io.layout import Array
from builders.io.made.layout import MARK
from perc_transforms.core import buffers

Group = tuple[Source, NDArray[np.int64], NDArray[np.int64] | None]
"""A source, where in it some images lie, and their places in the stack; None: it is all of them."""
Memory = Callable[[int], NDArray[np.uint8]]
"""Gives memory for some bytes."""

_ROW_BY_ROW = 0
"""The source of images that have none: of packed files, coded, null, or with something wrong."""
_MADE = f"%{MARK}"
_PIECE = 128 * 1024
"""Pixels that are converted in one go: they are still in the processor's cache when they are looked at."""


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
        self._corners: NDArray[np.int64] | None = None

    def fill(self, start: int, block: pa.StructArray) -> None:
        """Take over the rows from `start` on."""
        fields = dict(zip((field.name for field in block.type), block.flatten(), strict=True))
        here = {name: field.is_valid().to_numpy(zero_copy_only=False) for name, field in fields.items()}
        ids = np.full(len(block), _ROW_BY_ROW, np.int32)
        offsets = fields["offset"].fill_null(0).to_numpy(zero_copy_only=False).copy()
        told = here["shape"] & here["dtype"] & (offsets >= 0)
        files = told & here["path"] & here["offset"] & ~here["bytes"] & ~here["index"]
        inline = told & here["bytes"]
        made = told & here["path"] & here["index"] & ~here["bytes"]
        made &= pc.match_substring(fields["dtype"], _MADE).fill_null(False).to_numpy(zero_copy_only=False)
        if made.any():
            ids[made] = self._identified(_chosen(fields, made), ("path", "etag", "dtype", "shape"), of_recipe)
            offsets[made] = fields["index"].filter(pa.array(made)).to_numpy()
        boxes = boxes_in(fields["dtype"])
        if boxes is not None:
            cut = files & boxes.is_valid().to_numpy(zero_copy_only=False)
            files &= ~cut
            if cut.any():
                ids[cut] = self._fill_boxes(
                    start + np.flatnonzero(cut), _chosen(fields, cut), boxes.filter(pa.array(cut))
                )
        if files.any():
            ids[files] = self._identified(_chosen(fields, files), ("path", "etag", "dtype", "shape"), of_file)
        if inline.any():
            some = _chosen(fields, inline)
            data, first, ends = _bytes_in(some["bytes"])
            ids[inline] = self._identified(some, ("dtype", "shape"), of_memory(data, start))
            sizes = np.array([0 if source is None else source.first.nbytes for source in self._sources])[ids[inline]]
            offsets[inline] += first
            ids[inline] = np.where(offsets[inline] + sizes <= ends, ids[inline], _ROW_BY_ROW)
        self._ids[start : start + len(block)] = ids
        self._offsets[start : start + len(block)] = offsets

    def _fill_boxes(
        self, rows: NDArray[np.int64], fields: dict[str, pa.Array], boxes: pa.StructArray
    ) -> NDArray[np.int32]:
        """Take over rows that are boxes; gives their sources."""
        starts, stops = (
            [_numbers(boxes.field(name)) for name in names]
            for names in (("front", "top", "left"), ("back", "bottom", "right"))
        )
        if self._corners is None:
            self._corners = np.zeros((len(self._ids), 3), np.int64)
        self._corners[rows] = np.stack(starts, 1)
        sides = {f"n{axis}": pa.array(stop - start) for axis, start, stop in zip("zyx", starts, stops, strict=True)}
        told = fields | sides | {"dtype": boxes.field("image")}
        return self._identified(told, ("path", "etag", "dtype", "shape", "nz", "ny", "nx"), of_boxes)

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
        corners = None if self._corners is None else self._corners[places]
        return TakenImages(self._ids[places], self._offsets[places], self._sources, self._finite, places, corners)


def _numbers(texts: pa.StringArray) -> NDArray[np.int64]:
    """Whole numbers in texts; 0 of empty ones."""
    is_empty = pc.equal(texts, "")
    return np.asarray(pc.if_else(is_empty, "0", texts).cast(pa.int64()).to_numpy(zero_copy_only=False))


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
        corners: first section, row and column of each that is a box; None: none is.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    sources: list[Source | None]
    finite: NDArray[np.bool_]
    places: Places
    corners: NDArray[np.int64] | None = None

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
            pixels = _read(groups, len(self.ids), wanted, is_watched, memory, self.corners)
        else:
            pixels = _read(groups, len(self.ids), stored.newbyteorder("="), is_watched, buffers.take, self.corners)
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
        if not len(ids):
            return None
        if (ids == ids[0]).all():
            source = self.sources[ids[0]]
            return None if source is None else [(source, self.offsets, None)]
        if ids.min() == _ROW_BY_ROW:
            return None
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


def _read(
    groups: list[Group],
    count: int,
    wanted: np.dtype[Any],
    is_watched: bool,
    memory: Memory,
    corners: NDArray[np.int64] | None,
) -> Array | None:
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
    pixels: Array = np.ndarray((count, *first.shape), stored, raw)
    boxes = [] if corners is None else [_with_corners(group, corners) for group in groups if group[0].image is not None]
    groups = [group for group in groups if group[0].image is None]
    far = [(source.path, source.etag, offsets, places) for source, offsets, places in groups if source.is_remote]
    are_finite = not far or remote_reads.gather(far, rows, floats)
    are_finite &= box_reads.fill((box for box in boxes if box[0].is_remote), pixels, is_watched)
    try:
        are_finite &= _fill([group for group in groups if not group[0].is_remote], rows, floats)
        are_finite &= box_reads.fill((box for box in boxes if not box[0].is_remote), pixels, is_watched)
        is_watched = is_watched and not (floats is not None and are_finite)
        if stored != wanted:
            pixels, are_finite = _converted(pixels, wanted, memory, is_watched)
            is_watched = is_watched and not are_finite
    except (PercError, OSError):
        return None
    return None if is_watched and count_non_finite(pixels) else pixels


def _with_corners(group: Group, corners: NDArray[np.int64]) -> box_reads.Group:
    source, offsets, places = group
    places = np.arange(len(offsets)) if places is None else places
    return source, offsets, places, corners[places]


def _fill(groups: list[Group], rows: NDArray[np.uint8], floats: np.dtype[Any] | None) -> bool:
    """Read images that are at hand, each into its row: what `gather` does, also for those in memory."""
    are_finite = True
    for source, offsets, places in groups:
        if source.made is not None:
            images = source.made.read_rows(source.path, source.etag, offsets)
            rows[slice(None) if places is None else places] = images.reshape(len(images), -1).view(np.uint8)
            are_finite &= floats is None or is_finite(images)
        elif source.data is None:
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
    if is_sure(pixels.dtype, wanted) and not is_watched:
        copy(pixels, converted)
        return converted, False
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
