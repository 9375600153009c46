"""Whether whole numbers have a sign, as metadata say it, where files leave it open."""

from dataclasses import replace

from builders.io import image_file
from builders.io.formats.mrc.signs import Sign
from builders.io.image_file import ImageFile

ToldSign = tuple[int, bool]
"""Bits of a whole number, 8 or 16, and whether it has a sign."""

_BITS = {0: 8, 1: 16, 6: 16}
"""By mode."""
_NUMBERS = {8: "bytes", 16: "numbers"}


def with_sign(image: ImageFile, told: ToldSign | None) -> ImageFile:
    """An image as metadata say that its whole numbers are; what a file itself tells counts more.

    Args:
        image: a described file.
        told: what they say.
    """
    header = image.header
    if told is None or header is None or _BITS.get(header.mode) != told[0] or header.sign.signed is told[1]:
        return image
    kind, other = ("signed", "unsigned") if told[1] else ("unsigned", "signed")
    kind = f"{kind} {_NUMBERS[told[0]]}"
    if header.sign.is_known:
        deviation = f"{kind}, as the image set says, though the file's header says {other}, which counts more"
        image_file.report_deviation(deviation, image.path)
        return image
    image_file.report_deviation(f"{kind} under mode {header.mode}, as the image set says", image.path)
    return image.with_header(replace(header, sign=Sign(told[1], True)))
