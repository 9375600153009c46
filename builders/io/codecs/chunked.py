"""Codecs of chunked arrays, such as those of Zarr: Blosc, LZ4, gzip, and checksums."""

import struct
import zlib

from builders.errors import MissingPackageError
from builders.io.codecs.checksum import crc32c
from builders.io.codecs.codec import Bytes, Content, Part
from builders.io.codecs.extra import imagecodecs
from perc_transforms.core import buffers

BLOSC_MOST = 2**15
"""Zstandard is the one of its codecs that makes most of a byte."""
LZ4_MOST = 256
_CHECKSUM = 4
_BLOSC = struct.Struct("<4BIII")
"""Versions, flags and size of a number; bytes before and after, and of a block; c-blosc 1.21, README_CHUNK_FORMAT."""
_SIZE = struct.Struct("<I")
_GZIP = 31


def blosc(code: Bytes, part: Part) -> Content:
    """The content of a chunk of Blosc 1, whichever codec and shuffle it names.

    Raises:
        ValueError: its header says another size than there are bytes of it, or than the part has.
    """
    if code.size < _BLOSC.size:
        msg = f"{code.size} bytes, fewer than its header has"
        raise ValueError(msg)
    *_, size, _, count = _BLOSC.unpack_from(code.data)
    if size != part.size or count != code.size:
        msg = f"its header says {size} bytes in {count}, expected {part.size} in {code.size}"
        raise ValueError(msg)
    out = buffers.take(size)
    imagecodecs("Blosc").blosc_decode(code, numthreads=1, out=out)
    return out


def lz4(code: Bytes, part: Part) -> Content:
    """The content of a block of LZ4 behind its size, as numcodecs writes it.

    Raises:
        ValueError: that is another size than the part has.
    """
    size = _SIZE.unpack_from(code.data)[0] if code.size >= _SIZE.size else 0
    if size != part.size:
        msg = f"its header says {size} bytes, expected {part.size}"
        raise ValueError(msg)
    out = buffers.take(size)
    imagecodecs("LZ4").lz4_decode(code, header=True, out=out)
    return out


def gzip(code: Bytes, part: Part) -> Content:
    """The content of a gzip stream; imagecodecs takes a quarter of the time that zlib takes."""
    try:
        package = imagecodecs("gzip")
    except MissingPackageError:
        return _gunzipped(code, part)
    out = buffers.take(part.size)
    done: Content = package.gzip_decode(code, out=out)
    return done


def _gunzipped(code: Bytes, part: Part) -> bytes:
    inflater = zlib.decompressobj(wbits=_GZIP)
    content = inflater.decompress(code.data, part.size + 1)
    if len(content) > part.size or not inflater.eof:
        msg = f"more than {part.size} bytes" if len(content) > part.size else "incomplete stream"
        raise ValueError(msg)
    return content


def checked(code: Bytes, part: Part) -> Bytes:
    """Bytes without the CRC32C that stands behind them.

    Raises:
        ValueError: it is that of others.
    """
    content = code[:-_CHECKSUM]
    if code.size < _CHECKSUM or crc32c(content) != _SIZE.unpack_from(code.data, code.size - _CHECKSUM)[0]:
        msg = "the checksum (CRC32C) behind it is that of other bytes"
        raise ValueError(msg)
    return content
