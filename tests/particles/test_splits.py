"""Training and validation: whole groups, drawn by seed and value."""

import logging

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import OptionError
from builders.particles.splits import held_out


def column(values):
    return pa.chunked_array([pa.array(values)])


@given(st.lists(st.integers(0, 8), min_size=2), st.floats(0.01, 0.99), st.integers(0, 5))
def test_no_group_is_on_both_sides_and_neither_side_is_empty(values, fraction, seed):
    if len(set(values)) < 2:
        with pytest.raises(OptionError, match=r"all rows are of one group, tube=."):
            held_out(column(values), fraction, seed, "tube")
        return
    chosen = held_out(column(values), fraction, seed, "tube")
    assert 0 < chosen.sum() < len(values)
    groups = np.array(values)
    assert not set(groups[chosen]) & set(groups[~chosen])
    assert chosen.tolist() == held_out(column(values), fraction, seed, "tube").tolist()


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.9])
def test_shares_are_near_what_was_asked_for(fraction):
    groups = np.repeat(np.arange(400), np.random.default_rng(1).integers(1, 60, 400))
    share = held_out(column(groups), fraction, 0, "micrograph").mean()
    assert abs(share - fraction) < 0.005


def test_a_groups_turn_does_not_depend_on_the_others_or_their_order():
    names = np.array([f"m_{n}" for n in range(300)])
    sides = dict(zip(names, held_out(column(names), 0.5, 7, "micrograph"), strict=True))
    shuffled = np.random.default_rng(0).permutation(names)
    assert sides == dict(zip(shuffled, held_out(column(shuffled), 0.5, 7, "micrograph"), strict=True))
    some = names[:290]
    again = held_out(column(some), 0.5, 7, "micrograph")
    assert np.mean([sides[name] == side for name, side in zip(some, again, strict=True)]) > 0.95
    assert (held_out(column(names), 0.5, 8, "micrograph") != list(sides.values())).any()


def test_names_are_numbered_or_not():
    plain = column(["a", "b", "b", "c"])
    assert held_out(plain, 0.3, 1, "m").tolist() == held_out(plain.dictionary_encode(), 0.3, 1, "m").tolist()


def test_a_share_that_is_far_from_what_was_asked_for_is_told(caplog):
    with caplog.at_level(logging.WARNING):
        assert held_out(column([1] * 50 + [2] * 50), 0.1, 1, "half_set").sum() == 50
    assert "validation has 0.5 of the rows, not 0.1: the 2 groups of half_set" in caplog.text


def test_rows_without_a_group_are_an_error():
    with pytest.raises(OptionError, match=r"group_by='micrograph': 1 of 3 rows have no micrograph.*group_by='path'"):
        held_out(column(["a", None, "b"]), 0.5, 1, "micrograph")
