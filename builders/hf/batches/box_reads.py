"""The boxes of a batch: those of one image are read together, here and from servers."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from builders.errors import ChangedError
from builders.hf.batches.sources import Source
from builders.hf.image_storage import outdated
from builders.io.boxes.crowds import Corners
from builders.io.boxes.reading import read_boxes
from builders.io.boxes.remote import gather_boxes
from builders.io.layout import Array, Layout

Group = tuple[Source, NDArray[np.int64], NDArray[np.int64], Corners]
"""A source, where in it the images lie of which boxes are wanted, the boxes' places in the stack, and their corners."""


def fill(groups: Iterable[Group], out: Array) -> bool:
    """Read boxes into their places of a stack.

    Returns:
        Whether all of their pixels are known to be finite; False says nothing.

    Raises:
        ChangedError: a file is not the one that the dataset was made of.
        PercError: as `read_boxes` and `gather_boxes`.
    """
    here = [one for group in groups for one in _by_image(group)]
    far = [(s.path, s.etag, image, corners, places) for s, image, corners, places in here if s.is_remote]
    try:
        are_finite = not far or gather_boxes(far, out)
    except ChangedError as err:
        raise outdated(err) from err
    for source, image, corners, places in here:
        if not source.is_remote:
            are_finite &= read_boxes(source.path, image, corners, out, places, source.etag)
    return are_finite


def _by_image(group: Group) -> Iterator[tuple[Source, Layout, Corners, NDArray[np.int64]]]:
    """The boxes of each image of a file."""
    source, offsets, places, corners = group
    assert source.image is not None
    for offset in np.unique(offsets).tolist():
        own = offsets == offset
        yield source, Layout(source.image.shape, source.image.encoding, offset), corners[own], places[own]
