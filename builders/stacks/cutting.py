"""How files are divided for workers and nodes: cut and grouped into shards of as many rows each.

`datasets` deals shards out in turn, so shares are fair only where shards are: bytes say little, since a micrograph of
64 MB is one row and a stack of as many bytes a thousand. How many rows a file has is known from metadata or its suffix
where those say that it is one; of stacks, some headers are looked at, when the stream is first read or divided.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple, overload

from builders.errors import AccessError, FormatError, NotFoundError, PercError
from builders.io.files import location
from builders.io.files.header_store import HeaderStore
from builders.stacks.files import SourceFile
from builders.stacks.rows import Images, Reading, look_at_all
from builders.stacks.slices_or_files import before_header

LARGEST = 32 * 1024 * 1024
"""Bytes of a shard, about: two requests of a long stream. A row that is larger is one of its own."""
_SMALLEST = 1024 * 1024
_AIM = 16
"""Shards of files that are too small for more."""
_FINER = 4
"""How many times more there may be where some rows are much larger than others."""
_EVEN = ((240, 1920), (48, 384), (8, 0))
"""Numbers that many numbers of nodes divide, and how many shards it takes for a multiple of them."""
_LOOKS = 64
_LOOKS_HERE = 1024
"""Headers that are looked at before a stream begins, at the most: on a server, and on this machine."""
_LASTING = (FormatError, NotFoundError, AccessError)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a file's rows.

    Attributes:
        file: the file.
        first: the first one.
        stop: the one after the last.
        of: how many rows the file is thought to have; should it have others, the part is as large in proportion.
        apart: whether some of its rows can be read without the others, as far as is known.
    """

    file: SourceFile
    first: int
    stop: int
    of: int
    apart: bool = True

    def rows(self, count: int) -> range:
        """Its rows, of a file that turns out to have `count` of them."""
        return range(count * self.first // self.of, count * self.stop // self.of)


Shard = tuple[Part, ...]
Piece = tuple[int, int, int]
"""Of which file, by its place, and its first row and the one after its last."""


class Count(NamedTuple):
    """What is thought of a file before it is read.

    Attributes:
        rows: how many it gives; none where it cannot be read.
        lie_apart: whether some of them can be read without all that come before or beside them.
    """

    rows: int
    lie_apart: bool = True

    @property
    def pieces(self) -> int:
        """Into how many the file can be cut."""
        return self.rows if self.lie_apart else min(self.rows, 1)


class Shards(Sequence[Shard]):
    """The shards of files, cut when they are first asked for where that asks a server: loading a stream does not.

    Args:
        files: in order.
        reading: how they become rows.
        folder: of the cache, for headers.

    Raises:
        PercError: of what they are asked: a server cannot be reached.
    """

    def __init__(self, files: Sequence[SourceFile], reading: Reading, folder: str | None) -> None:
        self._files, self._reading, self._folder = files, reading, folder
        if not any(location.is_remote(file.location) and not _is_one_row(file, reading) for file in files):
            _ = self._cut  # now: each worker would do it by itself

    @functools.cached_property
    def _cut(self) -> list[Shard]:
        counts = count_rows(self._files, self._reading, HeaderStore(self._folder))
        return cut(self._files, counts)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self._cut,)  # whoever gets it, a worker or a digest, gets the same shards

    def __len__(self) -> int:
        return len(self._cut)

    @overload
    def __getitem__(self, place: int) -> Shard: ...
    @overload
    def __getitem__(self, place: slice) -> list[Shard]: ...
    def __getitem__(self, place: int | slice) -> Shard | list[Shard]:
        return self._cut[place]

    def __iter__(self) -> Iterator[Shard]:
        return iter(self._cut)


def cut(files: Sequence[SourceFile], counts: Sequence[Count]) -> list[Shard]:
    """Shards of files whose numbers of rows are known, in order, none empty, none larger than those before it.

    So whoever takes every n-th of them, and whatever n is, has at most the rows of one shard more than others.
    Files whose rows do not lie apart stay whole, since reading a part of one means reading all of it (of a compressed
    one, all before that): where these are of unlike lengths, shards are as even as they allow. Files without rows,
    which nobody can read, go with their neighbours.
    """
    largest = max((file.most // count.rows for file, count in zip(files, counts, strict=True) if count.rows), default=0)
    number = how_many(counts, sum(file.most for file in files), largest)

    def part(place: int, first: int, stop: int) -> Part:
        return Part(files[place], first, stop, max(1, counts[place].rows), counts[place].lie_apart)

    return [tuple(part(*piece) for piece in pieces) for pieces in divided(counts, number)]


def divided(counts: Sequence[Count], number: int) -> list[list[Piece]]:
    """Some files, or whatever else has rows, divided among so many shards, as `cut` divides them.

    Example:
        >>> divided([Count(3), Count(2, lie_apart=False)], 2)
        [[(0, 0, 3)], [(1, 0, 2)]]
    """
    shards: list[list[Piece]] = []
    shard: list[Piece] = []
    rows, uncut, held = sum(count.rows for count in counts), sum(count.pieces for count in counts), 0
    for place, count in enumerate(counts):
        first, of = 0, max(1, count.rows)
        while first < of:
            left = number - len(shards)
            step = of
            if count.pieces > 1:
                step = min(of - first, max(1, -(-rows // left) - held), max(1, uncut - left + 1))
            shard.append((place, first, first + step))
            first += step
            held += min(step, count.rows)
            uncut -= step if count.pieces > 1 else count.pieces
            if held and left > 1 and (held * left >= rows or uncut < left):
                shards.append(shard)
                rows -= held
                shard, held = [], 0
    return [*shards, shard] if shard else shards


def how_many(counts: Sequence[Count], total: int, largest: int) -> int:
    """A number of shards, none empty, that 2, 4 or 8 nodes divide, and many more where there are many shards.

    Of a number that they do not divide, `datasets` has every node read all.

    Args:
        counts: rows of each file.
        total: bytes of all.
        largest: of a row, the most.
    """
    rows, most = sum(count.rows for count in counts), sum(count.pieces for count in counts)
    number = max(-(-total // LARGEST), min(_AIM, -(-total // _SMALLEST)))
    number = max(number, min(rows * largest // (2 * LARGEST), _FINER * number))
    number = -(-number // _even(number)) * _even(number)
    if number > most:
        number = most - most % _even(most) if most >= _even(most) else most
    return max(1, number)


def _even(number: int) -> int:
    """What so many shards should be a multiple of."""
    return next(even for even, least in _EVEN if number >= least)


def count_rows(files: Sequence[SourceFile], reading: Reading, store: HeaderStore) -> list[Count]:
    """How many rows each file gives, and whether these lie apart.

    Files of one folder, suffix and size need one look. Where there are very many others, some are looked at, and the
    rest is taken to be as those are that come next to them by suffix, folder and size.

    Raises:
        PercError: a file cannot be looked at now, and none is to be left out: the rows would be divided otherwise the
            next time.
    """
    alike: dict[tuple[str, str, int], list[int]] = {}
    for place, file in enumerate(files):
        if not _is_one_row(file, reading):
            path = PurePosixPath(file.path)
            alike.setdefault((path.suffix, str(path.parent), file.most), []).append(place)
    kinds = sorted(alike)
    looks = _LOOKS if any(location.is_remote(files[alike[kind][0]].location) for kind in kinds) else _LOOKS_HERE
    every = max(1, (len(kinds) - 1) / (looks - 1))
    chosen = sorted({round(number * every) for number in range(min(looks, len(kinds)))})
    looked = list(look_at_all([files[alike[kinds[number]][0]] for number in chosen], reading, store))
    for found in looked:
        if isinstance(found, PercError) and reading.on_error == "raise" and not isinstance(found, _LASTING):
            raise found
    counts = [Count(1)] * len(files)
    for number, kind in enumerate(kinds):
        nearest = round(number / every)
        for place in alike[kind]:
            counts[place] = _counted(looked[nearest], files[place], chosen[nearest] == number, reading)
    return counts


def _is_one_row(file: SourceFile, reading: Reading) -> bool:
    """Whether a file is known to be one without a look at it."""
    return before_header(reading.item, reading.said, file.path) == "file"


def _counted(looked: Images | PercError, file: SourceFile, same: bool, reading: Reading) -> Count:
    """Rows of a file by what was seen of another one, or of one of the same size."""
    if isinstance(looked, PercError):
        return Count(0 if same else 1)
    if same or not looked.lies_apart or not looked.by_slice:
        return Count(looked.count, looked.lies_apart)
    layout, movie = looked.image.layout, looked.movie
    first = layout.slice(0, file.path) if len(layout.shape) > 2 else layout
    count = max(1, (file.most - layout.offset) // max(1, first.nbytes))
    return Count(count if movie is None else reading.development.rows(count, movie.group))
