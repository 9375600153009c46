"""Whole numbers with or without a sign: what an MRC header lets one know beyond MODE, which programs write either way.

MRC2014 says that bytes (mode 0) have a sign. IMOD wrote them without, and marks since 2011 which it means; others write
them without and mark nothing. Mode 6, which has none, came in 2006: before it, and since, mode 1 stands for it, too.
"""

import math
from dataclasses import dataclass

BITS = {0: 8, 1: 16, 6: 16}
"""Of a whole number, by mode."""
_RANGES = {0: ((-128, 127), (0, 255)), 1: ((-32768, 32767), (0, 65535)), 6: ((-32768, 32767), (0, 65535))}
"""By mode: what numbers with and without a sign can be."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Whether pixels have a sign.

    Attributes:
        signed: they have.
        is_known: something says so; else they could as well be the other.
        note: where a strict reader would have read something else, why, in words.
    """

    signed: bool
    is_known: bool
    note: str = ""


def sign_of(mode: int, stamped: bool | None, dmin: float, dmax: float, dmean: float) -> Sign:
    """Whether pixels of a mode have a sign, by falling weight of evidence.

    Args:
        mode: 0, 1 or 6; others give what nobody asks for.
        stamped: what IMOD's stamp says of bytes; None where it is missing.
        dmin: smallest density, as the header has it.
        dmax: largest density.
        dmean: their mean.

    Example:
        >>> sign_of(0, None, 0, 255, 126).signed, sign_of(0, None, 0, 100, 50).is_known
        (False, False)
    """
    told = _told_by_statistics(mode, dmin, dmax, dmean)
    shown = "as DMIN, DMAX or DMEAN show"
    if mode == 0 and stamped is not None:
        kind, other = ("signed", "unsigned") if stamped else ("unsigned", "signed")
        note = f"{other} bytes, {shown}, though IMOD's stamp says {kind}, which counts more"
        return Sign(stamped, True, note if told is not None and told is not stamped else "")
    if mode == 0:
        return Sign(
            told is not False, told is not None, f"unsigned bytes under mode 0, {shown}" if told is False else ""
        )
    if mode == 1:
        note = f"unsigned numbers under mode 1, {shown}" if told is False else ""
        return Sign(told is not False, told is not None, note)
    # who writes mode 6 knows what it is for: signed statistics come from programs that took it for mode 1
    return Sign(False, True, f"signed numbers, {shown}, under mode 6, which counts more" if told is True else "")


def _told_by_statistics(mode: int, dmin: float, dmax: float, dmean: float) -> bool | None:
    """The sign that alone fits the statistics; None where both do, or neither, as of statistics of other pixels."""
    if mode not in _RANGES or not all(map(math.isfinite, (dmin, dmax, dmean))):
        return None
    if dmin > dmax or dmin == dmax == 0:  # the extremes are not known; a mean below them says that it is not, either
        values = [dmean] if dmean > max(dmin, dmax) else []
    elif dmin % 1 or dmax % 1 or dmean > dmax:  # of other pixels
        values = []
    else:
        values = [dmin, dmax]
    signed, unsigned = (all(low <= value <= high for value in values) for low, high in _RANGES[mode])
    return None if signed is unsigned else signed
