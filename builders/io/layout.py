"""How an image lies in bytes: encoding, shape and offset, and the way from those bytes to an array.

An encoding is a string, so that a reference to an image can be kept in a table: NumPy's own type strings
(`"<f4"`, `">i2"`, `"|u1"`, ...) and two that NumPy does not have:

- `"<ci2"`, `">ci2"`: complex numbers as pairs of int16 (MRC mode 3), decoded to complex64;
- `"4bit"`: two unsigned pixels a byte, the first in the low half; rows padded to whole bytes (MRC mode 101),
  decoded to uint8.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike, NDArray

from builders.errors import FormatError
from perc_transforms.buffers import PixelBuffer

Array = NDArray[np.generic]

PACKED = "4bit"
_COMPLEX_INT16 = {"<ci2": np.dtype("<i2"), ">ci2": np.dtype(">i2")}
_SPECIAL = frozenset((PACKED, *_COMPLEX_INT16))


def is_fresh(array: Array) -> bool:
    """Whether an array is the only user of memory that was read for it."""
    return isinstance(array.base, PixelBuffer)


def native_dtype(encoding: str) -> np.dtype[np.generic]:
    """The dtype, in this machine's byte order, that pixels of this encoding decode to.

    Raises:
        FormatError: the encoding does not hold numbers (objects, text, records).
    """
    if encoding == PACKED:
        return np.dtype(np.uint8)
    if encoding in _COMPLEX_INT16:
        return np.dtype(np.complex64)
    try:
        dtype = np.dtype(encoding)
    except (TypeError, ValueError, SyntaxError) as err:
        msg = f"unknown pixel encoding {encoding!r}: expected a NumPy type string, '<ci2', '>ci2' or {PACKED!r}"
        raise FormatError(msg) from err
    if dtype.kind not in "biufc" or dtype.itemsize == 0:
        msg = f"pixels of type {encoding!r}: expected numbers"
        raise FormatError(msg)
    return dtype.newbyteorder("=")


def encoded_size(encoding: str, shape: tuple[int, ...]) -> int:
    """Number of bytes that an image of this shape takes, in exact integers."""
    if encoding == PACKED:
        return math.prod(shape[:-1]) * ((shape[-1] + 1) // 2)
    size = 4 if encoding in _COMPLEX_INT16 else np.dtype(encoding).itemsize
    return math.prod(shape) * size


def decode(raw: NDArray[np.uint8], encoding: str, shape: tuple[int, ...]) -> Array:
    """Turn bytes into the array they hold, in this machine's byte order.

    Args:
        raw: the image's bytes, 1-D and just as many as `encoded_size` says.
        encoding: how they are encoded.
        shape: axes as stored, `(..., ny, nx)`.

    Returns:
        Array of `shape`, of no subclass; it shares memory with `raw` when no conversion is needed.

    Example:
        >>> decode(np.array([0x21, 0x03], np.uint8), "4bit", (1, 3))
        array([[1, 2, 3]], dtype=uint8)
    """
    if encoding not in _SPECIAL:
        stored = np.dtype(encoding)
        if stored.isnative:
            return np.ndarray(shape, stored, buffer=raw)
        return raw.view(stored).astype(stored.newbyteorder("=")).reshape(shape).view(np.ndarray)
    plain = raw.view(np.ndarray)
    if encoding == PACKED:
        columns = shape[-1]
        packed = plain.reshape(*shape[:-1], (columns + 1) // 2)
        pixels = np.empty((*shape[:-1], packed.shape[-1] * 2), np.uint8)
        np.bitwise_and(packed, 0x0F, out=pixels[..., 0::2])
        np.right_shift(packed, 4, out=pixels[..., 1::2])
        return np.ascontiguousarray(pixels[..., :columns])
    pairs = plain.view(_COMPLEX_INT16[encoding]).astype(np.float32)
    return pairs.view(np.complex64).reshape(shape)


def cast(array: Array, dtype: DTypeLike | None, name: str) -> Array:
    """Convert decoded pixels to the dtype that was asked for; None keeps them as they are.

    Raises:
        FormatError: complex pixels would lose their imaginary part.
    """
    if dtype is None:
        return array
    wanted = np.dtype(dtype)
    if array.dtype == wanted:
        return array
    if array.dtype.kind == "c" and wanted.kind != "c":
        msg = f"{name}: complex pixels ({array.dtype}) do not fit dtype={wanted.name!r}: read them with dtype=None"
        raise FormatError(msg)
    return array.astype(wanted, copy=False)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an image lies in its (decompressed) file.

    Attributes:
        shape: axes as stored, `(sections, rows, columns)` or fewer; slowest first.
        encoding: see the module's head.
        offset: bytes before the first pixel.
        fortran: the bytes run along the first axis first (a NumPy file can say so).
    """

    shape: tuple[int, ...]
    encoding: str
    offset: int
    fortran: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return encoded_size(self.encoding, self.shape)

    @property
    def end(self) -> int:
        """The byte after the last pixel."""
        return self.offset + self.nbytes

    @property
    def is_plain(self) -> bool:
        """Whether the bytes are pixels that NumPy has a type for, one after another."""
        return self.encoding != PACKED and self.encoding not in _COMPLEX_INT16

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The dtype that the pixels decode to."""
        return native_dtype(self.encoding)

    def slice(self, index: int, name: str) -> "Layout":
        """The layout of one entry along the first axis.

        Raises:
            FormatError: there is no such slice, or slices do not lie in one piece.
        """
        if len(self.shape) < 3 and index == 0:
            return self
        count = self.shape[0] if len(self.shape) > 2 else 1
        if not 0 <= index < count:
            msg = f"{name}: no slice {index}: expected 0 to {count - 1}"
            raise FormatError(msg)
        if self.fortran:
            msg = f"{name}: slices of a Fortran-ordered array do not lie in one piece: expected C order"
            raise FormatError(msg)
        size = encoded_size(self.encoding, self.shape[1:])
        return Layout(self.shape[1:], self.encoding, self.offset + index * size)

    def squeezed(self) -> "Layout":
        """The same image without a leading axis of length one: a file of one section is a 2-D image."""
        if len(self.shape) > 2 and self.shape[0] == 1:
            return replace(self, shape=self.shape[1:]).squeezed()
        return self

    def decode(self, raw: NDArray[np.uint8]) -> Array:
        """The array that `raw`, the image's bytes, holds."""
        if self.fortran:
            return np.ascontiguousarray(decode(raw, self.encoding, self.shape[::-1]).T)
        return decode(raw, self.encoding, self.shape)
