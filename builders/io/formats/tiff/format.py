"""TIFF files: pages -> the layout of an image or a movie, upside down as all programs of the field read them.

RELION, IMOD, EMAN2, SerialEM, MotionCor2, AreTomo and Warp take the last row of a TIFF file for the first one, whatever
its tag Orientation says, and so do gain references and coordinates that belong to it.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from builders.errors import FormatError, TruncatedError
from builders.io.codecs.known import codec_of
from builders.io.coded import Coded, Places
from builders.io.flipped import flipped
from builders.io.formats.contents import Contents, weigh
from builders.io.formats.eer import format as eer
from builders.io.formats.protocol import Format, Read
from builders.io.formats.tiff.chain import read_chain
from builders.io.formats.tiff.ifd import MAGICS, Ifd
from builders.io.formats.tiff.pages import REDUCED, Kind, OtherPageError, Page, page_of, predictor_left
from builders.io.formats.tiff.pixel_size import pixel_size
from builders.io.layout import PACKED, Layout, encoded_size

_IMAGEJ = re.compile(r"^images=([0-9]{1,9})\s*$", re.MULTILINE)
_LARGE = 2**32 - 2**28
"""About as many bytes as a stack has of which ImageJ tells no page but the first."""
_MOST_UNASKED = 2**26


class Tiff(Format):
    """TIFF and BigTIFF files of grey values, one image or a movie of many."""

    name = "tiff"
    suffixes = (".tif", ".tiff")
    is_packed = True
    extra = "movies"
    notes = (
        "Flipped in y, as all programs of the field read them.",
        "Compressed by LZW, deflate, PackBits, Zstandard or JPEG; the first, the fourth and the last need the extra.",
        "Colours and pixels of one bit are refused. Of unlike pages, those of the most frequent kind are read.",
    )

    def recognises(self, head: bytes) -> bool:
        """Whether a file begins as TIFF files do."""
        return head.startswith(MAGICS)

    def describe(self, read: Read, size: int | None, name: str) -> Contents:
        """The movie that most of its pages make, as far as the size lets them stand; of electron events, if any do.

        Raises:
            FormatError: damaged, or no page holds grey values.
            TruncatedError: the file ends before the last page does.
        """
        chain = read_chain(read, size, name)
        return eer.described(chain, size, name) if eer.is_movie(chain) else described(chain, size, name)


def described(chain: Sequence[Ifd], size: int | None, name: str) -> Contents:
    """What the pages of a file hold.

    Args:
        chain: all of them.
        size: bytes of the file; None where that is not known.
        name: of the file, for errors.

    Raises:
        FormatError: damaged, or no page holds grey values.
    """
    pages, said = _movie(chain)
    kind, count = pages[0].kind, len(pages)
    stored = _layout(kind, pages, name)
    if len(chain) == 1 and type(stored) is Layout:
        stored, more = _of_imagej(stored, chain[0], size)
        said += more
    if kind.halved:
        said += (f"pixels of 8 bits, {kind.shape[1] // 2} a row, read as twice as many of 4 bits: SerialEM writes so",)
    if left := predictor_left(pages[0]):
        said += (left,)
    contents = weigh(
        stored, size, name, f"{stored.shape[0] if len(stored.shape) > 2 else count} pages", more_follows=True
    )
    return replace(contents, layout=flipped(stored), pixel_size=pixel_size(pages[0].ifd), deviations=said)


def _movie(chain: Sequence[Ifd]) -> tuple[list[Page], tuple[str, ...]]:
    """The pages of the kind that there are most of, of largest images if of several; and what of others is told."""
    pages: list[Page] = []
    refused: list[OtherPageError] = []
    for page in chain:
        try:
            pages.append(page_of(page))
        except TruncatedError:
            raise
        except OtherPageError as err:
            refused.append(err)
    if not pages:
        raise refused[0]
    whole = [page for page in pages if not page.ifd.number(254, 0) & REDUCED] or pages
    counts = Counter(page.kind for page in whole)
    kind = max(counts, key=lambda kind: (counts[kind], kind.shape[0] * kind.shape[1]))
    chosen = [page for page in whole if page.kind == kind]
    _refuse_mixed(chosen[0], whole, chain)
    left = [page.kind.told for page in pages if page.kind != kind] + [str(err).partition(" has ")[2] for err in refused]
    if not left and len(chosen) == len(chain):
        return chosen, ()
    told = f"{len(chain)} pages, of which {len(chosen)} are read ({kind.told})"
    return chosen, (f"{told}: others are unlike them" + (f" ({left[0]})" if left else ""),)


def _refuse_mixed(first: Page, pages: Sequence[Page], chain: Sequence[Ifd]) -> None:
    """Refuse images of one size and type, frames of one movie, that are not all stored in one way: none is dropped."""
    pixels = first.kind.shape, first.kind.encoding
    other = next(
        (page for page in pages if (page.kind.shape, page.kind.encoding) == pixels and page.kind != first.kind), None
    )
    if other is None:
        return
    numbers = {id(ifd): number for number, ifd in enumerate(chain)}
    (one, a), (two, b) = sorted((numbers[id(page.ifd)], page.kind.stored) for page in (first, other))
    how = f"as {a} and as {b}" if a != b else f"as {a}, by different tables"
    ny, nx = first.kind.shape
    msg = f"{first.ifd.name}: pages {one} and {two}, both {ny} x {nx}, are stored {how}: expected one way of all frames"
    raise FormatError(msg)


def _covered(starts: Places, stops: Places) -> int:
    """Bytes of the file that parts lie in: those that several parts share count once."""
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(stops[order])
    before = np.concatenate([starts[:1], ends[:-1]])
    return int(np.maximum(ends - np.maximum(starts, before), 0).sum())


def _layout(kind: Kind, pages: Sequence[Page], name: str) -> Layout:
    """Where the images lie: plain pixels where they are one after another without a gap, else in parts."""
    shape = (len(pages), *kind.shape) if len(pages) > 1 else kind.shape
    starts = np.concatenate([page.starts for page in pages])
    stops = np.concatenate([page.stops for page in pages])
    size, stored = encoded_size(kind.encoding, shape), int((stops - starts).sum())
    if kind.codec == "raw" and kind.part[1] == kind.shape[1] and stored == size and (starts[1:] == stops[:-1]).all():
        return Layout(shape, kind.encoding, int(starts[0]))
    if stored > _MOST_UNASKED and stored > 2 * (covered := _covered(starts, stops)):
        msg = f"{name}: {len(pages)} pages of {stored} bytes of strips or tiles, which share {covered}: damaged"
        raise FormatError(msg)
    if size > max(_MOST_UNASKED, codec_of(kind.codec, name).ratio * stored):
        msg = f"{name}: {stored} bytes of strips or tiles cannot hold the {size} of shape {shape}: damaged"
        raise FormatError(msg)
    return Coded.of(shape, kind.encoding, kind.codec, kind.part, starts, stops, name)


def _of_imagej(first: Layout, page: Ifd, size: int | None) -> tuple[Layout, tuple[str, ...]]:
    """All images of a stack of ImageJ's that tells the place of the first alone, since offsets end at 4 GB."""
    text = page.text(270)
    found = _IMAGEJ.search(text) if text.startswith("ImageJ=") else None
    count = int(found[1]) if found else 1
    if count < 2 or first.encoding == PACKED:
        return first, ()
    stack = replace(first, shape=(count, *first.shape))
    if size is not None and stack.end > size and stack.nbytes < _LARGE:
        return first, (f"one page, where ImageJ's description says {count} images: there are no bytes of more",)
    return stack, ()
