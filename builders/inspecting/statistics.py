"""Numbers of a first image of a file, of which no more is read than a machine has memory for."""

import math
from dataclasses import dataclass

import numpy as np

from builders.io.formats.compression import plain_name
from builders.io.image_file import ImageFile
from builders.io.layout import Array, Layout, encoded_size
from builders.io.pixels import read_layout
from builders.io.scattered.chunks import Chunked

MOST_BYTES = 2**30
"""Of an image that is looked at whole; of a larger one, a part from its middle."""
_SIDE = 8192
_VOLUMES = (".rec", ".map", ".st", ".ali")
"""Suffixes of volumes and tilt series."""


@dataclass(frozen=True)
class Numbers:
    """Numbers of some pixels; of complex ones, of their amplitudes.

    Attributes:
        of: which, in words.
        minimum: NaN and infinite ones left out, as in the next three; None where there are no others, or where it is
            more than a float64 holds.
        maximum: likewise.
        mean: likewise.
        std: likewise.
        zeros: how many are 0.
        not_finite: how many are NaN or infinite.
    """

    of: str
    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None
    zeros: int
    not_finite: int


def numbers_of(file: ImageFile) -> Numbers | None:
    """Those of a first image of a file; None where far more than it would have to be read.

    Raises:
        PercError: its pixels cannot be read.
    """
    first = first_image(file)
    if first is None or not math.prod(first[0].shape):
        return None
    layout, words = first
    return count(read_layout(file.path, layout, file.etag), words)


def first_image(file: ImageFile) -> tuple[Layout, str] | None:
    """The image of a file that is looked at, as far as it may be read, and which it is in words; None where none may.

    That is the first one; of a volume or a tilt series, which are seen best there, the one in the middle.
    """
    layout, words = file.layout.squeezed(), ""
    if len(layout.shape) > 3:
        layout, words = layout.slice(0, file.path), "of the first volume "
    index = layout.shape[0] // 2 if words or is_volume(file) else 0
    if len(layout.shape) > 2:
        words += f"image {index} of {layout.shape[0]}"
        layout = layout.slice(index, file.path)
    if len(layout.shape) == 2 and encoded_size(layout.encoding, layout.shape) > MOST_BYTES:
        sides = [min(side, _SIDE) for side in layout.shape]
        starts = [(side - length) // 2 for side, length in zip(layout.shape, sides, strict=True)]
        layout = layout.box([(at, at + n) for at, n in zip(starts, sides, strict=True)], file.path)
        words += f", the middle {sides[1]} x {sides[0]} pixels"
    return None if layout.nbytes > MOST_BYTES else (layout, words or "the image")


def is_volume(file: ImageFile) -> bool:
    """Whether a file is a volume or a tilt series: it is a cube, or its name or its header says so."""
    name, header, shape = plain_name(file.path), file.header, file.layout.shape
    if len(shape) < 3 or len(set(shape)) == 1 or isinstance(file.layout, Chunked):
        return len(shape) > 2
    if name.endswith((".mrcs", *_VOLUMES)):
        return name.endswith(_VOLUMES)
    return header is not None and (not header.is_stack or header.is_whole_volume)


def count(pixels: Array, of: str) -> Numbers:
    """Numbers of pixels.

    Example:
        >>> count(np.array([[0.0, 1.0], [np.nan, 5.0]]), "the image").mean
        2.0
    """
    values = np.abs(pixels) if pixels.dtype.kind == "c" else pixels
    zeros = values.size - int(np.count_nonzero(values))
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values.reshape(-1)
    lost = values.size - known.size
    if not known.size:
        return Numbers(of, None, None, None, None, zeros, lost)
    with np.errstate(over="ignore", invalid="ignore"):  # of pixels near the limits of their type
        told = known.min(), known.max(), known.mean(dtype=np.float64), known.std(dtype=np.float64)
    least, most, mean, std = (float(value) if np.isfinite(value) else None for value in told)
    return Numbers(of, least, most, mean, std, zeros, lost)
