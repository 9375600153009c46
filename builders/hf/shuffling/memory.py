"""Rows that are held: their pixels as the file has them, or where these lie, without a Python object for each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import PercError
from builders.hf.shuffling.draws import Numbers
from builders.hf.stream_blocks import Block, Lies
from builders.io.files import local
from builders.io.gathering import gather, together
from builders.io.layout import Array
from perc_transforms.core import buffers

LARGE = 1024 * 1024
"""Bytes of a row from which it has memory of its own, which is given away with it."""
_TOGETHER = 8 * LARGE
"""Bytes of smaller rows that are read together where they are given one by one: each file is opened once for them."""
_UNDER_WAY = 4
"""Rows that are in memory besides those that are held, where each of them is a request of its own."""
GONE = np.iinfo(np.int64).min
"""In place of a row that was held when a state was saved and cannot be read any more."""
LEFT = GONE + 1
"""Of a row whose pixels stay in their file, on this machine, until it is given: the system has them in its memory."""

Mask = NDArray[np.bool_]
Kind = tuple[tuple[int, ...], np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows that are held; each attribute has an entry for each.

    Attributes:
        keys: which rows they are, see `draws.keys_of`.
        slots: where `Memory` has their pixels.
        numbers: which ones of their blocks.
        sizes: bytes of their pixels.
        finite: whether all pixels are known to be finite.
        blocks: of which they are; these tell their other columns.
    """

    keys: Numbers
    slots: Numbers
    numbers: Numbers
    sizes: Numbers
    finite: Mask
    blocks: NDArray[np.object_]

    @classmethod
    def of(
        cls, numbers: Sequence[int], slots: Sequence[int], block: Block | None = None, finite: bool = False
    ) -> "Rows":
        """Rows of one block, without keys."""
        count, size = len(numbers), 0 if block is None else size_of(block) + block.more
        placed = np.array(slots, np.int64), np.array(numbers, np.int64), np.full(count, size)
        return cls(np.zeros(count, np.int64), *placed, np.full(count, finite), np.full(count, block, object))

    @classmethod
    def none(cls) -> "Rows":
        """No rows."""
        return cls.of([], [])

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, places: Any) -> "Rows":
        return Rows(*[getattr(self, name)[places] for name in _NAMES])

    def without(self, places: Numbers) -> "Rows":
        """All but some."""
        kept = np.ones(len(self), bool)
        kept[places] = False
        return self[kept]

    def put(self, places: Numbers, rows: "Rows") -> None:
        """Put rows in the place of others, but for their keys."""
        for name in _NAMES[1:]:
            getattr(self, name)[places] = getattr(rows, name)

    @staticmethod
    def joined(several: Sequence["Rows"]) -> "Rows":
        """Rows one after another."""
        if len(several) == 1:
            return several[0]
        return Rows(*[np.concatenate([getattr(rows, name) for rows in several]) for name in _NAMES])

    def different(self) -> list[Block | None]:
        """The blocks that they are of, each once."""
        return list({id(block): block for block in self.blocks.tolist()}.values())


_NAMES = tuple(field.name for field in fields(Rows))


class Memory:
    """Pixels of rows: small ones in one slab, as far as they are of the shape and type of those that came first.

    Args:
        rows: how many of them at most.
        most: bytes of pixels at most, in memory or in files; one row may have more.

    Attributes:
        size: bytes of the pixels of all rows that came in and were not given back.
    """

    def __init__(self, rows: int, most: int) -> None:
        self._rows, self._most = rows, most
        self.size = 0
        self._kind: Kind | None = None
        self._raw = buffers.take(0)
        self._slab: Array = np.empty(0)
        self._free: list[int] = []
        self._apart: dict[int, Array] = {}
        self._last = 0

    def room(self, block: Block, held: int) -> int:
        """How many more rows of a block may come in besides `held` ones.

        Rows that are fetched leave room for those that are under way, about to come in or just given.
        """
        size = max(1, size_of(block) + block.more)
        free = self._most - self.size - (min(self._most // 2, _UNDER_WAY * size) if block.lies is None else 0)
        return max(min(self._rows - held, free // size), int(held == 0))

    def fill(self, block: Block, start: int, stop: int) -> Rows:
        """Take rows `start` to `stop` of a block, for which there is room; gives those that came, without keys."""
        size, stop = size_of(block), min(stop, block.count)
        if block.lies is not None:
            local.bring(block.lies.path, together(block.lies.offsets[start:stop], size))
            rows = Rows.of(range(start, stop), [LEFT] * (stop - start), block)
        elif size < LARGE and self._is_of_slab(block, size):
            slots = [self._free.pop() for _ in range(stop - start)]
            came, finite = block.fill(self._slab, start, stop, np.array(slots))
            self._free += reversed(slots[len(came) :])
            rows = Rows.of(came, slots[: len(came)], block, finite)
        else:
            rows = self._filled_apart(block, start, stop)
        self.size += int(rows.sizes.sum())
        return rows

    def _filled_apart(self, block: Block, start: int, stop: int) -> Rows:
        filled = [Rows.none()]
        for number in range(start, stop):
            pixels = fresh_image(block)
            came, finite = block.fill(pixels[None], number, number + 1)
            if len(came):
                self._last -= 1
                self._apart[self._last] = pixels
                filled.append(Rows.of(came, [self._last], block, finite))
        return Rows.joined(filled)

    def _is_of_slab(self, block: Block, size: int) -> bool:
        """Whether rows go into the slab, which is made for the first ones, and anew once it is empty."""
        kind = kind_of(block)
        if self._kind != kind and len(self._free) == len(self._slab):
            count = max(1, min(self._rows, self._most // max(1, size)))
            self._raw = buffers.take(count * size)
            self._slab = np.ndarray((count, *block.shape), block.dtype, buffer=self._raw)
            self._free, self._kind = list(range(count - 1, -1, -1)), kind
        return self._kind == kind

    def stack(self, rows: Rows, out: Array) -> tuple[Mask, Mask]:
        """Put the pixels of rows of one kind into an array, one after another.

        What can no longer be read is refused as the reader refuses rows.

        Returns:
            Which ones came, and which are known to be finite.
        """
        slots, finite = rows.slots, rows.finite.copy()
        came = slots != GONE
        in_slab = slots >= 0
        if in_slab.all():
            np.take(self._slab, slots, axis=0, out=out[: len(slots)], mode="clip")  # "raise" would copy once more
            return came, finite
        if in_slab.any():
            out[np.flatnonzero(in_slab)] = self._slab[slots[in_slab]]
        for place in np.flatnonzero((slots < 0) & (slots > LEFT)).tolist():
            out[place] = self._apart[int(slots[place])]
        for places in _of_files(rows):
            came[places], finite[places] = _gathered(rows[places], out, places)
        return came, finite

    def give(self, slot: int) -> Array | None:
        """The pixels of a row that has memory of its own, which is the caller's from now on; None of others."""
        return self._apart.get(slot) if GONE < slot < 0 else None

    def free(self, rows: Rows) -> None:
        """Let others have the memory of rows; what was given away is the taker's."""
        self.size -= int(rows.sizes[rows.slots != GONE].sum())
        here = rows.slots > LEFT
        for slot in rows.slots[here].tolist():
            if slot < 0:
                del self._apart[slot]
                continue
            self._free.append(slot)
            if self._apart:  # rows of other kinds need the memory, too
                own = self._slab[:1].nbytes
                buffers.give_up(self._raw, slot * own, (slot + 1) * own)


def _of_files(rows: Rows) -> list[Numbers]:
    """The places of rows whose pixels are in files of this machine, file by file."""
    places = np.flatnonzero(rows.slots == LEFT)
    files: dict[tuple[Any, ...], int] = {}
    numbers = {}
    for block in rows.different() if len(places) else ():
        if block is not None and block.lies is not None:
            lies = block.lies
            numbers[id(block)] = files.setdefault((lies.path, lies.etag, lies.stored), len(files))
    if len(files) < 2:
        return [places] * len(files)
    of_rows = np.array([numbers[id(block)] for block in rows.blocks[places]])
    return [places[of_rows == number] for number in range(len(files))]


def _gathered(rows: Rows, out: Array, places: Numbers) -> tuple[Any, Any]:
    """Which rows of one file of this machine came to their places, and which are known to be finite."""
    lies: Lies = rows.blocks[0].lies
    places_in_file = zip(rows.blocks, rows.numbers.tolist(), strict=True)
    offsets = np.array([block.lies.offsets[number] for block, number in places_in_file])
    floats = lies.stored if lies.stored.char in "fd" and lies.stored.isnative else None
    try:
        finite = gather(lies.path, offsets, out.reshape(len(out), -1).view(np.uint8), places, lies.etag, floats)
    except PercError:  # each by itself: its reader knows what to do
        filled = [
            block.fill(out, number, number + 1, places[place : place + 1])
            for place, (block, number) in enumerate(zip(rows.blocks, rows.numbers.tolist(), strict=True))
        ]
        return [len(came) > 0 for came, _ in filled], [finite for _, finite in filled]
    if not lies.stored.isnative:
        out[places] = out[places].byteswap()
    return True, finite or lies.stored.kind not in "fc"


def stretches(rows: Rows, most: int) -> Iterator[tuple[int, int]]:
    """Where stretches of rows of one kind begin and end, of `most` bytes, or one row, at the most."""
    kinds = {id(block): None if block is None else kind_of(block) for block in rows.different()}
    if len(set(kinds.values())) == 1:
        edges = [0, len(rows)]
    else:
        each = [kinds[id(block)] for block in rows.blocks.tolist()]
        edges = [0, *(n for n in range(1, len(each)) if each[n] != each[n - 1]), len(each)]
    for start, stop in pairwise(edges):
        step = max(1, most // max(1, int(rows.sizes[start])))
        yield from ((place, min(place + step, stop)) for place in range(start, stop, step))


def each(rows: Rows, memory: Memory) -> Iterator[tuple[int, Array | None, bool]]:
    """Rows one by one: the place, the pixels, in memory that is the caller's, or None, and whether all are finite."""
    for start, stop in stretches(rows, _TOGETHER if rows.sizes.max(initial=0) < LARGE else LARGE):
        some = rows[start:stop]
        block, count = some.blocks[0], stop - start
        own = memory.give(int(some.slots[0])) if count == 1 else None
        if block is None or own is not None:
            yield from ((place, own, bool(rows.finite[place])) for place in range(start, stop))
            continue
        stack = fresh(count, block)
        came, finite = memory.stack(some, stack)
        for place in range(count):
            pixels = fresh_image(block)
            pixels[...] = stack[place]
            yield start + place, pixels if came[place] else None, bool(finite[place])


def fresh(count: int, block: Block) -> Array:
    """An array for so many images, with anything in it."""
    return np.ndarray((count, *block.shape), block.dtype, buffer=buffers.take(count * size_of(block)))


def fresh_image(block: Block) -> Array:
    """An array for one image, with anything in it: none that is cut out of another one, so a tensor may share it."""
    return np.ndarray(block.shape, block.dtype, buffer=buffers.take(size_of(block)))


def kind_of(block: Block) -> Kind:
    """What is the same of images that one array can hold."""
    return tuple(block.shape), block.dtype


def size_of(block: Block) -> int:
    """Bytes of an image."""
    return math.prod(block.shape) * block.dtype.itemsize
