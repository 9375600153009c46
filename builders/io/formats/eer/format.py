"""The format of EER files: the pages of a TIFF file that hold electron events are the frames of a movie.

The first page of some files is the sum of all frames, in a coding of TIFF's own: frames are told by their coding. Rows
lie in the file as they are shown, which those of TIFF files do not.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from builders.errors import FormatError
from builders.io.codecs.eer import Coding
from builders.io.coded import Coded, Places
from builders.io.formats.contents import Contents, weigh
from builders.io.formats.eer import metadata
from builders.io.formats.protocol import Format, Read
from builders.io.formats.tiff.chain import read_chain
from builders.io.formats.tiff.ifd import (
    COMPRESSION,
    EVENTS,
    STRIP_BYTE_COUNTS,
    STRIP_OFFSETS,
    TILE_BYTE_COUNTS,
    TILE_OFFSETS,
    Ifd,
)
from builders.io.layout import Layout

_WIDTH, _LENGTH, _ROWS = 256, 257, 278
_ACQUISITION = 65001
_BITS = (65007, 65008, 65009)
"""Tags of the numbers of bits, where the compression does not tell them."""
_CODINGS = {65000: Coding(8, 2, 2), 65001: Coding(7, 2, 2)}
_OWN_BITS = 65002
_MOST_PIXELS = 2**28
"""Of a frame: sixteen times those of a camera of today."""
_MOST_PLACE = 2**62
_PLAUSIBLE = (0.01, 1000.0)
"""Pixel sizes in Å that some microscope may have."""


class Eer(Format):
    """Movies of electron events."""

    name = "eer"
    suffixes = (".eer",)
    is_packed = True
    extra = "movies"
    notes = (
        "Frames of electron events, 0 or 1 in each pixel as uint8; a first page that is the sum of all is left out.",
        "Nothing is flipped.",
        "Pixel size and dose of a frame are those of the acquisition's metadata; without these, neither is known.",
    )

    def recognises(self, head: bytes) -> bool:
        """False: it begins as any TIFF file does, whose format tells it by its pages."""
        return False

    def describe(self, read: Read, size: int | None, name: str) -> Contents:
        """The movie, as far as the size lets its pages stand."""
        pages = read_chain(read, size, name)
        if not is_movie(pages):
            msg = f"{name}: no page of a compression from 65000 to 65002: expected an EER file"
            raise FormatError(msg)
        return described(pages, size, name)


def is_movie(pages: Sequence[Ifd]) -> bool:
    """Whether some pages of a TIFF file hold electron events."""
    return any(_is_frame(page) for page in pages)


def described(pages: Sequence[Ifd], size: int | None, name: str) -> Contents:
    """The movie that pages of a file hold, those among them that hold electron events.

    Args:
        pages: all of the file.
        size: its bytes; None where that is not known.
        name: of the file, for errors.

    Raises:
        FormatError: frames are unlike each other, or of no coding that is known.
        TruncatedError: the file ends before its first frame does.
    """
    frames = [page for page in pages if _is_frame(page)]
    shape, part, coding = kind = _kind(frames[0])
    if other := next((page for page in frames if _kind(page) != kind), None):
        unlike = f"a frame of {_told(_kind(other))} among those of {_told(kind)}"
        msg = f"{name}: {unlike}: expected frames of one size and coding"
        raise FormatError(msg)
    starts, stops = (
        np.concatenate(side) for side in zip(*(_places(page, shape, part) for page in frames), strict=True)
    )
    fewest, least = int((stops - starts).min()), coding.least(part[0] * part[1]) if part == shape else 0
    if fewest < least:
        msg = f"{name}: a frame of {fewest} bytes: expected {least} or more, those of {shape} pixels without an event"
        raise FormatError(msg)
    layout = Coded.of((len(frames), *shape), "|u1", coding.spelling, part, starts, stops, name)
    acquisition = _acquisition(pages)
    told = acquisition or metadata.Acquisition()
    dose = told.frame_dose(len(frames))
    contents = weigh(layout, size, name, f"{len(frames)} frames", more_follows=True)
    said = () if acquisition else ("no metadata of its acquisition: pixel size and dose are not known",)
    return replace(contents, pixel_size=told.pixel_size, frame_dose=dose, deviations=said, format=Eer.name)


def magnified(layout: Layout, times: int) -> Layout:
    """The same EER movie on a finer grid, as its events tell where in a pixel they were; others as they are.

    Args:
        layout: of a movie, or of frames of it, on the grid of the camera.
        times: 1, 2 or 4: how many pixels each becomes along each axis. Pixel sizes are to be divided by it.

    Raises:
        FormatError: the file does not tell places so finely.
    """
    coding = Coding.of(layout.codec) if isinstance(layout, Coded) else None
    if coding is None or times == 1:
        return layout
    assert isinstance(layout, Coded)
    finer = coding.magnified(times, layout.name)
    *before, ny, nx = layout.shape
    part = layout.part[0] * times, layout.part[1] * times
    return replace(layout, shape=(*before, ny * times, nx * times), part=part, codec=finer.spelling)


def is_eer(layout: Layout) -> bool:
    """Whether a layout is of electron events."""
    return isinstance(layout, Coded) and Coding.of(layout.codec) is not None


def _is_frame(page: Ifd) -> bool:
    return page.number(COMPRESSION, 1) in EVENTS


def _shape(page: Ifd) -> tuple[int, int]:
    ny, nx = page.number(_LENGTH, 0), page.number(_WIDTH, 0)
    if not (0 < ny and 0 < nx and ny * nx <= _MOST_PIXELS):
        msg = f"{page.name}: a frame of {ny} x {nx} pixels: expected 1 to {_MOST_PIXELS} of them"
        raise FormatError(msg)
    return ny, nx


def _coding(page: Ifd) -> Coding:
    compression = page.number(COMPRESSION, 1)
    if compression in _CODINGS:
        return _CODINGS[compression]
    bits = [page.number(tag, default) for tag, default in zip(_BITS, (7, 2, 2), strict=True)]
    return Coding(*bits).checked(page.name)


def _kind(page: Ifd) -> tuple[tuple[int, int], tuple[int, int], Coding]:
    """What frames of a movie have in common: their shape, that of a strip, which is a stream of its own, and coding."""
    ny, nx = shape = _shape(page)
    rows = page.number(_ROWS, ny)
    if rows < 1:
        msg = f"{page.name}: strips of {rows} rows: expected one or more"
        raise FormatError(msg)
    return shape, (min(rows, ny), nx), _coding(page)


def _told(kind: tuple[tuple[int, int], tuple[int, int], Coding]) -> str:
    (ny, nx), (rows, _), coding = kind
    return f"{ny} x {nx} pixels" + (f" in strips of {rows} rows" if rows < ny else "") + f", {coding}"


def _places(page: Ifd, shape: tuple[int, int], part: tuple[int, int]) -> tuple[Places, Places]:
    """First bytes of a frame's strips, and those after their last ones."""
    starts, sizes = page.integers(STRIP_OFFSETS), page.integers(STRIP_BYTE_COUNTS)
    if not starts.size:
        starts, sizes = page.integers(TILE_OFFSETS), page.integers(TILE_BYTE_COUNTS)
    count = -(-shape[0] // part[0])
    if not starts.size == sizes.size == count or starts.min() < 0 or sizes.min() < 1:
        msg = (
            f"{page.name}: the page at byte {page.offset} has its events in {starts.size} strips of {sizes.size} sizes:"
            f" expected {count} of some bytes"
        )
        raise FormatError(msg)
    if int(starts.max()) > _MOST_PLACE or int(sizes.max()) > _MOST_PLACE:
        msg = f"{page.name}: the page at byte {page.offset} has its events at byte {starts.max()}: expected a file's"
        raise FormatError(msg)
    return starts, starts + sizes


def _acquisition(pages: Sequence[Ifd]) -> metadata.Acquisition | None:
    """What the first page that has it says of the acquisition, if it is plausible."""
    page = next((page for page in pages if _ACQUISITION in page.tags), None)
    if page is None or page.tags.place(_ACQUISITION)[1] > metadata.MOST_TEXT:
        return None
    found = metadata.parse(page.tags[_ACQUISITION].tobytes())
    if found is None or found.pixel_size is None or _PLAUSIBLE[0] <= found.pixel_size <= _PLAUSIBLE[1]:
        return found
    return replace(found, pixel_size=None)
