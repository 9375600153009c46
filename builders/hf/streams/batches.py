"""A batch of a stream on its way: columns, in which images stay as they lie in their files until they are decoded."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from builders.errors import PercError
from builders.hf.batches.cropping import crop
from builders.hf.features import EMImage
from builders.hf.image_storage import Fetched
from builders.hf.stream_blocks import Piece
from builders.hf.streams.picked_columns import PickedColumn
from builders.io.casting import cast, copy, is_sure
from builders.io.finite import is_finite
from builders.io.layout import Array
from perc_transforms.core import buffers

_WARM = 512 * 1024
"""Bytes that are looked at right after they were converted, while they are in the processor's cache."""


class ImageStack:
    """The images of a batch as their files have them: in one piece, unless some are unlike.

    Args:
        pieces: these, in order.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = list(pieces)

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def __getitem__(self, chosen: slice) -> "ImageStack":
        start, stop, _ = chosen.indices(len(self))
        parts, done = [], 0
        for piece in self.pieces:
            first, last = max(start - done, 0), min(stop - done, len(piece))
            if first < last:
                parts.append(piece.part(first, last))
            done += len(piece)
        return ImageStack(parts)

    def values(self) -> list[Fetched]:
        """Each image as a row has it."""
        return [value for piece in self.pieces for value in piece.values()]

    def decoded(self, feature: EMImage) -> Any:
        """What a feature makes of them: one array, or a list where they are unlike."""
        if not feature.decode:
            return self.values()
        return joined([_decoded(piece, feature) for piece in self.pieces])


def stack_of(values: Sequence[Fetched]) -> ImageStack:
    """Images of rows, each in memory of its own, as a batch has them."""
    pieces = []
    for _, some in groupby(enumerate(values), lambda pair: (pair[1].pixels().shape, pair[1].pixels().dtype)):
        alike = [value for _, value in some]
        first = alike[0].pixels()
        pixels = memory_for(len(alike), first.shape, first.dtype)
        for place, value in enumerate(alike):
            pixels[place] = value.pixels()
        pieces.append(Piece(pixels, all(value.finite for value in alike), alike.__getitem__))
    return ImageStack(pieces)


def _decoded(piece: Piece, feature: EMImage) -> Array:
    """Images of one kind, decoded at once; one by one where that tells which one is wrong."""
    given, wanted = piece.pixels, np.dtype(feature.dtype or piece.pixels.dtype)
    is_fine = piece.finite or not feature._needs_watch()
    if feature.shape is not None:
        if (is_fine or np.isfinite(given).all()) and given.dtype.kind != "c":
            with contextlib.suppress(PercError):  # of a row that has a name, which it is told with below
                return crop(given, feature.shape, feature.dtype, "a batch of images")
    elif given.dtype != wanted and is_sure(given.dtype, wanted):
        pixels = memory_for(len(given), given.shape[1:], wanted)
        step = max(1, len(given) if is_fine else _WARM * len(given) // max(1, pixels.nbytes))
        are_finite = True
        for start in range(0, len(given), step):
            stop = start + step
            copy(given[start:stop], pixels[start:stop])
            are_finite = are_finite and (is_fine or is_finite(pixels[start:stop]))
        if are_finite or np.isfinite(pixels).all():
            return pixels
    elif not _cuts(given, feature):
        try:
            pixels = cast(given, feature.dtype, "a batch of images")
        except PercError:  # of a row that has a name, which it is told with below
            pass
        else:
            if is_fine or is_finite(pixels) or np.isfinite(pixels).all():
                return pixels
    return np.stack([feature.decode_example(value) for value in piece.values()])


def _cuts(pixels: Array, feature: EMImage) -> bool:
    """Whether fractions are cut off, which is told with the name of the first file that has some."""
    return feature.dtype is not None and pixels.dtype.kind == "f" and np.dtype(feature.dtype).kind in "biu"


_NONE: Mapping[str, Any] = {}


class Batch(dict[str, Any]):
    """Columns of rows, each a list, an array, a tensor, an `ImageStack` or a `PickedColumn`.

    Attributes:
        length: number of rows.
        stored: the features that columns are stored as, of those that a reader gave and nobody has decoded.
        decoded: those that columns were decoded as.
        format: the format that they were brought to then.
    """

    __slots__ = ("decoded", "format", "length", "stored")

    def __init__(
        self,
        columns: Mapping[str, Any],
        length: int | None = None,
        stored: Mapping[str, Any] | None = None,
        decoded: Mapping[str, Any] | None = None,
        format: str | None = None,
    ) -> None:
        super().__init__(columns)
        self.length = length_of(columns) if length is None else length
        self.stored, self.decoded, self.format = stored or _NONE, decoded or _NONE, format

    def with_columns(self, columns: Mapping[str, Any], names: Mapping[str, str] | None = None) -> "Batch":
        """The same rows with other columns, of which some have other names than they had."""
        if not names:
            return Batch(columns, self.length, self.stored, self.decoded, self.format)
        old = {name: name for name in columns} | {new: name for name, new in names.items()}
        stored, decoded = (
            {name: kinds[old[name]] for name in columns if old[name] in kinds} for kinds in (self.stored, self.decoded)
        )
        return Batch(columns, self.length, stored, decoded, self.format)

    def part(self, start: int, stop: int) -> "Batch":
        """Some of the rows."""
        if start == 0 and stop >= self.length:
            return self
        columns = {name: column[start:stop] for name, column in self.items()}
        return Batch(columns, min(stop, self.length) - start, self.stored, self.decoded, self.format)

    def plain(self) -> dict[str, Any]:
        """The columns for somebody who knows no `ImageStack` and no `PickedColumn`."""
        from perc_transforms.core.batch_rows import Columns  # torch is slow to import

        made = ((name, value.values() if isinstance(value, _UNMADE) else value) for name, value in self.items())
        return Columns(made)


_UNMADE = (ImageStack, PickedColumn)


def length_of(columns: Mapping[str, Any]) -> int:
    """Number of rows of a batch, as `datasets` tells it: that of the first column."""
    return len(next(iter(columns.values()))) if columns else 0


def joined(parts: Sequence[Any]) -> Any:
    """Columns one after another: as one array or tensor where all of them are of one kind, else as a list."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, ImageStack):
        return ImageStack([piece for part in parts for piece in part.pieces])
    if isinstance(first, PickedColumn):
        return PickedColumn.joined(parts)
    if isinstance(first, list) and all(isinstance(part, list) for part in parts):
        return [value for part in parts for value in part]
    if all(_kind(part) == _kind(first) is not None for part in parts):
        return _stacked(parts)
    return [value for part in parts for value in part]


def _kind(column: Any) -> Any:
    """What has to be the same of arrays or tensors for them to become one; None: it is neither."""
    if isinstance(column, np.ndarray) or type(column).__module__.partition(".")[0] == "torch":
        return type(column), column.shape[1:], column.dtype, str(getattr(column, "device", ""))
    return None


def _stacked(parts: Sequence[Any]) -> Any:
    """Arrays or tensors of one kind as one, in memory from stock where that spares fresh one."""
    if isinstance(parts[0], np.ndarray):
        out = memory_for(sum(map(len, parts)), parts[0].shape[1:], parts[0].dtype)
        return np.concatenate(parts, out=out) if parts[0].dtype != object else np.concatenate(parts)
    import torch

    first = parts[0]
    if first.device.type != "cpu" or any(part.requires_grad for part in parts) or first.dtype == torch.bfloat16:
        return torch.cat(list(parts))
    shape = first.shape[1:]
    memory = memory_for(sum(map(len, parts)), tuple(shape), first[:0].numpy().dtype)
    return torch.cat(list(parts), out=torch.from_numpy(memory))


def memory_for(rows: int, shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of rows with anything in it, in memory that nobody else uses."""
    kind = np.dtype(dtype)
    whole = (rows, *shape)
    raw = buffers.take(math.prod(whole) * kind.itemsize)
    return np.ndarray(whole, kind, buffer=raw)
