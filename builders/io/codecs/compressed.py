"""Codecs of imagecodecs: LZW, Zstandard and JPEG."""

import contextlib
import struct

from builders.io.codecs.codec import Bytes, Content, Part
from builders.io.codecs.extra import imagecodecs
from perc_transforms.core import buffers

LZW_MOST = 2732
"""A code of 12 bits stands for a string of 4096 bytes at the most."""
ZSTD_MOST = 2**15
"""A block of four bytes can stand for 128 KiB."""
JPEG_MOST = 1024
"""A block of 64 pixels takes half a bit at the least."""
_LARGE = 8 * 1024
_HEADER = struct.Struct("<2sHIH")
_TAG = struct.Struct("<HHII")
_LZW = 5
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_JPEG_SCAN = 0xDA
_JPEG_END = b"\xff\xd9"
_MOST_FILL = 64
"""Bytes within which a picture's end is looked for: writers fill up to a multiple of some."""


def lzw(code: Bytes, part: Part) -> Content:
    """The content of LZW as TIFF has it.

    Libtiff's decoder takes some two thirds of the time that imagecodecs' own one takes; it decodes files, so one is
    made of the part. It refuses what has no mark of its end, and of small parts the file would be most of the work.
    """
    package = imagecodecs("LZW")
    if code.size >= _LARGE and package.TIFF.available:
        with contextlib.suppress(package.TiffError):
            content: Content = package.tiff_decode(_lzw_file(code, part))
            return content
    content = package.lzw_decode(code, out=part.size)
    return content


def _lzw_file(code: Bytes, part: Part) -> bytes:
    """A TIFF file of bytes, of one strip: rows as long as those of the part."""
    rows = part.least // part.row
    values = {256: part.row, 257: rows, 258: 8, 259: _LZW, 262: 1, 273: 0, 277: 1, 278: rows, 279: code.size}
    values[273] = _HEADER.size + _TAG.size * len(values) + 4
    tags = (_TAG.pack(tag, 4, 1, value) for tag, value in values.items())
    return b"".join((_HEADER.pack(b"II", 42, 8, len(values)), *tags, bytes(4), code.data))


def zstd(code: Bytes, part: Part) -> Content:
    """The content of a frame of Zstandard."""
    out = buffers.take(part.size)  # fresh memory would take twice as long as what is done in it
    content: Content = imagecodecs("Zstandard").zstd_decode(code, out=out)
    return content


def jpeg(code: Bytes, part: Part, tables: bytes) -> Content:
    """The grey values of a JPEG picture.

    Args:
        code: the picture; without its tables, if those are in `tables`.
        part: of 8-bit pixels.
        tables: a JPEG stream of tables alone, or nothing.

    Raises:
        ValueError: it is no such picture, or cut off. Other pixels amid it are not noticed: JPEG has no checksum.
    """
    height, width, channels = _jpeg_frame(code.tobytes())
    if (height, width) not in (part.shape, part.cut) or channels != 1:
        msg = f"a picture of {height} rows of {width} with {channels} channels, where {part.shape} are expected"
        raise ValueError(msg)
    if not code[-_MOST_FILL:].tobytes().rstrip(b"\0").endswith(_JPEG_END):
        msg = "it has no mark of its end"  # libjpeg makes grey of what is missing, without a word
        raise ValueError(msg)
    content: Content = imagecodecs("JPEG in TIFF").jpeg8_decode(code, tables=tables or None)
    return content


def _jpeg_frame(data: bytes) -> tuple[int, int, int]:
    """Rows, columns and channels, as the frame's header says: it can speak of far more than there is room for."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _JPEG_FRAMES and place + 10 <= len(data):
            height, width, channels = struct.unpack_from(">HHB", data, place + 5)
            return height, width, channels
        if marker == _JPEG_SCAN:
            break
        if marker == 0xFF:
            place += 1
        elif marker in _JPEG_ALONE:
            place += 2
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    msg = "no JPEG picture"
    raise ValueError(msg)
