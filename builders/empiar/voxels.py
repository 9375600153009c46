"""What an image set says of its pixels' type, where files leave it open: whether whole numbers have a sign."""

import re
from dataclasses import replace

from builders.io import image_file
from builders.io.image_file import ImageFile
from builders.io.signs import Sign

ToldSign = tuple[int, bool]
"""Bits of a whole number, 8 or 16, and whether it has a sign."""

_CODES = {"t1": "unsigned byte", "t2": "signed byte", "t3": "unsigned 16 bit", "t4": "signed 16 bit"}
_WIDTHS = {8: re.compile(r"\bbytes?\b|\b8 ?bits?\b|int8\b"), 16: re.compile(r"\b16 ?bits?\b|int16\b|\bu?shorts?\b")}
_BITS = {0: 8, 1: 16, 6: 16}
"""By mode."""
_NUMBERS = {8: "bytes", 16: "numbers"}


def sign_told_by(voxel_type: str) -> ToldSign | None:
    """What a voxel type of EMPIAR's vocabulary, or free text, says of whole numbers; None where it says nothing.

    Example:
        >>> sign_told_by("UNSIGNED BYTE"), sign_told_by("('T4', '')"), sign_told_by("32 BIT FLOAT")
        ((8, False), (16, True), None)
    """
    words = re.sub(r"[\W_]+", " ", voxel_type.lower()).strip()
    words = _CODES.get(words, words)
    widths = [bits for bits, pattern in _WIDTHS.items() if pattern.search(words)]
    if len(widths) != 1 or re.search(r"float|complex|\breal\b", words):
        return None
    if re.search(r"unsigned|\buint(8|16)\b|\bushorts?\b", words):
        return widths[0], False
    return (widths[0], True) if re.search(r"\bsigned|\bint(8|16)\b", words) else None


def with_sign(image: ImageFile, told: ToldSign | None) -> ImageFile:
    """An image as its image set says that whole numbers are; what a file itself tells counts more.

    Args:
        image: a described file.
        told: what the image set says.
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
