"""Words in pictures: Pillow's own font, which has ASCII and little more, and the letters of units that it lacks."""

import re

from PIL import ImageDraw, ImageFont

from builders.publishing.writing.preview import drawn

Ink = int | tuple[int, int, int]

_LIKE = {"µ": "u", "Å": "A"}
"""The letter of which another one is made by its tail or its ring."""


def write(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int, ink: Ink) -> None:
    """Write a line, every letter of which can be read.

    Args:
        draw: of the sheet.
        place: x and y of the upper left corner.
        text: in one line; letters that cannot be drawn are written without accents, by their names, or as `?`.
        size: of the font, in pixels.
        ink: its colour.

    Example:
        >>> from PIL import Image
        >>> write(ImageDraw.Draw(Image.new("L", (200, 20))), (0, 0), "1.06 Å, グリッド.mrc", 14, 255)
    """
    x, y = place
    font = ImageFont.load_default(size)
    ring, stroke = max(1.5, size / 11), max(1, size // 14)
    for part in re.split("([µÅ])", text):
        shown = _LIKE.get(part) or "".join(map(drawn, part))
        left, top, right, bottom = draw.textbbox((x, y), shown, font)
        if part == "µ":
            draw.line((left, bottom - 2, left, bottom + size // 5), fill=ink, width=stroke)
        elif part == "Å":
            centre = (left + right) / 2
            draw.ellipse((centre - ring, top - 2 * ring, centre + ring, top), outline=ink, width=stroke)
        draw.text((x, y), shown, fill=ink, font=font)
        x += draw.textlength(shown, font)


def width_of(text: str, size: int) -> float:
    """Pixels that a line takes when it is written.

    Args:
        text: in one line.
        size: of the font, in pixels.

    Example:
        >>> width_of("1.06 Å", 28) > width_of("1.06 Å", 14) > width_of("1 Å", 14)
        True
    """
    font = ImageFont.load_default(size)
    parts = re.split("([µÅ])", text)
    return float(sum(font.getlength(_LIKE.get(part) or "".join(map(drawn, part))) for part in parts))
