"""The tilt scheme of series, angle against dose, beside a few of their images, on one sheet."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from builders.drawing.lettering import write
from builders.drawing.plates import plate
from builders.publishing.writing.preview import preview_png
from builders.tilt_series.inspecting.summary import Summary

MOST_SERIES = 8
IMAGES = 3
"""Of each series: both ends of its tilts, and what lies nearest to none."""
_WIDE, _HIGH, _LEFT, _TOP, _BELOW, _GAP = 424, 304, 96, 48, 80, 16
_SIZE, _DOT = 26, 6
"""A chart and three images are twice as wide as a page of 800 pixels."""
_INK, _SOFT, _LINE, _MARK, _PALE = (20, 20, 20), (95, 95, 95), (170, 185, 205), (200, 90, 40), (236, 236, 236)

End = tuple[float, float]
"""A value, and where it lies on the sheet."""
_ENDS = ((np.min, np.argmin), (np.max, np.argmax))


def picture_of(summaries: Sequence[Summary], image: Callable[[str, int], NDArray[Any]]) -> bytes:
    """Series one below the other, as a PNG.

    Args:
        summaries: what is known of them; those behind the first few are not drawn.
        image: gives the image of a series by the series' name and its place in it.
    """
    rows = []
    for one in summaries[:MOST_SERIES]:
        plates = [_plate(one, place, image(one.name, place)) for place in shown_places(one.angles)]
        rows.append([chart(one), *plates])
    width = max(sum(part.width for part in row) + _GAP * (len(row) + 1) for row in rows)
    heights = [max(part.height for part in row) + _GAP for row in rows]
    sheet = Image.new("RGB", (width, sum(heights) + _GAP), "white")
    y = _GAP
    for row, height in zip(rows, heights, strict=True):
        x = _GAP
        for part in row:
            sheet.paste(part, (x, y))
            x += part.width + _GAP
        y += height
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def shown_places(angles: Sequence[float | None]) -> list[int]:
    """Which images of a series are drawn: the lowest tilt, the one nearest to 0 and the highest.

    Example:
        >>> shown_places([-60.0, -3.0, 0.5, 60.0])
        [0, 2, 3]
    """
    known = [place for place, angle in enumerate(angles) if angle is not None]
    if not known:
        return list(range(min(IMAGES, len(angles))))
    by_angle = sorted(known, key=lambda place: angles[place] or 0.0)
    middle = min(known, key=lambda place: abs(angles[place] or 0.0))
    return list(dict.fromkeys((by_angle[0], middle, by_angle[-1])))


def _plate(one: Summary, place: int, pixels: NDArray[Any]) -> Image.Image:
    angle = one.angles[place]
    words = [f"image {place}" if angle is None else f"{angle:.1f} degrees"]
    picture = plate(preview_png(pixels, _HIGH), words, one.pixel_size, pixels.shape[-1], least=_HIGH)
    return Image.open(io.BytesIO(picture), formats=("PNG",)).convert("RGB")


def chart(one: Summary) -> Image.Image:
    """The tilt angle of each image against the dose before it, or else against its turn; as it was taken."""
    sheet = Image.new("RGB", (_LEFT + _WIDE + _GAP, _TOP + _HIGH + _BELOW), "white")
    ink = ImageDraw.Draw(sheet)
    write(ink, (0, 4), f"{one.name}: {one.scheme or 'order unknown'}", _SIZE, _INK)
    ink.rectangle((_LEFT, _TOP, _LEFT + _WIDE, _TOP + _HIGH), fill=_PALE)
    by_dose = None not in one.pre_exposure
    across = one.pre_exposure if by_dose else one.order if None not in one.order else tuple(range(one.images))
    points = sorted((x, a) for x, a in zip(across, one.angles, strict=True) if x is not None and a is not None)
    if not points:
        write(ink, (_LEFT + 16, _TOP + 16), "no tilt angles", _SIZE, _SOFT)
        return sheet
    x, y = np.array(points, np.float64).T
    (left, right), (low, high) = _limits(x), _limits(y)
    xs, ys = _LEFT + (x - left) / (right - left) * _WIDE, _TOP + (high - y) / (high - low) * _HIGH
    if low < 0 < high:
        zero = _TOP + high / (high - low) * _HIGH
        ink.line((_LEFT, zero, _LEFT + _WIDE, zero), fill="white", width=4)
    places = list(zip(xs.tolist(), ys.tolist(), strict=True))
    ink.line(places, fill=_LINE, width=4)
    for px, py in places:
        ink.ellipse((px - _DOT, py - _DOT, px + _DOT, py + _DOT), fill=_MARK)
    what = "e/Å² before the image" if by_dose else "images before it" if None not in one.order else "image"
    ends = [(float(f(values)), float(at[f_at(values)])) for values, at in ((x, xs), (y, ys)) for f, f_at in _ENDS]
    _axes(ink, ends[:2], ends[2:], what.replace("²", "2"))
    return sheet


def _axes(ink: ImageDraw.ImageDraw, across: Sequence[End], up: Sequence[End], what: str) -> None:
    """The least and the most of both axes, and what they are."""
    font = ImageFont.load_default(_SIZE)
    for value, place in up:
        text = f"{value:.0f}"
        write(ink, (_LEFT - 6 - ink.textlength(text, font), place - _SIZE / 2 - 3), text, _SIZE, _SOFT)
    write(ink, (4, _TOP + _HIGH / 2 - _SIZE), "tilt", _SIZE, _SOFT)
    y = _TOP + _HIGH + 6
    for value, place in across:
        text = f"{value:.4g}"
        write(ink, (place - ink.textlength(text, font) / 2, y), text, _SIZE, _SOFT)
    write(ink, (_LEFT + (_WIDE - ink.textlength(what, font)) / 2, y + _SIZE + 6), what, _SIZE, _SOFT)


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """What an axis goes from and to, with a margin."""
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin
