"""What a page of a TIFF file holds: its kind of image, and where the strips or tiles of that lie.

Tags after Adobe's TIFF 6.0 (1992) and its technical notes 2 (JPEG, 1995) and 3 (floating point predictor, 2005).
"""

import base64
import math
from dataclasses import dataclass

import numpy as np

from builders.errors import FormatError
from builders.io.coded import MOST_BYTES, Places
from builders.io.formats.tiff import ifd
from builders.io.formats.tiff.ifd import Ifd
from builders.io.layout import PACKED, encoded_size

REDUCED = 1
"""Bit of NewSubfileType: the page is a smaller copy of another one, such as a thumbnail."""
_RAW, _JPEG = 1, 7
_CODECS = {_RAW: "raw", 5: "lzw", _JPEG: "jpeg:", 8: "zlib", 32946: "zlib", 32773: "packbits", 50000: "zstd"}
_NAMES = {2: "CCITT", 3: "CCITT", 4: "CCITT", 6: "old JPEG", 34712: "JPEG 2000", 34925: "LZMA", 50002: "JPEG XL"}
_PREDICTED = ("lzw", "zlib", "zstd")
"""Codecs before which a predictor may have worked; others pass over that tag."""
_PREDICTORS = {2: "sums", 3: "floats"}
_TYPES = {
    **{(1, bits): f"u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{(2, bits): f"i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{(3, bits): f"f{bits // 8}" for bits in (16, 32, 64)},
    **{(6, bits): f"c{bits // 8}" for bits in (64, 128)},
}
_VOID = 4
_HALF_WIDTHS = frozenset(((5760, 8184), (4092, 11520), (3710, 7676), (3838, 7420)))
"""Columns and rows of 8-bit pages that SerialEM and IMOD write of a K2's or K3's super-resolution frames: two pixels a
byte. RELION, too, knows them by their sizes, either way round."""
_MOST_TABLES = 64 * 1024
_MOST_OF_TILE, _TIMES_IMAGE = 16 * 1024 * 1024, 4
"""A tile that is larger than its image is decoded whole: it has at most so many bytes, or so many times the image's."""


class OtherPageError(FormatError):
    """A page of a kind that is not read, such as a picture in colours: a file may have one beside its images."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What pages have in common that are images of one movie.

    Attributes:
        shape: `(ny, nx)`.
        encoding: of the pixels.
        codec: of strips or tiles.
        part: shape of one of these.
        halved: bytes of the file are two pixels each, though it does not say so.
    """

    shape: tuple[int, int]
    encoding: str
    codec: str
    part: tuple[int, int]
    halved: bool = False

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.shape[0]} x {self.shape[1]} pixels of {self.encoding}, {self.codec.partition(':')[0]}"

    @property
    def stored(self) -> str:
        """How it is stored, in words."""
        (rows, columns), codec = self.part, self.codec.partition(":")[0]
        return f"{codec} in parts of {rows} x {columns}"


@dataclass(frozen=True, slots=True)
class Page:
    """An image of a file.

    Attributes:
        kind: of which kind it is.
        starts: first byte of each strip or tile.
        stops: the byte after its last one.
        ifd: its tags.
    """

    kind: Kind
    starts: Places
    stops: Places
    ifd: Ifd


def page_of(page: Ifd) -> Page:
    """What a page holds.

    Raises:
        OtherPageError: pixels of a kind that is not read.
        FormatError: its tags are damaged, or contradict each other.
        TruncatedError: the file ends before what they refer to.
    """
    columns, rows = page.number(256, 0), page.number(257, 0)
    if min(columns, rows) < 1:
        raise _damaged(page, f"{rows} x {columns} pixels", "at least one")
    encoding, halved = _encoding(page, columns, rows)
    shape = rows, 2 * columns if halved else columns
    if encoded_size(encoding, shape) > MOST_BYTES:
        raise _damaged(page, f"{rows} x {columns} pixels", f"at most {MOST_BYTES} bytes of them")
    part = _part(page, rows, columns, halved)
    if encoded_size(encoding, part) > max(_MOST_OF_TILE, _TIMES_IMAGE * encoded_size(encoding, shape)):
        what = f"tiles of {part[0]} x {part[1]} pixels for an image of {shape[0]} x {shape[1]}"
        raise _damaged(page, what, f"at most {_MOST_OF_TILE} bytes, or {_TIMES_IMAGE} times the image's")
    kind = Kind(shape, encoding, _codec(page, encoding, halved), part, halved)
    starts, sizes = _places(page, kind)
    if starts.max(initial=0) > np.iinfo(np.int64).max - max(int(sizes.max(initial=0)), 0):
        raise _damaged(page, f"a strip at byte {int(starts.max())}", "bytes of a file")
    return Page(kind, starts, starts + sizes, page)


def predictor_left(page: Page) -> str:
    """That a predictor is named which is passed over, as libtiff does; empty where none is."""
    predictor = page.ifd.number(317, 1)
    if predictor == 1 or "packbits" not in page.kind.codec.split("+"):
        return ""
    return f"predictor {predictor} with PackBits, which has none: passed over, as libtiff does"


def _damaged(page: Ifd, what: str, expected: str) -> FormatError:
    return FormatError(f"{page.name}: the TIFF page at byte {page.offset} has {what}: expected {expected}")


def _other(page: Ifd, what: str, expected: str) -> OtherPageError:
    return OtherPageError(f"{page.name}: the TIFF page at byte {page.offset} has {what}: expected {expected}")


def _encoding(page: Ifd, columns: int, rows: int) -> tuple[str, bool]:
    """How pixels are encoded, and whether that is two a byte, though the page speaks of bytes."""
    samples = page.number(277, 1)
    if samples != 1:
        what = f"{samples} samples a pixel{' (RGB)' if samples == 3 else ''}"
        raise _other(page, what, "grey values, one a pixel")
    if page.number(32997, 1) != 1:
        raise _other(page, f"{page.number(32997, 1)} planes", "an image of one")
    bits, sign = page.number(258, 1), page.number(339, 1)
    sign = 1 if sign == _VOID else sign
    if (sign, bits) == (1, 4):
        return PACKED, False
    if (sign, bits) == (1, 8) and {(columns, rows), (rows, columns)} & _HALF_WIDTHS:
        return PACKED, True
    if (sign, bits) not in _TYPES:
        what = f"pixels of {bits} bits, sample format {sign}"
        raise _other(page, what, "unsigned of 4, integers of 8 to 64, floats of 16 to 64")
    return np.dtype(f"{page.order}{_TYPES[sign, bits]}").str, False


def _part(page: Ifd, rows: int, columns: int, halved: bool) -> tuple[int, int]:
    """The shape of a tile, or of a strip: no more rows than there are."""
    if 322 in page.tags or 323 in page.tags:
        width, height = page.number(322, 0), page.number(323, 0)
    else:
        width, height = columns, min(page.number(278, rows) or rows, rows)  # 0: libtiff takes it for none
    if min(width, height) < 1:
        raise _damaged(page, f"parts of {height} x {width} pixels", "at least one")
    return height, 2 * width if halved else width


def _codec(page: Ifd, encoding: str, halved: bool) -> str:
    """The codec of a page's parts, in the words of `builders.io.codecs.known`."""
    compression = page.number(259, _RAW)
    if compression not in _CODECS:
        told = f"compression {compression}" + (f" ({_NAMES[compression]})" if compression in _NAMES else "")
        raise _other(page, told, "none, LZW, deflate, PackBits, Zstandard or JPEG")
    codec = _CODECS[compression]
    if compression == _JPEG:
        if encoding != "|u1":
            raise _other(page, f"JPEG pixels of {encoding}", "8 bits")
        return codec + _tables(page)
    if page.number(266, 1) == 2:
        codec = "bits" if codec == "raw" else f"bits+{codec}"
    predictor = page.number(317, 1)
    if predictor != 1 and codec.removeprefix("bits+") in _PREDICTED:
        is_float = encoding[1] in "fc" and encoding != PACKED
        if predictor not in _PREDICTORS or (predictor == 3 and not is_float) or (encoding == PACKED and not halved):
            raise _other(page, f"predictor {predictor} of pixels of {encoding}", "1, 2 or, of floats, 3")
        codec += f"+{_PREDICTORS[predictor]}"
    if encoding == PACKED and not halved:
        codec = "halves" if codec == "raw" else f"{codec}+halves"
    return codec


def _tables(page: Ifd) -> str:
    if 347 not in page.tags:
        return ""
    tables = page.tags[347].tobytes()
    if len(tables) > _MOST_TABLES:
        raise _damaged(page, f"{len(tables)} bytes of JPEG tables", f"at most {_MOST_TABLES}")
    return base64.urlsafe_b64encode(tables).decode("ascii")


def _places(page: Ifd, kind: Kind) -> tuple[Places, Places]:
    """Where parts begin, and their bytes: of pixels that are not compressed, as many as it takes."""
    is_tiled = ifd.TILE_OFFSETS in page.tags
    starts = page.integers(ifd.TILE_OFFSETS if is_tiled else ifd.STRIP_OFFSETS)
    sizes = page.integers(ifd.TILE_BYTE_COUNTS if is_tiled else ifd.STRIP_BYTE_COUNTS)
    (ny, nx), (rows, columns) = kind.shape, kind.part
    count = math.ceil(ny / rows) * math.ceil(nx / columns)
    if len(starts) == count + 1:  # some writers count one too many, which libtiff passes over
        starts, sizes = starts[:count], sizes[:count]
    if len(starts) != count:
        raise _damaged(page, f"{len(starts)} strips or tiles", f"{count} of {rows} x {columns} pixels")
    if starts.min(initial=0) < 0 or sizes.min(initial=0) < 0:
        raise _damaged(page, "a strip or tile before the file", "bytes of it")
    if kind.codec in ("raw", "bits", "halves"):
        return starts, _plain_sizes(page, kind, starts, sizes)
    if len(sizes) != count:
        raise _damaged(page, f"the sizes of {len(sizes)} strips or tiles", f"those of {count}")
    if not sizes.any():
        raise _damaged(page, "no byte of pixels", "some")
    return starts, sizes


def _plain_sizes(page: Ifd, kind: Kind, starts: Places, sizes: Places) -> Places:
    """Bytes of parts that are not compressed; 0 of those that have no place: they hold zeros.

    Like libtiff, it does without what a page says where that is missing, 0 or more than needed.
    """
    ny, (rows, columns) = kind.shape[0], kind.part
    needed = np.full(len(starts), encoded_size(kind.encoding, kind.part), np.int64)
    if ifd.TILE_OFFSETS not in page.tags:
        needed[-1] = encoded_size(kind.encoding, (ny - (len(starts) - 1) * rows, columns))
    needed[starts == 0] = 0
    if len(sizes) == len(starts):
        short = np.flatnonzero((sizes < needed) & (sizes > 0))
        if short.size:
            part = int(short[0])
            raise _damaged(page, f"{int(sizes[part])} bytes of strip or tile {part}", f"{int(needed[part])}")
    if not needed.any():
        raise _damaged(page, "no byte of pixels", "some")
    return needed
