"""Boxes of one image as blocks: the rows of pixels that they cross are read once, and the boxes are cut out of them."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from builders.hf.stream_blocks import Places
from builders.io.boxes.crowds import crowds_of
from builders.io.boxes.overhang import cut
from builders.io.boxes.reading import read_boxes
from builders.io.boxes.remote import FEW
from builders.io.files import location
from builders.io.files.steps import Stretches
from builders.io.finite import are_finite
from builders.io.layout import Array, Range, joined
from builders.io.net import remote
from builders.io.pixels import read_layout
from builders.stacks.blocks import Pixels, Read, Refuse
from builders.stacks.picked.blocks import PickedBlock, Told
from builders.stacks.picked.boxes import Boxes
from builders.stacks.picked.runs import PickedRun
from builders.stacks.rows import Images, Reading


class BoxBlock(PickedBlock):
    """Boxes of the one image of a file; for the arguments, see `PickedBlock`."""

    def __init__(self, run: PickedRun, raw: Read | None, reading: Reading, told: Told, refuse: Refuse) -> None:
        super().__init__(run, raw, reading, told, refuse)
        assert run.boxes is not None
        self._boxes: Boxes = run.boxes
        self._lies_as_it_is = True

    def _pixels(self, start: int, stop: int) -> Pixels:
        """None: all are copied."""
        raise NotImplementedError

    def _copied(self, out: Array, start: int, stop: int, places: Places | None) -> bool:
        boxes, images = self._boxes, self._images
        where, etag, corners = images.file.location, images.image.etag, boxes.corners[start:stop]
        memory = out[: stop - start] if places is None else out
        if not boxes.lie_apart(images):
            chosen = range(stop - start) if places is None else places.tolist()
            for place, (top, left) in zip(chosen, corners.tolist(), strict=True):
                cut(self._image, 0, (top, left), (boxes.image.shape[0], boxes.image.shape[1]), out[place])
            return False
        if self._raw is None and self._is_rising:
            return read_boxes(where, boxes.image, corners, memory, places, etag)
        if self._raw is None:  # each part of the boxes crosses rows all over the image
            raw = location.read_ranges(where, self._run.ranges, etag)
            self._raw = raw, are_finite(raw, boxes.image)
        raw, finite = self._raw
        held = Stretches(self._run.ranges)
        for crowd in crowds_of(boxes.image, corners, memory, places, where):
            crowd.cut(held.cut(raw, [crowd.range]), crowd.rows[0], look=False)
            crowd.fill()
        return finite

    @cached_property
    def _is_rising(self) -> bool:
        return bool((np.diff(self._boxes.corners[:, 0]) >= 0).all())

    @cached_property
    def _image(self) -> Array:
        """All pixels, of a file that cannot be read in part."""
        return read_layout(self._images.file.location, self._boxes.image, self._images.image.etag)


def fetched_rows(images: Images, ranges: Sequence[Range]) -> NDArray[np.uint8]:
    """Rows of pixels of a server's file, which some stretches hold, in few requests."""
    where, etag = images.file.location, images.image.etag

    def read(stretch: Range) -> NDArray[np.uint8]:
        start, stop = stretch
        piece = max(remote.PIECE, -(-(stop - start) // max(1, FEW // len(ranges))))
        return location.read(where, start, stop, etag, piece)

    return joined(list(remote.each(read, ranges, pool="ranges")))
