"""Plain images whose rows are stored bottom up, out of an open file of this machine: turned while they are read."""

import io
import math
import os

import numpy as np

from builders.io.codecs import threads
from builders.io.flipped import Flipped
from builders.io.gathering import fill_exactly
from builders.io.layout import Array, Layout
from perc_transforms.core import buffers

_PIECE = 256 * 1024
"""Bytes of rows that are read in one go: they are in the processor's cache when they are put where they belong."""
_SHARE = 2 * 1024 * 1024
"""Bytes of rows for which it pays to wake a thread."""


def is_turned(layout: Layout) -> bool:
    """Whether images can be read by `read_turned`: they lie plainly in rows, the last of each first."""
    whole = layout.whole if isinstance(layout, Flipped) else None
    return type(whole) is Layout and whole.axes is None and whole.is_plain


def read_turned(raw: io.FileIO, layout: Layout, path: str) -> Array:
    """The images at a layout of which `is_turned` says so: no copy of all of them is made in between.

    Args:
        raw: the file, open.
        layout: where they lie.
        path: of the file, for errors.

    Raises:
        TruncatedError: it ends before the last pixel.
    """
    ny, nx = layout.shape[-2:]
    pixels = np.ndarray(layout.shape, layout.dtype, buffer=buffers.take(layout.nbytes))
    images = pixels.reshape(math.prod(layout.shape[:-2]), ny, nx)
    each = nx * np.dtype(layout.encoding).itemsize
    shares = [
        (number, *rows) for number in range(len(images)) for rows in _stretches(ny, max(1, _SHARE // max(1, each)))
    ]

    def turn(share: tuple[int, int, int]) -> None:
        number, start, stop = share
        place = layout.offset + (number * ny + start) * each
        _turn(raw, place, path, layout.encoding, images[number, ny - stop : ny - start])

    if hasattr(os, "preadv"):
        threads.shared(turn, shares)
    else:  # a file has one place from which it is read
        for share in shares:
            turn(share)
    return pixels


def _turn(raw: io.FileIO, offset: int, path: str, encoding: str, rows: Array) -> None:
    """Fill rows with those that are stored from some byte on, the last one first."""
    count, nx = rows.shape
    height = max(1, min(count, _PIECE // max(1, nx * rows.itemsize)))
    piece = np.empty((height, nx), np.dtype(encoding))
    memory = piece.reshape(-1).view(np.uint8).data
    for start, stop in _stretches(count, height):
        size = (stop - start) * nx * rows.itemsize
        _fill(raw, path, offset + start * nx * rows.itemsize, memory[:size])
        rows[count - stop : count - start] = piece[: stop - start][::-1]


def _fill(raw: io.FileIO, path: str, offset: int, place: "memoryview[int]") -> None:
    """Fill memory with bytes of a file, from which other threads read as well."""
    done = 0
    while hasattr(os, "preadv") and (got := os.preadv(raw.fileno(), [place[done:]], offset + done)):
        done += got
        if done == len(place):
            return
    fill_exactly(raw, path, offset + done, place[done:])


def _stretches(count: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, count)) for start in range(0, count, step)]
