"""How an image lies in bytes: encoding, shape and offset, and the way from those bytes to an array.

The simplest case is one stretch of plain pixels, `Layout`; `builders.io.coded` has images of compressed parts.
Either says which bytes of the file it needs (`ranges`) and makes an array of them (`decode`), also of a box cut out of
it.

An encoding is a string, so that a reference to an image can be kept in a table: NumPy's own type strings
(`"<f4"`, `">i2"`, `"|u1"`, ...) and two that NumPy does not have:

- `"<ci2"`, `">ci2"`: complex numbers as pairs of int16 (MRC mode 3), decoded to complex64;
- `"4bit"`: two unsigned pixels a byte, the first in the low half; rows padded to whole bytes (MRC mode 101),
  decoded to uint8.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from perc_transforms.core.buffers import PixelBuffer

Array = NDArray[np.generic]
Range = tuple[int, int]
"""Bytes of a file, or entries along an axis: the first one, and the one after the last."""
Fetch = Callable[[Iterable[Sequence[Range]]], Iterator[NDArray[np.uint8]]]
"""Gives the bytes of a file step by step: for each step some stretches, whose bytes come one after another."""

MOST_STRETCHES = 2**18
"""Of a file, for one box: one in each image that it crosses, and whoever spells it can speak of any number."""

PACKED = "4bit"
_COMPLEX_INT16 = {"<ci2": np.dtype("<i2"), ">ci2": np.dtype(">i2")}
_SPECIAL = frozenset((PACKED, *_COMPLEX_INT16))
_TYPE_STRING = re.compile(r"[<>=|]?[A-Zb-z?][A-Za-z0-9]{0,15}")
"""Of one type, which no alias is that NumPy warns of; it would also read records, however many, and arrays of them."""
_KINDS = tuple(map(np.dtype, "?bBhHiIqQefdFD"))
USUAL = frozenset((*_SPECIAL, *(kind.str for kind in _KINDS), *(kind.newbyteorder().str for kind in _KINDS)))
"""The encodings that nearly all files have."""


def joined(stretches: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Stretches of bytes one after another, as `Layout.decode` wants them; a single one as it is."""
    return stretches[0] if len(stretches) == 1 else np.concatenate([np.empty(0, np.uint8), *stretches])


def merged(stretches: Iterable[Range]) -> tuple[Range, ...]:
    """Stretches in rising order, none of which touches another.

    Example:
        >>> merged([(5, 9), (0, 2), (2, 4), (6, 7)])
        ((0, 4), (5, 9))
    """
    found: list[Range] = []
    for start, stop in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return tuple(found)


def is_fresh(array: Array) -> bool:
    """Whether an array is the only user of memory that was read for it."""
    return isinstance(array.base, PixelBuffer)


def native_dtype(encoding: str) -> np.dtype[np.generic]:
    """The dtype, in this machine's byte order, that pixels of this encoding decode to.

    Raises:
        FormatError: the encoding does not hold numbers (objects, text, records).
    """
    if encoding == PACKED:
        return np.dtype(np.uint8)
    if encoding in _COMPLEX_INT16:
        return np.dtype(np.complex64)
    try:
        dtype = np.dtype(encoding) if _TYPE_STRING.fullmatch(encoding) else np.dtype(object)
    except (TypeError, ValueError) as err:
        msg = f"unknown pixel encoding {encoding!r}: expected a NumPy type string, '<ci2', '>ci2' or {PACKED!r}"
        raise FormatError(msg) from err
    if dtype.kind not in "biufc" or dtype.itemsize == 0:
        msg = f"pixels of type {encoding[:100]!r}: expected numbers"
        raise FormatError(msg)
    return dtype.newbyteorder("=")


def largest_of(encoding: str) -> int:
    """How far from 0 a pixel of an encoding of whole numbers can be."""
    dtype = native_dtype(encoding)
    if encoding == PACKED or dtype.kind == "b":
        return 15 if encoding == PACKED else 1
    limits = np.iinfo(dtype.str)
    return max(int(limits.max), -int(limits.min))


def encoded_size(encoding: str, shape: tuple[int, ...]) -> int:
    """Number of bytes that an image of this shape takes, in exact integers."""
    if encoding == PACKED:
        return math.prod(shape[:-1]) * ((shape[-1] + 1) // 2)
    size = 4 if encoding in _COMPLEX_INT16 else np.dtype(encoding).itemsize
    return math.prod(shape) * size


def decode(raw: NDArray[np.uint8], encoding: str, shape: tuple[int, ...]) -> Array:
    """Turn bytes into the array they hold, in this machine's byte order.

    Args:
        raw: the image's bytes, 1-D and just as many as `encoded_size` says.
        encoding: how they are encoded.
        shape: axes as stored, `(..., ny, nx)`.

    Returns:
        Array of `shape`, of no subclass; it shares memory with `raw` when no conversion is needed.

    Example:
        >>> decode(np.array([0x21, 0x03], np.uint8), "4bit", (1, 3))
        array([[1, 2, 3]], dtype=uint8)
    """
    if encoding not in _SPECIAL:
        stored = np.dtype(encoding)
        if stored.isnative:
            return np.ndarray(shape, stored, buffer=raw)
        return raw.view(stored).astype(stored.newbyteorder("=")).reshape(shape).view(np.ndarray)
    plain = raw.view(np.ndarray)
    if encoding == PACKED:
        columns = shape[-1]
        packed = plain.reshape(*shape[:-1], (columns + 1) // 2)
        pixels = np.empty((*shape[:-1], packed.shape[-1] * 2), np.uint8)
        np.bitwise_and(packed, 0x0F, out=pixels[..., 0::2])
        np.right_shift(packed, 4, out=pixels[..., 1::2])
        return np.ascontiguousarray(pixels[..., :columns])
    pairs = plain.view(_COMPLEX_INT16[encoding]).astype(np.float32)
    return pairs.view(np.complex64).reshape(shape)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an image lies in its (decompressed) file.

    Attributes:
        shape: of the array, `(nz, ny, nx)`, fewer axes or more.
        encoding: see the module's head.
        offset: bytes before the first pixel.
        axes: in which order the array's axes are stored, slowest first, where it is another one; `(2, 1, 0)` is
            Fortran's.
        is_mask: whether its values are names of things, not amounts of something: beyond it they are 0.
    """

    shape: tuple[int, ...]
    encoding: str
    offset: int
    axes: tuple[int, ...] | None = None
    is_mask: bool = field(default=False, kw_only=True, repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes that have to be read."""
        return encoded_size(self.encoding, self.shape if self.axes is None else self.stored_shape)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Lengths of the axes as stored, slowest first."""
        return self.shape if self.axes is None else tuple(self.shape[axis] for axis in self.axes)

    @property
    def spelling(self) -> str:
        """Encoding and order of axes as one text, such as `"<f4"` or `"<f4:021"`; `spelled` reads it."""
        return self.encoding if self.axes is None else f"{self.encoding}:{''.join(map(str, self.axes))}"

    @property
    def slices_lie_apart(self) -> bool:
        """Whether entries along the first axis are stored one after another."""
        return self.axes is None or self.axes[0] == 0

    @property
    def end(self) -> int:
        """The byte after the last pixel."""
        return self.offset + self.nbytes

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The stretches of the file that hold it, in rising order; `decode` takes their bytes one after another."""
        return ((self.offset, self.end),)

    @property
    def is_plain(self) -> bool:
        """Whether the bytes are pixels that NumPy has a type for, one after another."""
        return self.encoding != PACKED and self.encoding not in _COMPLEX_INT16

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The dtype that the pixels decode to."""
        return native_dtype(self.encoding)

    @property
    def largest(self) -> int:
        """How far from 0 a pixel can be; of whole numbers alone."""
        return largest_of(self.encoding)

    @property
    def comes_in_steps(self) -> bool:
        """Whether the bytes are not wanted all at once: `develop` asks for them step by step."""
        return False

    def slice(self, index: int, name: str) -> "Layout":
        """The layout of one entry along the first axis.

        Raises:
            FormatError: there is no such slice.
        """
        count = self.count_for(index, name)
        if len(self.shape) < 3:
            return self
        if self.axes is None:
            size = encoded_size(self.encoding, self.shape[1:])
            return Layout(self.shape[1:], self.encoding, self.offset + index * size)
        if not self.slices_lie_apart:
            return InterleavedSlice(self.shape[1:], self.encoding, self.offset, self.axes, count, index)
        first = replace(self, shape=self.shape[1:], axes=_without(self.axes, 0))
        return replace(first, offset=self.offset + index * first.nbytes)

    def count_for(self, index: int, name: str) -> int:
        """How many slices there are, of which one is wanted.

        Raises:
            FormatError: there is no such slice.
        """
        count = self.shape[0] if len(self.shape) > 2 else 1
        if not 0 <= index < count:
            msg = f"{name}: no slice {index}: expected 0 to {count - 1}"
            raise FormatError(msg)
        return count

    def between(self, start: int, stop: int, name: str) -> "Layout":
        """The layout of some entries along the first axis.

        Raises:
            FormatError: there are no such entries.

        Example:
            >>> Layout((10, 4, 5), "|u1", 100).between(2, 4, "x.mrc")
            Layout(shape=(2, 4, 5), encoding='|u1', offset=140, axes=None)
        """
        self.checked_between(start, stop, name)
        if not self.slices_lie_apart:
            return self.box([(start, stop), *((0, side) for side in self.shape[1:])], name)
        each = self.nbytes // self.shape[0]
        return replace(self, shape=(stop - start, *self.shape[1:]), offset=self.offset + start * each)

    def checked_between(self, start: int, stop: int, name: str) -> None:
        """Refuse entries along the first axis that are not there.

        Raises:
            FormatError: they are not.
        """
        if not self.shape or not 0 <= start < stop <= self.shape[0]:
            msg = f"{name}: entries {start} to {stop} of shape {self.shape}: expected some along its first axis"
            raise FormatError(msg)

    def box(self, bounds: Sequence[Range], name: str = "image") -> "Layout":
        """The layout of a part of it, such as a rectangle of an image.

        Args:
            bounds: from and to along each axis.
            name: of the file, for errors.

        Raises:
            FormatError: it is empty, or goes beyond the image.

        Example:
            >>> image = Layout((100, 200), "<f4", 1024)
            >>> image.box([(10, 12), (50, 60)], "x.mrc").ranges
            ((9024, 10624),)
        """
        if len(bounds) != len(self.shape) or not all(
            0 <= start < stop <= side for (start, stop), side in zip(bounds, self.shape, strict=True)
        ):
            told = ", ".join(f"{start}:{stop}" for start, stop in bounds)
            msg = f"{name}: a box [{told}] of shape {self.shape}: expected some of each axis, and nothing beyond it"
            raise FormatError(msg)
        shape = tuple(stop - start for start, stop in bounds)
        if math.prod(shape[:-2]) > MOST_STRETCHES:
            msg = f"{name}: a box of shape {shape}: expected at most {MOST_STRETCHES} images that it crosses"
            raise FormatError(msg)
        return Box(shape, self.encoding, self.offset, None, self, tuple(bounds))

    def ranges_of(self, bounds: Sequence[Range]) -> tuple[Range, ...]:
        """The stretches of the file that have to be read for a box of it: whole rows, of all slices that it crosses."""
        if self.axes is not None or len(self.shape) < 2:
            return self.ranges
        sides, last = self.shape[:-1], len(self.shape) - 2
        while last and tuple(bounds[last]) == (0, sides[last]):
            last -= 1  # all of an axis: one stretch an entry of the one before
        numbers = [0]
        for (start, stop), side in zip(bounds[:last], sides[:last], strict=True):
            numbers = [number * side + index for number in numbers for index in range(start, stop)]
        each = encoded_size(self.encoding, self.shape[last + 1 :])
        first, stop = (self.offset + edge * each for edge in bounds[last])
        step = sides[last] * each
        return tuple((first + number * step, stop + number * step) for number in numbers)

    def decode_box(self, raw: NDArray[np.uint8], bounds: Sequence[Range]) -> Array:
        """The array of a box of it, out of the bytes at `ranges_of` that box."""
        if self.axes is not None or len(self.shape) < 2:
            return self.decode(raw)[tuple(slice(*side) for side in bounds)]
        lengths = tuple(stop - start for start, stop in bounds[:-1])
        return decode(raw, self.encoding, (*lengths, self.shape[-1]))[..., slice(*bounds[-1])]

    def count_before(self, size: int) -> int:
        """How many entries, as they are stored one after another, lie in the first bytes of a file."""
        count = self.stored_shape[0] if self.shape else 1
        entry = self.nbytes // max(1, count)
        return min(count, max(0, size - self.offset) // max(1, entry))

    def first(self, count: int) -> "Layout":
        """The layout of the first entries along the first axis, of those that lie apart."""
        return replace(self, shape=(count, *self.shape[1:]))

    def squeezed(self) -> "Layout":
        """The same image without a leading axis of length one: a file of one section is a 2-D image."""
        if len(self.shape) > 2 and self.shape[0] == 1:
            if self._is_padded_along(0):
                return self.box([(0, side) for side in self.shape]).squeezed()
            return replace(self, shape=self.shape[1:], axes=_without(self.axes, 0)).squeezed()
        return self

    def _is_padded_along(self, axis: int) -> bool:
        """Whether the entries along an axis take whole bytes each: without it, two pixels would share one."""
        return self.encoding == PACKED and self.axes is not None and self.axes[-1] == axis

    def decode(self, raw: NDArray[np.uint8]) -> Array:
        """The array that `raw`, the image's bytes, holds."""
        if self.axes is None:
            return decode(raw, self.encoding, self.shape)
        return np.ascontiguousarray(self.ordered(decode(raw, self.encoding, self.stored_shape)))

    def develop(self, fetch: Fetch) -> Array:
        """The array, out of bytes that are asked for step by step: all in one, unless it `comes_in_steps`."""
        return self.decode(next(fetch([self.ranges])))

    def add_to(self, total: Array, raw: NDArray[np.uint8]) -> None:
        """Add the array that `raw` holds to another one, in that one's type."""
        np.add(total, self.decode(raw), out=total, dtype=total.dtype, casting="unsafe")

    def ordered(self, stored: Array) -> Array:
        """A view of an array whose axes are as stored, with the axes in their order."""
        return stored if self.axes is None else stored.transpose(np.argsort(self.axes))


@dataclass(frozen=True, slots=True)
class InterleavedSlice(Layout):
    """One of several slices whose pixels do not lie apart, so that all have to be read.

    Attributes:
        shape: of the slice.
        axes: of all slices together, of which the first one counts them.
        count: how many there are.
        index: which it is.
    """

    count: int = 1
    index: int = 0

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Lengths of the axes of all slices as stored, slowest first."""
        return tuple((self.count, *self.shape)[axis] for axis in self.axes or ())

    def slice(self, index: int, name: str) -> Layout:
        """None of its own, but of an image alone."""
        if len(self.shape) < 3 and index == 0:
            return self
        msg = f"{name}: slice {index} of a slice: expected slices of a file"
        raise FormatError(msg)

    def squeezed(self) -> Layout:
        """As for any layout."""
        if len(self.shape) > 2 and self.shape[0] == 1:
            if self._is_padded_along(1):
                return self.box([(0, side) for side in self.shape]).squeezed()
            return replace(self, shape=self.shape[1:], axes=_renumbered(self.axes, 1)).squeezed()
        return self

    def decode(self, raw: NDArray[np.uint8]) -> Array:
        """The slice out of the bytes of all, of which nothing else is converted where that can be."""
        if self.is_plain:
            stored = np.ndarray(self.stored_shape, np.dtype(self.encoding), buffer=raw)
            return np.ascontiguousarray(self.ordered(stored)[self.index], self.dtype)
        return np.ascontiguousarray(self.ordered(decode(raw, self.encoding, self.stored_shape))[self.index])


@dataclass(frozen=True, slots=True)
class Box(Layout):
    """A box cut out of an image.

    Attributes:
        shape: of the box.
        offset: that of the image.
        axes: None.
        whole: the image.
        bounds: from and to along each of its axes.
    """

    whole: Layout = Layout((), "|u1", 0)
    bounds: tuple[Range, ...] = ()

    @property
    def ranges(self) -> tuple[Range, ...]:
        """Those of the image that the box needs."""
        return self.whole.ranges_of(self.bounds)

    @property
    def nbytes(self) -> int:
        """Bytes that have to be read: more than the box has pixels."""
        return sum(stop - start for start, stop in self.ranges)

    @property
    def end(self) -> int:
        """The byte after the last one that is needed."""
        ranges = self.ranges
        return ranges[-1][1] if ranges else self.offset

    @property
    def is_plain(self) -> bool:
        """False: there are bytes between its rows."""
        return False

    @property
    def comes_in_steps(self) -> bool:
        """Whether the image does."""
        return self.whole.comes_in_steps

    def slice(self, index: int, name: str) -> Layout:
        """The layout of one entry along the first axis."""
        self.count_for(index, name)
        if len(self.shape) < 3:
            return self
        axis = len(self.bounds) - len(self.shape)
        start = self.bounds[axis][0] + index
        bounds = (*self.bounds[:axis], (start, start + 1), *self.bounds[axis + 1 :])
        return replace(self, shape=self.shape[1:], bounds=bounds)

    def between(self, start: int, stop: int, name: str) -> Layout:
        """The layout of some entries along the first axis: a box."""
        self.checked_between(start, stop, name)
        return self.box([(start, stop), *((0, side) for side in self.shape[1:])], name)

    def squeezed(self) -> Layout:
        """The same box without a leading axis of length one."""
        if len(self.shape) > 2 and self.shape[0] == 1:
            return replace(self, shape=self.shape[1:]).squeezed()
        return self

    def box(self, bounds: Sequence[Range], name: str = "image") -> Layout:
        """A box of the box: one of the image."""
        inner = Layout.box(self, bounds, name)
        kept = ((0, 1),) * (len(self.bounds) - len(bounds))
        places = zip((*kept, *bounds), self.bounds, strict=True)
        moved = tuple((first + start, first + stop) for (start, stop), (first, _) in places)
        return replace(self, shape=inner.shape, bounds=moved)

    def decode(self, raw: NDArray[np.uint8]) -> Array:
        """The box out of the bytes that it needs."""
        return np.ascontiguousarray(self.whole.decode_box(raw, self.bounds)).reshape(self.shape)

    def develop(self, fetch: Fetch) -> Array:
        """The box, out of an image that may come in steps."""
        if not self.comes_in_steps:
            return self.decode(next(fetch([self.ranges])))
        cut = self.whole.develop(fetch)[tuple(slice(*side) for side in self.bounds)]
        return np.ascontiguousarray(cut).reshape(self.shape)


def spelled(text: str, shape: tuple[int, ...], offset: int, name: str) -> Layout:
    """The layout of a shape whose `spelling` this is.

    Raises:
        FormatError: it does not speak of numbers, or not of these axes.

    Example:
        >>> spelled("<f4:10", (3, 5), 1024, "x").stored_shape
        (5, 3)
    """
    encoding, _, order = text.partition(":")
    if encoding not in USUAL:
        native_dtype(encoding)
    axes = tuple(map(int, order)) if order.isdecimal() and order.isascii() else ()
    if (order or text != encoding) and sorted(axes) != list(range(len(shape))):
        msg = f"{name}: axes {order[:100]!r} of shape {shape}: expected each number from 0 to {len(shape) - 1} once"
        raise FormatError(msg)
    return Layout(shape, encoding, offset, _unusual(axes))


def _without(axes: tuple[int, ...] | None, gone: int) -> tuple[int, ...] | None:
    return _unusual(_renumbered(axes, gone))


def _renumbered(axes: tuple[int, ...] | None, gone: int) -> tuple[int, ...] | None:
    """The order of axes of which one is no more."""
    return axes and tuple(axis - (axis > gone) for axis in axes if axis != gone)


def _unusual(axes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """An order of axes, or None where it is the usual one."""
    return None if not axes or list(axes) == sorted(axes) else axes
