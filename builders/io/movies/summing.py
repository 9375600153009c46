"""Sums of frames, one frame at a time: exact ones of whole numbers, and in Fourier space of frames that are shifted."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, ReadError
from builders.io.layout import Array, Layout, Range
from builders.io.movies import gain as gains
from builders.io.movies.gain import Gain
from perc_transforms.core import buffers

if TYPE_CHECKING:
    from torch import Tensor

Shifts = tuple[tuple[float, float], ...]
"""By how much each frame is moved, pixels along y and x."""

_EXACT_FLOAT = 2**24
"""Whole numbers up to this one are exact in float32."""


def kind_of(frames: Layout, each: int, corrected: bool, name: str) -> np.dtype[Any]:
    """The type of sums of frames: uint16 of those of 8 bits, if it holds any of them, else float32.

    Sums of whole numbers of 32 bits and more, and of float64, are float64, unless more is done than to add.

    Args:
        frames: the frames.
        each: how many make a sum.
        corrected: whether more is done than to add.
        name: of the file, for errors.

    Raises:
        FormatError: they are complex numbers.

    Example:
        >>> [kind_of(Layout((300, 4, 4), "|u1", 0), each, False, "x").name for each in (257, 258)]
        ['uint16', 'float32']
    """
    dtype = frames.dtype
    if dtype.kind == "c":
        msg = f"{name}: frames of complex numbers ({dtype}): expected real ones, to be summed or corrected"
        raise FormatError(msg)
    is_small = dtype.kind in "bu" and dtype.itemsize == 1 and each * frames.largest <= np.iinfo(np.uint16).max
    if corrected:
        return np.dtype(np.float32)
    is_large = dtype.itemsize >= (8 if dtype.kind == "f" else 4)
    return np.dtype(np.uint16 if is_small else np.float64 if is_large else np.float32)


def exact_kind(frames: Layout, each: int) -> np.dtype[Any]:
    """The type in which sums of frames are made: one that holds any sum of whole numbers, the smallest that does.

    Floats of up to 32 bits are summed in 32, others in 64.
    """
    dtype = frames.dtype
    if dtype.kind == "f":
        return np.dtype(np.float32 if dtype.itemsize <= 4 else np.float64)
    most = each * frames.largest
    if dtype.kind in "bu" and most <= np.iinfo(np.uint16).max:
        return np.dtype(np.uint16)
    if most <= _EXACT_FLOAT:
        return np.dtype(np.float32)
    return np.dtype(next((kind for kind in (np.int32, np.int64) if most <= np.iinfo(kind).max), np.float64))


class Sums:
    """Makes images of frames, which come one after another.

    Args:
        shape: `(images, ny, nx)`.
        dtype: of the images.
        each: frames of an image.
        gain: what each frame is multiplied by.
        shifts: of each frame, pixels along y and x.
        name: of the file, for errors.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        each: int,
        gain: Gain | None,
        shifts: Shifts | None,
        name: str,
    ) -> None:
        self._shape, self._dtype, self._each, self._shifts, self._name = shape, dtype, each, shifts, name
        self._gain = gain
        self._number = 0
        self._images: Array | None = None
        self._exact: Array | None = None
        self._spectrum: Tensor | None = None

    def add(self, part: Layout, rows: Range, raw: NDArray[np.uint8]) -> None:
        """Add the next frame, or the next rows of it, whose bytes are `raw`; frames that are shifted come whole."""
        if self._images is None:
            self._images = self._memory(self._shape, self._dtype)
        image, place = divmod(self._number, self._each)
        if self._shifts is None:
            self._add_exactly(part, slice(*rows), raw, self._images[image], place)
        else:
            self._add_shifted(part, raw, self._images[image], place)
        self._number += rows[1] == self._shape[1]

    def finished(self) -> Array:
        """The images, of all frames that were added."""
        assert self._images is not None
        return self._images

    def _add_exactly(self, part: Layout, rows: slice, raw: NDArray[np.uint8], image: Array, place: int) -> None:
        kind = exact_kind(part, self._each)
        if kind != self._dtype and self._exact is None:
            self._exact = self._memory(image.shape, kind)
        total = (image if self._exact is None else self._exact)[rows]
        if place == 0:
            total.fill(0)
        with np.errstate(over="ignore", invalid="ignore"):  # of pixels that are not finite, sums are not either
            part.add_to(total, raw)
            if place < self._each - 1:
                return
            if self._gain is not None:
                np.multiply(total, self._factors()[rows], out=image[rows], dtype=np.float32, casting="unsafe")
            elif self._exact is not None:
                image[rows] = total

    def _factors(self) -> NDArray[np.float32]:
        assert self._gain is not None
        return gains.factors(self._gain, (self._shape[1], self._shape[2]))

    def _add_shifted(self, frame: Layout, raw: NDArray[np.uint8], image: Array, place: int) -> None:
        import torch

        assert self._shifts is not None
        pixels = np.array(frame.decode(raw), np.float32)
        if self._gain is not None:
            np.multiply(pixels, self._factors(), out=pixels)
        spectrum = torch.fft.rfft2(torch.from_numpy(pixels))
        del pixels
        (ny, nx), (y, x) = image.shape, self._shifts[self._number]
        spectrum *= torch.from_numpy(shift_phases(ny, np.fft.fftfreq(ny), y))[:, None]
        along = torch.from_numpy(shift_phases(nx, np.fft.rfftfreq(nx), x))
        if place == 0:
            self._spectrum = spectrum.mul_(along)
        else:
            assert self._spectrum is not None
            self._spectrum.addcmul_(spectrum, along)
        if place == self._each - 1:
            image[...] = torch.fft.irfft2(self._spectrum, s=(ny, nx)).numpy()
            self._spectrum = None

    def _memory(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        size = math.prod(shape) * dtype.itemsize
        try:
            return np.ndarray(shape, dtype, buffer=buffers.take(size))
        except (OSError, OverflowError, ValueError, MemoryError) as err:
            msg = f"{self._name}: not enough memory for images of shape {shape}"
            raise ReadError(msg) from err


def shift_phases(n: int, frequencies: NDArray[Any], by: float) -> NDArray[np.complex64]:
    """What moves an axis by `+by` pixels when its spectrum is multiplied by it, as `T.Shift` has it.

    `exp(-2 pi i k by)`, k in cycles a pixel, but `cos(pi by)` at the Nyquist frequency of an even axis, so that images
    stay real.

    Args:
        n: pixels.
        frequencies: k, as `numpy.fft.fftfreq` or `rfftfreq` gives them.
        by: pixels.

    Example:
        >>> shift_phases(4, np.fft.rfftfreq(4), 1.0).round(3) + 0.0
        array([ 1.+0.j,  0.-1.j, -1.+0.j], dtype=complex64)
    """
    phases = np.exp(-2j * np.pi * ((frequencies * by) % 1.0)).astype(np.complex64)
    if n % 2 == 0:
        phases[n // 2] = np.cos(np.pi * by)
    moved: NDArray[np.complex64] = phases
    return moved
