"""What TIFF's predictors did before pixels were compressed, undone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.io.codecs.codec import Bytes, Part
from builders.io.layout import PACKED


def summed(code: Bytes, part: Part) -> NDArray[Any]:
    """Pixels of which each was stored as the difference to the one before it in its row (TIFF 6.0, section 14).

    Example:
        >>> summed(np.array([1, 1, 1, 5, 255, 0], np.uint8), Part((2, 3), (2, 3), "|u1"))
        array([[1, 2, 3],
               [5, 4, 4]], dtype=uint8)
    """
    pixel = np.dtype(np.uint8 if part.encoding == PACKED else part.encoding)
    return _sums(_rows(code, part).view(f"{pixel.str[0]}u{pixel.itemsize}"))


def joined_floats(code: Bytes, part: Part) -> NDArray[Any]:
    """Numbers whose bytes were stored apart, the highest of a row first, as differences (Adobe's TIFF note 3, 2005)."""
    pixel = np.dtype(part.encoding)
    planes = _sums(_rows(code, part)).reshape(-1, pixel.itemsize, part.shape[-1])
    return np.ascontiguousarray((planes if pixel.str[0] == ">" else planes[:, ::-1]).transpose(0, 2, 1))


def _rows(code: Bytes, part: Part) -> Bytes:
    if not code.size or code.size % part.row:
        msg = f"{code.size} bytes, where rows have {part.row}"
        raise ValueError(msg)
    return code.reshape(-1, part.row)


def _sums(rows: NDArray[Any]) -> NDArray[Any]:
    """Sums along rows that overflow as the differences did, in the type and byte order of the rows."""
    try:
        from imagecodecs import delta_decode
    except ImportError:
        native = rows.astype(rows.dtype.newbyteorder("="), copy=False)
        return np.cumsum(native, axis=1, dtype=native.dtype).astype(rows.dtype, copy=False)
    return np.asarray(delta_decode(rows, axis=1))
