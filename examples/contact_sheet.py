"""Images in rows, each with a few words below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_WIDTH = 1608
"""Twice that of a page on which captions can be read."""
_CAPTION, _LETTERS = 34, 25
_GAP = 12
_COLOURS = 32
_RIGHT, _WRONG, _INK = (0, 120, 60), (190, 30, 30), (30, 30, 30)

Line = tuple[str, tuple[int, int, int]]


@dataclass(frozen=True)
class Tile:
    """An image `(ny, nx)` and the lines below it, each with its colour.

    Its contrast is from the 1st to the 99th percentile, or, if it `is_whole`, from the least to the largest pixel.
    """

    image: NDArray[np.float32]
    lines: tuple[Line, ...]
    is_whole: bool = False


def verdict(label: str, prediction: str) -> tuple[Line, ...]:
    """What an image is and what it was taken for; wrong answers stand in red."""
    return (f"is {label}", _INK), (f"taken for {prediction}", _RIGHT if label == prediction else _WRONG)


def note(text: str) -> tuple[Line, ...]:
    """A plain line."""
    return ((text, _INK),)


def write_contact_sheet(path: Path, *groups: tuple[Sequence[Tile], int]) -> None:
    """Draw groups of tiles below each other, each with so many to a row, of one width."""
    font = ImageFont.load_default(_LETTERS)
    rows = [
        (tiles[first : first + columns], (_WIDTH - _GAP) // columns - _GAP)
        for tiles, columns in groups
        for first in range(0, len(tiles), columns)
    ]
    captions = [[_parted(tile.lines, side, font) for tile in row] for row, side in rows]
    heights = [side + _CAPTION * max(map(len, few)) + _GAP for (_, side), few in zip(rows, captions, strict=True)]
    sheet = Image.new("RGB", (_WIDTH, sum(heights) + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    y = _GAP
    for (row, side), height, below in zip(rows, heights, captions, strict=True):
        for column, (tile, lines) in enumerate(zip(row, below, strict=True)):
            x = _GAP + column * (side + _GAP)
            sheet.paste(_grey(tile, side), (x, y))
            for number, (text, colour) in enumerate(lines):
                draw.text((x, y + side + 4 + number * _CAPTION), text, fill=colour, font=font)
        y += height
    few = sheet.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def _parted(lines: Sequence[Line], width: int, font: Any) -> list[Line]:
    """Lines, those that are wider than their tile parted at a blank."""
    parts: list[Line] = []
    for text, colour in lines:
        part = ""
        for word in text.split():
            longer = f"{part} {word}".lstrip()
            if part and font.getlength(longer) > width:
                parts.append((part, colour))
                longer = word
            part = longer
        parts.append((part, colour))
    return parts


def _grey(tile: Tile, side: int) -> Image.Image:
    image = tile.image
    low, high = np.percentile(image, [0, 100] if tile.is_whole else [1, 99])
    grey = np.clip((image - low) / max(high - low, 1e-12), 0, 1) * 255
    return Image.fromarray(grey.astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
