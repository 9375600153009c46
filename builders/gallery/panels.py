"""Sheets of pictures: images and their power spectra, before and after, in one scale of length and with captions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from builders.drawing.lettering import width_of, write
from builders.gallery.charts import Chart
from builders.gallery.spectra import Plane
from builders.publishing.writing.preview import sheet_png

_TILE, _LARGER = 296, {1: 456, 2: 456, 3: 456, 4: 372}
"""Sides of the panels; larger ones where the columns are so few. A page shows five columns at half their size."""
_GAP, _GUTTER, _LINE, _BAR = 14, 112, 29, 50
_TITLE, _TEXT, _SMALL = 34, 27, 25
"""Sizes of letters."""
_WHITE, _BLACK, _PALE, _SOFT, _FAINT = 255, 20, 236, 90, 170
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
    """A title, and the panels below it, pictures in one scale of length."""

    title: str
    panels: tuple[Panel | Chart, ...]


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
    head = [(line, _TITLE, _BLACK) for line in _wrapped(title, width - 2 * _GAP, _TITLE)]
    head += [(line, _TEXT, _SOFT) for sentence in words for line in _wrapped(sentence, width - 2 * _GAP, _TEXT)]
    top = _GAP + sum(size + 10 for _, size, _ in head) + _TEXT + 14
    height = tile + _LINE * max(len(panel.lines) for column in columns for panel in column.panels) + 2 * _GAP
    sheet = Image.new("L", (width, top + height * len(rows) + _GAP), _WHITE)
    draw = ImageDraw.Draw(sheet)
    y = _GAP
    for line, size, ink in head:
        write(draw, (_GAP, y), line, size, ink)
        y += size + 10
    has_bar = any(isinstance(panel, Panel) and not panel.is_spectrum for column in columns for panel in column.panels)
    for number, name in enumerate(rows):
        write(draw, (_GAP, top + height * number + tile // 2 - _TEXT), name, _TEXT, _BLACK)
        if has_bar:
            for above, word in ((2, "bar"), (1, f"{_BAR} Å")):
                write(draw, (_GAP, top + height * number + tile - above * _LINE), word, _SMALL, _SOFT)
    for place, column in enumerate(columns):
        x = _GUTTER + place * (tile + _GAP)
        write(draw, (x, top - _TEXT - 10), column.title, _TEXT, _BLACK)
        for number, (panel, picture) in enumerate(zip(column.panels, pictures(column, tile), strict=True)):
            y = top + height * number
            sheet.paste(picture, (x, y))
            for below, told in enumerate(panel.lines):
                write(draw, (x, y + tile + 4 + _LINE * below), told, _SMALL, _SOFT)
    return sheet_png(sheet, _SHADES)


def pictures(column: Column, tile: int = _TILE) -> list[Image.Image]:
    """The panels of a column as squares, without words.

    Args:
        column: the panels.
        tile: pixels of a side.
    """
    sides = [side * panel.step for panel in column.panels if isinstance(panel, Panel) for side in panel.plane.shape]
    return [
        _chart(panel, tile) if isinstance(panel, Chart) else _picture(panel, tile, tile / max(sides))
        for panel in column.panels
    ]


def _picture(panel: Panel, tile: int, scale: float) -> Image.Image:
    square = Image.new("L", (tile, tile), _PALE)
    low, high = panel.grey
    shades = _SHADES // 2 if panel.is_spectrum else _SHADES
    values = np.clip((panel.plane - low) / max(high - low, 1e-30), 0, 1)
    greys = Image.fromarray(((values * shades).round() * (255 / shades)).astype(np.uint8))
    size = tuple(max(round(side * panel.step * scale), 1) for side in reversed(panel.plane.shape))
    square.paste(greys.resize(size, Image.Resampling.NEAREST), ((tile - size[0]) // 2, (tile - size[1]) // 2))
    if not panel.is_spectrum:
        left, bottom, length = 14, tile - 14, round(_BAR * scale)
        draw = ImageDraw.Draw(square)
        draw.rectangle((left - 2, bottom - 8, left + length + 2, bottom), fill=0)
        draw.rectangle((left, bottom - 6, left + length, bottom - 2), fill=255)
    return square


def _chart(chart: Chart, tile: int) -> Image.Image:
    square = Image.new("L", (tile, tile), _PALE)
    draw, base = ImageDraw.Draw(square), tile - 10
    if chart.zero is not None:
        level = base - round(chart.zero * (base - 10))
        draw.line((0, level, tile, level), fill=_WHITE, width=4)
    for heights, ink in ((chart.before, _FAINT), (chart.heights, _BLACK)):
        if heights is None:
            continue
        edges = np.linspace(0, tile, len(heights) + 1)
        tops = base - heights * (base - 10)
        if chart.is_filled:
            for left, right, top, height in zip(edges, edges[1:], tops, heights, strict=False):
                if height > 0:
                    draw.rectangle((round(left), min(top, base - 2), round(right) - 1, base), fill=ink)
        else:
            places = [(x, y) for x, y in zip((edges[1:] + edges[:-1]) / 2, tops, strict=True) if np.isfinite(y)]
            draw.line(places, fill=ink, width=4)
    return square


def _wrapped(text: str, width: int, size: int) -> list[str]:
    """Text in lines that fit a width in pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width_of(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
