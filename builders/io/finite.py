"""NaN and infinite pixels: found while an image is read, and counted."""

import numpy as np
from numpy.typing import NDArray

from builders.io.layout import Array, Layout


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

    def see(self, pixels: Array) -> None:
        """Look at pixels that are decoded already."""
        if pixels.dtype in (np.float32, np.float64) and pixels.flags.c_contiguous:
            self._dtype = pixels.dtype
            self(pixels.reshape(-1).view(np.uint8))

    def vouches_for(self, pixels: Array) -> bool:
        """Whether all pixels have been seen and found finite, or are of a type that cannot be otherwise."""
        return pixels.dtype.kind not in "fc" or (self._seen == pixels.nbytes and bool(np.isfinite(self._sum)))


def count_non_finite(pixels: Array) -> int:
    """Number of NaN and infinite pixels."""
    if pixels.dtype.kind not in "fc":
        return 0
    return int(pixels.size - np.count_nonzero(np.isfinite(pixels)))
