"""Codecs that need no other package: bytes as they are, deflate, PackBits, and what turns bits and halves of bytes."""

import zlib

import numpy as np

from builders.io.codecs.codec import Bytes, Part

DEFLATE_MOST = 1032
"""How many bytes one byte of a deflated stream can stand for at the most."""
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]
_NO_RUN = 128


def as_it_is(code: Bytes, part: Part) -> Bytes:
    """Bytes that are not compressed."""
    if code.size > part.size:
        msg = f"{code.size} bytes, more than {part.size}"
        raise ValueError(msg)
    return code


def inflated(code: Bytes, part: Part) -> bytes:
    """The content of a stream of zlib's."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(code.data, part.size + 1)  # else the checksum behind the last is not read
    except zlib.error as err:
        msg = str(err).partition(": ")[2] or str(err)
        raise ValueError(msg) from err
    if len(content) > part.size:
        msg = f"more than {part.size} bytes"
        raise ValueError(msg)
    if not inflater.eof:
        msg = "incomplete stream"
        raise ValueError(msg)
    return content


def unpacked_bits(code: Bytes, part: Part) -> bytes:
    """The content of Apple's PackBits: runs of one byte, and bytes as they are; what comes behind is not looked at.

    TIFF 6.0 (1992), section 9.

    Example:
        >>> unpacked_bits(np.array([254, 65, 1, 66, 67, 128], np.uint8), Part((1, 5), (1, 5), "|u1"))
        b'AAABC'
    """
    data, size, content, place = code.tobytes(), part.size, bytearray(), 0
    while place < len(data) and len(content) < size:
        head = data[place]
        if head < _NO_RUN:
            content += data[place + 1 : place + head + 2]
            place += head + 2
        elif head > _NO_RUN:
            content += data[place + 1 : place + 2] * (257 - head)
            place += 2
        else:
            place += 1
    return bytes(content[:size])


def bits_turned(code: Bytes, part: Part) -> Bytes:
    """Bytes whose bits are stored in the other order, as where TIFF's FillOrder is 2."""
    return _REVERSED[code]


def halves_turned(code: Bytes, part: Part) -> Bytes:
    """Bytes of two pixels each, of which the first one is in the high half: `"4bit"` has it in the low one.

    Example:
        >>> hex(halves_turned(np.array([0x12], np.uint8), Part((1, 2), (1, 2), "4bit"))[0])
        '0x21'
    """
    turned: Bytes = (code << np.uint8(4)) | (code >> np.uint8(4))
    return turned
