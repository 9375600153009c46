"""NaN and infinite pixels: found while an image is read, and counted."""

import numpy as np
from numpy.typing import NDArray

from builders.io.layout import Array, Layout

_PIECE = 256 * 1024


class FiniteWatch:
    """Looks for NaN and infinite pixels while an image is read.

    A sum of squares is finite only where every term is, and costs a tenth of asking each pixel. It can overflow,
    so that only its finiteness is an answer.
    """

    def __init__(self) -> None:
        self._sum = 0.0
        self._seen = 0
        self._dtype: np.dtype[np.generic] = np.dtype(np.float32)

    def expect(self, layout: Layout) -> "FiniteWatch | None":
        """Itself, ready for bytes of this layout; None where they are not plain floats and must be decoded first."""
        if layout.encoding not in (np.dtype(np.float32).str, np.dtype(np.float64).str):
            return None
        self._dtype = np.dtype(layout.encoding)
        return self

    def __call__(self, piece: NDArray[np.uint8]) -> None:
        """Look at some of the image's bytes."""
        whole = piece[: piece.size - piece.size % self._dtype.itemsize].view(np.ndarray).view(self._dtype)
        with np.errstate(all="ignore"):
            self._sum += float(np.dot(whole, whole))
        self._seen += whole.nbytes

    @property
    def is_finite(self) -> bool:
        """Whether all that was seen is finite."""
        return bool(np.isfinite(self._sum))

    def vouches_for(self, pixels: Array) -> bool:
        """Whether all pixels have been seen and found finite, or are of a type that cannot be otherwise."""
        return pixels.dtype.kind not in "fc" or (self._seen == pixels.nbytes and bool(np.isfinite(self._sum)))


def are_finite(raw: NDArray[np.uint8], layout: Layout) -> bool:
    """Whether all of some bytes, of images of this layout, are surely finite pixels; False says nothing."""
    watch = FiniteWatch().expect(layout)
    if watch is None:
        return layout.dtype.kind not in "fc"
    for start in range(0, raw.size, _PIECE):
        watch(raw[start : start + _PIECE])
    return watch.is_finite


def count_non_finite(pixels: Array) -> int:
    """Number of NaN and infinite pixels."""
    if pixels.dtype.kind not in "fc":
        return 0
    return int(pixels.size - np.count_nonzero(np.isfinite(pixels)))
