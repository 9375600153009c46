"""PNG and JPEG pictures, decoded by Pillow: one number a pixel, whatever the picture has.

Pillow's classes are asked, not `Image.open`, which goes by all formats that it knows and warns of large pictures: how
many pixels there are is checked here, before any of them is decoded.
"""

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from builders.io.codecs.codec import Bytes, Part

if TYPE_CHECKING:
    from PIL import Image

PNG_MOST = 8 * 1032
"""Pixels of one bit that one byte of a PNG can stand for: it is deflated."""
JPEG_MOST = 1024
"""Pixels that one byte of a JPEG can stand for: two bits at the least for a block of 8 x 8, and those thinned out."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_INFLATED = 1032


def png(code: Bytes, part: Part) -> bytes:
    """The pixels of a PNG: uint8, or uint16 of one that is grey and has 16 bits; of a picture in colour its luminance.

    Args:
        code: the file.
        part: its pixels: a picture of another size is damage.

    Raises:
        ValueError: it is another picture, or its bytes cannot hold as many pixels.
    """
    from PIL.PngImagePlugin import PngImageFile

    head = code[:32].tobytes()
    columns, rows = (int.from_bytes(head[at : at + 4], "big") for at in (16, 20))
    depth, kind = head[24], head[25]
    stored = rows * (columns * depth * _CHANNELS.get(kind, 4) // 8)
    return _decoded(PngImageFile, code, part.size, stored // _INFLATED, (depth, kind) == (16, 0))


def jpeg(code: Bytes, part: Part) -> bytes:
    """The pixels of a JPEG, uint8; of one in colour its luminance. Arguments and errors as for `png`."""
    from PIL.JpegImagePlugin import JpegImageFile

    return _decoded(JpegImageFile, code, part.size, part.size // JPEG_MOST, False)


def _decoded(kind: Any, code: Bytes, most: int, least: int, is_deep: bool) -> bytes:
    """The pixels of a picture whose file has `least` bytes or more."""
    if code.size < least:
        msg = f"{code.size} bytes cannot hold as many pixels"
        raise ValueError(msg)
    with kind(io.BytesIO(code.tobytes())) as picture:
        columns, rows = picture.size
        if columns * rows * (2 if is_deep else 1) != most:
            msg = f"{columns} x {rows} pixels, expected {most} bytes of them"
            raise ValueError(msg)
        picture.load()
        if is_deep:
            return np.asarray(picture).astype("<u2").tobytes()
        return _grey(picture).tobytes()


def _grey(picture: "Image.Image") -> "Image.Image":
    """A picture's grey values; of colours, L = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). Nothing is transparent."""
    if picture.mode == "L":
        return picture
    if picture.mode == "LA":
        return picture.getchannel(0)
    picture.info.pop("transparency", None)
    return picture.convert("L")
