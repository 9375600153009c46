"""Images made smaller when they are decoded, by cropping their spectra: `EMImage(shape=...)`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.casting import cast
from builders.io.layout import Array
from perc_transforms.core import buffers


def crop(
    pixels: Array,
    shape: tuple[int, ...],
    dtype: str | None,
    name: str,
    memory: Callable[[int], NDArray[np.uint8]] = buffers.take,
) -> Array:
    """Crop images to a shape as `perc_transforms.FourierCrop` does.

    Args:
        pixels: `(..., ny, nx)` or `(..., nz, ny, nx)`, numbers of any real type, all images of one shape.
        shape: theirs after it.
        dtype: the type of the result; None: float64 of float64, else float32, in which it is computed, too.
        name: what errors call the images.
        memory: where to put the result.

    Raises:
        FormatError: a side would become longer, or the pixels are complex.
    """
    import torch  # slow to import, as is what follows

    from perc_transforms.spatial.resampling import FourierCrop

    sides = pixels.shape[len(pixels.shape) - len(shape) :]
    if pixels.dtype.kind == "c":
        msg = f"{name}: complex pixels ({pixels.dtype}) are not cropped in Fourier space: expected shape=None"
        raise FormatError(msg)
    if len(sides) < len(shape) or any(m > n for n, m in zip(sides, shape, strict=True)):
        msg = f"{name}: an image of shape {sides} is to be cropped to {shape}: expected no shorter side"
        raise FormatError(msg)
    kind = np.dtype(np.float64 if pixels.dtype == np.float64 else np.float32)
    wanted: np.dtype[Any] = kind if dtype is None else np.dtype(dtype)
    numbers = np.require(pixels, kind, ["C", "W"])
    cropped = FourierCrop(shape, spatial_dims=len(shape))(torch.from_numpy(numbers))
    whole = tuple(cropped.shape)
    out: Array = np.ndarray(whole, wanted, memory(cropped.numel() * wanted.itemsize))
    if wanted == kind:
        torch.from_numpy(out).copy_(cropped)
    else:
        out[:] = cast(cropped.numpy(), wanted, name)
    return out
