"""The table tells what is not as it should be."""

import math

import numpy as np
import pytest

from conformance.document import MADE, TOMOGRAPHY, document, further, replaced
from conformance.table import Row, distance, failures, shown


def row(**changes):
    """A row that is as it should be, but for the changes."""
    return Row(
        **{"convention": "c", "case": "n", "ours": 1.0, "theirs": 1.0, "package": "numpy", "call": "f"} | changes
    )


def test_what_differs_fails_unless_a_formula_says_so():
    """Both that ours moved and that theirs did are seen."""
    assert failures([row()]) == []
    assert "off by 1" in failures([row(theirs=2.0)])[0]
    assert failures([row(theirs=2.0, predicted=2.0, why="twice")]) == []
    assert "expected 3" in failures([row(theirs=2.0, predicted=3.0, why="thrice")])[0]
    assert failures([row(theirs=[1.0, 1.0])]) != []
    assert failures([row(theirs=math.nan)]) != []


def test_a_difference_needs_its_formula_and_a_formula_its_value():
    """The one without the other explains nothing."""
    for changes in ({"predicted": 2.0}, {"why": "twice"}):
        with pytest.raises(ValueError, match="go together"):
            row(**changes)


def test_distances_and_cells():
    """NaN is NaN; what is left of rounding is 0; whole images show their root mean square."""
    assert distance([1.0, math.nan], [1.5, math.nan]) == 0.5
    assert distance([1.0], [math.nan]) == math.inf
    assert shown([1e-9, 0.123456], 3) == "0, 0.123"
    assert shown(np.full((3, 4), 2.0), 4) == "3 x 4, rms 2"


def test_notes_are_numbered_and_written_once():
    """By subject."""
    text = document(
        {"A": [row(), row(theirs=2.0, predicted=2.0, why="twice"), row(theirs=2.0, predicted=2.0, why="twice")]}
    )
    assert text.count("| (1) |") == 2
    assert text.count("twice") == 1
    assert "| numpy |" in text


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_part_is_put_where_the_one_of_its_heading_was(order):
    """Whichever environment was first; the others stay as they are."""
    parts = [document({"A": [row()]}), further(TOMOGRAPHY, "tilts", {"B": [row()]}), further(MADE, "made", {"C": []})]
    text = ""
    for place in order:
        text = replaced(text, parts[place])
    assert text == "\n".join(parts)
    anew = further(TOMOGRAPHY, "other tilts", {"B": [row()]})
    assert replaced(text, anew) == "\n".join([parts[0], anew, parts[2]])
