"""Three sections through the middle of a volume, and nothing else of it that need not be read."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io import image_file
from builders.io.files import location
from builders.io.image_file import ImageFile
from builders.io.scattered.chunks import Chunked
from builders.io.volumes.reading import lies_in_rows, read_boxes
from builders.tomograms.sources import Volume

Plane = NDArray[np.float32]

NAMES = ("xy", "xz", "yz")
"""Sections across z, y and x."""
MOST_HERE, MOST_THERE = 4 << 30, 64 << 20
"""Bytes of a volume that is read as a whole for a section across its rows, on this machine and on a server."""
_LOW, _HIGH = 1.0, 99.0
"""Percentiles that are black and white."""


@dataclass(frozen=True)
class Sections:
    """Sections of a volume.

    Attributes:
        planes: by what they show: `"xy"` `(ny, nx)`, `"xz"` `(nz, nx)`, `"yz"` `(ny, nz)`; those that were read.
        middle: where they cross, voxels, z, y, x.
        limits: values that are black and white.
        skipped: sections that were not read, and why; empty: all were.
    """

    planes: dict[str, Plane]
    middle: tuple[int, int, int]
    limits: tuple[float, float]
    skipped: str = ""


def sections_of(volume: Volume) -> Sections:
    """The sections through the middle of a volume.

    Of chunks, those that a section crosses are read; of rows, the section in xy and one row of each section in xz. A
    section in yz crosses all rows: of large volumes it is left out, as are those of packed files.

    Raises:
        PercError: they cannot be read.
    """
    file = image_file.complete(image_file.survey(volume.file.location))
    layout = file.layout
    if len(layout.shape) != 3 or 0 in layout.shape:
        msg = f"{volume.file.location}: {layout.shape}: expected a volume, of three axes with voxels"
        raise FormatError(msg)
    z, y, x = (side // 2 for side in layout.shape)
    wanted = _affordable(file)
    planes = {
        name: _plane(file, axis, at)
        for axis, (name, at) in enumerate(zip(NAMES, (z, y, x), strict=True))
        if name in wanted
    }
    if "yz" in planes:
        planes["yz"] = planes["yz"].T
    return Sections(planes, (z, y, x), limits_of(planes), _skipped(set(NAMES) - set(wanted), file))


def limits_of(planes: dict[str, Plane]) -> tuple[float, float]:
    """Percentiles 1 and 99 of the finite pixels of all planes; unlike, also where all pixels are alike.

    Example:
        >>> limits_of({"xy": np.arange(101, dtype=np.float32).reshape(1, -1)})
        (1.0, 99.0)
    """
    parts = [plane[np.isfinite(plane)] for plane in planes.values()]
    known = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not len(known):
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(known, (_LOW, _HIGH)))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _affordable(file: ImageFile) -> tuple[str, ...]:
    layout = file.layout
    most = MOST_THERE if location.is_remote(file.path) else MOST_HERE
    if isinstance(layout, Chunked) or math.prod(layout.shape) * layout.dtype.itemsize <= most:
        return NAMES
    if file.compressed:
        return ()
    return ("xy", "xz") if lies_in_rows(layout) else ("xy",)


def _skipped(names: set[str], file: ImageFile) -> str:
    if not names:
        return ""
    size = math.prod(file.layout.shape) * file.layout.dtype.itemsize
    return f"{' and '.join(sorted(names))} not drawn: {size / 1e9:.1f} GB would have to be read"


def _plane(file: ImageFile, axis: int, at: int) -> Plane:
    """The section across an axis."""
    corner, sides = [0, 0, 0], list(file.layout.shape)
    corner[axis], sides[axis] = at, 1
    out = np.empty((1, *sides), file.layout.dtype)
    read_boxes(file.path, file.layout, np.array([corner], np.int64), out, etag=file.etag)
    plane = out[0].squeeze(axis)
    single: Plane = (np.abs(plane) if plane.dtype.kind == "c" else plane).astype(np.float32)
    return single
