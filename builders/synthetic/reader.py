"""Streams of rows that are made: without end or with, divided, shuffled and resumed as those of files."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, overload

import numpy as np

from builders.hf.image_storage import Fetched, Row
from builders.hf.stream_blocks import Places
from builders.hf.streaming import Step
from builders.io.layout import Array
from builders.io.made.known import Known, known
from builders.io.made.maker import Maker
from builders.stacks.cutting import Count, divided, how_many
from builders.synthetic.blocks import MadeBlock

Shard = tuple[int, int]
"""Indices of its rows: the first, and the one after the last."""

_TOGETHER, _MOST_TOGETHER = 2**20, 64
"""Pixels of rows that are made at once where they are given one by one, and how many rows at the most."""
_OF_BLOCK, _MOST_OF_BLOCK = 2**24, 1024
"""Pixels of a block's rows, and how many of these at the most."""
_ENDLESS = 161_280, 2**20
"""Shards of a stream without end, a number that many numbers of nodes and workers divide, and rows of each of them."""


class Endless(Sequence[Shard]):
    """The shards of a stream without end: of more rows than anyone can make."""

    def __len__(self) -> int:
        return _ENDLESS[0]

    @overload
    def __getitem__(self, place: int) -> Shard: ...
    @overload
    def __getitem__(self, place: slice) -> list[Shard]: ...
    def __getitem__(self, place: int | slice) -> Shard | list[Shard]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        return number * _ENDLESS[1], (number + 1) * _ENDLESS[1]


def shards_of(rows: int | None, size: int) -> Sequence[Shard]:
    """The shards of so many rows, in order.

    Args:
        rows: how many; None: without end.
        size: bytes of a row's images.
    """
    if rows is None:
        return Endless()
    counts = [Count(rows)]
    number = min(how_many(counts, rows * size, size), _ENDLESS[0])
    return [(some[0][1], some[-1][2]) for some in divided(counts, number)]


def row_path(digest: str) -> str:
    """The column `path` of rows: the same on every machine, wherever structures and recipe are, for what draws by it.

    Args:
        digest: of the recipe.
    """
    return f"{digest}.json"


class Pieces(Sequence[Shard]):
    """Shards in pieces, from some of them in turn, those of a shard in any order; found when they are asked for.

    Args:
        shards: these.
        at_once: from how many.
        rows: of a piece, at the most.
        seeds: decide the order of a shard's pieces.
    """

    def __init__(self, shards: Sequence[Shard], at_once: int, rows: int, seeds: Sequence[int]) -> None:
        self._shards, self._at_once = shards, max(1, min(at_once, len(shards)))
        largest = max((stop - start for start, stop in shards), default=0)
        self._each = max(1, -(-largest // max(1, rows)))
        self._order = lru_cache(maxsize=4 * self._at_once)(partial(_permuted, tuple(seeds), self._each))

    def __len__(self) -> int:
        return len(self._shards) * self._each

    @overload
    def __getitem__(self, place: int) -> Shard: ...
    @overload
    def __getitem__(self, place: slice) -> list[Shard]: ...
    def __getitem__(self, place: int | slice) -> Shard | list[Shard]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        group, rest = divmod(range(len(self))[place], self._at_once * self._each)
        lanes = min(self._at_once, len(self._shards) - group * self._at_once)
        turn, lane = divmod(rest, lanes)
        number = group * self._at_once + lane
        start, stop = self._shards[number]
        piece = int(self._order(number)[turn])
        first, last = ((stop - start) * edge // self._each for edge in (piece, piece + 1))
        return start + first, start + last


def _permuted(seeds: Sequence[int], count: int, number: int) -> Places:
    return np.random.default_rng([len(seeds), *seeds, number]).permutation(count)


@dataclass(frozen=True)
class MadeReader:
    """Makes the rows of shards; see `builders.hf.streaming.Reader`.

    Args:
        path: of the recipe.
        digest: of it.
        memory: bytes of pixels that a shuffled stream may hold.
        is_endless: whether nobody ever reads all shards.
    """

    path: str
    digest: str
    memory: int
    is_endless: bool = False

    def rows(self, shard: Shard) -> int:
        """How many rows a shard has."""
        return shard[1] - shard[0]

    def name(self, shard: Shard) -> str:
        """See `builders.hf.streaming.Reader`."""
        return f"{self.digest} {shard[0]}:{shard[1]}"

    def pieces(self, shards: Sequence[Shard], at_once: int, rows: int, seeds: Sequence[int]) -> Pieces:
        """See `builders.hf.shuffling.drawing.PieceReader`."""
        return Pieces(shards, at_once, min(self._of_block, max(1, rows // (2 * max(1, at_once)))), seeds)

    def blocks(
        self, shards: Iterable[Shard], skip: int, only: Sequence[Places] | None = None
    ) -> Generator[MadeBlock | None, None, None]:
        """See `builders.hf.stream_blocks.BlockReader`."""
        for number, (start, stop) in enumerate(shards):
            places: Iterable[int] = range(0 if number else skip, stop - start, self._of_block)
            if only is not None:
                places = (np.unique(only[number] // self._of_block) * self._of_block).tolist()
            for place in places:
                indices = range(start + place, min(start + place + self._of_block, stop))
                yield MadeBlock(self._maker, (self.path, self.digest), indices, place, self._shared)
            yield None

    def __call__(self, shards: Iterable[Shard], skip: int) -> Generator[Step, None, None]:
        """See `builders.hf.streaming.Reader`."""
        for block in self.blocks(shards, skip):
            if block is None:
                yield None
                continue
            for start in range(0, block.count, self._together):
                yield from _rows(block, self._known, start, min(start + self._together, block.count))

    @cached_property
    def _known(self) -> Known:
        return known(self.path, self.digest)

    @property
    def _maker(self) -> Maker:
        return self._known.maker

    @cached_property
    def _shared(self) -> Mapping[str, Any]:
        return {"pixel_size": self._maker.recipe.pixel_size, "path": row_path(self.digest)}

    @cached_property
    def _together(self) -> int:
        if len(self._maker.shape) > 2:  # volumes and movies are made one by one anyway
            return 1
        return max(1, min(_MOST_TOGETHER, _TOGETHER // int(np.prod(self._maker.shape))))

    @cached_property
    def _of_block(self) -> int:
        return max(1, min(_MOST_OF_BLOCK, _OF_BLOCK // int(np.prod(self._maker.shape))))

    def __reduce__(self) -> "tuple[type[MadeReader], tuple[object, ...]]":
        return type(self), (self.path, self.digest, self.memory, self.is_endless)


def _rows(block: MadeBlock, made: Known, start: int, stop: int) -> Iterator[Step]:
    """Rows of a block, whose images are made together once somebody looks at one of them: those skipped never are."""
    together = range(start, stop)
    told = {name: column.values(together) for name, column in block.told.items()}
    getters = {name: _Made(made, block, name, start, stop) for name in block.columns_of_images}
    for place, number in enumerate(together):
        row = Row(dict.fromkeys(block.names))
        row |= block.shared
        row |= {name: values[place] for name, values in told.items()}
        row["index"] = block.index(number)
        for name, images in block.columns_of_images.items():
            value = Fetched(images.stored(number))
            value.held, value.finite = partial(getters[name].image, place), False
            row[name] = value
        yield block.place + number, block.key(number), row


class _Made:
    """A column of images of some rows, made once."""

    def __init__(self, made: Known, block: MadeBlock, name: str, start: int, stop: int) -> None:
        indices = np.arange(block.index(start), block.index(start) + stop - start)
        self._make = partial(made.images, indices, name)
        self._images: Array | None = None

    def image(self, place: int) -> Array:
        """One of them, in memory of its own."""
        if self._images is None:
            self._images = self._make()
        own: Array = self._images[place].copy()
        return own
