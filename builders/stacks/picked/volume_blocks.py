"""Boxes of one volume as blocks: those beside each other are read together, out of rows or chunks that they share."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from builders.errors import FormatError, NotFoundError, PercError, TruncatedError
from builders.hf.stream_blocks import Filled, Places
from builders.hf.streams.batches import memory_for
from builders.io.finite import is_finite
from builders.io.layout import Array, Layout
from builders.io.pixels import read_layout
from builders.io.scattered.chunks import Chunked
from builders.io.volumes.bands import fill_boxes
from builders.io.volumes.reading import are_cut_out, lies_in_rows, read_boxes
from builders.io.volumes.upright import read_cubes
from builders.stacks.blocks import Bytes, Pixels, Read, Refuse
from builders.stacks.picked.blocks import PickedBlock, Told
from builders.stacks.picked.boxes import Boxes, band_edges
from builders.stacks.picked.runs import PickedRun
from builders.stacks.rows import Images, Reading

MOST_KEPT = 64 * 1024 * 1024
"""Bytes of boxes that were read before somebody wanted them."""


class VolumeBlock(PickedBlock):
    """Boxes of the one volume of a file; for the arguments, see `PickedBlock`. Their bytes are the boxes themselves."""

    def __init__(self, run: PickedRun, raw: Read | None, reading: Reading, told: Told, refuse: Refuse) -> None:
        super().__init__(run, raw, reading, told, refuse)
        assert run.boxes is not None
        self._boxes: Boxes = run.boxes
        self._lies_as_it_is = True
        self._rest: tuple[int, Array, bool] = (0, np.empty(0), True)

    def _pixels(self, start: int, stop: int) -> Pixels:
        """None: all are copied."""
        raise NotImplementedError

    def _filled(self, out: Array, start: int, stop: int, places: Places | None) -> Filled:
        """See `PickedBlock`; where some pixels are damaged, boxes that have none of them come all the same."""
        stop = min(stop, self.count)
        try:
            if start < stop and not self._images.image.compressed:
                return range(start, stop), self._copied(out, start, stop, places)
        except (FormatError, NotFoundError) as err:
            if is_of_pixels(err, self._boxes.image):
                return self._one_by_one(out, start, stop, places)
        return super()._filled(out, start, stop, places)

    def _one_by_one(self, out: Array, start: int, stop: int, places: Places | None) -> Filled:
        came: list[int] = []
        finite = True
        for number in range(start, stop):
            place = len(came) if places is None else int(places[len(came)])
            try:
                is_sure = self._copied(out[place : place + 1], number, number + 1, None)
            except PercError as err:
                self._refuse(err, 1)
                continue
            came.append(number)
            finite = finite and is_sure
        return came, finite

    def _copied(self, out: Array, start: int, stop: int, places: Places | None) -> bool:
        boxes, images, count = self._boxes, self._images, stop - start
        memory = out[:count] if places is None else out
        if self._raw is not None:
            stack, finite = self._raw
            if places is None:
                memory[:] = stack[start:stop]
            else:
                memory[places] = stack[start:stop]
            return finite
        memory = memory.reshape(len(memory), *boxes.shape)
        if boxes.cubes is not None:
            return self._cut_upright(memory, range(start, stop), range(count) if places is None else places.tolist())
        if images.image.compressed:
            return self._cut(memory, start, stop, places)
        if lies_in_rows(boxes.image) and not are_cut_out(images.file.location, boxes.image):
            return self._read_rows(memory, start, stop, places)
        return self._read(memory, start, stop, places)

    def _read(self, memory: Array, start: int, stop: int, places: Places | None) -> bool:
        where, image = self._images.file.location, self._boxes.image
        corners, etag = self._boxes.corners[start:stop], self._images.image.etag
        return read_boxes(where, image, corners, memory, places, etag)

    def _read_rows(self, memory: Array, start: int, stop: int, places: Places | None) -> bool:
        """Read boxes; of those that are cut out of the same rows as the last one, the rest is kept for the next call.

        So no rows are read twice by whoever takes a few boxes at a time.
        """
        where = np.arange(stop - start) if places is None else places
        first, rest, finite = self._rest
        done = min(stop, first + len(rest)) if first <= start < first + len(rest) else start
        if done > start:
            memory[where[: done - start]] = rest[start - first : done - first]
        finite = finite or done == start
        if done == stop:
            return finite
        edges = self._edges
        begin = max(done, edges[bisect_right(edges, stop - 1) - 1])
        end = edges[bisect_right(edges, stop - 1)]
        if end == stop or (end - begin) * memory[0].nbytes > MOST_KEPT:
            begin = stop
        if begin > done:
            of = None if places is None and done == start else where[done - start : begin - start]
            finite &= self._read(memory, done, begin, of)
        if begin < stop:
            rest = memory_for(end - begin, memory.shape[1:], memory.dtype)
            is_finite = self._read(rest, begin, end, None)
            self._rest = begin, rest, is_finite
            memory[where[begin - start : stop - start]] = rest[: stop - begin]
            finite &= is_finite
        return finite

    @cached_property
    def _edges(self) -> list[int]:
        return band_edges(self._boxes.corners)

    def _cut(self, memory: Array, start: int, stop: int, places: Places | None) -> bool:
        """Cut boxes out of the volume of a packed file."""
        corners, shape = self._boxes.corners[start:stop], self._boxes.image.shape
        for number, corner in enumerate(corners.tolist()):
            sides = list(zip(corner, memory.shape[1:], shape, strict=True))
            there = tuple(slice(max(0, at), min(at + n, side)) for at, n, side in sides)
            inside = tuple(slice(max(0, -at), min(n, side - at)) for at, n, side in sides)
            memory[number if places is None else places[number]][inside] = self._volume[there]
        fill_boxes(self._boxes.image, corners, memory, places)
        return False

    def _cut_upright(self, memory: Array, numbers: range, places: Sequence[int]) -> bool:
        """Cut cubes upright."""
        images, image, where = self._images, self._boxes.image, self._images.file.location
        cubes = self._boxes.part(numbers.start, numbers.stop).turned(where)
        if not images.image.compressed:
            return read_cubes(where, image, cubes, memory, places, images.image.etag)
        for cube, place in zip(cubes, places, strict=True):
            memory[place] = cube.cut_inside(self._volume[tuple(slice(*side) for side in cube.inside)])
        return False

    @cached_property
    def _volume(self) -> Array:
        """All pixels, of a file that cannot be read in part."""
        return read_layout(self._images.file.location, self._boxes.image, self._images.image.etag)

    def close(self) -> None:
        """See `PickedBlock`."""
        super().close()
        self._rest = 0, np.empty(0), True
        self.__dict__.pop("_volume", None)


def read_ahead(run: PickedRun) -> Bytes | PercError | None:
    """The boxes of a run, in another thread; None where they are to be read one by one, since some are damaged."""
    images, boxes = run.images, run.boxes
    assert isinstance(images, Images)
    assert boxes is not None
    first = run.layout(0)
    stack = memory_for(len(run.rows), first.shape, first.dtype)
    try:
        where, etag = images.file.location, images.image.etag
        held, out = boxes.held_of(where, etag), stack.reshape(len(stack), *boxes.shape)
        if boxes.cubes is None:
            finite = read_boxes(where, boxes.image, boxes.corners, out, None, etag, held)
        else:
            finite = read_cubes(where, boxes.image, boxes.turned(where), out, range(len(stack)), etag, held)
    except PercError as err:
        return None if is_of_pixels(err, boxes.image) and len(run.rows) > 1 else err
    return stack, finite or is_finite(stack)


def is_of_pixels(error: PercError, image: Layout) -> bool:
    """Whether an error is of some pixels of a file, not of all of it; of an array of Zarr, a chunk may be missing."""
    if isinstance(error, NotFoundError):
        return isinstance(image, Chunked)
    return isinstance(error, FormatError) and not isinstance(error, TruncatedError)
