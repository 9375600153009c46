"""Boxes as picked rows: references to them, and which of them a file can give."""

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
from builders.io.files import location
from builders.io.layout import Layout, Range
from builders.stacks.rows import Images

Numbers = NDArray[np.int64]
INSIDE, BEYOND, OUTSIDE = 0, 1, 2
"""How a box lies in its image: all of it does; it reaches beyond it; it has no pixel of it."""
_SHOWN = 3
_LARGEST = 128 * 1024 * 1024
"""Bytes of rows of pixels that are in memory at once, of one image."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of one image.

    Attributes:
        image: where it lies.
        shape: `(ny, nx)` of all of them.
        corners: first row and column of each, `(count, 2)`; negative before the image.
    """

    image: Layout
    shape: tuple[int, int]
    corners: Corners

    def layout(self, number: int, path: str) -> Layout:
        """Where the pixels of one of them lie, in a file of this path."""
        top, left = self.corners[number].tolist()
        return box_of(self.image, ((top, top + self.shape[0]), (left, left + self.shape[1])), path)

    def part(self, first: int, stop: int) -> "Boxes":
        """Some of them."""
        return replace(self, corners=self.corners[first:stop])

    def lie_apart(self, images: Images) -> bool:
        """Whether the rows of pixels that they cross can be read, and nothing else of the file."""
        return not images.image.compressed and are_cut(self.image)

    def ranges(self, images: Images) -> tuple[Range, ...]:
        """The stretches of a file that hold the rows of pixels which they cross; none where it cannot be read in part.

        Of a server's file they are few, with some rows among them that nobody needs.
        """
        if not self.lie_apart(images):
            return ()
        few = (MOST_UNNEEDED, FEW) if location.is_remote(images.file.location) else (0.0, 1)
        return tuple(row_ranges(self.image, self.corners[:, 0], self.shape[0], *few))

    def together(self, first: int) -> int:
        """How many of them from some one on are read together: all, unless what they cross is too large for memory."""
        tops = self.corners[first:, 0]
        rows = np.maximum.accumulate(tops) - np.minimum.accumulate(tops) + self.shape[0]
        pitch = max(1, self.image.nbytes // self.image.shape[0])
        return max(1, int(np.searchsorted(rows, _LARGEST // pitch, "right")))


def lie(tops: Numbers, lefts: Numbers, box: tuple[int, int], image: tuple[int, int]) -> NDArray[np.int8]:
    """How boxes lie in an image: `INSIDE`, `BEYOND` or `OUTSIDE`.

    Args:
        tops: first row of each, counted in the image.
        lefts: first column of each.
        box: shape `(ny, nx)` of all of them.
        image: shape `(ny, nx)` of the image, or one for each box, as arrays.

    Example:
        >>> lie(np.array([0, -1, -8]), np.array([5, 0, 0]), (8, 8), (20, 13)).tolist()
        [0, 1, 2]
    """
    how = np.zeros(len(tops), np.int8)
    for starts, side, length in zip((tops, lefts), box, image, strict=True):
        how[(how == INSIDE) & ((starts < 0) | (starts + side > length))] = BEYOND
        how[(starts + side <= 0) | (starts >= length)] = OUTSIDE
    return how


def outside(path: str, image: tuple[int, int], x: Numbers, y: Numbers, rows: Numbers) -> FormatError:
    """What is wrong with rows whose boxes have no pixel of their micrograph.

    Args:
        path: of the micrograph.
        image: its shape `(ny, nx)`.
        x: column of the micrograph in which each box has its centre.
        y: the row.
        rows: theirs in the table, from 0.
    """
    places = zip(rows[:_SHOWN].tolist(), x[:_SHOWN].tolist(), y[:_SHOWN].tolist(), strict=True)
    shown = [f"{row + 1} ({column}, {line})" for row, column, line in places]
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    msg = f"{path}: {image[1]} x {image[0]} pixels (x, y): the boxes of row{'s' * (len(rows) > 1)} {', '.join(shown)}"
    msg += f"{more}, counted from 1, lie outside: are the coordinates of another binning, or of another micrograph?"
    return FormatError(msg)


def references(
    files: Sequence[Images], which: Numbers, tops: Numbers, lefts: Numbers, box: tuple[int, int]
) -> pa.StructArray:
    """Boxes of some files as an `EMImage` column stores them; no Python object a row.

    Args:
        files: each of which is one image.
        which: of each box, which of the files it is of.
        tops: its first row, negative before the image.
        lefts: its first column.
        box: shape `(ny, nx)` of all of them.
    """
    wholes = [reference(images.image, layout_of(images)) for images in files]
    taken = pa.array(wholes, STORAGE).take(pa.array(which))
    columns = {field.name: taken.field(field.name) for field in STORAGE}
    edges = (pa.array(values).cast(pa.string()) for values in (tops, tops + box[0], lefts, lefts + box[1]))
    top, bottom, left, right = edges
    rows, sides = (pc.binary_join_element_wise(*pair, ":") for pair in ((top, bottom), (left, right)))
    columns["dtype"] = pc.binary_join_element_wise(columns["dtype"], pc.binary_join_element_wise(rows, sides, ","), "@")
    return pa.StructArray.from_arrays(list(columns.values()), fields=list(STORAGE))


def layout_of(images: Images) -> Layout:
    """Where the one image of a file lies.

    Raises:
        FormatError: it has none, or more than that.
    """
    layout = images.image.layout.squeezed()
    if len(layout.shape) != 2:
        msg = f"{images.file.path}: an array of shape {layout.shape}: expected one image, to cut boxes out of"
        raise FormatError(msg)
    return layout
