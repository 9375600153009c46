"""Images side by side, each with a few words below it, as one picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from builders.drawing.lettering import write
from builders.drawing.plates import round_length, told_length
from builders.publishing.writing.preview import sheet_png
from builders.terminal import printable

_GAP, _LINE, _TITLE, _SMALL = 20, 40, 32, 27
_BAR, _PART = 8, 0.4
_INK, _SOFT, _WHITE = 20, 95, 255
_DARKEST, _BRIGHTEST = 0.2, 99.8
"""Percentiles that become black and white."""


@dataclass(frozen=True)
class Panel:
    """An image on a sheet.

    Attributes:
        image: `(ny, nx)`.
        words: below it.
        limits: what becomes black, and what white; None: nearly all of its own values are spread.
        pixel_size: Å: a bar of a round length lies below it; None: no bar.
    """

    image: NDArray[np.floating]
    words: str
    limits: tuple[float, float] | None = None
    pixel_size: float | None = None


@dataclass(frozen=True)
class Line:
    """A row of panels under a title."""

    title: str
    panels: Sequence[Panel]


def sheet_of(lines: Sequence[Line], side: int = 384) -> bytes:
    r"""A sheet as a PNG: the same bytes for the same images.

    Args:
        lines: rows of panels, from above.
        side: pixels of the longer side of each image, about: small ones become a whole number of times larger.

    Example:
        >>> sheet_of([Line("noise", [Panel(np.eye(4), "a diagonal")])])[:4]
        b'\x89PNG'
    """
    blocks = [[_drawn(panel, side) for panel in line.panels] for line in lines]
    wide = max(len(line.panels) for line in lines)
    heights = [_LINE + max(block.height for block in row) + _GAP for row in blocks]
    sheet = Image.new("L", (_GAP + wide * (side + _GAP), _GAP + sum(heights)), _WHITE)
    pen, top = ImageDraw.Draw(sheet), _GAP
    for line, row, height in zip(lines, blocks, heights, strict=True):
        write(pen, (_GAP, top - 2), _fitting(line.title, sheet.width - 2 * _GAP, _TITLE), _TITLE, _INK)
        for place, block in enumerate(row):
            sheet.paste(block, (_GAP + place * (side + _GAP), top + _LINE))
        top += height
    return sheet_png(sheet)


def _drawn(panel: Panel, side: int) -> Image.Image:
    ny, nx = panel.image.shape
    scale = side / max(ny, nx)
    if scale > 1:
        scale = int(scale)
    size = max(1, round(nx * scale)), max(1, round(ny * scale))
    low, high = panel.limits or np.percentile(panel.image, [_DARKEST, _BRIGHTEST]).tolist()
    shades = (panel.image - low) / (high - low if high > low else 1) * 255
    way = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    grey = Image.fromarray(shades.astype(np.float32)).resize(size, way)
    bar = _BAR + 8 if panel.pixel_size is not None else 0
    block = Image.new("L", (side, size[1] + bar + _LINE + 2), _WHITE)
    block.paste(Image.fromarray(np.asarray(grey).clip(0, 255).round().astype(np.uint8)), (0, 0))
    pen, words = ImageDraw.Draw(block), panel.words
    if panel.pixel_size is not None:
        length = round_length(_PART * nx * panel.pixel_size)
        pen.rectangle((0, size[1] + 8, max(1, round(length / panel.pixel_size * scale)) - 1, size[1] + 7 + _BAR), _INK)
        words = f"{told_length(length)}  {words}"
    write(pen, (0, size[1] + bar + 2), _fitting(words, side, _SMALL), _SMALL, _SOFT)
    return block


def _fitting(text: str, width: int, size: int) -> str:
    """Words that fit: the end of long ones is left out."""
    font, line = ImageFont.load_default(size), printable(" ".join(text[:300].split()))
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(f"{line}...") > width:
        line = line[:-1]
    return f"{line}..."
