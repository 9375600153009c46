"""Picked rows of one file that are read together, and which of its bytes these are."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import cast

import numpy as np

from builders.errors import PercError
from builders.io.files import location
from builders.io.gathering import together
from builders.io.layout import Layout, Range, merged
from builders.stacks.cutting import LARGEST
from builders.stacks.headers import Found
from builders.stacks.picked.boxes import OUTSIDE, Boxes, Cubes, layout_of, lie, outside
from builders.stacks.picked.catalogue import Catalogue, Numbers
from builders.stacks.picked.groups import WHOLE, Group, as_mask, as_told, beyond, edges_of, misfit, usable, whole
from builders.stacks.picked.keeping import Keeping, Kept
from builders.stacks.rows import Images
from builders.stacks.runs import Run, block_after

_LOOKED_AT = 64
"""Among how many times more rows than a block has room for it is looked for how many of them name the same slices."""


@dataclass(frozen=True, slots=True)
class PickedRun(Run):
    """Picked rows that are read together; `rows` are those of the catalogue.

    Attributes:
        slices: of each row; any, in any order; 0 of whole files.
        boxes: of rows that are boxes of the file's one image, which ones.
        beside: the files of their further images, by column: the same boxes of these, or all of them.
    """

    slices: Numbers = field(default_factory=lambda: np.empty(0, np.int64))
    boxes: Boxes | None = None
    beside: Mapping[str, Images] = field(default_factory=dict)

    @property
    def row_size(self) -> int:
        """Bytes of a row, of which the others have about as many."""
        return self.layout(0).nbytes

    @property
    def gap(self) -> int:
        """How many rows may lie between two that are wanted for all of them to be read together."""
        return Run.gap.__get__(self) if self.boxes is None else len(self.rows)

    def layout(self, number: int) -> Layout:
        """Where the pixels of a row lie, which is counted in the run."""
        assert isinstance(self.images, Images)
        if self.boxes is not None:
            return self.boxes.layout(number, self.path)
        return self.images.layout(int(self.slices[number]))

    def part(self, first: int, stop: int) -> Iterator["PickedRun"]:
        """Runs of some of its rows, counted in it."""
        yield self.cut(first, stop)

    def cut(self, first: int, stop: int) -> "PickedRun":
        """Some of its rows, counted in it, with the bytes that they need."""
        images, slices = self.images, self.slices[first:stop]
        assert isinstance(images, Images)
        boxes = None if self.boxes is None else self.boxes.part(first, stop)
        needed = _needed(images, slices) if boxes is None else boxes.ranges(images)
        rows, place = self.rows[first:stop], self.place + first
        made = _made(images, slices, boxes)
        return replace(self, rows=rows, place=place, ranges=needed, slices=slices, boxes=boxes, made=made)

    @property
    def size(self) -> int:
        """See `Run`; with that of further images."""
        return int(Run.size.__get__(self)) + sum(self.companion(name).size for name in self.beside)

    @property
    def is_slow(self) -> bool:
        """See `Run`; a run is if that of a further image is."""
        return Run.is_slow.__get__(self) or any(self.companion(name).is_slow for name in self.beside)

    def companion(self, name: str) -> "PickedRun":
        """The same rows of a further image's file."""
        images, boxes = self.beside[name], self.boxes
        if boxes is not None:
            boxes = replace(boxes, image=layout_of(images, len(boxes.shape)))
        none = np.zeros(len(self.rows), np.int64)
        whole = PickedRun(images, images.file.path, self.rows, self.place, None, (), none, boxes)
        return whole.cut(0, len(self.rows))


def _made(images: Images, slices: Numbers, boxes: Boxes | None) -> int:
    """Bytes of the images of rows that are made ahead of their use: boxes of a volume, or one that comes in steps."""
    if boxes is not None:
        is_far = location.is_remote(images.file.location)
        return boxes.nbytes if boxes.lie_apart(images) and len(boxes.shape) > 2 and (is_far or boxes.come_ahead) else 0
    layout = images.layout(int(slices[0])) if len(slices) else None
    if layout is None or not layout.comes_in_steps:
        return 0
    return math.prod(layout.shape) * layout.dtype.itemsize


def _needed(images: Images, slices: Numbers) -> tuple[Range, ...]:
    """The stretches of a plain file that hold some slices; on this machine, also what lies between two of them."""
    if not images.lies_apart:
        return ()
    gap = 0 if location.is_remote(images.file.location) else location.GAP
    if images.is_regular:
        first = images.layout(0)
        size = first.nbytes
        return tuple(together(first.offset + slices * size, size, gap))
    layouts = (images.layout(index) for index in np.unique(slices).tolist())
    return merged([stretch for layout in layouts for stretch in layout.ranges])


def runs_of(
    headers: Iterable[tuple[Group | None, Found]], catalogue: Catalogue, source: str, keeping: Keeping
) -> Iterator[Run]:
    """The runs of groups whose files were looked at, and the ends of shards."""
    asked = requests = 0
    beside: dict[str, object] = {}
    for group, (images, data) in headers:
        if group is None:
            yield Run()
            continue
        if group.companion:
            beside[group.companion] = images
            continue
        assert images is not None
        looked = as_told(images, catalogue.sides[catalogue.numbers("file")[group.first]])
        lost = _unlike(looked, beside)
        rows = partial(_stretches, source=source) if catalogue.box is None else partial(_boxes, keeping=keeping)
        further = _further(beside, catalogue)
        for run in rows(group, lost or looked, data, catalogue):
            run = replace(run, beside=further)
            first = 0
            while first < len(run.rows):
                if isinstance(run.images, PercError):
                    yield run
                    break
                count = _count(run, first, asked, requests)
                part = run.cut(first, first + count)
                yield part
                first += count
                asked += part.size
                requests += 1


def _further(beside: Mapping[str, object], catalogue: Catalogue) -> dict[str, Images]:
    """The files of further images, by column."""
    found = {name: whole(one) for name, one in beside.items() if isinstance(one, Images)}
    return {name: as_mask(one) if name in catalogue.masks else one for name, one in found.items()}


def _unlike(images: object, beside: Mapping[str, object]) -> PercError | None:
    """What is wrong with the files of further images of rows; None: nothing."""
    for name, other in beside.items():
        error = other if isinstance(other, PercError) else misfit(images, cast(Images, other), name)
        if error is not None and isinstance(images, Images):
            return error
    return None


def _stretches(
    group: Group, images: object, data: bytes | None, catalogue: Catalogue, source: str
) -> Iterator[PickedRun]:
    """The rows of a group: those that can be read as they stand, and those that cannot."""
    rows, path = range(group.first, group.stop), group.file.path
    if not isinstance(images, Images):
        assert isinstance(images, PercError)
        yield PickedRun(images, path, rows, group.place)
        return
    slices = catalogue.numbers("slice")[group.first : group.stop]
    there = usable(images.count, slices)
    error = None
    if not there.all():
        own = _all_of_file(group, catalogue)
        named = catalogue.numbers("slice")[own]
        lost = ~usable(images.count, named)
        error = beyond(images, named[lost], catalogue.numbers("row")[own[lost]], source)
    kinds = there.astype(np.int8) + (slices == WHOLE)
    for first, stop in pairwise(edges_of(kinds)):
        place, some = group.place + first, slices[first:stop]
        if not there[first]:
            yield PickedRun(error, path, rows[first:stop], place)
        elif some[0] == WHOLE:
            yield PickedRun(whole(images), path, rows[first:stop], place, data, (), np.zeros(stop - first, np.int64))
        else:
            yield PickedRun(images, path, rows[first:stop], place, data, (), some)


def _all_of_file(group: Group, catalogue: Catalogue) -> Numbers:
    """All rows of a group's file: whoever meets one that is wrong, in whatever shard, tells the same of it."""
    files = catalogue.numbers("file")
    return np.flatnonzero(files == files[group.first])


def _boxes(
    group: Group, images: object, data: bytes | None, catalogue: Catalogue, keeping: Keeping
) -> Iterator[PickedRun]:
    """The boxes of a group: those of which the image has a pixel, and others."""
    rows, path, shape = range(group.first, group.stop), group.file.path, catalogue.box
    assert shape is not None
    try:
        if not isinstance(images, Images):
            assert isinstance(images, PercError)
            raise images
        image = layout_of(images, len(shape))
    except PercError as err:
        yield PickedRun(err, path, rows, group.place)
        return
    corners = catalogue.corners(slice(group.first, group.stop))
    out = lie(corners, shape, image.shape) == OUTSIDE
    kept = Kept(keeping, int(catalogue.numbers("file")[group.first]))
    error = None
    if out.any():
        own = _all_of_file(group, catalogue)
        others, numbers = catalogue.corners(own), catalogue.numbers("row")[own]
        lost = lie(others, shape, image.shape) == OUTSIDE
        error = outside(path, image.shape, others[lost] + np.array(shape) // 2, numbers[lost])
    for first, stop in pairwise(edges_of(out.astype(np.int8))):
        place = group.place + first
        if out[first]:
            yield PickedRun(error, path, rows[first:stop], place)
            continue
        told = catalogue.upright(slice(rows[first], rows[first] + stop - first))
        boxes = Boxes(image, shape, corners[first:stop], kept, told and Cubes(*told))
        none = np.zeros(stop - first, np.int64)
        yield PickedRun(whole(images), path, rows[first:stop], place, data, (), none, boxes)


def _count(run: PickedRun, first: int, asked: int, requests: int) -> int:
    """How many rows of a run from some one on are read together: a block of bytes, about."""
    images = run.images
    assert isinstance(images, Images)
    if run.boxes is not None and len(run.boxes.shape) > 2 and images.image.compressed:
        return len(run.rows) - first  # the file is read from its start, once
    if run.boxes is not None:
        is_volume = len(run.boxes.shape) > 2
        if is_volume and not (run.made or run.boxes.come_ahead or location.is_remote(images.file.location)):
            return len(run.rows) - first  # none of them is read before it is wanted
        return run.boxes.together(first, images.file.location)
    if images.lies_apart and run.layout(first).comes_in_steps:
        return 1
    if not images.lies_apart and _is_rising(run.slices):
        return len(run.rows) - first  # the file is read from its start, once
    is_remote = images.lies_apart and location.is_remote(images.file.location)
    block = block_after(asked, requests) if is_remote else LARGEST
    most = max(1, block // max(1, run.row_size))
    some = run.slices[first : first + most]
    count = min(most, len(run.rows) - first)
    if first + count < len(run.rows) and not _is_rising(some, 1):  # some of them may name the same slice
        count = _with_different(run.slices[first : first + most * _LOOKED_AT], most)
    return count


def _is_rising(slices: Numbers, least: int = 0) -> bool:
    """Whether each is larger than the one before by so much at least."""
    return bool((slices[1:] >= slices[:-1] + least).all())


def _with_different(slices: Numbers, most: int) -> int:
    """How many of the first slices are of so many different ones.

    Example:
        >>> _with_different(np.array([4, 4, 2, 4, 7]), 2)
        4
    """
    _, firsts = np.unique(slices, return_index=True)
    return len(slices) if len(firsts) <= most else int(np.sort(firsts)[most])
