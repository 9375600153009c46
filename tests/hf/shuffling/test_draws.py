"""Which rows are drawn, and how a state names those that are held."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from builders.hf.shuffling.draws import count_of, decoded, drawn, encoded, keys_of, places_in, seed_of

PLACES = st.dictionaries(st.integers(0, 2**30), st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=40))


def keys_in(places):
    """Rising keys of places by piece."""
    parts = [keys_of(piece, np.sort(np.array(list(places[piece]), np.int64))) for piece in sorted(places)]
    return np.concatenate([np.empty(0, np.int64), *parts])


@given(PLACES)
def test_a_text_tells_the_rows_that_are_held(places):
    keys = keys_in(places)
    assert decoded(encoded(keys)).tolist() == keys.tolist()
    assert {piece: set(held.tolist()) for piece, held in places_in(keys)} == places
    assert (np.diff(keys) > 0).all()


def test_of_rows_that_stand_near_one_another_each_takes_little_more_than_a_byte():
    keys = keys_in({piece: range(0, 500, 7) for piece in range(20)})
    assert len(encoded(keys)) < 1.7 * len(keys)


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=4), st.integers(0, 2**40), st.integers(1, 300))
def test_a_draw_takes_each_row_once_and_is_the_same_again(seeds, number, held):
    rows = drawn(seeds, number, held, held)
    assert sorted(rows.tolist()) == list(range(held))
    some = drawn(seeds, number, held, count_of(held))
    assert 1 <= len(some) <= held
    assert len(set(some.tolist())) == len(some)
    assert some.tolist() == drawn(seeds, number, held, len(some)).tolist()


def test_draws_of_other_numbers_and_seeds_are_others():
    found = {tuple(drawn(seeds, number, 50, 50)) for seeds in ([1], [2], [1, 5], [1, 2]) for number in range(50)}
    assert len(found) == 200


def test_every_row_is_as_likely_to_be_drawn():
    counts = np.bincount(np.concatenate([drawn([3], number, 40, 10) for number in range(4000)]), minlength=40)
    assert abs(counts - 1000).max() < 5 * np.sqrt(1000)


def test_a_generator_is_told_by_its_seed_and_stays_where_it_stands():
    one, other = np.random.default_rng(1), np.random.default_rng(2)
    assert seed_of(one) == seed_of(one) == seed_of(np.random.default_rng(1)) != seed_of(other)
