"""The codecs that are known by name, and chains of them, as references to images spell them."""

import base64
import binascii
import functools
from collections.abc import Callable

from builders.errors import FormatError
from builders.io.codecs import chunked, compressed, eer, pictures, plain, predictors
from builders.io.codecs.codec import Bytes, Codec, Content, Part, bytes_of

CODECS: dict[str, Codec] = {
    "raw": Codec(plain.as_it_is, 1, is_heavy=False),
    "zlib": Codec(plain.inflated, plain.DEFLATE_MOST),
    "packbits": Codec(plain.unpacked_bits, 64),
    "bits": Codec(plain.bits_turned, 1, is_heavy=False),
    "halves": Codec(plain.halves_turned, 1, is_heavy=False),
    "lzw": Codec(compressed.lzw, compressed.LZW_MOST),
    "zstd": Codec(compressed.zstd, compressed.ZSTD_MOST),
    "blosc": Codec(chunked.blosc, chunked.BLOSC_MOST),
    "lz4": Codec(chunked.lz4, chunked.LZ4_MOST),
    "gzip": Codec(chunked.gzip, plain.DEFLATE_MOST),
    "crc32c": Codec(chunked.checked, 1),
    "png": Codec(pictures.png, pictures.PNG_MOST),
    "jpg": Codec(pictures.jpeg, pictures.JPEG_MOST),
    "sums": Codec(predictors.summed, 1),
    "floats": Codec(predictors.joined_floats, 1),
}
"""Name -> what decodes a part. Whoever reads a reference must know its codec."""

_MOST_STEPS = 8


def _jpeg(argument: str) -> Codec:
    """JPEG with its tables, in base64."""
    tables = base64.b64decode(argument.encode("ascii"), b"-_", validate=True)
    return Codec(functools.partial(compressed.jpeg, tables=tables), compressed.JPEG_MOST)


MAKERS: dict[str, Callable[[str], Codec]] = {"jpeg": _jpeg, "eer": eer.codec}
"""Name -> what makes a codec of the text behind the name and a colon; it may raise a `ValueError`."""


@functools.lru_cache(256)
def codec_of(spelling: str, name: str) -> Codec:
    """The codec of a name, such as `"zlib"`; with an argument, such as `"jpeg:"`; or a chain, such as `"lzw+sums"`.

    Args:
        spelling: what is done to the bytes of a part, the first thing first.
        name: of the file, for errors.

    Raises:
        FormatError: none is spelled so.
    """
    steps = [_step(step, name) for step in spelling.split("+", _MOST_STEPS)]
    if len(steps) == 1:
        return steps[0]
    ratio = 1.0
    for step in steps:
        ratio *= step.ratio

    def decode(code: Bytes, part: Part) -> Content:
        for step in steps:
            code = bytes_of(step.decode(code, part))
        return code

    return Codec(decode, ratio, any(step.is_heavy for step in steps))


def _step(spelling: str, name: str) -> Codec:
    if spelling in CODECS:
        return CODECS[spelling]
    kind, colon, argument = spelling.partition(":")
    try:
        if colon and kind in MAKERS:
            return MAKERS[kind](argument)
    except (ValueError, binascii.Error) as err:
        msg = f"{name}: pixels coded by {spelling[:100]!r}: {err}"
        raise FormatError(msg) from err
    expected = ", ".join(map(repr, (*CODECS, *(f"{maker}:" for maker in MAKERS))))
    msg = f"{name}: pixels coded by {spelling[:100]!r}: expected one of {expected}"
    raise FormatError(msg)
