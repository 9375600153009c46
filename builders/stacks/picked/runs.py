"""Picked rows of one file that are read together, and which of its bytes these are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np

from builders.errors import PercError
from builders.io.files import location
from builders.io.gathering import together
from builders.io.layout import Layout, Range, merged
from builders.stacks.cutting import LARGEST
from builders.stacks.headers import Found
from builders.stacks.picked.boxes import OUTSIDE, Boxes, layout_of, lie, outside
from builders.stacks.picked.catalogue import Catalogue, Numbers
from builders.stacks.picked.groups import WHOLE, Group, as_told, beyond, edges_of, usable, whole
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
    """

    slices: Numbers = field(default_factory=lambda: np.empty(0, np.int64))
    boxes: Boxes | None = None

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
        return PickedRun(images, self.path, self.rows[first:stop], self.place + first, self.data, needed, slices, boxes)


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


def runs_of(headers: Iterable[tuple[Group | None, Found]], catalogue: Catalogue, source: str) -> Iterator[Run]:
    """The runs of groups whose files were looked at, and the ends of shards."""
    asked = requests = 0
    for group, (images, data) in headers:
        if group is None:
            yield Run()
            continue
        assert images is not None
        looked = as_told(images, catalogue.sides[catalogue.numbers("file")[group.first]])
        rows = partial(_stretches, source=source) if catalogue.box is None else _boxes
        for run in rows(group, looked, data, catalogue):
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


def _boxes(group: Group, images: object, data: bytes | None, catalogue: Catalogue) -> Iterator[PickedRun]:
    """The boxes of a group: those of which the image has a pixel, and others."""
    rows, path, shape = range(group.first, group.stop), group.file.path, catalogue.box
    assert shape is not None
    try:
        if not isinstance(images, Images):
            assert isinstance(images, PercError)
            raise images
        image = layout_of(images)
    except PercError as err:
        yield PickedRun(err, path, rows, group.place)
        return
    sides = image.shape[0], image.shape[1]
    tops, lefts = (catalogue.numbers(name)[group.first : group.stop] for name in ("top", "left"))
    out = lie(tops, lefts, shape, sides) == OUTSIDE
    error = None
    if out.any():
        own = _all_of_file(group, catalogue)
        y, x, numbers = (catalogue.numbers(name)[own] for name in ("top", "left", "row"))
        lost = lie(y, x, shape, sides) == OUTSIDE
        error = outside(path, sides, x[lost] + shape[1] // 2, y[lost] + shape[0] // 2, numbers[lost])
    for first, stop in pairwise(edges_of(out.astype(np.int8))):
        place = group.place + first
        if out[first]:
            yield PickedRun(error, path, rows[first:stop], place)
            continue
        boxes = Boxes(image, shape, np.stack([tops[first:stop], lefts[first:stop]], 1))
        none = np.zeros(stop - first, np.int64)
        yield PickedRun(whole(images), path, rows[first:stop], place, data, (), none, boxes)


def _count(run: PickedRun, first: int, asked: int, requests: int) -> int:
    """How many rows of a run from some one on are read together: a block of bytes, about."""
    images = run.images
    assert isinstance(images, Images)
    if run.boxes is not None:
        return run.boxes.together(first)
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
