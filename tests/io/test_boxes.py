"""Boxes of layouts against slices of the array whose bytes they lie in."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import FormatError
from builders.io.layout import InterleavedSlice, Layout
from tests.io.boxes import ENCODINGS, boxes_in, cut, encode, numbers


@st.composite
def files(draw, least=1, unusual=None):
    """An array, a file of it, and its layout there."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=least, max_size=4)))
    encoding = draw(st.sampled_from(ENCODINGS))
    array = numbers(shape, encoding)
    offset = draw(st.integers(0, 9))
    axes = tuple(draw(st.permutations(range(len(shape))) if unusual is None else unusual(len(shape))))
    is_usual = list(axes) == sorted(axes) or (unusual is None and draw(st.booleans()))
    stored = array if is_usual else array.transpose(axes)
    file = bytes(offset) + encode(stored, encoding) + b"tail"
    return array, file, Layout(shape, encoding, offset, None if is_usual else axes)


def read(file, layout):
    """The array at a layout, out of the bytes at its ranges, which are looked at."""
    ranges = layout.ranges
    assert all(start < stop for start, stop in ranges)
    assert all(stop < start for (_, stop), (start, _) in itertools.pairwise(ranges))
    assert (ranges[0][0] >= layout.offset, ranges[-1][1]) == (True, layout.end)
    assert layout.end <= len(file) - 4
    assert layout.nbytes == sum(stop - start for start, stop in ranges)
    return layout.decode(np.frombuffer(b"".join(file[start:stop] for start, stop in ranges), np.uint8))


def same(array, expected):
    assert array.dtype == expected.dtype
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, expected)


@given(files(), st.data())
def test_boxes_and_their_slices_are_numpys(made, data):
    array, file, layout = made
    same(read(file, layout), array)
    bounds = data.draw(boxes_in(array.shape))
    inner = data.draw(boxes_in([stop - start for start, stop in bounds]))
    box, expected = layout.box(bounds, "x"), array[cut(bounds)]
    same(read(file, box), expected)
    same(read(file, box.box(inner, "x")), expected[cut(inner)])
    same(read(file, box.box(inner, "x").squeezed()), squeezed(expected[cut(inner)]))
    if array.ndim < 3:
        return
    for index, section in enumerate(array):
        same(read(file, layout.slice(index, "x").box(bounds[1:], "x")), section[cut(bounds[1:])])
    for index, section in enumerate(expected):
        same(read(file, box.slice(index, "x")), section)
        same(read(file, box.slice(index, "x").box(inner[1:], "x")), section[cut(inner[1:])])


def squeezed(array):
    while array.ndim > 2 and len(array) == 1:
        array = array[0]
    return array


@given(files(3, lambda count: st.permutations(range(count)).filter(lambda axes: axes[0] != 0)), st.data())
def test_boxes_of_slices_that_do_not_lie_apart(made, data):
    array, file, layout = made
    for index, section in enumerate(array):
        image = layout.slice(index, "x")
        assert isinstance(image, InterleavedSlice)
        bounds = data.draw(boxes_in(section.shape))
        same(read(file, image.box(bounds, "x")), section[cut(bounds)])
        same(read(file, image.squeezed()), squeezed(section))
        if section.ndim == 3:
            same(read(file, image.box(bounds, "x").slice(0, "x")), section[cut(bounds)][0])


@given(files(2, lambda count: st.just(range(count))), st.data())
def test_a_box_needs_the_rows_that_it_crosses_and_no_others(made, data):
    array, file, layout = made
    bounds = data.draw(boxes_in(array.shape))
    box = layout.box(bounds, "x")
    row = (len(file) - 4 - layout.offset) // math.prod(array.shape[:-1])
    crossed = np.zeros(array.shape[:-1], bool)
    crossed[cut(bounds[:-1])] = True
    needed = {layout.offset + row * number + byte for number in np.flatnonzero(crossed) for byte in range(row)}
    assert {byte for start, stop in box.ranges for byte in range(start, stop)} == needed


def test_pixels_in_halves_of_bytes_keep_their_bytes_without_an_axis_of_length_one():
    array = numbers((1, 3, 4), "4bit")
    file = encode(array.transpose(1, 2, 0), "4bit") + b"tail"
    layout = Layout(array.shape, "4bit", 0, (1, 2, 0))
    same(read(file, layout.squeezed()), array[0])
    stack = numbers((2, 1, 3, 4), "4bit")
    file = encode(stack.transpose(2, 0, 3, 1), "4bit") + b"tail"
    layout = Layout(stack.shape, "4bit", 0, (2, 0, 3, 1))
    same(read(file, layout.slice(1, "x").squeezed()), stack[1, 0])


NO_BOXES = {
    "empty": [(1, 1), (0, 5)],
    "backwards": [(3, 1), (0, 5)],
    "before it": [(-1, 2), (0, 5)],
    "beyond it": [(0, 4), (0, 6)],
    "far beyond it": [(0, 10**30), (0, 5)],
    "of fewer axes": [(0, 4)],
    "of more axes": [(0, 1), (0, 4), (0, 5)],
    "of none": [],
}


@pytest.mark.parametrize("what", NO_BOXES)
def test_what_is_no_box_is_refused(what):
    image = Layout((9, 9), "<f4", 0).box([(2, 6), (1, 6)], "x")
    for one in (image, Layout((4, 5), "<f4", 0), Layout((4, 5), "<f4", 0, (1, 0)), Layout((0, 5), "<f4", 0)):
        with pytest.raises(FormatError, match=r"y\.mrc: a box"):
            one.box(NO_BOXES[what], "y.mrc")


def test_ranges_of_a_box_do_not_take_forever():
    stack = Layout((2**40, 2**20, 2**20), "<f4", 0)
    with pytest.raises(FormatError, match="expected at most"):
        stack.box([(0, 2**40), (0, 1), (0, 1)], "x")
    assert stack.box([(2**39, 2**39 + 1), (0, 2**20), (5, 6)], "x").ranges == ((2**81, 2**81 + 2**42),)
    assert len(stack.box([(7, 1007), (3, 9), (1, 2)], "x").ranges) == 1000
    assert stack.box([(7, 1007), (0, 2**20), (1, 2)], "x").ranges == ((7 * 2**42, 1007 * 2**42),)
