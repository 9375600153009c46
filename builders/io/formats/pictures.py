"""PNG and JPEG pictures: their size and type by their first bytes; Pillow decodes them whole.

PNG: W3C Recommendation, https://www.w3.org/TR/png-3/; JPEG: ITU-T T.81.
"""

import struct
import zlib
from abc import abstractmethod
from dataclasses import replace

import numpy as np

from builders.errors import FormatError
from builders.io.coded import Coded
from builders.io.formats.contents import Contents, weigh
from builders.io.formats.protocol import HEAD, Format, Read
from builders.io.formats.reader import exactly

MOST_PIXELS = 178_956_970
"""Of a picture: those from which on Pillow takes one for a bomb."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits of a sample that each kind of PNG can have: grey, colours, palette, grey and colours with transparency."""
_GREY, _PALETTE = (0, 4), 3
_TRANSPARENT = (4, 6)
_IHDR = struct.Struct(">I4sIIBBBBBI")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG that tell the size of the picture, whichever way it is coded."""
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_MOST_SEGMENTS = 4096
_COLOUR = "a picture in colour, read as its luminance"
_NOTES = (
    "One image of uint8{0}, read whole; rows are not flipped, and a turn that EXIF tells is not made.",
    "Of colours, the luminance is read (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B); transparency is ignored.",
    "It has no pixel size: resolutions in dots per inch are of print. In EMPIAR a pattern has to name them.",
)


class Picture(Format):
    """What PNG and JPEG have in common."""

    items = ("file",)
    by_range = False
    by_name = True
    codec: str = ""

    def describe(self, read: Read, size: int | None, name: str) -> Contents:
        """The picture, as its head tells it: one coded part, which is the whole file.

        Raises:
            FormatError: it is none that is read, or of more pixels than a picture has.
            TruncatedError: the file ends within its head.
        """
        shape, encoding, deviations = self.head(read, name)
        rows, columns = shape
        if min(shape) < 1 or rows * columns > MOST_PIXELS:
            msg = f"{name}: a picture of {columns} x {rows} pixels: expected 1 to {MOST_PIXELS} of them"
            raise FormatError(msg)
        if size is None:
            msg = f"{name}: a picture that is compressed once more: unpack it first"
            raise FormatError(msg)
        places = np.zeros(1, np.int64), np.full(1, size, np.int64)
        layout = Coded.of(shape, encoding, self.codec, shape, *places, name)
        contents = weigh(layout, size, name, f"{columns} x {rows} pixels")
        return replace(contents, deviations=deviations)

    @abstractmethod
    def head(self, read: Read, name: str) -> tuple[tuple[int, int], str, tuple[str, ...]]:
        """Rows and columns, the encoding of pixels, and what is read otherwise than it stands there, in words."""


class Png(Picture):
    """PNG pictures."""

    name = "png"
    suffixes = (".png",)
    codec = "png"
    notes = (_NOTES[0].format(" or, grey with 16 bits, uint16"), *_NOTES[1:], "Of an animation, the first picture.")

    def recognises(self, head: bytes) -> bool:
        """Whether a file begins as PNG files do."""
        return head.startswith(_SIGNATURE)

    def head(self, read: Read, name: str) -> tuple[tuple[int, int], str, tuple[str, ...]]:
        """What its first chunk says.

        Raises:
            FormatError: that is damaged, or none of PNG's.
        """
        data = exactly(read, len(_SIGNATURE), _IHDR.size, name, "header")
        length, chunk, columns, rows, depth, kind, packing, filtering, interlacing, checksum = _IHDR.unpack(data)
        if (length, chunk) != (13, b"IHDR") or zlib.crc32(data[4:-4]) != checksum:
            msg = f"{name}: a damaged PNG: its first chunk is {data[4:8]!r} of {length} bytes: expected a sound IHDR"
            raise FormatError(msg)
        if depth not in _DEPTHS.get(kind, ()) or packing or filtering or interlacing > 1:
            ways = f"packed, filtered and interlaced by {packing}, {filtering}, {interlacing}"
            msg = f"{name}: a PNG of {depth} bits of kind {kind}, {ways}: expected what PNG has"
            raise FormatError(msg)
        odd = []
        if kind not in _GREY:
            upper = " of the upper 8 bits" if depth == 16 else ""
            odd.append(_COLOUR + upper)
        elif kind in _TRANSPARENT and depth == 16:
            odd.append("16-bit grey values beside a transparency, of which the upper 8 bits are read")
        if kind in _TRANSPARENT:
            odd.append("a transparency, which is not read")
        if b"acTL" in read(0, HEAD):
            odd.append("an animated picture, of which the first one is read")
        return (rows, columns), "<u2" if (depth, kind) == (16, 0) else "|u1", tuple(odd)


class Jpeg(Picture):
    """JPEG pictures."""

    name = "jpeg"
    suffixes = (".jpg", ".jpeg")
    codec = "jpg"
    notes = (_NOTES[0].format(""), *_NOTES[1:], "Samples of 12 bits are refused.")

    def recognises(self, head: bytes) -> bool:
        """Whether a file begins as JPEG files do."""
        return head.startswith(b"\xff\xd8\xff")

    def head(self, read: Read, name: str) -> tuple[tuple[int, int], str, tuple[str, ...]]:
        """What the segment before its first scan says.

        Raises:
            FormatError: there is none, or it is of a kind that is not read.
        """
        bits, rows, columns, samples = _frame(read, name)
        if bits != 8 or samples not in (1, 3, 4):
            msg = f"{name}: a JPEG of {samples} samples of {bits} bits: expected 1, 3 or 4 of 8 bits"
            raise FormatError(msg)
        return (rows, columns), "|u1", () if samples == 1 else (_COLOUR,)


def _frame(read: Read, name: str) -> tuple[int, int, int, int]:
    """Bits of a sample, rows, columns and samples of a pixel."""
    place = 2
    for _ in range(_MOST_SEGMENTS):
        data = exactly(read, place, 4, name, "header")
        mark, kind, length = data[0], data[1], int.from_bytes(data[2:], "big")
        if mark == kind == 0xFF:  # bytes that fill up
            place += 1
        elif mark == 0xFF and kind in _ALONE:
            place += 2
        elif mark == 0xFF and kind in _FRAMES:
            bits, rows, columns, samples = struct.unpack(">BHHB", exactly(read, place + 4, 6, name, "header"))
            return bits, rows, columns, samples
        elif mark == 0xFF and kind not in (0x00, 0xD9, 0xDA) and length >= 2:
            place += 2 + length
        else:
            msg = f"{name}: a damaged JPEG: {data!r} at byte {place}: expected a segment that tells its size"
            raise FormatError(msg)
    msg = f"{name}: a damaged JPEG: none of {_MOST_SEGMENTS} segments tells its size"
    raise FormatError(msg)
