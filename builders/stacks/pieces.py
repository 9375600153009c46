"""How shards are read for a buffer of rows that is to hold some of many of them: by pieces, from several in turn."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from builders.hf.stream_blocks import Places
from builders.io.files import location
from builders.stacks.cutting import Part, Shard
from builders.stacks.rows import Images
from builders.stacks.runs import Run

_Shard = TypeVar("_Shard")

REMOTE = 8 * 1024 * 1024
"""Bytes of a piece, about: the archive limits how many requests it takes in an hour."""
_LOCAL = 4 * 1024 * 1024
_SMALLEST = 256 * 1024


def in_turn(
    shards: Sequence[_Shard], at_once: int, seeds: Sequence[int], cut: Callable[[_Shard], list[_Shard]]
) -> list[_Shard]:
    """The pieces of shards, from some of them in turn, those of a shard in any order.

    Args:
        shards: in order.
        at_once: from how many.
        seeds: decide the order of a shard's pieces.
        cut: gives the pieces of a shard.
    """
    rng = np.random.default_rng(list(seeds))
    waiting, lanes, found = deque(shards), deque[list[_Shard]](), []
    while waiting or lanes:
        while waiting and len(lanes) < max(1, at_once):
            pieces = cut(waiting.popleft())
            lanes.append([pieces[place] for place in rng.permutation(len(pieces))])
        lane = lanes.popleft()
        found.append(lane.pop())
        if lane:
            lanes.append(lane)
    return found


def pieces_of(shard: Shard, rows: float) -> list[Shard]:
    """A shard in pieces of so many rows, but of some size.

    Args:
        shard: of some parts.
        rows: a buffer is to hold two pieces of each shard that it is filled from, where these are not too small for it.
    """
    pieces: list[Shard] = []
    piece: list[Part] = []
    held = 0
    for part in shard:
        size = max(1, part.file.most // max(1, part.of))
        largest = largest_piece(part.file.location, int(rows * size))
        for some in _divided(part, max(1, largest // size)):
            bytes_more = (some.stop - some.first) * size
            if piece and held + bytes_more > largest:
                pieces.append(tuple(piece))
                piece, held = [], 0
            piece.append(some)
            held += bytes_more
    return [*pieces, tuple(piece)] if piece else pieces


def largest_piece(where: str, wanted: int) -> int:
    """Bytes of a piece of a file, of which so many are wanted."""
    return REMOTE if location.is_remote(where) else min(_LOCAL, max(_SMALLEST, wanted))


def _divided(part: Part, most: int) -> list[Part]:
    """A part in smaller ones of `most` rows at the most, if it can be, all about as large."""
    rows = part.stop - part.first
    if not part.apart or rows <= most:
        return [part]
    count = -(-rows // most)
    edges = [part.first + rows * number // count for number in range(count + 1)]
    return [replace(part, first=first, stop=stop) for first, stop in pairwise(edges)]


def those_with(runs: Iterable[Run], only: Sequence[Places]) -> Iterator[Run]:
    """The runs, or the stretches of them, that hold some rows of each shard, and the ends of shards.

    Args:
        runs: of shards, one after another.
        only: for each shard, the places of its rows, in rising order.
    """
    shard = 0
    for run in runs:
        shard += run.images is None
        if not isinstance(run.images, Images):
            yield run
            continue
        places = only[shard] - run.place
        wanted = places[(places >= 0) & (places < len(run.rows))]
        if not len(wanted):
            continue
        for stretch in np.split(wanted, np.flatnonzero(np.diff(wanted) > run.gap) + 1):
            yield from run.part(int(stretch[0]), int(stretch[-1]) + 1)
