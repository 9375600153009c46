"""Sheets of pictures: images and their power spectra, before and after, in one scale of length and with captions."""

import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Plane = NDArray[np.float64]

_TILE, _LARGER = 192, {1: 288, 2: 288, 3: 256}
"""Sides of the panels; larger ones where the columns are so few."""
_GAP, _GUTTER, _LINE, _BAR = 10, 58, 15, 50
_WHITE, _BLACK, _PALE, _SOFT = 255, 20, 236, 100
_SHADES = 28
"""Steps from black to white; spectra have half as many. Noise takes much less room so, and looks the same."""


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet.

    Attributes:
        plane: what is drawn, `(ny, nx)`.
        step: the length of a pixel: Å, or 1/Å in a spectrum.
        grey: the values that are black and white.
        lines: what is written below.
        is_spectrum: has no scale bar.
    """

    plane: Plane
    step: float
    grey: tuple[float, float]
    lines: tuple[str, ...]
    is_spectrum: bool = False


@dataclass(frozen=True)
class Column:
    """A title, and the panels below it, drawn in one scale of length."""

    title: str
    panels: tuple[Panel, ...]


def power(image: Plane) -> Plane:
    """The power spectrum of an image, `|F|^2` with DC at pixel n // 2.

    Example:
        >>> power(np.ones((2, 2)))
        array([[ 0.,  0.],
               [ 0., 16.]])
    """
    spectrum: Plane = np.abs(np.fft.fftshift(np.fft.fftn(image))) ** 2
    return spectrum


def log_power(plane: Plane) -> Plane:
    """Decades below the strongest component that is not DC: 0 and less.

    Components without any power, as filters leave them, are at -30.
    """
    others = plane.copy()
    others[tuple(n // 2 for n in plane.shape)] = 0
    top = others.max() or 1.0
    return np.minimum(np.log10(np.maximum(plane / top, 1e-30)), 0.0)


def draw_sheet(title: str, words: Sequence[str], rows: Sequence[str], columns: Sequence[Column]) -> bytes:
    """A sheet as a PNG: the same bytes for the same panels.

    Args:
        title: what was done.
        words: sentences about it.
        rows: the name of each row of panels.
        columns: the panels, top to bottom.
    """
    tile = _LARGER.get(len(columns), _TILE)
    width = _GUTTER + len(columns) * (tile + _GAP)
    head = [(line, 17, _BLACK) for line in _wrapped(title, width - 2 * _GAP, 17)]
    head += [(line, 13, _SOFT) for sentence in words for line in _wrapped(sentence, width - 2 * _GAP, 13)]
    top = _GAP + sum(size + 6 for _, size, _ in head) + 24
    height = tile + _LINE * max(len(panel.lines) for column in columns for panel in column.panels) + _GAP
    sheet = Image.new("L", (width, top + height * len(rows) + _GAP), _WHITE)
    draw = ImageDraw.Draw(sheet)
    y = _GAP
    for line, size, ink in head:
        _write(draw, (_GAP, y), line, size, ink)
        y += size + 6
    for number, name in enumerate(rows):
        _write(draw, (_GAP, top + height * number + tile // 2 - 8), name, 14, _BLACK)
        _write(draw, (_GAP, top + height * number + tile - 18), f"bar {_BAR} Å", 11, _SOFT)
    for place, column in enumerate(columns):
        x = _GUTTER + place * (tile + _GAP)
        _write(draw, (x, top - 20), column.title, 13, _BLACK)
        extent = max(side * panel.step for panel in column.panels for side in panel.plane.shape)
        for number, panel in enumerate(column.panels):
            _draw_panel(sheet, panel, (x, top + height * number), tile, tile / extent)
    return _png(sheet)


def _png(sheet: Image.Image) -> bytes:
    """A grey image as a PNG with a palette, which repeated pixels make smaller than one without."""
    few = Image.fromarray(np.rint(np.asarray(sheet) * (_SHADES / 255)).astype(np.uint8))
    few.putpalette([round(shade * 255 / _SHADES) for shade in range(_SHADES + 1) for _ in "RGB"])
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw_panel(sheet: Image.Image, panel: Panel, corner: tuple[int, int], tile: int, scale: float) -> None:
    draw = ImageDraw.Draw(sheet)
    x, y = corner
    draw.rectangle((x, y, x + tile - 1, y + tile - 1), fill=_PALE)
    low, high = panel.grey
    shades = _SHADES // 2 if panel.is_spectrum else _SHADES
    values = np.clip((panel.plane - low) / max(high - low, 1e-30), 0, 1)
    greys = Image.fromarray(((values * shades).round() * (255 / shades)).astype(np.uint8))
    size = tuple(max(round(side * panel.step * scale), 1) for side in reversed(panel.plane.shape))
    inset = ((tile - size[0]) // 2, (tile - size[1]) // 2)
    sheet.paste(greys.resize(size, Image.Resampling.NEAREST), (x + inset[0], y + inset[1]))
    if not panel.is_spectrum:
        left, bottom = x + 8, y + tile - 8
        length = round(_BAR * scale)
        draw.rectangle((left - 1, bottom - 4, left + length + 1, bottom), fill=0)
        draw.rectangle((left, bottom - 3, left + length, bottom - 1), fill=255)
    for number, line in enumerate(panel.lines):
        _write(draw, (x, y + tile + 2 + _LINE * number), line, 11, _SOFT)


def _wrapped(text: str, width: int, size: int) -> list[str]:
    """Text in lines that fit a width in pixels."""
    return textwrap.wrap(text, int(width / (0.53 * size)))


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, ink: int) -> None:
    """Write a line; Pillow's own font has no Å, so that its ring is set upon an A."""
    x: float = place[0]
    font = ImageFont.load_default(size)
    for part in re.split("(Å)", text):
        if part == "Å":
            left, top, right, _ = draw.textbbox((x, place[1]), "A", font)
            centre = (left + right) / 2
            draw.ellipse((centre - 1.5, top - 3, centre + 1.5, top), outline=ink)
            draw.text((x, place[1]), "A", fill=ink, font=font)
            part = "A"
        else:
            draw.text((x, place[1]), part, fill=ink, font=font)
        x += draw.textlength(part, font)
