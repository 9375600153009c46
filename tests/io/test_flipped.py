"""A flipped layout is a layout of the same bytes whose rows come in the other order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import FormatError
from builders.io.flipped import Flipped, flipped, unflipped
from builders.io.layout import InterleavedSlice, Layout, is_fresh
from tests.io import test_coded
from tests.io.boxes import boxes_in, cut
from tests.io.test_coded import read


@given(test_coded.files(), st.data())
def test_rows_come_in_the_other_order(made, data):
    stored, file, layout = made
    array, image = stored[..., ::-1, :], flipped(layout)
    np.testing.assert_array_equal(read(file, image), array)
    np.testing.assert_array_equal(read(file, image.squeezed()).reshape(array.shape), array)
    bounds = data.draw(boxes_in(array.shape))
    box = image.box(bounds, "x")
    np.testing.assert_array_equal(read(file, box), array[cut(bounds)])
    np.testing.assert_array_equal(read(file, unflipped(box)), array[cut(bounds)][..., ::-1, :])
    assert flipped(image) is layout is unflipped(image) is unflipped(layout)
    kept = image.count_before(data.draw(st.integers(0, len(file))))
    if array.ndim == 3:
        np.testing.assert_array_equal(read(file, image.first(kept)), array[:kept])
        for index in range(len(array)):
            np.testing.assert_array_equal(read(file, image.slice(index, "x")), array[index])


def test_it_says_what_the_stored_image_says_but_that_it_is_not_plain():
    layout = Layout((4, 3, 5), "4bit", 7)
    image = flipped(layout)
    for name in ("shape", "encoding", "offset", "nbytes", "end", "ranges", "dtype", "slices_lie_apart", "stored_shape"):
        assert getattr(image, name) == getattr(layout, name), name
    assert layout.spelling + "~" == image.spelling
    assert not flipped(Layout((2, 3), "<f4", 0)).is_plain
    assert image.slice(1, "x") == flipped(layout.slice(1, "x"))


def test_slices_that_do_not_lie_apart_are_flipped_too():
    layout = flipped(Layout((2, 3, 4), "<u2", 0, (2, 1, 0)))
    stored = np.arange(24, dtype="<u2").reshape(4, 3, 2)
    image = layout.slice(1, "x")
    assert isinstance(image, Flipped)
    assert isinstance(image.whole, InterleavedSlice)
    np.testing.assert_array_equal(image.decode(stored.reshape(-1).view(np.uint8)), stored.transpose(2, 1, 0)[1, ::-1])


def test_pixels_have_memory_of_their_own():
    pixels = flipped(Layout((2, 3), "|u1", 0)).decode(np.arange(6, dtype=np.uint8))
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    assert is_fresh(pixels)


def test_what_has_no_rows_is_not_flipped():
    with pytest.raises(FormatError, match=r"shape \(5,\), upside down: expected rows"):
        flipped(Layout((5,), "|u1", 0))
