"""Boxes of volumes that are not read by rows: cut out of larger ones, or out of a packed file while it is unpacked."""

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from builders.io.files import local, location
from builders.io.finite import is_finite
from builders.io.layout import Array, Layout, Range
from builders.io.net import remote
from builders.io.net.answers import RemoteFile, known_of
from builders.io.pixels import read_layout, read_open
from builders.io.volumes.bands import Band, Corners, bands_of

REGION = 64 * 1024 * 1024
"""Bytes of pixels that are decoded at once; a larger box is decoded as a whole all the same."""
_WASTE = 1.25
"""How many times more pixels than its parts have may be decoded of a region."""

Bounds = tuple[Range, ...]


def read_regions(
    path: str, image: Layout, corners: Corners, out: Array, places: NDArray[np.int64] | None, etag: str | None
) -> bool:
    """Read boxes of a volume of any layout, but for what lies outside of it; see `reading.read_boxes`."""
    bands = bands_of(Layout(image.shape, "|u1", 0), corners, out, places, path)
    finite = True
    for some, bounds in _regions(bands, out.dtype.itemsize):
        pixels = read_layout(path, image.box(bounds, path), etag)
        finite = finite and is_finite(pixels)
        (front, _), (top, _), (left, _) = bounds
        for band in some:
            band.moved(left, pixels.shape[2]).cut(pixels, front, top, look=False)
    return finite


def _regions(bands: Sequence[Band], itemsize: int) -> Iterator[tuple[list[Band], Bounds]]:
    """Bands that are decoded together, and the part of the volume that holds their boxes."""
    held: list[Band] = []
    around: Bounds = ()
    pixels = 0
    for band in (part for whole in bands for part in _halved(whole, itemsize)):
        own = band.bounds
        both = tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(around or own, own, strict=True))
        size = _size(both)
        if held and (size * itemsize > REGION or size > _WASTE * (pixels + _size(own))):
            yield held, around
            held, both, pixels = [], own, 0
        held.append(band)
        around, pixels = both, pixels + _size(own)
    if held:
        yield held, around


def _halved(band: Band, itemsize: int) -> Iterator[Band]:
    """A band in parts that are no larger than a region, if they can be, and have no gaps between their boxes."""
    order = np.argsort(band.lefts, kind="stable").tolist()
    start = 0
    for stop in range(1, len(order) + 1):
        part = band.part(order[start:stop])
        following = band.part(order[start : stop + 1]).bounds
        width = (stop + 1 - start) * band.out.shape[3]
        is_last = stop == len(order)
        if is_last or _size(following) * itemsize > REGION or following[2][1] - following[2][0] > _WASTE * width:
            yield part
            start = stop


def _size(bounds: Bounds) -> int:
    return math.prod(stop - start for start, stop in bounds)


def unpack(path: str, bands: Sequence[Band], etag: str | None) -> bool:
    """Read boxes out of a file that is packed as a whole, section by section, from its start: it is unpacked once."""
    volume = bands[0].volume
    crossed = sorted({section for band in bands for section in range(*band.sections)})
    rows = min(band.rows[0] for band in bands), max(band.rows[1] for band in bands)
    shape = rows[1] - rows[0], volume.shape[2]
    layouts = [Layout(shape, volume.encoding, bands[0].range_of(section, rows)[0]) for section in crossed]
    finite = True
    with _opened(path, etag) as (raw, version):
        for section, pixels in zip(crossed, read_open(raw, layouts, path, version), strict=True):
            for band in bands:
                if band.sections[0] <= section < band.sections[1]:
                    finite &= band.cut(pixels[None], section, rows[0])
    return finite


@contextlib.contextmanager
def _opened(path: str, etag: str | None) -> Iterator[tuple[BinaryIO, str]]:
    """A file, opened to be read from its start, and its version."""
    if location.is_remote(path):
        found = known_of(remote.client().head(path), RemoteFile(path, None, etag or None))
        with location.open_version(path, found.size, found.etag) as far:
            yield far, found.etag or ""
        return
    with local.opened(path) as raw:
        local.check_version(raw, path, etag)
        yield raw, local.etag_of(os.fstat(raw.fileno()))
