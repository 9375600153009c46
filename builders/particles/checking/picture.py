"""Images beside their projections."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from builders.drawing.lettering import write

SHOWN = 8
"""Images in a picture."""
_SIDE = 192
"""Pixels of an image in it, about."""
_GAP = 8
_LINE, _FONT = 40, 28
"""Of a title: its line and its letters, which can be read in a page half as wide."""


def draw(rows: list[tuple[str, Tensor]]) -> Image.Image:
    """Rows of images `(N, n, n)`, each below its title.

    Each row has its own greys: from 2.5 standard deviations below its mean to as many above.
    """
    scale = max(1, round(_SIDE / rows[0][1].shape[-1]))
    side = scale * rows[0][1].shape[-1]
    width = max(len(images) for _, images in rows) * (side + _GAP) + _GAP
    sheet = Image.new("L", (width, len(rows) * (side + _LINE + _GAP) + _GAP), 255)
    pen = ImageDraw.Draw(sheet)
    for number, (title, images) in enumerate(rows):
        top = _GAP + number * (side + _LINE + _GAP)
        write(pen, (_GAP, top), title, _FONT, 0)
        for place, image in enumerate(_greys(images)):
            tile = Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(tile, (_GAP + place * (side + _GAP), top + _LINE))
    return sheet


def _greys(images: Tensor) -> NDArray[np.uint8]:
    values = images.numpy()
    values = (values - values.mean()) / max(float(values.std()), 1e-30)
    return np.asarray(255 * (values / 5.0 + 0.5).clip(0, 1), np.uint8)
