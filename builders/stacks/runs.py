"""Rows that are read together: how many of a file's, and which of its bytes."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from builders.errors import PercError
from builders.io.files import location
from builders.io.layout import Layout, Range
from builders.stacks.cutting import LARGEST, Part
from builders.stacks.headers import Found
from builders.stacks.rows import Images

BLOCK = 16 * 1024 * 1024
"""Bytes of a request of a long stream: the archive limits how many it takes in an hour."""
_FIRST_BLOCK = 1024 * 1024
"""The first requests of a stream are at most so long, so that its rows are there soon."""
_GROWTH = 16
"""A later one is doubled once the stream has asked for so many of it, up to a quarter of a block: somebody who uses
rows as fast as they come waits for all of a longer one, which shares the link with seven others."""
_LONG = 512 * 1024 * 1024
"""Bytes after which a stream is a long one, whose requests are few."""


@dataclass(frozen=True, slots=True)
class Run:
    """Rows that are read by one request; without images, the end of a shard.

    Attributes:
        images: the file, or what is wrong with it.
        path: the file's, as rows have it.
        rows: of the file.
        place: of the first row in its shard.
        data: the file's bytes, where they came along with its header.
        ranges: the stretches of a plain file that are read: of several rows, one that holds them all.
        made: bytes of the image, where it comes in steps, one row at a time: what is read is not held.
    """

    images: Images | PercError | None = None
    path: str = ""
    rows: range = range(0)
    place: int = 0
    data: bytes | None = None
    ranges: tuple[Range, ...] = ()
    made: int = field(default=0, kw_only=True)

    @property
    def size(self) -> int:
        """Bytes that are held once it was read."""
        return self.made or sum(stop - start for start, stop in self.ranges)

    @property
    def is_slow(self) -> bool:
        """Whether it is worth a thread to read it ahead of its use."""
        return self.is_fetched or bool(self.made)

    @property
    def is_fetched(self) -> bool:
        """Whether its bytes come from a server, by a request of their own."""
        plain = isinstance(self.images, Images) and self.size and self.data is None
        return bool(plain) and location.is_remote(cast(Images, self.images).file.location)

    @property
    def row_size(self) -> int:
        """Bytes of a row, of which the others have about as many."""
        return cast(Images, self.images).layout(self.rows.start).nbytes

    @property
    def gap(self) -> int:
        """How many rows may lie between two that are wanted for all of them to be read together."""
        lie_apart = cast(Images, self.images).lies_apart
        return max(1, location.GAP // max(1, self.row_size)) if lie_apart else len(self.rows)

    def layout(self, number: int) -> Layout:
        """Where the pixels of a row lie, which is counted in the run."""
        return cast(Images, self.images).layout(self.rows[number])

    def part(self, first: int, stop: int) -> "Iterator[Run]":
        """Runs of some of its rows, counted in it."""
        images = cast(Images, self.images)
        if not images.lies_apart:
            yield replace(self, rows=self.rows[first:stop], place=self.place + first)
            return
        while first < stop:
            rows, ranges = together(images, self.rows[first:stop], BLOCK)
            yield replace(self, rows=rows, ranges=ranges, place=self.place + first, made=_made(images, rows))
            first += len(rows)


def runs_of(headers: Iterable[tuple[Part | None, Found]], skip: int) -> Iterator[Run]:
    """The runs of rows to read, without the first `skip` rows of the first shard, and the ends of shards."""
    place = asked = requests = 0
    for part, (images, data) in headers:
        if part is None:
            yield Run()
            place = skip = 0
            continue
        if not isinstance(images, Images):
            yield Run(images, part.file.path)
            place += part.stop - part.first  # as many as were counted, should the file be there again at a resumption
            continue
        rows = part.rows(images.count)
        wanted = rows[max(0, skip - place) :]
        place += len(rows) - len(wanted)
        if not images.lies_apart:
            if wanted:
                yield Run(images, part.file.path, wanted, place, data)
        elif wanted:
            is_remote, first = location.is_remote(images.file.location), 0
            while first < len(wanted):
                block = block_after(asked, requests) if is_remote else LARGEST
                run = together(images, wanted[first:], block)
                yield Run(images, part.file.path, run[0], place + first, data, run[1], made=_made(images, run[0]))
                first += len(run[0])
                asked += sum(stop - start for start, stop in run[1])
                requests += 1
        place += len(wanted)


def together(images: Images, rows: range, block: int) -> tuple[range, tuple[Range, ...]]:
    """The first ones of some rows that one request brings, and what it asks for: a block of bytes, about."""
    layout = images.layout(rows.start)
    if images.is_regular:
        count = min(len(rows), max(1, block // layout.nbytes))
        return rows[:count], ((layout.offset, layout.offset + count * layout.nbytes),)
    if layout.comes_in_steps:
        return rows[:1], layout.ranges
    start, stop, needed, count = layout.offset, layout.end, layout.nbytes, 1
    while count < len(rows):
        following = images.layout(rows[count])
        low, high, more = min(start, following.offset), max(stop, following.end), needed + following.nbytes
        if high - low > min(block, more + location.GAP):
            break
        start, stop, needed, count = low, high, more, count + 1
    return rows[:count], ((start, stop),) if count > 1 else layout.ranges


def _made(images: Images, rows: range) -> int:
    """Bytes of the image of some rows, if it comes in steps: then they are one row."""
    layout = images.layout(rows.start)
    return math.prod(layout.shape) * layout.dtype.itemsize if layout.comes_in_steps else 0


def block_after(asked: int, requests: int) -> int:
    """Bytes of the next request of a stream; few different ones, so that their memory can be used again.

    Before the stream is a long one, every other request is half as long: those of one length, under way together, would
    all end at once, and the link would lie idle while the next ones wait for their first byte.
    """
    if asked >= _LONG:
        return BLOCK
    block = _FIRST_BLOCK
    while block < BLOCK // 4 and block * _GROWTH <= asked:
        block *= 2
    return block if requests % 2 else block // 2
