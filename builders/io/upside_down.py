"""Plain images whose rows are stored bottom up, out of an open file of this machine: turned while they are read."""

import ctypes
import functools
import io
import math
import os
from collections.abc import Callable

import numpy as np

from builders.errors import TruncatedError
from builders.io.files import local
from builders.io.files.mapped import mapped
from builders.io.flipped import Flipped
from builders.io.layout import Array, Layout
from perc_transforms.core import buffers

_PIECE = 256 * 1024
"""Bytes of rows that are read in one go where the system cannot put them where they belong: they are in the processor's
cache when that is done."""
_MOST_ROWS = 1024
"""Places in memory that one call to the system fills at the most, on any of them."""

_Scatter = Callable[[int, int, int, int], int]


def is_turned(layout: Layout) -> bool:
    """Whether images can be read by `read_turned`: they lie plainly in rows, the last of each first."""
    whole = layout.whole if isinstance(layout, Flipped) else None
    return type(whole) is Layout and whole.axes is None and whole.is_plain


def read_turned(raw: io.FileIO, layout: Layout, path: str) -> Array:
    """The images at a layout of which `is_turned` says so: the system puts each row where it belongs.

    Args:
        raw: the file, open.
        layout: where they lie.
        path: of the file, for errors.

    Raises:
        TruncatedError: it ends before the last pixel.
    """
    ny, nx = layout.shape[-2:]
    pixels = np.ndarray(layout.shape, layout.dtype, buffer=buffers.take(layout.nbytes))
    offset = layout.offset
    for image in pixels.reshape(math.prod(layout.shape[:-2]), ny, nx):
        with mapped(raw, offset, offset + image.nbytes) as held:
            if held is not None:
                image[::-1] = np.ndarray(image.shape, image.dtype, held)
            else:
                done = _scattered(raw, offset, image)
                _turned(raw, offset + done * nx * image.itemsize, path, image[: ny - done])
        offset += image.nbytes
    if not np.dtype(layout.encoding).isnative:
        pixels.byteswap(inplace=True)
    return pixels


@functools.cache
def _preadv() -> _Scatter | None:
    """The system's call; Python's own takes an object for each row, and as long for them as the reading takes."""
    try:
        call = ctypes.CDLL(None, use_errno=True).preadv
    except (AttributeError, OSError, TypeError):
        return None
    call.argtypes = ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
    call.restype = ctypes.c_ssize_t
    return call if ctypes.sizeof(ctypes.c_long) == ctypes.sizeof(ctypes.c_int64) else None  # so long are its offsets


def _scattered(raw: io.FileIO, offset: int, image: Array) -> int:
    """Fill rows of an image, the last one first, from some byte of a file on; how many of them came whole."""
    call, ny, each, done = _preadv(), len(image), image.strides[0], 0
    if call is None or not each:
        return 0
    places = np.empty((ny, 2), np.uintp)
    places[:, 0] = image.ctypes.data + np.arange(ny - 1, -1, -1) * each
    places[:, 1] = each
    while done < ny:
        rows = min(_MOST_ROWS, ny - done)
        came = call(raw.fileno(), places[done:].ctypes.data, rows, offset + done * each)
        if came < each:
            break
        done += came // each
    return done


def _turned(raw: io.FileIO, offset: int, path: str, image: Array) -> None:
    """Fill rows of an image, the last one first, by way of other memory."""
    ny, nx = image.shape
    height = max(1, min(ny, _PIECE // max(1, nx * image.itemsize)))
    piece = np.empty((height, nx), image.dtype)
    memory = piece.reshape(-1).view(np.uint8).data
    raw.seek(offset)
    for row in range(0, ny, height):
        rows = min(height, ny - row)
        count = rows * nx * image.itemsize
        done = local.fill(raw, memory[:count])
        if done < count:
            end = os.fstat(raw.fileno()).st_size
            msg = f"{path}: {end} bytes, which end within row {ny - row - 1} of an image: the file is truncated"
            raise TruncatedError(msg)
        image[ny - row - rows : ny - row] = piece[:rows][::-1]
