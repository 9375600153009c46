"""Boxes of the first micrographs, where a table says that particles are and with y flipped, as one picture.

No metadata tell which of the two it is (`builders.particles.micrographs.coordinates`), but a person sees it at once:
particles stand in the middle of their boxes, and out of the mean of all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from builders.drawing.lettering import write
from builders.errors import PercError
from builders.hf.features import EMImage
from builders.io.net import remote
from builders.io.tables.particle_table import ParticleTable
from builders.particles.micrographs.coordinates import Coordinates, Numbers, binning, coordinates, floats, told_height
from builders.stacks.files import SourceFile
from builders.stacks.picked.boxes import OUTSIDE, layout_of, lie, references
from builders.stacks.rows import Images, Reading, look
from builders.terminal import printable

Boxes = NDArray[np.float32]

AVERAGED = 64
"""Boxes of a micrograph that are looked at."""
_SINGLE = 8
_WIDE, _TILE, _GAP, _GUTTER = 264, 128, 8, 32
"""Sides of the mean and of a single box; what lies between boxes, and between the two halves."""
_TITLE, _SMALL = 32, 25
_INK, _SOFT, _WHITE = 20, 95, 255
_DEVIATIONS = 3.0
"""Above and below the mean, what is white and black."""
_CENTRE, _BACKGROUND = 0.25, 0.375
_PART = 1 / 16
"""Of a micrograph's shorter side: boxes whose size nothing tells."""


@dataclass(frozen=True)
class Micrograph:
    """Boxes of one micrograph.

    Attributes:
        path: of its file, as rows have it.
        count: particles that the table says it has.
        side: pixels of a side of the boxes.
        stated: `(N, n, n)`, at the coordinates as the table states them.
        flipped: the same with y flipped; either may have fewer, where boxes lie outside.
    """

    path: str
    count: int
    side: int
    stated: Boxes
    flipped: Boxes


def boxes_sheet(micrographs: Sequence[Micrograph]) -> Image.Image:
    """Boxes as a table states them, and with y flipped, side by side: their mean, and the first ones.

    Below each mean stands by how many standard errors the middle of the boxes (r < 0.25 of a side) differs from their
    background (r > 0.375): where particles are in their boxes, that is much more than 3.

    Args:
        micrographs: a line of the picture each.
    """
    half = _WIDE + _SINGLE // 2 * (_TILE + _GAP)
    line = 2 * (_SMALL + 8) + _WIDE + 5 * _GAP
    top = _TITLE + 8 + 3 * _GAP
    sheet = Image.new("L", (2 * half + _GUTTER + 2 * _GAP, top + len(micrographs) * line + _GAP), _WHITE)
    pen = ImageDraw.Draw(sheet)
    lefts = _GAP, _GAP + half + _GUTTER
    for left, words in zip(lefts, ("as stated: flip_y=False", "y flipped: flip_y=True"), strict=True):
        write(pen, (left, _GAP), words, _TITLE, _INK)
    for number, micrograph in enumerate(micrographs):
        y = top + number * line
        told = f": {micrograph.count} particles, boxes of {micrograph.side} pixels"
        font = ImageFont.load_default(_SMALL)
        room = sheet.width - 2 * _GAP - pen.textlength(told, font)
        path = printable(micrograph.path)
        while "/" in path[4:] and pen.textlength(path, font) > room:  # the name, at its end, tells more than folders
            path = f".../{path[4:].partition('/')[2]}"
        write(pen, (_GAP, y), path + told, _SMALL, _INK)
        y += _SMALL + 8 + _GAP
        pair = micrograph.stated, micrograph.flipped
        levels = _levels([boxes.mean(0) for boxes in pair if len(boxes)])
        for left, boxes in zip(lefts, pair, strict=True):
            _draw_half(sheet, (left, y), boxes, levels)
            write(pen, (left, y + _WIDE + 4), _told(boxes), _SMALL, _SOFT)
    return sheet


def _draw_half(sheet: Image.Image, corner: tuple[int, int], boxes: Boxes, levels: tuple[float, float]) -> None:
    left, top = corner
    if not len(boxes):
        return
    sheet.paste(_tile(boxes.mean(0), _WIDE, levels), corner)
    some = [_resized(box, _TILE) for box in boxes[:_SINGLE]]
    own = _levels(some)
    for place, box in enumerate(some):
        row, column = divmod(place, _SINGLE // 2)
        at = left + _WIDE + _GAP + column * (_TILE + _GAP), top + row * (_TILE + _GAP)
        sheet.paste(_tile(box, _TILE, own), at)


def _told(boxes: Boxes) -> str:
    if not len(boxes):
        return "all boxes lie outside"
    words = f"mean of {len(boxes)}"
    differs = standing_out(boxes)
    return words if differs is None else f"{words}: its middle differs by {differs:.1f} standard errors"


def standing_out(boxes: Boxes) -> float | None:
    """By how many standard errors the middle of boxes differs from their background; None: there are too few.

    Args:
        boxes: `(N, n, n)`.

    Example:
        >>> boxes = np.random.default_rng(0).normal(size=(50, 16, 16))
        >>> boxes[:, 6:11, 6:11] += 1
        >>> standing_out(boxes) > 10
        True
    """
    n = boxes.shape[-1]
    squares = (np.arange(n) - n // 2) ** 2
    radii = np.sqrt(squares[:, None] + squares)
    middle, background = radii < _CENTRE * n, radii > _BACKGROUND * n
    if len(boxes) < 3 or not background.any():
        return None
    each = boxes[:, middle].mean(1, dtype=np.float64) - boxes[:, background].mean(1, dtype=np.float64)
    error = each.std(ddof=1) / np.sqrt(len(each))
    return float(abs(each.mean()) / error) if error > 0 else None


def _levels(images: Sequence[Boxes]) -> tuple[float, float]:
    """What is black and what is white in all of some images."""
    values = np.concatenate([image[np.isfinite(image)] for image in images]) if images else np.zeros(0, np.float32)
    mean, reach = (float(values.mean()), float(values.std()) * _DEVIATIONS) if values.size else (0.0, 0.0)
    return mean - reach, mean + max(reach, 1e-30)


def _resized(image: Boxes, side: int) -> Boxes:
    """An image brought to a side; of a larger one, pixels are averaged, which noise needs."""
    how = Image.Resampling.BOX if len(image) > side else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(np.nan_to_num(image)).resize((side, side), how))


def _tile(image: Boxes, side: int, levels: tuple[float, float]) -> Image.Image:
    black, white = levels
    greys = (_resized(image, side) - black) / (white - black) * 255
    return Image.fromarray(greys.clip(0, 255).astype(np.uint8))


def first_micrographs(
    table: ParticleTable, which: Numbers, files: Sequence[SourceFile], most: int = 3, side: int | None = None
) -> list[Micrograph]:
    """Cut boxes out of the first micrographs of a table that are there and can be read.

    Args:
        table: the particles.
        which: the file of each one's micrograph, by number; -1: it is not there.
        files: these.
        most: micrographs.
        side: pixels of a side of the boxes; None: as the table has its particles, or a sixteenth of the micrograph.

    Raises:
        PercError: none can be read: what is wrong with the first one.
    """
    found: list[Micrograph] = []
    wrong: PercError | None = None
    _, firsts = np.unique(which, return_index=True)
    for number in which[np.sort(firsts)].tolist():
        if number < 0 or len(found) == most:
            continue
        try:
            found.append(_micrograph(table, which == number, files[number], side))
        except PercError as err:
            wrong = wrong or err
    if wrong is not None and not found:
        raise wrong
    return found


def _micrograph(table: ParticleTable, own: NDArray[np.bool_], file: SourceFile, side: int | None) -> Micrograph:
    images = look(file, Reading("particles", table.name, (), None, "file", False, "raise"))
    height, width = layout_of(images).shape
    times = binning(told_height(table, own), height, file.path, table.name)
    n = side or _told_side(table, own, times) or max(8, round(min(height, width) * _PART))
    pair = []
    for heights in (None, np.full(len(own), float(height))):
        at = coordinates(table, times, heights)
        pair.append(_boxes(images, at, own & at.known, n, (height, width)))
    return Micrograph(file.path, int(np.count_nonzero(own)), n, *pair)


def _told_side(table: ParticleTable, own: NDArray[np.bool_], times: int) -> int | None:
    """Pixels of the micrograph along a side of the particles' images, as the table has them."""
    names = ("image_size", "pixel_size", "micrograph_pixel_size")
    size, particle, micrograph = (floats(table.rows[name])[own][0] for name in names)
    binned = particle / micrograph if np.isfinite(particle / micrograph) else 1.0
    return max(8, round(size * binned / times)) if np.isfinite(size) else None


def _boxes(images: Images, at: Coordinates, own: NDArray[np.bool_], n: int, shape: tuple[int, int]) -> Boxes:
    """Boxes of one micrograph, the first ones that have a pixel of it."""
    corners = np.stack([np.rint(side[own]).astype(np.int64) - n // 2 for side in (at.y, at.x)], 1)
    inside = np.flatnonzero(lie(corners, (n, n), shape) != OUTSIDE)[:AVERAGED]
    if not len(inside):
        return np.empty((0, n, n), np.float32)
    feature = EMImage()
    values = references([images], np.zeros(len(inside), np.int64), corners[inside], (n, n)).to_pylist()
    with remote.Reads() as reads:
        return np.stack([feature.decode_example(value) for value in feature.start_reads(values, reads)])
