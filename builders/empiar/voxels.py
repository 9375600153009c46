"""What an image set says of its pixels' type, where files leave it open: whether whole numbers have a sign."""

import re

from builders.stacks.rows import ToldSign

_CODES = {"t1": "unsigned byte", "t2": "signed byte", "t3": "unsigned 16 bit", "t4": "signed 16 bit"}
_WIDTHS = {8: re.compile(r"\bbytes?\b|\b8 ?bits?\b|int8\b"), 16: re.compile(r"\b16 ?bits?\b|int16\b|\bu?shorts?\b")}


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
