"""NaN and infinite pixels: found while an image is read, and counted."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.io.layout import Array, Layout

_PIECE = 64 * 1024
"""Pixels that are looked at in one go."""
_FLOATS: dict[str, np.dtype[Any]] = {np.dtype(kind).str: np.dtype(kind) for kind in (np.float32, np.float64)}
"""Encodings of plain floats in this machine's byte order."""


def floats_of(layout: Layout) -> np.dtype[Any] | None:
    """The type of plain floats, in this machine's byte order, that bytes of a layout are; None: they are none."""
    return _FLOATS.get(layout.encoding) if layout.is_plain else None


class FiniteWatch:
    """Looks for NaN and infinite pixels while an image is read.

    A sum of products is finite only where every pixel is, and costs a tenth of asking each one. It can overflow, so
    that only its finiteness is an answer.
    """

    def __init__(self) -> None:
        self._sum = 0.0
        self._seen = 0
        self._dtype: np.dtype[Any] = np.dtype(np.float32)

    def expect(self, layout: Layout) -> "FiniteWatch | None":
        """Itself, ready for bytes of this layout; None where they are not plain floats and must be decoded first."""
        floats = floats_of(layout)
        if floats is None:
            return None
        self._dtype = floats
        return self

    def __call__(self, piece: NDArray[np.uint8]) -> None:
        """Look at some of the image's bytes."""
        self._sum += sum_of_products(np.ndarray(piece.size // self._dtype.itemsize, self._dtype, piece))
        self._seen += piece.size - piece.size % self._dtype.itemsize

    def vouches_for(self, pixels: Array) -> bool:
        """Whether all pixels have been seen and found finite, or are of a type that cannot be otherwise."""
        return pixels.dtype.kind not in "fc" or (self._seen == pixels.nbytes and math.isfinite(self._sum))


def are_finite(raw: NDArray[np.uint8], layout: Layout) -> bool:
    """Whether all of some bytes, of images of this layout, are surely finite pixels; False says nothing."""
    dtype = floats_of(layout)
    if dtype is None:
        return layout.dtype.kind not in "fc"
    return is_finite(np.ndarray(raw.size // dtype.itemsize, dtype, raw))


def is_finite(pixels: Array) -> bool:
    """Whether all of some pixels, in C order, are surely finite; False says nothing."""
    if pixels.dtype.char not in "fd":
        return pixels.dtype.kind not in "fc"
    flat = pixels.reshape(-1)
    if flat.size <= _PIECE:
        return math.isfinite(sum_of_products(flat))
    return all(math.isfinite(sum_of_products(flat[i : i + _PIECE])) for i in range(0, flat.size, _PIECE))


def sum_of_products(numbers: NDArray[Any]) -> float:
    """Each number times one of the other half, summed: finite only where all of them are.

    Half as many products as squares take two thirds of their time. `vdot` does not warn where the sum overflows.
    """
    count = numbers.size
    half = (count + 1) // 2  # of an odd number of them, the middle one is in both
    return float(np.vdot(numbers[:half], numbers[count - half :]))


def count_non_finite(pixels: Array) -> int:
    """Number of NaN and infinite pixels."""
    if pixels.dtype.kind not in "fc":
        return 0
    return int(pixels.size - np.count_nonzero(np.isfinite(pixels)))
