"""Images whose rows are stored bottom up, as those of TIFF files are for all programs of the field."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.coded import Coded
from builders.io.layout import Array, Box, Layout, Range
from perc_transforms.core import buffers


@dataclass(frozen=True, slots=True)
class Flipped(Layout):
    """An image, or several, of which the last stored row is the first one; `flipped` makes it.

    Attributes:
        shape: `(..., ny, nx)`, that of `whole`.
        encoding: that of `whole`.
        offset: that of `whole`.
        axes: None.
        whole: the same as it is stored.
    """

    whole: Layout = field(default_factory=lambda: Layout((), "|u1", 0))

    @property
    def ranges(self) -> tuple[Range, ...]:
        """Those of what is stored."""
        return self.whole.ranges

    @property
    def nbytes(self) -> int:
        """Bytes that have to be read."""
        return self.whole.nbytes

    @property
    def end(self) -> int:
        """The byte after the last one that is needed."""
        return self.whole.end

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Lengths of the axes as stored, slowest first."""
        return self.whole.stored_shape

    @property
    def spelling(self) -> str:
        """That of what is stored, and a mark, such as `"<u2~"`."""
        return f"{self.whole.spelling}~"

    @property
    def slices_lie_apart(self) -> bool:
        """Whether entries along the first axis are stored one after another."""
        return self.whole.slices_lie_apart

    @property
    def is_plain(self) -> bool:
        """False: rows are in another order."""
        return False

    @property
    def largest(self) -> int:
        """How far from 0 a pixel can be; of whole numbers alone."""
        return self.whole.largest

    def slice(self, index: int, name: str) -> Layout:
        """The layout of one entry along the first axis: of an image alone, itself."""
        return flipped(self.whole.slice(index, name))

    def between(self, start: int, stop: int, name: str) -> Layout:
        """The layout of some entries along the first axis."""
        return flipped(self.whole.between(start, stop, name))

    def ranges_of(self, bounds: Sequence[Range]) -> tuple[Range, ...]:
        """The stretches of the file that have to be read for a box of it."""
        return self.whole.ranges_of(_turned(bounds, self.shape[-2]))

    def decode_box(self, raw: NDArray[np.uint8], bounds: Sequence[Range]) -> Array:
        """The array of a box of it, out of the bytes at `ranges_of` that box."""
        return self.whole.decode_box(raw, _turned(bounds, self.shape[-2]))[..., ::-1, :]

    def count_before(self, size: int) -> int:
        """How many entries, as they are stored one after another, lie in the first bytes of a file."""
        return self.whole.count_before(size)

    def first(self, count: int) -> Layout:
        """The layout of the first entries along the first axis, of those that lie apart."""
        return flipped(self.whole.first(count))

    def squeezed(self) -> Layout:
        """The same image without a leading axis of length one."""
        return flipped(self.whole.squeezed())

    def decode(self, raw: NDArray[np.uint8]) -> Array:
        """The array that `raw`, the image's bytes, holds, in memory of its own."""
        if isinstance(self.whole, Coded):
            bounds = [(0, side) for side in self.shape]
            pixels = self.whole.room(raw, bounds)
            self.whole.decode_into(pixels[..., ::-1, :], raw, bounds)
            return pixels
        stored = self.whole.decode(raw)
        pixels = np.ndarray(stored.shape, stored.dtype, buffer=buffers.take(stored.nbytes))
        pixels[...] = stored[..., ::-1, :]
        return pixels

    def add_to(self, total: Array, raw: NDArray[np.uint8]) -> None:
        """Add the array that `raw` holds to another one, without turning it first."""
        self.whole.add_to(total[..., ::-1, :], raw)


def flipped(layout: Layout) -> Layout:
    """The layout of images whose rows are stored in the other order; a second time, that of the first.

    Raises:
        FormatError: what is not of rows of pixels.

    Example:
        >>> image = flipped(Layout((2, 3), "|u1", 0))
        >>> image.decode(np.arange(6, dtype=np.uint8))
        array([[3, 4, 5],
               [0, 1, 2]], dtype=uint8)
        >>> flipped(image)
        Layout(shape=(2, 3), encoding='|u1', offset=0, axes=None)
    """
    if isinstance(layout, Flipped):
        return layout.whole
    if len(layout.shape) < 2:
        msg = f"an image of shape {layout.shape}, upside down: expected rows of pixels"
        raise FormatError(msg)
    if isinstance(layout, Box):
        return replace(layout, whole=flipped(layout.whole), bounds=_turned(layout.bounds, layout.whole.shape[-2]))
    return Flipped(layout.shape, layout.encoding, layout.offset, None, layout)


def unflipped(layout: Layout) -> Layout:
    """The same image with its rows as they are stored; what is not flipped as it is.

    Example:
        >>> unflipped(flipped(Layout((2, 3), "|u1", 0))).spelling
        '|u1'
    """
    whole = layout.whole if isinstance(layout, Box) else layout
    return flipped(layout) if isinstance(whole, Flipped) else layout


def _turned(bounds: Sequence[Range], rows: int) -> tuple[Range, ...]:
    """The bounds of a box where rows are counted from the other end."""
    *before, (start, stop), columns = bounds
    return (*before, (rows - stop, rows - start), columns)
