"""Boxes as picked rows: references to them, and which of them a file can give."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.hf.image_storage import STORAGE, reference
from builders.io.boxes.crowds import Corners, row_ranges
from builders.io.boxes.overhang import box_of
from builders.io.boxes.reading import are_cut
from builders.io.boxes.remote import FEW, MOST_UNNEEDED
from builders.io.boxes.turned import Turned, turned
from builders.io.files import location
from builders.io.layout import Layout, Range
from builders.io.scattered.chunks import Chunked
from builders.io.scattered.held import Held
from builders.io.volumes.reading import lies_in_rows
from builders.stacks.picked.keeping import Kept
from builders.stacks.rows import Images

Numbers = NDArray[np.int64]
INSIDE, BEYOND, OUTSIDE = 0, 1, 2
"""How a box lies in its image: all of it does; it reaches beyond it; it has no pixel of it."""
_SHOWN = 3
_TOGETHER = 16 * 1024 * 1024
"""Bytes of boxes of a volume that are read together, about: a band may have less or more."""
_TOGETHER_HERE = 4 * 1024 * 1024
"""The same of volumes of chunks on this machine, whose requests do not wait for one another."""
_LARGEST = 128 * 1024 * 1024
"""Bytes of rows of pixels that are in memory at once, of one image."""


@dataclass(frozen=True, slots=True)
class Cubes:
    """How cubes of a volume are cut upright; see `builders.io.boxes.turned`.

    Attributes:
        at: voxels (x, y, z) of the volume that come to lie at pixel `side // 2`, `(count, 3)`.
        turns: what takes vectors (x, y, z) of each cube into the volume, `(count, 3, 3)`.
    """

    at: NDArray[np.float64]
    turns: NDArray[np.float64]

    def part(self, rows: slice) -> "Cubes":
        """Some of them."""
        return Cubes(self.at[rows], self.turns[rows])

    def layout(self, number: int, image: Layout, side: int, path: str) -> Turned:
        """Where one of them lies in a volume; of a mask, each voxel is the nearest one."""
        return turned(image, self.at[number], self.turns[number], side, nearest=image.is_mask, name=path)


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of one image.

    Attributes:
        image: where it lies.
        shape: `(ny, nx)` or `(nz, ny, nx)` of all of them.
        corners: where each begins, `(count, 2)` or `(count, 3)`; negative before the image.
        kept: chunks of volumes, which they share with those that follow; None: none are kept.
        cubes: how they are cut upright, about these corners; None: they are not.
    """

    image: Layout
    shape: tuple[int, ...]
    corners: Corners
    kept: Kept | None = None
    cubes: Cubes | None = None

    def held_of(self, path: str, etag: str) -> Held | None:
        """What keeps chunks of a file for the boxes that follow; None of files that have none."""
        if not isinstance(self.image, Chunked) or self.kept is None:
            return None
        return self.kept.keeping.held(self.kept.file, self.image, path, etag, self.cubes is not None)

    def turned(self, path: str) -> list[Turned]:
        """Where the pixels of all of them lie, which are cut upright out of a file of this path."""
        assert self.cubes is not None
        return [self.cubes.layout(n, self.image, self.shape[0], path) for n in range(len(self.corners))]

    def layout(self, number: int, path: str) -> Layout:
        """Where the pixels of one of them lie, in a file of this path."""
        if self.cubes is not None:
            return self.cubes.layout(number, self.image, self.shape[0], path)
        sides = zip(self.corners[number].tolist(), self.shape, strict=True)
        return box_of(self.image, [(start, start + side) for start, side in sides], path).squeezed()

    def part(self, first: int, stop: int) -> "Boxes":
        """Some of them."""
        cubes = None if self.cubes is None else self.cubes.part(slice(first, stop))
        return replace(self, corners=self.corners[first:stop], cubes=cubes)

    def lie_apart(self, images: Images) -> bool:
        """Whether the rows of pixels that they cross can be read, and nothing else of the file."""
        return not images.image.compressed and (len(self.shape) > 2 or are_cut(self.image))

    def ranges(self, images: Images) -> tuple[Range, ...]:
        """The stretches of a file that hold the rows of pixels which they cross; none where it cannot be read in part.

        Of a server's file they are few, with some rows among them that nobody needs.
        """
        if not self.lie_apart(images) or len(self.shape) > 2:  # boxes of volumes are read as such
            return ()
        few = (MOST_UNNEEDED, FEW) if location.is_remote(images.file.location) else (0.0, 1)
        return tuple(row_ranges(self.image, self.corners[:, 0], self.shape[0], *few))

    def together(self, first: int, path: str) -> int:
        """How many of them, from some one on, are read together: all, unless what they cross is too large for memory.

        Args:
            first: counted in these.
            path: of the file, or its URL.
        """
        if len(self.shape) > 2:
            is_here = isinstance(self.image, Chunked) and not location.is_remote(path)
            return self._bands(first, _TOGETHER_HERE if is_here else _TOGETHER)
        tops = self.corners[first:, 0]
        rows = np.maximum.accumulate(tops) - np.minimum.accumulate(tops) + self.shape[0]
        pitch = max(1, self.image.nbytes // self.image.shape[0])
        return max(1, int(np.searchsorted(rows, _LARGEST // pitch, "right")))

    def _bands(self, first: int, together: int) -> int:
        """How many boxes of a volume, from some one on, are read together: those of some bands, as far as they are few.

        A band are boxes that cross the same rows of the same sections; those of a larger one are read in parts.
        """
        each = math.prod(self.shape) * self.image.dtype.itemsize
        most = max(1, together // each)
        largest = max(most, _LARGEST // each) if lies_in_rows(self.image) else most  # whole rows are read in any case
        some = self.corners[first : first + largest + 1]
        if len(some) <= most:
            return len(some)
        ends = np.array([*band_edges(some)[1:-1], len(some) if len(some) <= largest else largest])
        return int(ends[max(0, int(np.searchsorted(ends, most, "right")) - 1)])

    @property
    def nbytes(self) -> int:
        """Bytes of all of them once they are read."""
        return len(self.corners) * math.prod(self.shape) * self.image.dtype.itemsize

    @property
    def come_ahead(self) -> bool:
        """Whether it is worth a thread to cut them ahead of their use, wherever the file is: it has to be decoded."""
        return len(self.shape) > 2 and not lies_in_rows(self.image)


def band_edges(corners: Corners) -> list[int]:
    """Where boxes of volumes begin that cross other rows, or other sections, than those before; and their number."""
    changes = (corners[1:, :2] != corners[:-1, :2]).any(1)
    return [0, *(np.flatnonzero(changes) + 1).tolist(), len(corners)]


def lie(corners: Corners, box: Sequence[int], image: Sequence[int | Numbers]) -> NDArray[np.int8]:
    """How boxes lie in an image: `INSIDE`, `BEYOND` or `OUTSIDE`.

    Args:
        corners: where each begins, counted in the image, `(count, axes)`.
        box: shape of all of them.
        image: shape of the image; a side may be an array, of one for each box.

    Example:
        >>> lie(np.array([[0, 5], [-1, 0], [-8, 0]]), (8, 8), (20, 13)).tolist()
        [0, 1, 2]
    """
    how = np.zeros(len(corners), np.int8)
    for starts, side, length in zip(corners.T, box, image, strict=True):
        how[(how == INSIDE) & ((starts < 0) | (starts + side > length))] = BEYOND
        how[(starts + side <= 0) | (starts >= length)] = OUTSIDE
    return how


def outside(path: str, image: Sequence[int], centres: Numbers, rows: Numbers) -> FormatError:
    """What is wrong with rows whose boxes have no pixel of their image.

    Args:
        path: of the image.
        image: its shape, `(ny, nx)` or `(nz, ny, nx)`.
        centres: the pixel of the image in which each box has its centre, `(count, axes)`, in the same order of axes.
        rows: theirs in the table, from 0.
    """
    places = zip(rows[:_SHOWN].tolist(), centres[:_SHOWN, ::-1].tolist(), strict=True)
    shown = [f"{row + 1} ({', '.join(map(str, centre))})" for row, centre in places]
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    sides, names = " x ".join(map(str, reversed(image))), ", ".join("xyz"[: len(image)])
    what = "micrograph" if len(image) < 3 else "tomogram"
    msg = f"{path}: {sides} pixels ({names}): the boxes of row{'s' * (len(rows) > 1)} {', '.join(shown)}"
    msg += f"{more}, counted from 1, lie outside: are the coordinates of another binning, or of another {what}?"
    return FormatError(msg)


def references(files: Sequence[Images], which: Numbers, corners: Corners, box: Sequence[int]) -> pa.StructArray:
    """Boxes of some files as an `EMImage` column stores them; no Python object a row.

    Args:
        files: each of which is one image.
        which: of each box, which of the files it is of.
        corners: where each begins, negative before the image, `(count, axes)`.
        box: shape of all of them, `(ny, nx)` or `(nz, ny, nx)`.
    """
    wholes = [reference(images.image, layout_of(images, len(box))) for images in files]
    taken = pa.array(wholes, STORAGE).take(pa.array(which))
    columns = {field.name: taken.field(field.name) for field in STORAGE}
    edges = ((pa.array(starts), pa.array(starts + side)) for starts, side in zip(corners.T, box, strict=True))
    sides = [pc.binary_join_element_wise(*(edge.cast(pa.string()) for edge in pair), ":") for pair in edges]
    columns["dtype"] = pc.binary_join_element_wise(columns["dtype"], pc.binary_join_element_wise(*sides, ","), "@")
    return pa.StructArray.from_arrays(list(columns.values()), fields=list(STORAGE))


def upright(files: Sequence[Images], which: Numbers, cubes: Cubes, side: int) -> pa.StructArray:
    """Cubes of some files that are cut upright as an `EMImage` column stores them; see `references`."""
    volumes = [(images, layout_of(images, 3)) for images in files]
    values = []
    for number, file in enumerate(which.tolist()):
        images, volume = volumes[file]
        values.append(reference(images.image, cubes.layout(number, volume, side, images.file.path)))
    return pa.array(values, STORAGE)


def layout_of(images: Images, axes: int = 2) -> Layout:
    """Where the one image, or the one volume, of a file lies.

    Args:
        images: the file.
        axes: 2 of an image, 3 of a volume, which may have a single section.

    Raises:
        FormatError: it has none, or more than that.
    """
    layout = images.image.layout
    layout = layout if len(layout.shape) == axes else layout.squeezed()
    if len(layout.shape) != axes:
        what = "image" if axes == 2 else "volume"
        msg = f"{images.file.path}: an array of shape {layout.shape}: expected one {what}, to cut boxes out of"
        raise FormatError(msg)
    return layout
