"""Many boxes of one image of this machine, straight into one array: pixels that several of them have are read once.

Whole rows of pixels are read: a call to the system for a box's part of each row would take as long as 16 KB of it.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.io.finite import is_finite
from builders.io.gathering import fill_exactly, opened_plain
from builders.io.layout import Array, Box, Layout, Range, decode, encoded_size
from builders.io.overhang import FilledBox, checked, fill_around
from perc_transforms.core import buffers

_PIECE = 512 * 1024
"""Bytes of rows that are read in one go: boxes are cut out of them while they are in the processor's cache."""

Corners = NDArray[np.int64]
"""First row and column of each box, counted in the image, `(count, 2)`; negative before it."""


def are_cut(layout: Layout) -> bool:
    """Whether boxes of an image can be read by `read_boxes`: it lies plainly in rows."""
    return type(layout) is Layout and layout.axes is None and len(layout.shape) == 2


def read_boxes(
    path: str,
    image: Layout,
    corners: Corners,
    out: Array,
    places: NDArray[np.int64] | None = None,
    etag: str | None = None,
) -> bool:
    """Read boxes of one image of a plain file of this machine, each into its place in an array.

    What lies outside of the image is filled with the background's mean (`builders.io.overhang`).

    Args:
        path: the file.
        image: where the image lies; `are_cut` says which can be read so.
        corners: where the boxes begin, in any order.
        out: `(rows, ny, nx)` of `image.dtype`, C order; ny and nx are the boxes' sides.
        places: the row for each; None: one after another, from the first.
        etag: the file's version; None or empty: any.

    Returns:
        Whether all pixels are known to be finite; False says nothing.

    Raises:
        ChangedError: the file is of another version.
        FormatError: a box has no pixel of the image.
        PackedError: the file is compressed.
        TruncatedError: it ends before the last pixel that is needed.
    """
    if not len(corners):
        return True
    ny, nx = out.shape[1:]
    for top, left in corners.tolist():
        if not (0 <= top <= image.shape[0] - ny and 0 <= left <= image.shape[1] - nx):
            checked(image.shape, ((top, top + ny), (left, left + nx)), path)
    order = np.argsort(corners[:, 0], kind="stable")
    boxes = [out[place] for place in (order if places is None else places[order])]
    tops, lefts = corners[order].T.tolist()
    with opened_plain(path, etag, image.box([(0, min(image.shape[0], tops[-1] + ny)), (0, image.shape[1])]).end) as raw:
        for start, stop in _crowds(corners[order, 0], ny):
            crowd = _Crowd(image, tops[start:stop], lefts[start:stop], boxes[start:stop])
            crowd.read(raw, path)
            crowd.fill()
    return all(map(is_finite, boxes))


def is_cut(layout: Layout) -> bool:
    """Whether a layout is a box of such an image."""
    inner = layout.inner if isinstance(layout, FilledBox) else layout
    return isinstance(inner, Box) and are_cut(inner.whole)


def read_box(path: str, box: Layout, etag: str | None = None) -> Array:
    """Read a box that `is_cut`, alone; see `read_boxes`."""
    inner = box.inner if isinstance(box, FilledBox) else box
    assert isinstance(inner, Box)
    bounds = box.bounds if isinstance(box, FilledBox) else inner.bounds
    out: Array = np.ndarray((1, *box.shape), box.dtype, buffers.take(math.prod(box.shape) * box.dtype.itemsize))
    read_boxes(path, inner.whole, np.array([[start for start, _ in bounds]], np.int64), out, None, etag)
    return np.ndarray(box.shape, box.dtype, out.base)


def _crowds(tops: NDArray[np.int64], ny: int) -> Iterator[tuple[int, int]]:
    """Boxes, in rising order, with no row of pixels between them: from and to."""
    edges = (np.flatnonzero(np.diff(tops) > ny) + 1).tolist()
    yield from zip([0, *edges], [*edges, len(tops)], strict=True)


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Boxes of one image, in rising order of their first rows.

    Attributes:
        image: where the image lies.
        tops: their first rows.
        lefts: their first columns.
        boxes: `(ny, nx)` each, to be filled.
    """

    image: Layout
    tops: list[int]
    lefts: list[int]
    boxes: list[Array]

    @property
    def rows(self) -> Range:
        """The image's rows that they cross."""
        return max(0, self.tops[0]), min(self.image.shape[0], self.tops[-1] + len(self.boxes[0]))

    @property
    def pitch(self) -> int:
        """Bytes from one row of pixels to the next."""
        return encoded_size(self.image.encoding, self.image.shape[1:])

    def columns(self, left: int) -> Range:
        """Which columns of a box lie in the image."""
        return max(0, -left), min(self.boxes[0].shape[1], self.image.shape[1] - left)

    def read(self, raw: io.FileIO, path: str) -> None:
        """Read all rows that they cross, piece by piece, and cut the boxes out of these."""
        ny, spans = len(self.boxes[0]), [self.columns(left) for left in self.lefts]
        first, last = self.rows
        count = min(max(1, _PIECE // self.pitch), last - first)
        memory = buffers.take(count * self.pitch)
        begun = over = 0
        for row in range(first, last, count):
            stop = min(row + count, last)
            piece = memory[: (stop - row) * self.pitch]
            fill_exactly(raw, path, self.image.offset + row * self.pitch, piece.data)
            pixels = self._pixels(piece, stop - row)
            while begun < len(self.tops) and self.tops[begun] < stop:
                begun += 1
            while over < begun and self.tops[over] + ny <= row:
                over += 1
            for number in range(over, begun):
                top, left, (before, after) = self.tops[number], self.lefts[number], spans[number]
                above, below = max(top, row), min(top + ny, stop)
                cut = pixels[above - row : below - row, left + before : left + after]
                self.boxes[number][above - top : below - top, before:after] = cut

    def _pixels(self, piece: NDArray[np.uint8], rows: int) -> Array:
        shape = rows, self.image.shape[1]
        if self.image.is_plain:  # in any byte order: what is copied is converted on the way
            return np.ndarray(shape, np.dtype(self.image.encoding), piece)
        return decode(piece, self.image.encoding, shape)

    def fill(self) -> None:
        """Fill what lies outside of the image."""
        ny, nx = self.boxes[0].shape
        height, width = self.image.shape
        for top, left, box in zip(self.tops, self.lefts, self.boxes, strict=True):
            if not (0 <= top <= height - ny and 0 <= left <= width - nx):
                fill_around(box, (slice(max(0, -top), min(ny, height - top)), slice(*self.columns(left))))
