"""Draws from rows that are held while others are read in their place; they go on from a state as if never stopped."""

from collections.abc import Generator, Mapping, MutableMapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol

import numpy as np

from builders.hf.shuffling.draws import Numbers, count_of, decoded, drawn, encoded, keys_of, places_in
from builders.hf.shuffling.memory import GONE, Memory, Rows
from builders.hf.stream_blocks import BlockReader


class PieceReader(BlockReader, Protocol):
    """Reads shards, or pieces of them, in an order that is good for a buffer.

    Attributes:
        memory: bytes of pixels that a shuffled stream may hold.
    """

    memory: int

    def pieces(self, shards: Sequence[Any], at_once: int, rows: int, seeds: Sequence[int]) -> Sequence[Any]:
        """Shards that together hold the rows of some: pieces of them, in turn.

        Args:
            shards: which.
            at_once: of how many of them pieces stand side by side.
            rows: how many the buffer holds.
            seeds: decide the order.
        """
        ...


NOT_BEGUN: Mapping[str, Any] = {"draw": 0, "drawn": 0, "given": 0, "held": "", "piece": 0, "place": 0}
"""A state: the number of the draw, how many rows it draws and how many of them were given, the rows that were held when
it was made, and the piece, and the place in it, from which reading goes on."""


class Drawing:
    """The rows of pieces, drawn at random from those that are held.

    Args:
        reader: reads them.
        pieces: in order.
        seeds: what decides which rows are drawn.
        memory: for those that are held.
        state: where it begins, see `NOT_BEGUN`; kept up to date, but for `given`, which is for who takes the rows.
    """

    def __init__(
        self,
        reader: PieceReader,
        pieces: Sequence[Any],
        seeds: Sequence[int],
        memory: Memory,
        state: MutableMapping[str, Any],
    ) -> None:
        self._reader, self._pieces, self._seeds = reader, pieces, seeds
        self._memory, self._state = memory, state
        self._held = Rows.none()

    def draws(self) -> Generator[Rows, None, None]:
        """The rows of one draw after another, in the order in which they are to be given; each is there until the next.

        Raises:
            PercError: a file is damaged, and none is to be left out.
        """
        memory, (piece, place) = self._memory, (self._state["piece"], self._state["place"])
        if self._state["draw"]:
            yield from self._rest_of_draw()
        with closing(self._reader.blocks(islice(self._pieces, piece, None), place)) as blocks:
            for block in blocks:
                if block is None:
                    piece, place = piece + 1, 0
                    continue
                start = 0
                while start < block.count:
                    room = memory.room(block, len(self._held))
                    if not room:
                        yield from self._draw(count_of(len(self._held)), piece, place)
                        continue
                    stop = min(start + room, block.count)
                    rows = memory.fill(block, start, stop)
                    rows.keys[:] = keys_of(piece, block.place + rows.numbers)
                    self._held = Rows.joined([self._held, rows])
                    start, place = stop, block.place + stop
        if len(self._held):
            yield from self._draw(len(self._held), piece, place)

    def _draw(self, count: int, piece: int, place: int) -> Generator[Rows, None, None]:
        held, number = self._held, self._state["draw"] + 1
        self._state.update(draw=number, drawn=count, given=0, held=encoded(held.keys), piece=piece, place=place)
        chosen = drawn(self._seeds, number, len(held), count)
        yield from self._given(held, chosen, 0)

    def _given(self, held: Rows, chosen: Numbers, before: int) -> Generator[Rows, None, None]:
        rows, self._held = held[chosen[before:]], held.without(chosen)
        if len(rows):
            yield rows
        self._memory.free(rows)

    def _rest_of_draw(self) -> Generator[Rows, None, None]:
        """What a draw has not given yet; all rows that were held then are read once more."""
        keys, given = decoded(self._state["held"]), self._state["given"]
        chosen = drawn(self._seeds, self._state["draw"], len(keys), self._state["drawn"])
        wanted = np.ones(len(keys), bool)
        wanted[chosen[:given]] = False
        held = replace(Rows.of([0] * len(keys), [GONE] * len(keys)), keys=keys)
        self._read_again(held, np.flatnonzero(wanted))
        yield from self._given(held, chosen, given)

    def _read_again(self, held: Rows, wanted: Numbers) -> None:
        keys = held.keys[wanted]
        pieces = places_in(keys)
        numbers = iter(pieces)
        only = [places for _, places in pieces]
        with closing(self._reader.blocks([self._pieces[piece] for piece, _ in pieces], 0, only)) as blocks:
            piece, places = next(numbers, (0, np.empty(0, np.int64)))
            for block in blocks:
                if block is None:
                    piece, places = next(numbers, (0, places))
                    continue
                here = places[(places >= block.place) & (places < block.place + block.count)] - block.place
                for stretch in np.split(here, np.flatnonzero(np.diff(here) != 1) + 1):
                    if not len(stretch):
                        continue
                    rows = self._memory.fill(block, int(stretch[0]), int(stretch[-1]) + 1)
                    found = wanted[np.searchsorted(keys, keys_of(piece, block.place + rows.numbers))]
                    held.put(found, rows)
