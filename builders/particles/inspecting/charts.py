"""Histograms of a table's defocus values and angles, as one picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from builders.drawing.lettering import write
from builders.particles.inspecting.summary import numbers

Values = NDArray[np.float64]
Colour = tuple[int, int, int]

_BARS, _WIDE = 48, 528
_PANEL, _HEIGHT, _GAP, _COLUMNS = 530, 290, 20, 3
"""A panel's width, its bars' height, and what lies between panels: three are twice as wide as a page of 800 pixels."""
_TITLE, _SMALL, _TOP = 32, 28, 48
_INK, _SOFT, _BAR, _MARK, _PALE = (20, 20, 20), (95, 95, 95), (70, 110, 160), (200, 90, 40), (236, 236, 236)
_MICRON = 1e-4


@dataclass(frozen=True)
class Histogram:
    """A panel.

    Attributes:
        title: what is counted, with its unit.
        values: NaN where there is none.
        limits: of the axis; None: of the values.
        unit: behind the numbers of the axis.
    """

    title: str
    values: Values
    limits: tuple[float, float] | None = None
    unit: str = ""


def histograms(rows: pa.Table) -> list[Histogram]:
    """Those of a table's rows that have values."""
    u, v = (numbers(rows, "ctf", field) for field in ("defocus_u", "defocus_v"))
    rot, tilt, psi = (numbers(rows, "pose", field) for field in ("rot", "tilt", "psi"))
    phase = numbers(rows, "ctf", "phase_shift")
    panels = [
        Histogram("defocus (mean of U and V), µm", (u + v) / 2 * _MICRON),
        Histogram("astigmatism (U - V), µm", (u - v) * _MICRON),
        Histogram("phase shift", phase if np.nan_to_num(phase).any() else np.full_like(phase, np.nan), unit="°"),
        Histogram("rot", _turned(rot), (-180, 180), "°"),
        Histogram("tilt", tilt, (0, 180) if _within(tilt, 0, 180) else None, "°"),
        Histogram("psi", _turned(psi), (-180, 180), "°"),
    ]
    return [panel for panel in panels if np.isfinite(panel.values).any()]


def _turned(angles: Values) -> Values:
    """Angles from -180 to 180 degrees."""
    return angles - 360 * np.round(angles / 360)


def _within(values: Values, least: float, most: float) -> bool:
    known = values[np.isfinite(values)]
    return bool(len(known)) and known.min() >= least and known.max() <= most


def draw(panels: Sequence[Histogram]) -> Image.Image:
    """The panels, three in a row."""
    lines = max(1, math.ceil(len(panels) / _COLUMNS))
    columns = min(_COLUMNS, max(1, len(panels)))
    height = _TOP + _HEIGHT + 3 * _SMALL + 16
    sheet = Image.new("RGB", (_GAP + columns * (_PANEL + _GAP), _GAP + lines * (height + _GAP)), "white")
    for place, panel in enumerate(panels):
        row, column = divmod(place, _COLUMNS)
        _draw_panel(sheet, panel, _GAP + column * (_PANEL + _GAP), _GAP + row * (height + _GAP))
    return sheet


def _draw_panel(sheet: Image.Image, panel: Histogram, x: int, y: int) -> None:
    ink = ImageDraw.Draw(sheet)
    known = panel.values[np.isfinite(panel.values)]
    low, high = panel.limits or _limits(known)
    counts, _ = np.histogram(known, _BARS, (low, high))
    left, base, most = x + (_PANEL - _WIDE) // 2, y + _TOP + _HEIGHT, int(counts.max())
    ink.rectangle((left, y + _TOP, left + _WIDE - 1, base), fill=_PALE)
    for number, count in enumerate(counts.tolist()):
        if count:
            top = base - max(1, round((_HEIGHT - 4) * count / most))
            step = _WIDE // _BARS
            ink.rectangle((left + step * number, top, left + step * (number + 1) - 3, base), fill=_BAR)
    median = float(np.median(known))
    at = left + round((_WIDE - 1) * (median - low) / (high - low))
    ink.line((at, y + _TOP, at, base), fill=_MARK, width=4)
    write(ink, (x + 2, y), panel.title, _TITLE, _INK)
    _axis(ink, (left, base + 6), (low, high), panel.unit)
    told = f"{len(known):,} particles, median {_shown(median, high - low)}{panel.unit}"
    write(ink, (left, base + 20 + _SMALL), told, _SMALL, _MARK)


def _axis(ink: ImageDraw.ImageDraw, place: tuple[int, int], limits: tuple[float, float], unit: str) -> None:
    """The ends of an axis, and its middle."""
    left, y = place
    low, high = limits
    for part in (0.0, 0.5, 1.0):
        text = f"{_shown(low + part * (high - low), high - low)}{unit}"
        width = ink.textlength(text, ImageFont.load_default(_SMALL))
        x = left + part * (_WIDE - width)
        write(ink, (round(x), y), text, _SMALL, _SOFT)


def _limits(values: Values) -> tuple[float, float]:
    """What an axis goes from and to: the values, and something around one value alone."""
    low, high = float(values.min()), float(values.max())
    return (low, high) if high - low > 1e-6 * max(abs(low), abs(high)) else (low - 0.5, high + 0.5)


def _shown(value: float, span: float) -> str:
    digits = max(0, 2 - math.floor(math.log10(span)))
    return f"{value:z.{digits}f}" if digits < 6 else f"{value:z.3g}"
