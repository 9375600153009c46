"""Small pictures of images in which something is seen: 8-bit previews, and sheets of them."""

import functools
import io
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from builders.errors import FormatError
from builders.terminal import printable

Plane = NDArray[np.float64]

_DARKEST, _BRIGHTEST = 0.5, 99.5
"""Percentiles that become black and white: a few hot pixels do not decide the contrast of an image."""
_CONSTANT = 128
_MOST = 16
_COLUMNS, _TILE, _GAP, _CAPTION, _LETTERS = 4, 384, 16, 38, 28
"""Four tiles are twice as wide as a page of 800 pixels, on which captions can be read."""
_WHITE, _INK = 255, 30
_SHADES = 31
_LARGEST = 4096
"""Pixels along a side of a thumbnail, which may come from a file that others wrote."""
_LOST = "?"
_LETTER = re.compile(r"(\w+) (SMALL|CAPITAL) (?:LETTER|LIGATURE) (?:FINAL )?(\w+)")
_MICRO = "\u00b5"
_SOUNDS = {"SHARP": "ss", "THORN": "th", "ETH": "d", "ENG": "ng", "DOTLESS": "i"}


def preview_png(image: NDArray[Any], side: int = 256) -> bytes:
    r"""An 8-bit grey PNG of an image: the same bytes for the same image.

    Large images are averaged down first, which also takes away noise; then nearly all of their values are spread from
    black to white. NaN and infinite pixels are left out of both; where nothing else is, they are black.

    Args:
        image: `(ny, nx)`, or a volume `(nz, ny, nx)`, whose central slice is drawn; of complex ones the amplitude.
        side: pixels along the longer side at the most; smaller images keep their size.

    Raises:
        FormatError: it has another number of axes, or no pixels.

    Example:
        >>> preview_png(np.zeros((512, 300), np.float32))[:8]
        b'\x89PNG\r\n\x1a\n'
    """
    if image.ndim not in (2, 3) or not image.size:
        msg = f"a preview of an array of shape {image.shape}: expected an image (2 axes) or a volume (3 axes)"
        raise FormatError(msg)
    plane = image[len(image) // 2] if image.ndim == 3 else image
    buffer = io.BytesIO()
    with np.errstate(over="ignore", invalid="ignore"):  # of pixels near the limits of their type
        greys = _greys(_averaged(plane, side))
    Image.fromarray(greys).save(buffer, "PNG", compress_level=1)  # five times as fast as 6, for a seventh more bytes
    return buffer.getvalue()


def thumbnail_sheet(pngs: Sequence[bytes], captions: Sequence[str] = ()) -> bytes:
    r"""Up to 16 pictures in rows of four, as one grey PNG.

    Args:
        pngs: PNG files; of more than 16, the first ones are shown.
        captions: a few words below each; cut where they are too long, and left out where there are none. What the
            font has not is spelled in ASCII, or becomes a `?`.

    Raises:
        FormatError: there is no picture, or one is no PNG.

    Example:
        >>> picture = preview_png(np.eye(32))
        >>> thumbnail_sheet([picture, picture], ["ribosome", "tric"])[:8]
        b'\x89PNG\r\n\x1a\n'
    """
    tiles = [_tile(data, number) for number, data in enumerate(pngs[:_MOST])]
    if not tiles:
        msg = "a sheet of no thumbnails: expected at least one"
        raise FormatError(msg)
    below = _CAPTION if any(captions[:_MOST]) else 0
    columns = min(_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    size = columns * (_TILE + _GAP) + _GAP, rows * (_TILE + below + _GAP) + _GAP
    sheet = Image.new("L", size, _WHITE)
    draw, font = ImageDraw.Draw(sheet), _font()
    for place, tile in enumerate(tiles):
        x = _GAP + place % columns * (_TILE + _GAP)
        y = _GAP + place // columns * (_TILE + below + _GAP)
        sheet.paste(tile, (x + (_TILE - tile.width) // 2, y + (_TILE - tile.height) // 2))
        if place < len(captions):
            draw.text((x, y + _TILE + 1), _fitting(captions[place], draw, font), fill=_INK, font=font)
    return sheet_png(sheet)


def sheet_png(sheet: Image.Image, shades: int = _SHADES) -> bytes:
    r"""A grey sheet as a small PNG: in few shades, which look the same, noise takes half the room.

    Args:
        sheet: of mode `L`.
        shades: steps from black to white.

    Example:
        >>> sheet_png(Image.new("L", (8, 8)))[:4]
        b'\x89PNG'
    """
    few = Image.fromarray(np.rint(np.asarray(sheet) * (shades / 255)).astype(np.uint8))
    few.putpalette([round(shade * 255 / shades) for shade in range(shades + 1) for _ in "RGB"])
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def class_caption(name: str, number: int) -> str:
    """A class's name as a sheet can show it; with its number, where some of the name cannot be drawn.

    Example:
        >>> class_caption("Größe", 3), class_caption("核糖体", 3), class_caption("核糖体_70S", 3)
        ('Größe', 'class 3', 'class 3: ???_70S')
    """
    lost = [character for character in name if drawn(character) == _LOST != character]
    if not lost:
        return name
    shown = "".join(map(drawn, name))
    return f"class {number}: {shown}" if re.search(r"\w", shown) else f"class {number}"


@functools.lru_cache(maxsize=4096)
def drawn(character: str) -> str:
    """A character where Pillow's own font, which has ASCII and little more, can draw it; else what stands for it.

    Letters lose their accents, and those of other alphabets are spelled by their names: `Å` is an `A`, `β` is `beta`.

    Example:
        >>> "".join(map(drawn, "1.5 Å, β-Größe, 核"))
        '1.5 A, beta-Grosse, ?'
    """
    if _has_glyph(character):
        return character
    if character == _MICRO:
        return "u"
    parts = [part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)]
    if parts != [character]:
        return "".join(map(drawn, parts))
    if unicodedata.category(character) == "Pd":
        return "-"
    letter = _LETTER.match(unicodedata.name(character, ""))
    if letter is None or letter[1] not in ("LATIN", "GREEK"):
        return _LOST
    spelled = _SOUNDS.get(letter[3], letter[3].lower())
    return spelled if letter[2] == "SMALL" else spelled.capitalize()


def _has_glyph(character: str) -> bool:
    def mask(text: str) -> tuple[tuple[int, int], bytes]:
        pixels = _font().getmask(text)
        return pixels.size, bytes(pixels)

    return mask(character) != mask("\U0010ffff")  # which no font has


@functools.lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(_LETTERS)
    assert isinstance(font, ImageFont.FreeTypeFont)  # as it is of any size that is named
    return font


def _averaged(plane: NDArray[Any], side: int) -> Plane:
    """A plane in at most `side` pixels a side, each the mean of those finite ones that it covers; NaN of none."""
    values = np.abs(plane) if plane.dtype.kind == "c" else plane
    shrink = min(1.0, side / max(values.shape))
    size = [max(1, round(n * shrink)) for n in values.shape]
    finite = np.isfinite(values)
    if finite.all():
        areas: Any = np.outer(*(np.diff(_edges(n, m), append=n) for n, m in zip(values.shape, size, strict=True)))
    else:
        values, areas = np.where(finite, values, 0), _summed(finite, size)
    means: Plane = _summed(values, size) / areas
    return means


def _summed(values: NDArray[Any], size: Sequence[int]) -> Plane:
    """Sums over the rectangles that a plane of another size covers."""
    for axis in (1, 0):
        if size[axis] < values.shape[axis]:
            values = np.add.reduceat(values, _edges(values.shape[axis], size[axis]), axis, np.float64)
    return values.astype(np.float64)


def _edges(length: int, count: int) -> NDArray[np.int64]:
    """Where each of `count` pieces of a length begins."""
    return np.arange(count) * length // count


def _greys(plane: Plane) -> NDArray[np.uint8]:
    """A plane from black to white; one value alone is grey, and no value black."""
    there = plane[np.isfinite(plane)]
    if not there.size:
        return np.zeros(plane.shape, np.uint8)
    low, high = np.percentile(there, (_DARKEST, _BRIGHTEST))
    if low == high:  # a mask, nearly all of which is one value
        low, high = there.min(), there.max()
    scaled = (plane - low) / (high - low) * 255 if high > low else np.where(np.isnan(plane), 0, _CONSTANT)
    greys: NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(scaled, nan=0), 0, 255)).astype(np.uint8)
    return greys


def _tile(data: bytes, number: int) -> Image.Image:
    """A picture as large as a tile allows, in its own proportions."""
    try:
        picture = Image.open(io.BytesIO(data), formats=("PNG",))
        if max(picture.size) > _LARGEST:
            msg = f"thumbnail {number}: {picture.width} x {picture.height} pixels: expected at most {_LARGEST} a side"
            raise FormatError(msg)
        grey = picture.convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as err:
        if isinstance(err, FormatError):
            raise
        msg = f"thumbnail {number}: cannot be read: expected a PNG: {err}"
        raise FormatError(msg) from err
    scale = _TILE / max(grey.size)
    size = max(1, round(grey.width * scale)), max(1, round(grey.height * scale))
    return grey.resize(size, Image.Resampling.BICUBIC)


def _fitting(text: str, draw: ImageDraw.ImageDraw, font: Any) -> str:
    """A caption in one line of a tile; the middle of a long one is left out, since paths differ at their ends."""
    whole = line = "".join(map(drawn, printable(" ".join(text[:300].split()))))
    kept = len(whole)
    while draw.textlength(line, font) > _TILE:
        kept -= 1
        line = f"{whole[: (kept + 1) // 2]}...{whole[len(whole) - kept // 2 :]}"
    return line
