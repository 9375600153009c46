"""What a shuffled stream holds and gives: all rows once, as many bytes as it may, and the same again from a state."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.hf.shuffling.drawing import NOT_BEGUN, Drawing
from builders.hf.shuffling.memory import GONE, LARGE, Memory, each, size_of

KINDS = {"a": ((4, 6), np.dtype(np.int8)), "b": ((5, 3), np.dtype(np.float32)), "large": ((1, LARGE), np.dtype("u1"))}


class Block:
    """Rows whose pixels are the number of the row."""

    image, names, shared, lies, more = "image", ("image", "index"), {}, None, 0

    def __init__(self, kind, place, first, count, damaged=()):
        (self.shape, self.dtype), self.place, self.first, self.count = KINDS[kind], place, first, count
        self.damaged = damaged
        self.varying = {"index": np.arange(first, first + count)}
        self.told = {}

    def fill(self, out, start, stop, places=None):
        assert out.dtype == self.dtype
        came = [number for number in range(start, min(stop, self.count)) if self.first + number not in self.damaged]
        for place, number in zip(range(len(came)) if places is None else places, came, strict=False):
            out[place] = (self.first + number) % 100
        return came, True


class Reader:
    """Pieces that are lists of blocks: kind and count."""

    def __init__(self, pieces, damaged=()):
        self.pieces, self.damaged = pieces, damaged

    def blocks(self, pieces, skip, only=None):
        for number, piece in enumerate(pieces):
            first, place = 1000 * piece, 0
            for kind, count in self.pieces[piece]:
                left_out = max(0, min(skip - place, count))
                is_wanted = only is None or any(place <= row < place + count for row in only[number])
                if left_out < count and is_wanted:
                    yield Block(kind, place + left_out, first + place + left_out, count - left_out, self.damaged)
                place += count
            skip = 0
            yield None


PIECES = st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 12)), max_size=4), min_size=1, max_size=6)


def drawing(pieces, rows, most, state=None, damaged=()):
    memory, state = Memory(rows, most), dict(NOT_BEGUN if state is None else state)
    return Drawing(Reader(pieces, damaged), range(len(pieces)), [7], memory, state), memory, state


def taken(pieces, rows, most, state=None, damaged=()):
    """Rows as they come, the largest number of bytes held, and states after each row."""
    found, states, largest = [], [], 0
    source, memory, state = drawing(pieces, rows, most, state, damaged)
    for some in source.draws():
        drawn = sum(size_of(block) for block, slot in zip(some.blocks, some.slots, strict=True) if slot != GONE)
        largest = max(largest, memory.size)
        assert memory.size >= drawn
        for number, pixels, _ in each(some, memory):
            state["given"] += 1
            if pixels is not None:
                row = some.blocks[number].first + int(some.numbers[number])
                assert (pixels == row % 100).all()
                assert (pixels.shape, pixels.dtype) in KINDS.values()
                found.append(row)
            states.append(dict(state))
    assert memory.size == 0
    return found, largest, states


def rows_in(pieces):
    return [1000 * number + row for number, piece in enumerate(pieces) for row in range(sum(n for _, n in piece))]


@given(PIECES, st.integers(1, 40), st.integers(1, 2000))
def test_every_row_comes_once_and_no_more_is_held_than_may_be(pieces, rows, most):
    found, largest, _ = taken(pieces, rows, most)
    assert sorted(found) == rows_in(pieces)
    assert largest <= max(most, 60)  # of a row, at the most


@given(PIECES, st.integers(1, 40), st.integers(1, 2000), st.sets(st.integers(0, 30)), st.data())
def test_what_comes_after_a_state_comes_again(pieces, rows, most, damaged, data):
    found, _, states = taken(pieces, rows, most, damaged=damaged)
    assert sorted(found) == [row for row in rows_in(pieces) if row not in damaged]
    if states:
        number = data.draw(st.integers(0, len(states) - 1))
        assert taken(pieces, rows, most, states[number], damaged)[0] == found[number + 1 :]


def test_a_row_that_is_damaged_by_the_time_of_the_resumption_is_left_out():
    pieces = [[("a", 20)], [("b", 20)]]
    found, _, states = taken(pieces, 16, 10000)
    lost = {found[12], found[20]}
    assert set(taken(pieces, 16, 10000, states[10], lost)[0]) == set(found[11:]) - lost


def test_large_rows_have_memory_of_their_own_and_it_is_given_away():
    source, memory, _ = drawing([[("large", 9)]], 100, 8 * LARGE)
    first = next(iter(source.draws()))
    assert memory.size == 4 * LARGE  # others are under way
    own = memory.give(int(first.slots[0]))
    assert next(each(first, memory))[1] is own


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_a_small_buffer_is_full_at_each_draw_but_the_last(rows):
    source, memory, _ = drawing([[("a", 30)]], rows, 10**6)
    sizes = [(memory.size, len(some)) for some in source.draws()]
    assert sizes == [(24 * rows, 1)] * (30 - rows) + [(24 * rows, rows)]
