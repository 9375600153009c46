"""An image as a plate: its pixels from black to white, below it a bar of known length and a few words."""

import io
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from builders.drawing.lettering import write
from builders.publishing.writing.preview import drawn, sheet_png
from builders.terminal import printable

_INK, _SOFT, _WHITE = 20, 95, 255
_GAP, _BAR, _SIZE, _LINE = 16, 10, 27, 38
_PART = 0.3
"""Of the picture's width, the bar at the most."""
_LEAST = 640
"""Pixels of width that words need."""
_ROUND = (5, 2, 1)


def plate(
    picture: bytes, words: Sequence[str], pixel_size: float | None = None, columns: int = 0, least: int = _LEAST
) -> bytes:
    r"""A picture with a bar of a round length, and lines of words below it, as a PNG: the same bytes for the same.

    Args:
        picture: a PNG, grey.
        words: lines, cut where they are too long.
        pixel_size: Å per pixel of the image that was drawn; None: no bar.
        columns: of that image, of which the picture may have fewer.
        least: pixels of width that words get.

    Example:
        >>> from builders.publishing.writing.preview import preview_png
        >>> import numpy as np
        >>> plate(preview_png(np.eye(64)), ["x.mrc"], 1.5, 64)[:8]
        b'\x89PNG\r\n\x1a\n'
    """
    image = Image.open(io.BytesIO(picture), formats=("PNG",))
    width = max(image.width, least)
    bar = _GAP + _BAR if pixel_size is not None else 0
    lines = len(words) + (pixel_size is not None)
    sheet = Image.new("L", (width + 2 * _GAP, image.height + 2 * _GAP + bar + lines * _LINE), _WHITE)
    sheet.paste(image, (_GAP, _GAP))
    pen, y = ImageDraw.Draw(sheet), image.height + 2 * _GAP
    if pixel_size is not None:
        scale = pixel_size * (columns or image.width) / image.width
        length = round_length(_PART * image.width * scale)
        pen.rectangle((_GAP, y, _GAP + max(1, round(length / scale)) - 1, y + _BAR - 1), fill=_INK)
        y += bar
        write(pen, (_GAP, y), told_length(length), _SIZE, _INK)
        y += _LINE
    for text in words:
        write(pen, (_GAP, y), _fitting(text, pen, width), _SIZE, _SOFT)
        y += _LINE
    return sheet_png(sheet)


def round_length(most: float) -> float:
    """The longest length of 1, 2 or 5 times a power of ten that is no longer.

    Example:
        >>> round_length(430.0), round_length(1.7)
        (200.0, 1.0)
    """
    power = 10.0 ** math.floor(math.log10(most))
    return next(digit * power for digit in _ROUND if digit * power <= most)


def told_length(angstrom: float) -> str:
    """A length for people.

    Example:
        >>> told_length(50.0), told_length(200.0), told_length(20_000.0)
        ('50 Å', '20 nm', '2 µm')
    """
    if angstrom >= 10_000:
        return f"{angstrom / 10_000:g} µm"
    return f"{angstrom / 10:g} nm" if angstrom >= 100 else f"{angstrom:g} Å"


def _fitting(text: str, pen: ImageDraw.ImageDraw, width: int) -> str:
    """A line that fits; the middle of a long one is left out, since paths differ at their ends."""
    font = ImageFont.load_default(_SIZE)
    whole = line = printable(" ".join(text[:300].split()))
    kept = len(whole)
    while pen.textlength("".join(map(drawn, line)), font) > width:
        kept -= 1
        line = f"{whole[: (kept + 1) // 2]}...{whole[len(whole) - kept // 2 :]}"
    return line
