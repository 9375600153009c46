"""Images in coded parts: strips, tiles or chunks, each compressed by itself, wherever they lie in the file."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, MissingPackageError, ReadError
from builders.io.codecs import threads
from builders.io.codecs.codec import Part, bytes_of
from builders.io.codecs.known import codec_of
from builders.io.layout import PACKED, Array, Layout, Range, decode, encoded_size, largest_of, native_dtype
from perc_transforms.core import buffers

Places = NDArray[np.int64]

MOST_BYTES = 2**36
"""Of one image, decoded: a file of few bytes can speak of any number of them."""
MOST_UNASKED = 2**30
"""Bytes that are decoded whatever they come from; more of them only from as many as a codec needs for them at least.
Parts of no bytes, and parts that share theirs, would let a small table stand for any number of images."""
_SHARE = 256 * 1024
"""Decoded bytes for which it pays to wake a thread."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded(Layout):
    """An image, or several of one shape, in coded parts.

    The last axes of the shape, as many as a part has, are divided into a grid of parts, those at the far edges either
    cut off or full; axes before them count images. A part of no bytes holds zeros.

    Attributes:
        shape: `(ny, nx)`, or `(count, ny, nx)`.
        encoding: of the decoded pixels.
        offset: the first byte that is needed.
        axes: None.
        codec: as `builders.io.codecs.known.codec_of` reads it.
        part: shape of a part.
        starts: first byte of each part, images and grid in C order.
        stops: the byte after its last.
        name: of the file, for errors.

    Raises:
        FormatError: any of these contradict each other.
    """

    codec: str = ""
    part: tuple[int, ...] = ()
    starts: Places = field(default_factory=lambda: np.empty(0, np.int64), compare=False)
    stops: Places = field(default_factory=lambda: np.empty(0, np.int64), compare=False)
    name: str = ""

    def __post_init__(self) -> None:
        native_dtype(self.encoding)
        codec_of(self.codec, self.name)
        if not 0 < len(self.part) <= len(self.shape) or min(self.part) < 1 or min(self.shape) < 0:
            msg = f"{self.name}: parts of shape {self.part} of images of shape {self.shape}: expected axes of 1 or more"
            raise FormatError(msg)
        if max(encoded_size(self.encoding, shape) for shape in (self._image, self.part)) > MOST_BYTES:
            shapes = f"images of shape {self._image} in parts of {self.part}"
            msg = f"{self.name}: {shapes}: expected at most {MOST_BYTES} bytes"
            raise FormatError(msg)
        if not self.starts.dtype == self.stops.dtype == np.int64:
            msg = f"{self.name}: places of parts as {self.starts.dtype} and {self.stops.dtype}: expected int64"
            raise FormatError(msg)
        count = math.prod(self._counts)
        if not len(self.starts) == len(self.stops) == count:
            msg = f"{self.name}: {len(self.starts)} parts, where shape {self.shape} has {count} of {self.part}"
            raise FormatError(msg)
        if count and (self.starts.min() < 0 or bool((self.stops < self.starts).any())):
            msg = f"{self.name}: a part that ends before it begins, or begins before the file: expected bytes of it"
            raise FormatError(msg)

    @classmethod
    def of(
        cls,
        shape: tuple[int, ...],
        encoding: str,
        codec: str,
        part: tuple[int, ...],
        starts: Places,
        stops: Places,
        name: str,
    ) -> "Coded":
        """Images whose first byte is that of their first part; places may come in any type of whole numbers."""
        if max((int(side.max(initial=0)) for side in (starts, stops)), default=0) > np.iinfo(np.int64).max:
            msg = f"{name}: a part at byte {max(int(side.max()) for side in (starts, stops))}: expected bytes of a file"
            raise FormatError(msg)
        starts, stops = starts.astype(np.int64), stops.astype(np.int64)
        there = starts[stops > starts] if len(starts) == len(stops) else starts[:0]
        offset = int(there.min()) if there.size else 0
        return cls(shape, encoding, offset, None, codec, part, starts, stops, name)

    def __eq__(self, other: object) -> bool:
        return type(other) is Coded and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        places = self.starts.tobytes(), self.stops.tobytes()
        return self.shape, self.encoding, self.codec, self.part, places, self.name

    @property
    def _image(self) -> tuple[int, ...]:
        return self.shape[-len(self.part) :]

    @property
    def _grid(self) -> tuple[int, ...]:
        return tuple(-(-side // length) for side, length in zip(self._image, self.part, strict=True))

    @property
    def _lengths(self) -> tuple[int, ...]:
        """Of a part along each axis of the shape."""
        return (1,) * (len(self.shape) - len(self.part)) + self.part

    @property
    def _counts(self) -> tuple[int, ...]:
        """Of parts along each axis of the shape."""
        return (*self.shape[: -len(self.part)], *self._grid)

    @property
    def slices_lie_apart(self) -> bool:
        """Whether parts hold pixels of one entry along the first axis alone."""
        return len(self.part) < len(self.shape) or self.part[0] == 1

    @property
    def is_plain(self) -> bool:
        """False."""
        return False

    @property
    def largest(self) -> int:
        """How far from 0 a pixel can be; of whole numbers alone."""
        known = codec_of(self.codec, self.name).largest
        return largest_of(self.encoding) if known is None else known

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The stretches of the file that hold its parts; parts beside each other are one."""
        return _merged(self.starts, self.stops)

    @property
    def nbytes(self) -> int:
        """Bytes that have to be read."""
        return sum(stop - start for start, stop in self.ranges)

    @property
    def end(self) -> int:
        """The byte after the last one that is needed."""
        return int(self.stops[self.stops > self.starts].max(initial=self.offset))

    @property
    def spelling(self) -> str:
        """Encoding, codec and shape of parts, such as `"<u2/zlib/16,4096"`."""
        return f"{self.encoding}/{self.codec}/{','.join(map(str, self.part))}"

    def slice(self, index: int, name: str) -> Layout:
        """The layout of one entry along the first axis.

        Raises:
            FormatError: there is no such slice.
        """
        count = self.count_for(index, name)
        if len(self.shape) < 3:
            return self
        if len(self.part) == len(self.shape):
            full = [(0, side) for side in self.shape[1:]]
            box = self.box([(index, index + 1), *full], name)
            return replace(box, shape=self.shape[1:])
        each = len(self.starts) // count
        own = slice(index * each, (index + 1) * each)
        starts, stops = self.starts[own], self.stops[own]
        if self.codec == "raw" and self._are_rows(starts, stops):
            return Layout(self.shape[1:], self.encoding, int(starts[0]))
        return Coded.of(self.shape[1:], self.encoding, self.codec, self.part, starts, stops, self.name)

    def _are_rows(self, starts: Places, stops: Places) -> bool:
        """Whether the parts of an image are its rows, one after another as in a file of plain pixels."""
        are_whole = self.part[1:] == self._image[1:] and self.encoding != PACKED
        are_beside = bool((starts[1:] == stops[:-1]).all())
        size = encoded_size(self.encoding, self.shape[1:])
        return are_whole and are_beside and bool(starts.size) and int(stops[-1] - starts[0]) == size

    def count_before(self, size: int) -> int:
        """How many of the first entries lie whole in the first bytes of a file."""
        beyond = np.flatnonzero(self.stops > size)
        each = len(self.stops) // max(1, self._counts[0])
        groups = int(beyond[0]) // each if beyond.size else self._counts[0]
        return min(self.shape[0], groups * self._lengths[0])

    def first(self, count: int) -> Layout:
        """The layout of the first entries along the first axis, of as many as `count_before` gives."""
        groups = -(-count // self._lengths[0])
        own = slice(groups * (len(self.starts) // max(1, self._counts[0])))
        options = self.codec, self.part, self.starts[own], self.stops[own], self.name
        return Coded.of((count, *self.shape[1:]), self.encoding, *options)

    def between(self, start: int, stop: int, name: str) -> Layout:
        """The layout of some entries along the first axis.

        Raises:
            FormatError: there are no such entries.
        """
        if not self.slices_lie_apart:
            return Layout.between(self, start, stop, name)
        self.checked_between(start, stop, name)
        each = len(self.starts) // self._counts[0]
        own = slice(start * each, stop * each)
        options = self.codec, self.part, self.starts[own], self.stops[own], self.name
        return Coded.of((stop - start, *self.shape[1:]), self.encoding, *options)

    def squeezed(self) -> Layout:
        """The same image without a leading axis of length one."""
        if len(self.shape) > 2 and self.shape[0] == 1:
            part = self.part[1:] if len(self.part) == len(self.shape) else self.part
            if part is self.part or self.part[0] == 1:
                return replace(self, shape=self.shape[1:], part=part).squeezed()
            return self.slice(0, self.name).squeezed()
        return self

    def decode(self, raw: NDArray[np.uint8]) -> Array:
        """The images, out of the bytes of `ranges` one after another.

        Raises:
            FormatError: a part is damaged, or of another size.
        """
        return self.decode_box(raw, [(0, side) for side in self.shape])

    def add_to(self, total: Array, raw: NDArray[np.uint8]) -> None:
        """Add an image to an array of its shape, by the codec itself where it can and the image is one part."""
        add, is_one = codec_of(self.codec, self.name).add, self.part == self.shape and self.nbytes == raw.size > 0
        if add is None or not is_one or total.dtype not in (np.uint8, np.uint16) or not total.flags.c_contiguous:
            Layout.add_to(self, total, raw)
            return
        with self._damage_told(0):
            add(raw, Part(self.part, self.part, self.encoding), total)

    def ranges_of(self, bounds: Sequence[Range]) -> tuple[Range, ...]:
        """The stretches of the file that hold the parts of a box."""
        numbers = self._parts_of(bounds)
        return _merged(self.starts[numbers], self.stops[numbers])

    def decode_box(self, raw: NDArray[np.uint8], bounds: Sequence[Range]) -> Array:
        """A box, out of the bytes at `ranges_of` it one after another."""
        pixels = self.room(raw, bounds)
        self.decode_into(pixels, raw, bounds)
        return pixels

    def room(self, raw: NDArray[np.uint8], bounds: Sequence[Range]) -> Array:
        """An array for a box, if the bytes that are there for it can hold that much; zeros where there are none.

        Raises:
            FormatError: they cannot.
            ReadError: not enough memory for it.
        """
        shape = tuple(stop - start for start, stop in bounds)
        size = encoded_size(self.encoding, shape)
        if size > max(MOST_UNASKED, codec_of(self.codec, self.name).ratio * raw.size):
            msg = f"{self.name}: {raw.size} bytes of parts cannot hold the {size} of shape {shape}: damaged"
            raise FormatError(msg)
        numbers = self._parts_of(bounds)
        try:
            if (self.stops[numbers] > self.starts[numbers]).all():
                return np.ndarray(shape, self.dtype, buffer=buffers.take(math.prod(shape) * self.dtype.itemsize))
            return np.zeros(shape, self.dtype)
        except (MemoryError, ValueError, OSError) as err:
            msg = f"{self.name}: not enough memory for an image of shape {shape}"
            raise ReadError(msg) from err

    def decode_into(self, pixels: Array, raw: NDArray[np.uint8], bounds: Sequence[Range]) -> None:
        """Fill an array with a box, out of the bytes at `ranges_of` it one after another.

        Args:
            pixels: what `room` gave for it; its rows may lie in any order.
            raw: the bytes.
            bounds: from and to along each axis.
        """
        numbers = self._parts_of(bounds)
        starts, stops = self.starts[numbers], self.stops[numbers]
        there = stops > starts
        numbers, starts, stops = numbers[there], starts[there], stops[there]
        if not numbers.size:
            return
        stretches = np.array(_merged(starts, stops))
        sizes = stretches[:, 1] - stretches[:, 0]
        stretch = np.searchsorted(stretches[:, 0], starts, "right") - 1
        places = (np.cumsum(sizes) - sizes - stretches[:, 0])[stretch] + starts
        corners = np.transpose(np.unravel_index(numbers, self._counts)) * self._lengths
        told = (side.tolist() for side in (numbers, places, places + stops - starts, corners))
        parts = list(zip(*told, strict=True))

        def put(some: range) -> None:
            for number, place, end, corner in parts[some.start : some.stop]:
                self._put(pixels, bounds, corner, self._decoded(raw[place:end], number, corner))

        threads.shared(put, self._shares(len(parts)))

    def _shares(self, count: int) -> list[range]:
        """How parts are divided among threads: some for each, if they are worth it."""
        size = count * encoded_size(self.encoding, self.part)
        number = max(1, min(count, size // _SHARE)) if codec_of(self.codec, self.name).is_heavy else 1
        step = -(-count // number)
        return [range(first, first + step) for first in range(0, count, step)]

    def _parts_of(self, bounds: Sequence[Range]) -> Places:
        """Numbers of the parts that a box crosses."""
        if not all(start < stop for start, stop in bounds):
            return np.empty(0, np.int64)
        numbers = np.zeros(1, np.int64)
        for (start, stop), length, count in zip(bounds, self._lengths, self._counts, strict=True):
            along = np.arange(start // length, -(-stop // length))
            numbers = (numbers[:, None] * count + along).reshape(-1)
        return numbers

    def _decoded(self, code: NDArray[np.uint8], number: int, corner: Sequence[int]) -> Array:
        """The pixels of a part: a full one, or as much of it as lies in the image."""
        inside = corner[len(self.shape) - len(self.part) :]
        cut = tuple(min(n, side - at) for n, side, at in zip(self.part, self._image, inside, strict=True))
        part = Part(self.part, cut, self.encoding)
        with self._damage_told(number):
            content = bytes_of(codec_of(self.codec, self.name).decode(code, part))
        for shape in (self.part, cut):
            if content.size == encoded_size(self.encoding, shape):
                return decode(content, self.encoding, shape)
        where = self._where(number)
        msg = f"{self.name}: the part at {where} holds {content.size} bytes: expected {part.size} for {self.part}"
        raise FormatError(msg)

    @contextlib.contextmanager
    def _damage_told(self, number: int) -> Iterator[None]:
        """Say of what a codec's library raises, which has errors of its own, in which part that was."""
        try:
            yield
        except (MemoryError, MissingPackageError):
            raise
        except Exception as err:
            codec = self.codec.partition(":")[0]
            msg = f"{self.name}: the part at {self._where(number)} is damaged: {codec}: {err}"
            raise FormatError(msg) from err

    def _where(self, number: int) -> str:
        """Where a part lies in the file, in words: its number is another one in a slice of the images."""
        return f"bytes {self.starts[number]} to {self.stops[number]}"

    def _put(self, pixels: Array, bounds: Sequence[Range], corner: Sequence[int], part: Array) -> None:
        """Copy what of a part lies in a box."""
        part = part.reshape((1,) * (len(corner) - part.ndim) + part.shape)
        into, of = [], []
        for (start, stop), at, length in zip(bounds, corner, part.shape, strict=True):
            first, last = max(start, at), min(stop, at + length)
            into.append(slice(first - start, last - start))
            of.append(slice(first - at, last - at))
        pixels[tuple(into)] = part[tuple(of)]


def _merged(starts: Places, stops: Places) -> tuple[Range, ...]:
    """Stretches in rising order, those that touch or overlap as one."""
    there = stops > starts
    order = np.argsort(starts[there], kind="stable")
    starts, stops = starts[there][order], stops[there][order]
    if not starts.size:
        return ()
    ends = np.maximum.accumulate(stops)
    first = np.concatenate([[True], starts[1:] > ends[:-1]])
    last = np.concatenate([first[1:], [True]])
    return tuple(zip(starts[first].tolist(), ends[last].tolist(), strict=True))


_WIDTHS = (1, 2, 4, 8)


def packed(starts: Places, stops: Places, offset: int) -> bytes:
    """Places of parts in few bytes: sizes, and the gaps between parts, where there are any.

    Example:
        >>> places = np.array([[100, 130], [130, 150], [160, 170]])
        >>> code = packed(places[:, 0], places[:, 1], 100)
        >>> len(code), [side.tolist() for side in unpacked(code, 100, "x")]
        (8, [[100, 130, 160], [130, 150, 170]])
    """
    sizes = (stops - starts).astype(np.uint64)
    gaps = starts - np.concatenate([[offset], stops[:-1]]) if starts.size else starts
    width = next(n for n in _WIDTHS if sizes.max(initial=0) < 2 ** (8 * n))
    most = max(int(gaps.max(initial=0)), -1 - int(gaps.min(initial=0)))
    apart = next(n for n in _WIDTHS if most < 2 ** (8 * n - 1)) if gaps.any() else 0
    told = sizes.astype(f"<u{width}").tobytes()
    return bytes([width, apart]) + told + (gaps.astype(f"<i{apart}").tobytes() if apart else b"")


def unpacked(code: bytes, offset: int, name: str) -> tuple[Places, Places]:
    """First bytes of parts, and those after their last ones.

    Raises:
        FormatError: anyone may have written this, and nobody did it so.
    """
    width, apart = (code[0], code[1]) if len(code) >= 2 else (0, 0)
    count, left = divmod(len(code) - 2, width + apart) if width in _WIDTHS and apart in (0, *_WIDTHS) else (0, 1)
    if left:
        msg = f"{name}: a reference with {len(code)} bytes of parts, {code[:8]!r}: expected sizes and gaps"
        raise FormatError(msg)
    sizes = np.frombuffer(code, f"<u{width}", count, 2).astype(np.int64)
    gaps = np.zeros_like(sizes)
    if apart:
        gaps += np.frombuffer(code, f"<i{apart}", count, 2 + width * count)
    stops = offset + np.cumsum(sizes + gaps)
    return stops - sizes, stops
