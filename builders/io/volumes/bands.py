"""Boxes of one volume of plain pixels, parted into those that are cut out of the same rows of the same sections."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from builders.io.boxes.overhang import checked, fill_around
from builders.io.finite import is_finite
from builders.io.layout import Array, Layout, Range, decode, encoded_size

Corners = NDArray[np.int64]
"""First section, row and column of each box, counted in the volume, `(count, 3)`; negative before it."""
_WARM = 256 * 1024
"""Bytes that are looked at right after they were copied, while they are in the processor's cache."""
_CROWDED = 0.85
"""Pixels that boxes copy, for each in the rows that they cross, from which on reading these rows whole is sooner done
than picking pixels out of memory: a quarter of the time goes into reading."""
PIECE = 1024 * 1024
"""Bytes that are read in one go: so many are still in the processor's cache when boxes are cut out of them."""


@dataclass(frozen=True)
class Band:
    """Boxes of one volume that cross the same rows of the same sections.

    Attributes:
        volume: where the volume lies, rows of pixels one after another.
        front: their first section, counted in the volume.
        top: their first row.
        lefts: the first column of each.
        places: of each in `out`.
        out: `(boxes, nz, ny, nx)` of `volume.dtype`: to be filled.
    """

    volume: Layout
    front: int
    top: int
    lefts: Sequence[int]
    places: Sequence[int]
    out: Array = field(repr=False)

    @cached_property
    def sections(self) -> Range:
        """The volume's sections that they cross."""
        return max(0, self.front), min(self.volume.shape[0], self.front + self.out.shape[1])

    @cached_property
    def rows(self) -> Range:
        """The rows of each that they cross."""
        return max(0, self.top), min(self.volume.shape[1], self.top + self.out.shape[2])

    @cached_property
    def pitch(self) -> int:
        """Bytes from one row of pixels to the next."""
        return encoded_size(self.volume.encoding, self.volume.shape[2:])

    def range_of(self, section: int, rows: Range) -> Range:
        """The bytes of some rows of a section."""
        first, pitch = section * self.volume.shape[1], self.pitch
        return self.volume.offset + (first + rows[0]) * pitch, self.volume.offset + (first + rows[1]) * pitch

    def starts(self) -> NDArray[np.int64]:
        """Where in the file each of the rows begins that they cross."""
        sections, rows = np.arange(*self.sections), np.arange(*self.rows)
        numbers: NDArray[np.int64] = (sections[:, None] * self.volume.shape[1] + rows).reshape(-1)
        return self.volume.offset + numbers * self.pitch

    @cached_property
    def is_crowded(self) -> bool:
        """Whether the boxes copy about as many pixels as there are in the rows that they cross."""
        copied: int = len(self.lefts) * self.out.shape[3]
        return copied >= _CROWDED * self.volume.shape[2]

    def pieces(self) -> Iterator[tuple[Range, Range]]:
        """Sections, and rows of them, that are read in one go."""
        (first, last), (low, high), pitch = self.sections, self.rows, self.pitch
        whole = (high - low) * pitch
        count, lines = max(1, PIECE // whole), high - low if whole <= PIECE else max(1, PIECE // pitch)
        for section in range(first, last, count):
            for row in range(low, high, lines):
                yield (section, min(last, section + count)), (row, min(high, row + lines))

    @property
    def bounds(self) -> tuple[Range, Range, Range]:
        """The part of the volume that holds all that the boxes have of it."""
        left, right = min(self.lefts), max(self.lefts) + self.out.shape[3]
        return self.sections, self.rows, (max(0, left), min(self.volume.shape[2], right))

    def part(self, numbers: Sequence[int]) -> "Band":
        """Some of the boxes."""
        lefts, places = ([side[number] for number in numbers] for side in (self.lefts, self.places))
        return replace(self, lefts=lefts, places=places)

    def moved(self, left: int, width: int) -> "Band":
        """The same boxes, counted in some columns of the volume."""
        volume = replace(self.volume, shape=(*self.volume.shape[:2], width))
        return replace(self, volume=volume, lefts=[own - left for own in self.lefts])

    def pixels(self, raw: NDArray[np.uint8], sections: int) -> Array:
        """Whole rows of so many sections out of their bytes; of plain ones, in the file's byte order."""
        shape = sections, len(raw) // self.pitch // sections, self.volume.shape[2]
        if self.volume.is_plain:  # what is copied out of them is converted on the way
            return np.ndarray(shape, np.dtype(self.volume.encoding), raw)
        return decode(raw, self.volume.encoding, shape)

    def cut(self, pixels: Array, section: int, row: int, look: bool = True) -> bool:
        """Copy what the boxes have of some rows.

        Args:
            pixels: `(sections, rows, volume.shape[2])`, in any byte order.
            section: the first one, counted in the volume.
            row: the first one of each.
            look: whether it is not known yet if they are finite.

        Returns:
            Whether what was copied was looked at, while it is in the processor's cache, and is finite.
        """
        own = [(start, start + count) for start, count in zip((section, row), pixels.shape, strict=False)]
        (first, last), (low, high) = (
            (max(a, start), min(b, stop)) for (a, b), (start, stop) in zip((self.sections, self.rows), own, strict=True)
        )
        if first >= last or low >= high:
            return True
        pixels = pixels[first - section : last - section, low - row : high - row]
        into = slice(first - self.front, last - self.front), slice(low - self.top, high - self.top)
        if self._step:
            return self._cut_together(pixels, into, look)
        return self._cut_each(pixels, into, look)

    def cut_apart(self, volume: Array, look: bool = True) -> bool:
        """Copy all that the boxes have of the volume, which is here; see `cut`.

        What is looked at is copied box by box, to be in the processor's cache then.
        """
        (first, last), (low, high) = self.sections, self.rows
        into = slice(first - self.front, last - self.front), slice(low - self.top, high - self.top)
        if self._step and not look:
            return self._cut_together(volume[first:last, low:high], into, look)
        return self._cut_each(volume[first:last, low:high], into, look)

    def _cut_each(self, pixels: Array, into: tuple[slice, slice], look: bool) -> bool:
        nx, width, are_finite = self.out.shape[3], self.volume.shape[2], look
        for left, place in zip(self.lefts, self.places, strict=True):
            before, after = max(0, -left), min(nx, width - left)
            part = self.out[place][(*into, slice(before, after))]
            own = pixels[:, :, left + before : left + after]
            step = max(1, _WARM * len(part) // max(1, part.nbytes)) if look else len(part)
            for first in range(0, len(part), step):
                some = part[first : first + step]
                some[:] = own[first : first + step]
                are_finite = are_finite and is_finite(some)
        return are_finite

    @cached_property
    def _step(self) -> int:
        """By how many columns each box begins behind the one before, of such as lie and are wanted side by side."""
        lefts, places = self.lefts, self.places
        step = lefts[1] - lefts[0] if len(lefts) > 1 else 0
        if step <= 0 or lefts[0] < 0 or lefts[-1] + self.out.shape[3] > self.volume.shape[2]:
            return 0
        is_even = all(right - left == step for left, right in pairwise(lefts))
        return step if is_even and all(right - left == 1 for left, right in pairwise(places)) else 0

    def _cut_together(self, pixels: Array, into: tuple[slice, slice], look: bool) -> bool:
        """Copy what all boxes have of some pixels in one go, for each of them costs a call otherwise."""
        first, count = self.lefts[0], len(self.lefts)
        part = self.out[(slice(self.places[0], self.places[0] + count), *into)]
        ahead, down, right = pixels.strides
        strides = self._step * right, ahead, down, right
        part[:] = np.lib.stride_tricks.as_strided(pixels[:, :, first:], part.shape, strides)
        return look and all(map(is_finite, part))


def bands_of(volume: Layout, corners: Corners, out: Array, places: NDArray[np.int64] | None, name: str) -> list[Band]:
    """Boxes of one volume as bands, in rising order of the file's bytes.

    Args:
        volume: where the volume lies, plainly in rows.
        corners: where the boxes begin, one at least, in any order.
        out: `(boxes, nz, ny, nx)`, for them.
        places: the entry of `out` for each; None: one after another, from the first.
        name: of the file, for errors.

    Raises:
        FormatError: a box has no pixel of the volume.
    """
    for corner in corners[_beyond(volume.shape, corners, out.shape[1:])].tolist():
        checked(volume.shape, [(at, at + n) for at, n in zip(corner, out.shape[1:], strict=True)], name)
    order = np.lexsort(corners.T[::-1])
    fronts, tops, lefts = corners[order].T
    chosen = order if places is None else places[order]
    edges = np.flatnonzero((np.diff(fronts) != 0) | (np.diff(tops) != 0)) + 1
    return [
        Band(volume, int(fronts[a]), int(tops[a]), lefts[a:b].tolist(), chosen[a:b].tolist(), out)
        for a, b in pairwise([0, *edges.tolist(), len(order)])
    ]


def crossed(bands: Sequence[Band]) -> list[Range]:
    """The bytes of all rows that some bands cross, as stretches in rising order, none of which touches another."""
    if not bands:
        return []
    sections = [np.arange(*band.sections, dtype=np.int64) for band in bands]
    edges = [(band.range_of(0, band.rows), band.volume.shape[1] * band.pitch) for band in bands]
    starts = np.concatenate([first + own * step for own, ((first, _), step) in zip(sections, edges, strict=True)])
    stops = np.concatenate([last + own * step for own, ((_, last), step) in zip(sections, edges, strict=True)])
    order = np.argsort(starts, kind="stable")
    starts, stops = starts[order], np.maximum.accumulate(stops[order])
    breaks = np.flatnonzero(starts[1:] > stops[:-1])
    firsts, lasts = np.append(0, breaks + 1), np.append(breaks, len(starts) - 1)
    return list(zip(starts[firsts].tolist(), stops[lasts].tolist(), strict=True))


def fill_boxes(volume: Layout, corners: Corners, out: Array, places: NDArray[np.int64] | None) -> None:
    """Fill what lies outside of a volume, once what lies inside was cut.

    Args:
        volume: of which they are.
        corners: where the boxes begin.
        out: `(boxes, nz, ny, nx)`, in the order of the volume's axes.
        places: the entry of `out` for each; None: one after another.
    """
    shape, sides = volume.shape, out.shape[1:]
    for number in _beyond(shape, corners, sides).tolist():
        starts = zip(corners[number].tolist(), sides, shape, strict=True)
        inside = tuple(slice(max(0, -at), min(n, side - at)) for at, n, side in starts)
        fill_around(out[number if places is None else places[number]], inside, volume.is_mask)


def _beyond(shape: tuple[int, ...], corners: Corners, sides: tuple[int, ...]) -> NDArray[np.int64]:
    """Numbers of the boxes of which a part lies outside of a volume."""
    largest = np.array(shape) - sides
    if corners.min() >= 0 and (corners.max(0) <= largest).all():  # of most batches, and soon told
        return np.empty(0, np.int64)
    return np.flatnonzero(((corners < 0) | (corners > largest)).any(1))
