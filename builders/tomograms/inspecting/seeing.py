"""A tomogram of a source, as it is drawn."""

import numpy as np

from builders.tomograms.inspecting.picture import Seen
from builders.tomograms.inspecting.sections import sections_of
from builders.tomograms.inspecting.summary import placed_in
from builders.tomograms.sources import Tomogram


def see(tomogram: Tomogram, classes: tuple[str, ...]) -> Seen:
    """Read three sections of a tomogram and of its masks, and put its picks into them.

    Args:
        tomogram: which.
        classes: names, whose places are the numbers of picks' labels.

    Raises:
        PercError: the sections cannot be read.
    """
    volume, picks = tomogram.volume, placed_in(tomogram, classes)
    return Seen(
        name=tomogram.name,
        shape=volume.shape,
        pixel_size=volume.pixel_size,
        sections=sections_of(volume),
        pixels=np.zeros((0, 3)) if picks is None else picks.pixels,
        labels=np.zeros(0, np.int64) if picks is None else picks.labels,
        masks={asked: sections_of(mask) for asked, mask in tomogram.masks.items()},
    )
