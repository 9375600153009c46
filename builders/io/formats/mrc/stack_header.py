"""The header of a stack of images, of numbers that are known once the images are written."""

import math
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.io.formats.mrc.header import HEADER_BYTES

_FLOAT32 = 2
_VERSION = 20140
_STAMP = b"\x44\x44\x00\x00"
_LABEL = b"perc: images"
_UNKNOWN = (0.0, -1.0, -2.0, -1.0)
"""Smallest, largest, mean and deviation of which MRC2014 says that nobody knows them."""


@dataclass
class Statistics:
    """What a header says of pixels, gathered image by image."""

    pixels: int = 0
    least: float = math.inf
    most: float = -math.inf
    sum: float = 0.0
    squares: float = 0.0

    def add(self, image: NDArray[np.float32]) -> None:
        """Count the pixels of an image in."""
        with np.errstate(invalid="ignore", over="ignore"):
            wide = image.ravel().astype(np.float64)
            self.least, self.most = min(self.least, float(wide.min())), max(self.most, float(wide.max()))
            self.sum, self.squares = self.sum + float(wide.sum()), self.squares + float(wide @ wide)
        self.pixels += wide.size

    def told(self) -> tuple[float, float, float, float]:
        """Smallest, largest, mean and standard deviation; MRC's words for "unknown" where one is no finite number."""
        if not self.pixels or not math.isfinite(self.squares):
            return _UNKNOWN
        mean = self.sum / self.pixels
        found = self.least, self.most, mean, math.sqrt(max(self.squares / self.pixels - mean**2, 0.0))
        return found if all(abs(value) <= float(np.finfo(np.float32).max) for value in found) else _UNKNOWN


def stack_header(shape: tuple[int, int], images: int, pixel_size: float, statistics: Statistics) -> bytes:
    """The 1024 bytes before the pixels of a stack of float32 images, little-endian: ISPG 0 and MZ 1, no volume.

    Args:
        shape: `(ny, nx)` of each image.
        images: how many there are.
        pixel_size: Å.
        statistics: of all pixels.

    Example:
        >>> from builders.io.mrc import parse_header
        >>> header = parse_header(stack_header((48, 64), 10, 1.5, Statistics()))
        >>> header.shape, header.is_stack, header.pixel_size
        ((10, 48, 64), True, 1.5)
    """
    ny, nx = shape
    low, high, mean, deviation = statistics.told()
    header = bytearray(HEADER_BYTES)
    struct.pack_into("<4i", header, 0, nx, ny, images, _FLOAT32)
    cell = nx * pixel_size, ny * pixel_size, pixel_size
    struct.pack_into("<3i6f", header, 28, nx, ny, 1, *cell, 90.0, 90.0, 90.0)
    struct.pack_into("<3i3f", header, 64, 1, 2, 3, low, high, mean)
    struct.pack_into("<i", header, 108, _VERSION)
    header[208:216] = b"MAP " + _STAMP
    struct.pack_into("<fi", header, 216, deviation, 1)
    header[224 : 224 + 80] = _LABEL.ljust(80)
    return bytes(header)
