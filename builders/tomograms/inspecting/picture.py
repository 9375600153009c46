"""Three sections of each tomogram with its picks in the colours of their classes, as one picture."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from builders.drawing.lettering import write
from builders.drawing.plates import round_length, told_length
from builders.terminal import printable
from builders.tomograms.inspecting.report import by
from builders.tomograms.inspecting.sections import NAMES, Plane, Sections

Colour = tuple[int, int, int]
Floats = NDArray[np.float64]

MOST = 8
"""Tomograms on a picture."""
COLOURS: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 190, 130), (240, 228, 66), (220, 80, 30), (204, 121, 167), (60, 120, 255)),
    *((160, 230, 80), (255, 120, 120), (180, 140, 255)),
)
"""Of classes, in turn; told apart by people who do not see all colours, too."""
_WIDTH, _GAP, _TITLE, _SMALL, _LINE = 1600, 16, 32, 26, 38
"""Of a picture, twice as wide as a page: of two tomograms beside each other, or of one."""
_RING, _DOT = 9, 2.5
_COLUMNS, _TALLEST = 2, 1.2
_STEP = 8.5
"""Between shades of grey: noise takes half the room in so few, and looks the same."""
_TINT = 0.4
"""How much of a mask's colour there is in what it covers."""
_BAR, _PART = 10, 0.3
_INK, _SOFT, _PALE = (20, 20, 20), (95, 95, 95), (236, 236, 236)
_NEAR = 0.05
"""Of a side: picks as near to a section as that are rings, all others dots."""
_AXES = {"xy": (0, 1, 2), "xz": (0, 2, 1), "yz": (2, 1, 0)}
"""Of each section, the axes of (x, y, z) that go right and down, and the one across."""


@dataclass(frozen=True)
class Seen:
    """A tomogram as it is drawn.

    Attributes:
        name: what it is called.
        shape: `(nz, ny, nx)`.
        pixel_size: Å; None: not known.
        sections: of it.
        pixels: `(n, 3)`, x, y, z, voxels: its picks.
        labels: `(n,)`: their classes.
        masks: by what was asked for, sections of each mask, as `sections` are.
    """

    name: str
    shape: tuple[int, int, int]
    pixel_size: float | None
    sections: Sections
    pixels: Floats
    labels: NDArray[np.int64]
    masks: Mapping[str, Sections]


def picture_of(seen: Sequence[Seen], classes: Sequence[str]) -> bytes:
    """Tomograms, two in a row, in PNG: the same bytes for the same.

    Args:
        seen: tomograms.
        classes: names, whose places are their numbers.
    """
    width = _WIDTH // min(_COLUMNS, len(seen))
    blocks = [_block(one, classes, width) for one in seen]
    lines = [blocks[start : start + _COLUMNS] for start in range(0, len(blocks), _COLUMNS)]
    sheet = Image.new(
        "RGB", (width * len(lines[0]), sum(max(block.height for block in line) for line in lines)), "white"
    )
    top = 0
    for line in lines:
        left = 0
        for block in line:
            sheet.paste(block, (left, top))
            left += block.width
        top += max(block.height for block in line)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _block(seen: Seen, classes: Sequence[str], width: int) -> Image.Image:
    nz, ny, nx = seen.shape
    scale = min((width - 3 * _GAP) / (nx + nz), _TALLEST * width / ny)
    wide, high, deep = (max(1, round(side * scale)) for side in (nx, ny, nz))
    top = _GAP + _LINE
    below = top + high + _LINE + deep + _LINE
    legend = _legend_lines(seen, classes, width - 2 * _GAP)
    words = [line for line in (_told(seen), _meaning(seen), seen.sections.skipped) if line]
    bar = _BAR + _GAP + _LINE if seen.pixel_size is not None else 0
    sheet = Image.new("RGB", (width, below + _GAP + bar + (len(words) + len(legend)) * _LINE + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    write(pen, (_GAP, _GAP - 2), _fitting(seen.name, width - 2 * _GAP, _TITLE), _TITLE, _INK)
    corners = {"xy": (_GAP, top), "yz": (_GAP + wide + _GAP, top), "xz": (_GAP, top + high + _LINE)}
    sizes = {"xy": (wide, high), "yz": (deep, high), "xz": (wide, deep)}
    for name, axis in zip(NAMES, "zyx", strict=True):
        sheet.paste(_panel(seen, name, sizes[name]), corners[name])
        left, upper = corners[name]
        at = seen.sections.middle["zyx".index(axis)]
        write(pen, (left, upper + sizes[name][1] + 1), f"{name}, {axis} = {at}", _SMALL, _SOFT)
    y = below + _GAP
    if seen.pixel_size is not None:
        length = round_length(_PART * wide / scale * seen.pixel_size)
        pen.rectangle((_GAP, y, _GAP + max(1, round(length / seen.pixel_size * scale)) - 1, y + _BAR - 1), fill=_INK)
        write(pen, (_GAP, y + _BAR + 4), told_length(length), _SMALL, _INK)
        y += bar
    for line in words:
        write(pen, (_GAP, y), _fitting(line, width - 2 * _GAP, _SMALL), _SMALL, _SOFT)
        y += _LINE
    for entries in legend:
        _write_legend(pen, entries, y)
        y += _LINE
    return sheet


def _panel(seen: Seen, name: str, size: tuple[int, int]) -> Image.Image:
    """A section with its picks; pale where it was not read."""
    plane = seen.sections.planes.get(name)
    if plane is None:
        return Image.new("RGB", size, _PALE)
    panel = _tinted(_greys(plane, seen.sections.limits, size).convert("RGB"), seen, name)
    pen = ImageDraw.Draw(panel)
    right, down, across = _AXES[name]
    sides = seen.shape[::-1]
    scale = size[0] / sides[right], size[1] / sides[down]
    middle = seen.sections.middle[::-1][across]
    is_near = np.abs(seen.pixels[:, across] - middle) <= max(1.0, _NEAR * sides[across])
    places = (seen.pixels[:, [right, down]] + 0.5) * scale
    for near in (False, True):  # rings lie over dots
        some = is_near == near
        for (x, y), label in zip(places[some].tolist(), seen.labels[some].tolist(), strict=True):
            ink = COLOURS[label % len(COLOURS)]
            if near:
                pen.ellipse((x - _RING, y - _RING, x + _RING, y + _RING), outline=ink, width=4)
            else:
                pen.ellipse((x - _DOT, y - _DOT, x + _DOT, y + _DOT), fill=ink)
    return panel


def _tinted(panel: Image.Image, seen: Seen, name: str) -> Image.Image:
    """A section with the colours of the masks that cover it."""
    for number, sections in enumerate(seen.masks.values()):
        if (plane := sections.planes.get(name)) is not None:
            covered = _resized((plane > 0).astype(np.float32) * round(255 * _TINT), panel.size)
            panel.paste(_mask_colour(number), mask=covered)
    return panel


def _mask_colour(number: int) -> Colour:
    """Of a mask: the last colours, since classes have the first ones."""
    return COLOURS[-1 - number % len(COLOURS)]


def _greys(plane: Plane, limits: tuple[float, float], size: tuple[int, int]) -> Image.Image:
    low, high = limits
    known = np.where(np.isfinite(plane), plane, low)
    shades = ((np.clip(known, low, high) - low) * (255 / (high - low))).astype(np.float32)
    greys = np.asarray(_resized(shades, size))
    return Image.fromarray((np.rint(greys / _STEP) * _STEP).astype(np.uint8))


def _resized(plane: Plane, size: tuple[int, int]) -> Image.Image:
    """Greys: means of pixels where there are more of them, each one as it is where there are fewer."""
    way = Image.Resampling.BOX if size[0] <= plane.shape[1] else Image.Resampling.NEAREST
    image = Image.fromarray(np.ascontiguousarray(plane)).resize(size, way)
    return Image.fromarray(np.asarray(image).round().astype(np.uint8))


def _told(seen: Seen) -> str:
    size = "size of a voxel not told" if seen.pixel_size is None else f"{seen.pixel_size:.6g} Å"
    return f"{by(seen.shape)} voxels (z, y, x), {size}; {len(seen.labels):,} pick{'s' * (len(seen.labels) != 1)}"


def _meaning(seen: Seen) -> str:
    return f"rings: picks within {_NEAR:.0%} of a side of the section; dots: others" if len(seen.labels) else ""


@dataclass(frozen=True)
class _Entry:
    text: str
    colour: Colour
    left: int


def _legend_lines(seen: Seen, classes: Sequence[str], width: int) -> list[list[_Entry]]:
    """Classes with their counts, and masks, as many on a line as fit."""
    counts = np.bincount(seen.labels[seen.labels >= 0], minlength=len(classes)).tolist()
    told = [(f"{classes[n]} {count:,}", COLOURS[n % len(COLOURS)]) for n, count in enumerate(counts) if count]
    told += [(f"segmentation {name}", _mask_colour(number)) for number, name in enumerate(seen.masks)]
    lines: list[list[_Entry]] = []
    left = width
    for whole, colour in told:
        text = _fitting(whole, width // 2, _SMALL)
        wide = 3 * _RING + round(ImageFont.load_default(_SMALL).getlength(text)) + 2 * _GAP
        if left + wide > width:
            lines.append([])
            left = 0
        lines[-1].append(_Entry(text, colour, left))
        left += wide
    return lines


def _write_legend(pen: ImageDraw.ImageDraw, entries: Sequence[_Entry], y: int) -> None:
    for entry in entries:
        left = _GAP + entry.left
        pen.ellipse((left, y + 4, left + 2 * _RING, y + 4 + 2 * _RING), fill=entry.colour)
        write(pen, (left + 3 * _RING, y), entry.text, _SMALL, _SOFT)


def _fitting(text: str, width: int, size: int) -> str:
    """Words that fit: the middle of long ones is left out."""
    font = ImageFont.load_default(size)
    whole = line = printable(" ".join(text[:300].split()))
    kept = len(whole)
    while kept > 1 and font.getlength(line) > width:
        kept -= 1
        line = f"{whole[: (kept + 1) // 2]}...{whole[len(whole) - kept // 2 :]}"
    return line
