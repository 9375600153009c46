"""Images in a grid, each with its label and what a model took it for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_TILE = 128
_CAPTION = 36
_GAP = 8
_RIGHT, _WRONG, _INK = (0, 120, 60), (190, 30, 30), (30, 30, 30)


def write_contact_sheet(
    path: Path,
    images: Sequence[NDArray[np.float32]],
    labels: Sequence[str],
    predictions: Sequence[str],
    columns: int = 8,
) -> None:
    """Draw `(ny, nx)` images, contrast from 1st to 99th percentile, as a PNG; wrong predictions stand in red."""
    rows = -(-len(images) // columns)
    width, height = columns * (_TILE + _GAP) + _GAP, rows * (_TILE + _CAPTION + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for place, (image, label, prediction) in enumerate(zip(images, labels, predictions, strict=True)):
        row, column = divmod(place, columns)
        x, y = _GAP + column * (_TILE + _GAP), _GAP + row * (_TILE + _CAPTION + _GAP)
        sheet.paste(_tile(image), (x, y))
        draw.text((x, y + _TILE + 2), f"is {label}", fill=_INK, font=font)
        colour = _RIGHT if label == prediction else _WRONG
        draw.text((x, y + _TILE + 18), f"taken for {prediction}", fill=colour, font=font)
    sheet.save(path)


def _tile(image: NDArray[np.float32]) -> Image.Image:
    low, high = np.percentile(image, [1, 99])
    grey = np.clip((image - low) / max(high - low, 1e-12), 0, 1) * 255
    return Image.fromarray(grey.astype(np.uint8)).resize((_TILE, _TILE), Image.Resampling.BICUBIC)
