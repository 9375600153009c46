"""Boxes that reach beyond their image: what of them lies outside is filled with their background's mean.

The background is what `T.NormalizeBackground` calls so: the pixels farther than 0.375 of the shortest side from pixel
`n // 2` of the box. The mean is that of those that lie in the image, or of all of the box that does where none of them
do, in float64; of whole numbers it is rounded to the nearest one, halves to even. Beyond a mask is 0.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.layout import Array, Box, Fetch, Layout, Range
from perc_transforms.core import buffers

BACKGROUND = 0.375
"""Beyond this part of its shortest side from its centre, a box is background."""
MOST_UNASKED = 2**24
"""Pixels of a box, however few of them an image has; one that is larger, and larger than its image, lies in that with a
part of `_LEAST` at least. Else a file of few bytes could ask for all memory."""
_LEAST = 1 / 16


@dataclass(frozen=True, slots=True)
class FilledBox(Layout):
    """A box of which a part lies outside of its image.

    Attributes:
        shape: of the box.
        offset: that of the image.
        axes: None.
        inner: the part that lies in the image.
        bounds: from and to along each axis of the image, from 0, negative before it.
    """

    inner: Box = field(default_factory=lambda: Box((), "|u1", 0))
    bounds: tuple[Range, ...] = ()

    @property
    def ranges(self) -> tuple[Range, ...]:
        """Those of the part that lies in the image."""
        return self.inner.ranges

    @property
    def nbytes(self) -> int:
        """Bytes that have to be read."""
        return self.inner.nbytes

    @property
    def end(self) -> int:
        """The byte after the last one that is needed."""
        return self.inner.end

    @property
    def is_plain(self) -> bool:
        """False."""
        return False

    @property
    def comes_in_steps(self) -> bool:
        """Whether the image does."""
        return self.inner.comes_in_steps

    def slice(self, index: int, name: str) -> Layout:
        """None of its own, but of an image alone: what fills a volume is not what would fill a slice of it."""
        if len(self.shape) < 3 and index == 0:
            return self
        msg = f"{name}: slice {index} of a box that reaches beyond its image: expected slices of a file"
        raise FormatError(msg)

    def box(self, bounds: Sequence[Range], name: str = "image") -> Layout:
        """None.

        Raises:
            FormatError: always: it would be filled with what it is not told of.
        """
        msg = f"{name}: a box of a box that reaches beyond its image: expected a box of the image"
        raise FormatError(msg)

    def squeezed(self) -> Layout:
        """The same box without a leading axis of length one."""
        if len(self.shape) > 2 and self.shape[0] == 1:
            return replace(self, shape=self.shape[1:]).squeezed()
        return self

    def decode(self, raw: NDArray[np.uint8]) -> Array:
        """The box out of the bytes of the part that lies in the image."""
        return self.filled(self.inner.decode(raw))

    def develop(self, fetch: Fetch) -> Array:
        """The box, out of an image that may come in steps."""
        return self.filled(self.inner.develop(fetch))

    def filled(self, part: Array) -> Array:
        """The box, around the part of it that lies in the image."""
        sides = tuple(stop - start for start, stop in self.bounds)
        inside = _inside(self.bounds, self.inner.bounds)
        size = math.prod(sides) * self.dtype.itemsize
        pixels: Array = np.ndarray(sides, self.dtype, buffer=buffers.take(size))
        pixels[inside] = part
        fill_around(pixels, inside, self.inner.whole.is_mask)
        return pixels.reshape(self.shape)


def box_of(image: Layout, bounds: Sequence[Range], name: str = "image") -> Layout:
    """The layout of a box of an image, which may reach beyond it.

    Args:
        image: the whole image; of what is a box itself, such as a slice of a coded volume, what lies around it in the
            image counts as inside.
        bounds: from and to along each axis, negative before the image.
        name: of the file, for errors.

    Raises:
        FormatError: it is empty, has no pixel of the image, or is far larger than what it has of it.

    Example:
        >>> box = box_of(Layout((3, 5), "<f4", 0), [(-1, 2), (3, 6)])
        >>> box.shape, box.ranges
        ((3, 3), ((0, 40),))
        >>> box.decode(np.arange(10, dtype="<f4").view(np.uint8))
        array([[8., 8., 8.],
               [3., 4., 8.],
               [8., 9., 8.]], dtype=float32)
    """
    if isinstance(image, Box) and len(bounds) == len(image.shape):
        gone = len(image.bounds) - len(bounds)
        places = zip(bounds, image.bounds[gone:], strict=True)
        moved = ((first + start, first + stop) for (start, stop), (first, _) in places)
        whole = box_of(image.whole, (*image.bounds[:gone], *moved), name)
        return replace(whole, shape=whole.shape[gone:])
    checked(image.shape, bounds, name)
    clipped = [(max(start, 0), min(stop, side)) for (start, stop), side in zip(bounds, image.shape, strict=True)]
    inner = image.box(clipped, name)
    if clipped == list(bounds) or not isinstance(inner, Box):
        return inner
    shape = tuple(stop - start for start, stop in bounds)
    return FilledBox(shape, image.encoding, image.offset, None, inner, tuple(bounds))


def checked(image: Sequence[int], bounds: Sequence[Range], name: str) -> None:
    """Refuse what is no box of an image.

    Args:
        image: the image's shape.
        bounds: from and to along each axis.
        name: of the file, for errors.

    Raises:
        FormatError: it is empty, has no pixel of the image, or is far larger than what it has of it.
    """
    told = f"{name}: a box [{', '.join(f'{start}:{stop}' for start, stop in bounds)}] of shape {tuple(image)}"
    if len(bounds) != len(image) or any(start >= stop for start, stop in bounds):
        msg = f"{told}: expected from:to of each axis, at least one pixel"
        raise FormatError(msg)
    shared = math.prod(max(0, min(stop, n) - max(start, 0)) for (start, stop), n in zip(bounds, image, strict=True))
    if not shared:
        msg = f"{told}: it lies outside: expected at least one pixel of the image in it"
        raise FormatError(msg)
    count = math.prod(stop - start for start, stop in bounds)
    if shared < count and count > max(MOST_UNASKED, math.prod(image)) and shared < count * _LEAST:
        msg = f"{told}: {shared} of its {count} pixels lie in the image: expected {_LEAST:g} of them"
        raise FormatError(msg)


def fill_around(box: Array, inside: tuple[slice, ...], is_mask: bool = False) -> None:
    """Fill what lies outside of the image with the background's mean, in place.

    Args:
        box: `(ny, nx)` or `(nz, ny, nx)`; one of a single section is an image.
        inside: which part of it lies in the image: from and to along each axis, with one pixel at least.
        is_mask: fill with 0 instead.
    """
    while box.ndim > 2 and len(box) == 1:
        box, inside = box[0], inside[1:]
    there = box[inside]
    if there.shape == box.shape:
        return
    background = there[_background(box.shape)[inside]]
    level = 0 if is_mask else _mean(background if background.size else there)
    for axis, side in enumerate(inside):
        before = inside[:axis]
        box[(*before, slice(side.start))] = level
        box[(*before, slice(side.stop, None))] = level


def cut(rows: Array, first: int, corner: tuple[int, int], image: tuple[int, int], out: Array) -> None:
    """Cut a box out of some rows of pixels of an image.

    Args:
        rows: `(count, image[1])`, all rows that the box crosses among them, decoded, in any byte order.
        first: which of the image's rows the first one is.
        corner: first row and column of the box, counted in the image; negative before it.
        image: shape `(ny, nx)` of the image.
        out: `(ny, nx)`, the box: filled, what lies outside of the image with the background's mean.

    Raises:
        FormatError: the box has no pixel of the image.

    Example:
        >>> out = np.empty((2, 3))
        >>> cut(np.arange(10.0).reshape(2, 5), 7, (7, 3), (9, 5), out)
        >>> out
        array([[3., 4., 5.],
               [8., 9., 5.]])
    """
    ny, nx = out.shape
    top, left = corner
    if top >= 0 and left >= 0 and top + ny <= image[0] and left + nx <= image[1]:
        out[:] = rows[top - first : top - first + ny, left : left + nx]
        return
    bounds = (top, top + ny), (left, left + nx)
    checked(image, bounds, "image")
    (above, below), (before, after) = (
        (max(start, 0), min(stop, side)) for (start, stop), side in zip(bounds, image, strict=True)
    )
    inside = slice(above - top, below - top), slice(before - left, after - left)
    out[inside] = rows[above - first : below - first, before:after]
    fill_around(out, inside)


def _inside(bounds: Sequence[Range], inner: Sequence[Range]) -> tuple[slice, ...]:
    return tuple(slice(start - at, stop - at) for (at, _), (start, stop) in zip(bounds, inner, strict=True))


@functools.lru_cache(maxsize=4)
def _background(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pixels of a box are its background."""
    axes = [(np.arange(n) - n // 2) ** 2 for n in shape]
    squares: NDArray[Any] = functools.reduce(np.add.outer, axes)
    return squares > math.floor((BACKGROUND * min(shape)) ** 2)


def _mean(values: Array) -> Any:
    """The mean as a number of the same type."""
    kind = values.dtype.kind
    numbers: Any = values
    with np.errstate(invalid="ignore", over="ignore"):  # of pixels that are not finite, it is not either
        mean = numbers.mean(dtype=np.complex128 if kind == "c" else np.float64)
    if kind in "iu":
        limits = np.iinfo(values.dtype.str)
        return min(max(round(float(mean)), int(limits.min)), int(limits.max))
    return bool(round(float(mean))) if kind == "b" else mean
