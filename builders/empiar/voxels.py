"""What an image set says of its pixels' type, where files leave it open: whether bytes have a sign."""

import re
from dataclasses import replace

from builders.io import image_file
from builders.io.image_file import ImageFile
from builders.io.signs import Sign

_CODES = {"t1": "unsigned byte", "t2": "signed byte"}
_BYTE = re.compile(r"\bbytes?\b|\b8 ?bits?\b|int8\b")


def are_signed_bytes(voxel_type: str) -> bool | None:
    """Whether a voxel type of EMPIAR's vocabulary, or free text, means signed bytes; None where it means neither.

    Example:
        >>> are_signed_bytes("UNSIGNED BYTE"), are_signed_bytes("('T2', '')"), are_signed_bytes("32 BIT FLOAT")
        (False, True, None)
    """
    words = re.sub(r"[\W_]+", " ", voxel_type.lower()).strip()
    words = _CODES.get(words, words)
    if not _BYTE.search(words):
        return None
    if re.search(r"unsigned|\buint8\b", words):
        return False
    return True if re.search(r"\bsigned|\bint8\b", words) else None


def with_sign(image: ImageFile, signed: bool | None) -> ImageFile:
    """An image as its image set says that bytes are; what a file itself tells counts more.

    Args:
        image: a described file.
        signed: what the image set says.
    """
    header, weighed = image.header, image.weighed
    if signed is None or header is None or header.mode != 0 or header.sign.signed is signed:
        return image
    told, other = ("signed", "unsigned") if signed else ("unsigned", "signed")
    if header.sign.is_known:
        deviation = f"{told} bytes, as the image set says, though the file's header says {other}, which counts more"
        image_file.report_deviation(deviation, image.path)
        return image
    image_file.report_deviation(f"{told} bytes under mode 0, as the image set says", image.path)
    header = replace(header, sign=Sign(signed, True))
    layout = replace(image.layout, encoding=header.encoding)
    weighed = None if weighed is None else replace(weighed, header=header, layout=layout)
    return replace(image, layout=layout, header=header, weighed=weighed)
