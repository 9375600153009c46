"""The boxes of a batch: those of one image or volume are read together, here and from servers."""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, wait

import numpy as np
from numpy.typing import NDArray

from builders.errors import ChangedError
from builders.hf.batches.sources import Source
from builders.hf.image_storage import outdated
from builders.io.boxes.crowds import Corners
from builders.io.boxes.reading import read_boxes
from builders.io.boxes.remote import gather_boxes
from builders.io.layout import Array, Layout
from builders.io.net import remote
from builders.io.volumes import reading as volumes

Group = tuple[Source, NDArray[np.int64], NDArray[np.int64], Corners]
"""A source, where in it the images lie of which boxes are wanted, the boxes' places in the stack, and their corners."""
_Own = tuple[Source, Layout, Corners, NDArray[np.int64]]
"""A source, one image of it, and the corners and places of its boxes."""


def fill(groups: Iterable[Group], out: Array, look: bool = True) -> bool:
    """Read boxes into their places of a stack.

    Args:
        groups: which.
        out: the stack.
        look: whether it is not known yet if their pixels are finite.

    Returns:
        Whether all of their pixels are known to be finite; False says nothing.

    Raises:
        ChangedError: a file is not the one that the dataset was made of.
        PercError: as `read_boxes` and `gather_boxes`.
    """
    here = [one for group in groups for one in _by_image(group)]
    of_volumes = [one for one in here if len(one[0].sides) == 3]
    here = [one for one in here if len(one[0].sides) == 2]
    far = [(s.path, s.etag, image, corners, places) for s, image, corners, places in here if s.is_remote]
    try:
        are_finite = not far or gather_boxes(far, out)
        are_finite &= _of_volumes(of_volumes, out, look)
    except ChangedError as err:
        raise outdated(err) from err
    for source, image, corners, places in here:
        if not source.is_remote:
            are_finite &= read_boxes(source.path, image, corners, out, places, source.etag)
    return are_finite


def _of_volumes(wanted: list[_Own], out: Array, look: bool) -> bool:
    """Read boxes of volumes; those of several ones on servers at once."""
    far, near = ([one for one in wanted if one[0].is_remote is is_far] for is_far in (True, False))
    if not far:
        found = [_read(one, out, look) for one in near]
        return all(found)
    with remote.Reads() as reads:
        waiting = [reads.submit(_read, one, out, look, pool="volumes") for one in far]
        found = [_read(one, out, look) for one in near]
        done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
        found += [future.result() for future in done]
    return all(found)


def _read(own: _Own, out: Array, look: bool) -> bool:
    source, image, corners, places = own
    boxes = out.reshape(len(out), *source.sides)
    return volumes.read_boxes(source.path, image, corners, boxes, places, source.etag, look=look)


def _by_image(group: Group) -> Iterator[_Own]:
    """The boxes of each image of a file."""
    source, offsets, places, corners = group
    for offset in np.unique(offsets).tolist():
        own = offsets == offset
        yield source, source.image_at(offset), corners[own][:, 3 - len(source.sides) :], places[own]
