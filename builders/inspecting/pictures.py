"""What image files look like: one as a plate, several side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from builders.drawing.plates import plate
from builders.inspecting.statistics import first_image, is_volume
from builders.inspecting.summary import Summary
from builders.io.files import location
from builders.io.image_file import ImageFile
from builders.io.layout import Array, Layout
from builders.io.pixels import read_layout, read_open
from builders.publishing.writing.preview import preview_png, thumbnail_sheet

SIDE = 1584
"""Pixels along a side of a picture at the most."""
MOST = 16
"""Frames that are averaged, images of a stack that are shown, files side by side."""
_TILE = 384
_SMALL = 1024
"""Sides of an image that is a particle, say, rather than a micrograph."""


@dataclass(frozen=True)
class Shown:
    """What a picture of a file is of.

    Attributes:
        what: in words.
        images: of the file's, a mean of the first ones, the one in the middle, or those that are shown side by side.
        columns: of the image; 0 where there are several.
    """

    what: str
    images: tuple[Array, ...]
    columns: int


def shown(file: ImageFile) -> Shown | None:
    """What is shown of a file; None where it has no image, or where far more than one would have to be read.

    Of a volume or a tilt series that is the image in its middle, of images as large as micrographs, which are frames
    of a movie, the mean of the first 16, and of smaller ones, such as particles, these side by side.

    Raises:
        PercError: its pixels cannot be read.
    """
    layout = file.layout.squeezed()
    if 0 in layout.shape:
        return None
    if len(layout.shape) < 3:
        return _single(file)
    if len(layout.shape) > 3 or is_volume(file):
        return _single(file)
    count = min(MOST, layout.shape[0])
    if not layout.slices_lie_apart:
        return _single(file)
    if max(layout.shape[1:]) < _SMALL:
        images = tuple(_first(file, layout, count))
        return Shown(f"the first {count} of {layout.shape[0]} images", images, 0)
    if first_image(file) is None:
        return None
    mean = np.zeros(layout.shape[1:], np.float32)
    for frame in _first(file, layout, count):
        mean += np.abs(frame) if frame.dtype.kind == "c" else frame.astype(np.float32)
    return Shown(f"mean of the first {count} of {layout.shape[0]} images", (mean / count,), layout.shape[-1])


def _single(file: ImageFile) -> Shown | None:
    first = first_image(file)
    if first is None or len(first[0].shape) != 2:
        return None
    return Shown(first[1], (read_layout(file.path, first[0], file.etag),), first[0].shape[-1])


def _first(file: ImageFile, layout: Layout, count: int) -> Iterator[Array]:
    """The first images of a file; one that is packed is read once for all of them."""
    layouts = [layout.slice(number, file.path) for number in range(count)]
    if not file.compressed:
        yield from (read_layout(file.path, one, file.etag) for one in layouts)
        return
    with location.open_file(file.path) as raw:
        yield from read_open(raw, layouts, file.path, file.etag)


def picture(told: Summary, of: Shown) -> bytes:
    """A file as a plate, in PNG: its pixels, a bar of known length, what it is and what is shown.

    Args:
        told: what it holds.
        of: what is shown.
    """
    size = "" if told.pixel_size is None else f", {told.pixel_size:.4g} Å per pixel"
    what = f"; shown: {of.what}" if len(told.shape) > 2 or told.shape != of.images[0].shape else ""
    words = [_name(told), f"{sides_of(told.shape)} {told.dtype}{size}{what}"]
    if of.columns:
        return plate(preview_png(of.images[0], SIDE), words, told.pixel_size, of.columns)
    tiles = [preview_png(image, _TILE) for image in of.images]
    return plate(thumbnail_sheet(tiles), words)


def side_by_side(files: Sequence[tuple[Summary, Shown]]) -> bytes:
    """Up to 16 files in rows of four, in PNG, their names below them; of a stack of small images the first one."""
    tiles = [preview_png(of.images[0], _TILE) for _, of in files[:MOST]]
    return thumbnail_sheet(tiles, [_name(told) for told, _ in files[:MOST]])


def _name(told: Summary) -> str:
    return told.path.rpartition("/")[2]


def sides_of(shape: Sequence[int]) -> str:
    """A shape for people.

    Example:
        >>> sides_of((40, 4092, 5760))
        '40 x 4092 x 5760'
    """
    return " x ".join(map(str, shape))
