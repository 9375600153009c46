"""Many boxes of one image of this machine, straight into one array: pixels that several of them have are read once.

Whole rows of pixels are read: a call to the system for a box's part of each row would take as long as 16 KB of it.
"""

import io
import math

import numpy as np
from numpy.typing import NDArray

from builders.io.boxes.crowds import Corners, Crowd, crowds_of
from builders.io.boxes.overhang import FilledBox
from builders.io.files.mapped import mapped
from builders.io.gathering import fill_exactly, opened_plain
from builders.io.layout import Array, Box, Layout
from perc_transforms.core import buffers

_PIECE = 4 * 1024 * 1024
"""Bytes of rows that are read in one go: boxes are cut out of them while they are in the processor's cache."""


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

    What lies outside of the image is filled with the background's mean (`builders.io.boxes.overhang`).

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
    crowds = crowds_of(image, corners, out, places, path)
    with opened_plain(path, etag, image.offset + crowds[-1].rows[1] * crowds[-1].pitch) as raw:
        are_finite = True
        for crowd in crowds:
            are_finite &= _read(raw, path, crowd)
    return are_finite


def _read(raw: io.FileIO, path: str, crowd: Crowd) -> bool:
    """Read all rows that boxes cross, piece by piece, and cut the boxes out of these."""
    first, last = crowd.rows
    count = min(max(1, _PIECE // crowd.pitch), last - first)
    memory, are_finite = None, True
    for row in range(first, last, count):
        offset, size = crowd.image.offset + row * crowd.pitch, min(count, last - row) * crowd.pitch
        with mapped(raw, offset, offset + size) as held:
            if held is not None:
                are_finite &= crowd.cut(held, row)
                continue
        if memory is None:
            memory = buffers.take(count * crowd.pitch)
        fill_exactly(raw, path, offset, memory[:size].data)
        are_finite &= crowd.cut(memory[:size], row)
    crowd.fill()
    return are_finite


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
