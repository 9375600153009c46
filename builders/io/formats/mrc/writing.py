"""Images as MRC2014 files: the file appears whole or not at all, and holds what it was given."""

import errno
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from builders.errors import (
    AccessError,
    DiskFullError,
    FolderError,
    FormatError,
    NotFoundError,
    OptionError,
    PercError,
    ReadError,
)
from builders.io.casting import cast
from builders.io.layout import Array

MAX_SIDE = 2**17
"""Pixels along x or y, of files that are written or read."""
_MODES = (np.int8, np.int16, np.uint16, np.float16, np.float32, np.complex64)
_MOST_SPACING = 1e30
"""Å per pixel, far from where single precision ends."""


def write(path: str | os.PathLike[str], array: Any, pixel_size: float | None = None, stack: bool = False) -> None:
    """Write an image, a stack or a volume as MRC2014; the file appears whole or not at all.

    Args:
        path: the file to make or replace; its folder is there already.
        array: `(ny, nx)`, or `(nz, ny, nx)`: an array, a tensor or nested lists. float64 becomes float32, and so do
            integers MRC has no mode for; complex numbers become complex64.
        pixel_size: Å per pixel along every axis; None leaves it unsaid, and so, to readers, does one that is not
            positive.
        stack: the first axis of a 3-D array counts images, not sections of a volume.

    Raises:
        FormatError: no such array, nothing in it, a value that no mode of MRC holds, or a name of a compressed file.
        OptionError: a pixel size that is none.
        NotFoundError: there is no such folder.
        AccessError: the file may not be written there.
        ReadError: the disk failed.

    Example:
        >>> import numpy as np
        >>> write("blob.mrc", np.ones((8, 8, 8), np.float32), pixel_size=2.0)
    """
    target = Path(path)
    if target.suffix.lower() in (".gz", ".bz2"):
        msg = f"{target}: cannot write compressed files: expected a name such as {target.stem}"
        raise FormatError(msg)
    pixels = _storable(array, str(target))
    if max(pixels.shape[-2:]) > MAX_SIDE:
        msg = f"{target}: cannot write an array of shape {pixels.shape}: expected at most {MAX_SIDE} rows and columns"
        raise FormatError(msg)
    spacing = None if pixel_size is None else _spacing(pixel_size, str(target))
    try:
        _check_place(target)
        _save(target, pixels, spacing, stack)
    except PercError:
        raise
    except PermissionError as err:
        msg = f"{target}: no permission to write it into {str(target.parent)!r}"
        raise AccessError(msg) from err
    except OSError as err:
        kind = DiskFullError if err.errno in (errno.ENOSPC, errno.EDQUOT) else ReadError
        msg = f"{target}: cannot be written: {err.strerror or err}"
        raise kind(msg) from err


def _storable(value: Any, name: str) -> Array:
    """Numbers in the type of a mode, in this machine's byte order.

    int8, int16, uint16, float16, float32 and complex64 stay. Wider floats become float32, complex numbers complex64,
    other whole numbers float32.

    Args:
        value: an array, a tensor on any device, or nested lists, of two or three axes.
        name: what errors call the image.

    Raises:
        FormatError: no numbers, another number of axes, nothing in it, or a number that no mode has: one too large, or
            a whole one that float32 would round.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    try:
        array = np.asarray(value)
    except ValueError as err:
        msg = f"{name}: cannot write rows of different lengths: expected a rectangular array"
        raise FormatError(msg) from err
    if array.dtype.kind not in "biufc" or array.ndim not in (2, 3):
        msg = f"{name}: cannot write {array.ndim}-D {array.dtype}: expected 2-D or 3-D numbers"
        raise FormatError(msg)
    if not array.size:
        msg = f"{name}: cannot write an array of shape {array.shape}: expected at least one pixel"
        raise FormatError(msg)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype in _MODES:
        return array
    wanted = np.complex64 if array.dtype.kind == "c" else np.float32
    stored = cast(array, wanted, name, "MRC has no wider type")
    if array.dtype.kind in "iu" and array.dtype.itemsize > 2:
        with np.errstate(invalid="ignore"):
            rounded = array[stored.astype(array.dtype) != array]
        if rounded.size:
            msg = f"{name}: {rounded[0]} does not fit MRC, which has no such whole numbers: write float64 to round it"
            raise FormatError(msg)
    return stored


def _check_place(target: Path) -> None:
    if target.is_dir():
        msg = f"{target}: a folder, expected the name of a file to write"
        raise FolderError(msg)
    if not target.parent.is_dir():
        msg = f"{target}: there is no folder {str(target.parent)!r} to write it into"
        raise NotFoundError(msg)


def _spacing(pixel_size: Any, name: str) -> float:
    try:
        spacing = float(pixel_size)
    except (TypeError, ValueError):
        spacing = math.nan
    if not abs(spacing) < _MOST_SPACING:
        msg = f"{name}: pixel_size is {pixel_size!r}: expected a number of Å per pixel, or None"
        raise OptionError(msg)
    return spacing


def _save(target: Path, pixels: Array, spacing: float | None, stack: bool) -> None:
    import mrcfile

    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".perc-")
    os.close(handle)
    try:
        with (
            np.errstate(over="ignore", invalid="ignore"),
            mrcfile.new(temporary, overwrite=True) as file,
        ):  # of its statistics
            file.set_data(pixels)
            if pixels.ndim == 3 and stack:
                file.set_image_stack()
            elif pixels.ndim == 3:
                file.set_volume()
            if spacing is not None:
                file.voxel_size = spacing
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
