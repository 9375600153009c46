"""Boxes of one image that are cut out of the rows of pixels that they cross, wherever these come from."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from builders.io.boxes.overhang import checked, fill_around
from builders.io.finite import is_finite
from builders.io.layout import Array, Layout, Range, decode, encoded_size

Corners = NDArray[np.int64]
"""First row and column of each box, counted in the image, `(count, 2)`; negative before it."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Boxes of one image, in rising order of their first rows.

    Attributes:
        image: where the image lies, plain rows of pixels.
        tops: their first rows.
        lefts: their first columns.
        boxes: `(ny, nx)` each, of `image.dtype`: to be filled.
    """

    image: Layout
    tops: Sequence[int]
    lefts: Sequence[int]
    boxes: Sequence[Array]

    @property
    def rows(self) -> Range:
        """The image's rows from the first to the last one that they cross."""
        return max(0, self.tops[0]), min(self.image.shape[0], self.tops[-1] + len(self.boxes[0]))

    @property
    def pitch(self) -> int:
        """Bytes from one row of pixels to the next."""
        return encoded_size(self.image.encoding, self.image.shape[1:])

    @property
    def range(self) -> Range:
        """The bytes of these rows in the file."""
        first, stop = self.rows
        return self.image.offset + first * self.pitch, self.image.offset + stop * self.pitch

    def cut(self, raw: NDArray[np.uint8], row: int, look: bool = True) -> bool:
        """Copy what the boxes have of some rows.

        Args:
            raw: bytes of rows of the image, one after another, as they are stored.
            row: which of its rows the first one is.
            look: whether it is not known yet if they are finite.

        Returns:
            Whether what was copied was looked at, while it is in the processor's cache, and is finite.
        """
        ny, nx = self.boxes[0].shape
        width, pitch = self.image.shape[1], self.pitch
        count = len(raw) // pitch
        if self.image.is_plain:  # in any byte order: what is copied is converted on the way
            pixels: Array = np.ndarray((count, width), np.dtype(self.image.encoding), raw)
        else:
            pixels = decode(raw[: count * pitch], self.image.encoding, (count, width))
        stop, are_finite, boxes, lefts = row + count, look, self.boxes, self.lefts
        first, last = bisect_right(self.tops, row - ny), bisect_left(self.tops, stop)
        for number, top in enumerate(self.tops[first:last], first):
            left, box = lefts[number], boxes[number]
            above, below = row if top < row else top, stop if top + ny > stop else top + ny
            if left < 0 or left + nx > width:
                before, after = max(0, -left), min(nx, width - left)
                part = box[above - top : below - top, before:after]
                part[:] = pixels[above - row : below - row, left + before : left + after]
            else:
                part = box if below - above == ny else box[above - top : below - top]
                part[:] = pixels[above - row : below - row, left : left + nx]
            are_finite = are_finite and is_finite(part)
        return are_finite

    def fill(self) -> None:
        """Fill what lies outside of the image, once all rows were cut."""
        ny, nx = self.boxes[0].shape
        height, width = self.image.shape
        for top, left, box in zip(self.tops, self.lefts, self.boxes, strict=True):
            if not (0 <= top <= height - ny and 0 <= left <= width - nx):
                inside = (slice(max(0, -at), min(n, side - at)) for at, n, side in _sides(top, left, box, self.image))
                fill_around(box, tuple(inside))


def _sides(top: int, left: int, box: Array, image: Layout) -> list[tuple[int, int, int]]:
    return list(zip((top, left), box.shape, image.shape, strict=True))


def crowds_of(
    image: Layout,
    corners: Corners,
    out: Array,
    places: NDArray[np.int64] | None,
    name: str,
    most: float = 0.0,
    few: int = 1,
) -> list[Crowd]:
    """Boxes of one image, parted where there are rows of pixels between them that none of them crosses.

    Args:
        image: where the image lies.
        corners: where the boxes begin, one at least, in any order.
        out: `(rows, ny, nx)`, for the boxes.
        places: the row of `out` for each; None: one after another, from the first.
        name: of the file, for errors.
        most: see `parted`.
        few: see `parted`.

    Raises:
        FormatError: a box has no pixel of the image.
    """
    ny, nx = out.shape[1:]
    lie_inside = ((corners >= 0) & (corners <= (image.shape[0] - ny, image.shape[1] - nx))).all(1)
    for top, left in corners[~lie_inside].tolist():
        checked(image.shape, ((top, top + ny), (left, left + nx)), name)
    order = np.argsort(corners[:, 0], kind="stable")
    boxes = [out[place] for place in (order if places is None else places[order]).tolist()]
    tops, lefts = corners[order].T
    return [
        Crowd(image, tops[start:stop].tolist(), lefts[start:stop].tolist(), boxes[start:stop])
        for start, stop in pairwise(parted(tops, ny, image.shape[0], most, few))
    ]


def row_ranges(image: Layout, tops: NDArray[np.int64], ny: int, most: float = 0.0, few: int = 1) -> list[Range]:
    """The bytes of the rows of pixels that boxes of one image cross.

    Args:
        image: where the image lies, plain rows of pixels.
        tops: first rows of the boxes, one at least, each of which has a row of the image.
        ny: rows of each.
        most: see `parted`.
        few: see `parted`.

    Example:
        >>> row_ranges(Layout((100, 10), "|u1", 0), np.array([40, -2, 3]), 8)
        [(0, 110), (400, 480)]
    """
    ordered = np.sort(tops)
    pitch, height = encoded_size(image.encoding, image.shape[1:]), image.shape[0]
    found = []
    for start, stop in pairwise(parted(ordered, ny, height, most, few)):
        first, last = max(0, int(ordered[start])), min(height, int(ordered[stop - 1]) + ny)
        found.append((image.offset + first * pitch, image.offset + last * pitch))
    return found


def parted(tops: NDArray[np.int64], ny: int, height: int, most: float, few: int) -> list[int]:
    """Where to part boxes that have rows of pixels between them which none of them crosses.

    Args:
        tops: their first rows, in rising order.
        ny: rows of each.
        height: rows of the image.
        most: rows that are read without need, as a part of those that are needed: the shortest gaps are bridged, until
            the parts are as few as they may be.
        few: how many they may be.

    Returns:
        Numbers of boxes, from 0 to that of all.
    """
    gaps = np.diff(tops) - ny
    apart = gaps > 0
    needed = min(int(tops[-1]) + ny, height) - max(int(tops[0]), 0) - int(gaps[apart].sum())
    spare = most * needed
    for place in np.argsort(gaps, kind="stable")[np.count_nonzero(~apart) :].tolist():
        if gaps[place] > spare or np.count_nonzero(apart) < few:
            break
        spare -= gaps[place]
        apart[place] = False
    return [0, *(np.flatnonzero(apart) + 1).tolist(), len(tops)]
