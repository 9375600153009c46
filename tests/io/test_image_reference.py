"""A layout and what a table tells of it: the one is read back out of the other, and nothing else is made of lies."""

import math
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders.errors import FormatError
from builders.io.coded import Coded
from builders.io.flipped import flipped
from builders.io.image_reference import layout_of, told
from builders.io.layout import Layout
from tests.io import test_coded
from tests.io.boxes import ENCODINGS, boxes_in, cut, encode, numbers


def read(file, layout):
    return layout.decode(np.frombuffer(b"".join(file[start:stop] for start, stop in layout.ranges), np.uint8))


def respelled(layout):
    """The layout that a row of a table gives back."""
    row = {"index": None, "name": "y"} | told(layout)
    assert all(type(number) is int for number in (row["offset"], *row["shape"]))
    return layout_of(**row | {"shape": tuple(row["shape"])})


def same(file, layout, expected):
    """A reference to an image has no leading axis of length one where it is to a box."""
    again = respelled(layout)
    pixels = read(file, again)
    assert pixels.dtype == expected.dtype
    assert pixels.shape == (expected.shape if pixels.ndim == expected.ndim else expected.shape[1:])
    np.testing.assert_array_equal(pixels.reshape(expected.shape), expected)
    assert (again.ranges, again.nbytes, again.end) == (layout.ranges, layout.nbytes, layout.end)
    assert told(respelled(again)) == told(again)


@st.composite
def plain_files(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=2, max_size=3)))
    encoding = draw(st.sampled_from(ENCODINGS))
    array, offset = numbers(shape, encoding), draw(st.integers(0, 9))
    axes = draw(st.none() | st.permutations(range(len(shape))).map(tuple))
    axes = None if axes is None or list(axes) == sorted(axes) else axes
    return (
        array,
        bytes(offset) + encode(array if axes is None else array.transpose(axes), encoding),
        Layout(shape, encoding, offset, axes),
    )


@given(plain_files() | test_coded.files(), st.data())
def test_what_is_told_of_a_layout_reads_the_same_pixels(made, data):
    array, file, layout = made
    bounds = data.draw(boxes_in(array.shape))
    box, expected = layout.box(bounds, "x"), array[cut(bounds)]
    inner = data.draw(boxes_in(expected.shape))
    same(file, layout, array)
    same(file, layout.squeezed(), array[0] if array.ndim == 3 and len(array) == 1 else array)
    same(file, box, expected)
    same(file, box.box(inner, "x"), expected[cut(inner)])
    if array.ndim < 3:
        return
    for index, section in enumerate(array):
        same(file, layout.slice(index, "x"), section)
        same(file, layout.slice(index, "x").box(bounds[1:], "x"), section[cut(bounds[1:])])
    for index, section in enumerate(expected):
        same(file, box.slice(index, "x"), section)
        same(file, box.slice(index, "x").box(inner[1:], "x"), section[cut(inner[1:])])


def test_a_plain_layout_is_told_as_ever():
    """Datasets that were saved, and those who read them with other tools, know these fields."""
    assert told(Layout((3, 5), "<f4", 7)) == {"offset": 7, "shape": [3, 5], "dtype": "<f4"}
    assert layout_of((3, 5), "<f4", 7, None, "x") == Layout((3, 5), "<f4", 7)
    assert layout_of((3, 5), "float32", 7, None, "x").dtype == np.float32
    assert layout_of((2, 3, 5), "<f4", 7, 1, "x") == Layout((2, 3, 5), "<f4", 7)  # the index is for other readers


GOOD = "AQAQ"  # one part of 16 bytes


@given(plain_files() | test_coded.files(), st.data())
def test_what_is_told_of_a_flipped_layout_reads_the_same_pixels(made, data):
    stored, file, layout = made
    array, layout = stored[..., ::-1, :], flipped(layout)
    bounds = data.draw(boxes_in(array.shape))
    same(file, layout, array)
    same(file, layout.box(bounds, "x"), array[cut(bounds)])
    if array.ndim == 3:
        index = data.draw(st.integers(0, len(array) - 1))
        same(file, layout.slice(index, "x"), array[index])
        same(file, layout.slice(index, "x").box(bounds[1:], "x"), array[index][cut(bounds[1:])])
        same(file, layout.box(bounds, "x").slice(0, "x"), array[cut(bounds)][0])


def test_a_flipped_layout_is_told_by_a_mark():
    layout = flipped(Layout((3, 5), "<f4", 7))
    assert told(layout) == {"offset": 7, "shape": [3, 5], "dtype": "<f4~"}
    assert told(layout.box([(0, 1), (2, 5)]))["dtype"] == "<f4~@0:1,2:5"
    assert layout_of((3, 5), "<f4~", 7, None, "x") == layout


def made(**lies):
    return layout_of(**{"shape": (4, 4), "dtype": "<f4", "offset": 0, "index": None, "name": "y.tif"} | lies)


def test_a_coded_reference_is_no_lie():
    assert isinstance(made(dtype=f"<f4/zlib/4,4/{GOOD}"), Coded)
    assert made(dtype=f"<f4/zlib/4,4/{GOOD}@1:2,0:4").ranges == ((0, 16),)


LIES = {
    **{f"mark {text!r}": {"dtype": text} for text in ("~<f4", "<f4~/zlib", f"<f4/zlib~/4,4/{GOOD}", "<f4@0:1,0:1~")},
    "rows of nothing": {"dtype": "<f4~", "shape": (4,)},
    **{
        f"dtype {text!r}": {"dtype": text}
        for text in ("", "@", "/", "//", "///", "~", "<f4~~", ":", "<f4@", "<f4/", "<f4:", "@0:1")
    },
    **{f"box {box!r}": {"dtype": f"<f4@{box}"} for box in ("0:1", "0:1,0:1,0:1", "0:1,4:5", "1:1,0:1", "0:1,0", ",")},
    **{f"box {box!r}": {"dtype": f"<f4@{box}"} for box in ("-1:0,0:1", "0:1,0:1@0:1,0:1", "0:1,0:1/zlib", "0:1,:1")},
    **{f"box {box!r}": {"dtype": f"<f4@{box}"} for box in ("--1:1,0:1", "-:1,0:1", "0:-1,0:1", f"0:1,-{2**24}:1")},
    **{
        f"digits {box!r}": {"dtype": f"<f4@{box}"}
        for box in ("0:٣,0:1", "0:1²,0:1", "0:+1,0:1", "0: 1,0:1", "0:1_0,0:1")
    },
    **{f"codes {code!r}": {"dtype": f"<f4/zlib/4,4/{code}"} for code in ("", "A", "AQ", "A===", "====", "é", "AQAQAQ")},
    **{
        f"part {part!r}": {"dtype": f"<f4/zlib/{part}/{GOOD}"}
        for part in ("", "0,4", "4", "4,-4", "4,4,4", "4,٤", "9" * 30)
    },
    "codec": {"dtype": f"<f4/rar/4,4/{GOOD}"},
    "no codec": {"dtype": f"<f4//4,4/{GOOD}"},
    "coded, axes": {"dtype": f"<f4:10/zlib/4,4/{GOOD}"},
    "huge coded box": {"dtype": f"<f4/zlib/4,4/{GOOD}@{-(2**40)}:{2**40},0:1"},
    "huge box": {"dtype": f"<f4@0:{'9' * 19},0:1"},
    "more digits": {"dtype": f"<f4@0:{'9' * 10**6},0:1"},
    "coded, negative": {"dtype": f"<f4/zlib/4,4/{GOOD}", "offset": -1},
    "coded, far away": {"dtype": f"<f4/zlib/4,4/{GOOD}", "offset": 2**70},
    "coded, huge": {"dtype": f"<f4/zlib/4,4/{GOOD}", "shape": (2**62, 2**62)},
    "no axes": {"shape": ()},
    "a thousand axes": {"shape": (1,) * 1000},
    "nothing, and much of it": {"shape": (0, 2**62)},
    "no such slice": {"shape": (2, 3, 4), "dtype": "<f4:210", "index": 2},
    "slice before all": {"shape": (2, 3, 4), "dtype": "<f4:210", "index": -1},
    "surrogates": {"dtype": "\ud800"},
    "a nest": {"dtype": "(" * 10**5},
    "records": {"dtype": "f4," * 10**5},
    "an old name": {"dtype": "a5"},
    "a null": {"dtype": "<f4\0"},
    "subarrays": {"dtype": "(2,3)f4"},
    "blanks": {"dtype": " <f4"},
}


@pytest.mark.parametrize("what", LIES)
def test_a_lie_is_refused_at_once_and_in_few_words(what):
    before = time.process_time()
    with pytest.raises(FormatError) as said:
        made(**LIES[what])
    assert time.process_time() - before < 0.1
    assert len(str(said.value)) < 1000


TEXTS = st.one_of(
    st.text(),
    st.text("<>|=@/:,0123456789fiuc4bitzlAQ_-~"),
    st.lists(
        st.sampled_from(
            [
                "<f4",
                ">i2",
                "4bit",
                "<ci2",
                "O",
                "@",
                "~",
                "/",
                ":",
                ",",
                "zlib",
                "4,4",
                GOOD,
                "0:1",
                "1:3",
                "10",
                "9" * 18,
                "٣",
            ]
        ),
        max_size=9,
    ).map("".join),
)
SIDES = st.integers(0, 5) | st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=400)
@given(
    st.lists(SIDES, max_size=4).map(tuple), TEXTS, st.integers(0, 99) | SIDES, st.none() | st.integers(-2, 5), st.data()
)
@example((0, 2**63 - 1), "<f4", 0, None, None)
@example((2**62, 0, 5), f"<f4/zlib/5,5/{GOOD[:2]}A=", 0, None, None)
@example((1, 2**40, 2**40, 1), f"<f4@0:1,0:{2**40},0:1,0:1", 0, None, None)
@example((4, 4), f"<f4/zlib/4,4/{GOOD}", 2**63 - 8, None, None)
def test_whatever_a_row_says_is_a_layout_or_a_format_error(shape, dtype, offset, index, data):
    before = time.process_time()
    try:
        layout = layout_of(shape, dtype, offset, index, "x")
    except FormatError:
        return
    ranges = layout.ranges
    assert all(start >= 0 for start, _ in ranges)
    assert layout.end >= layout.offset >= 0
    if layout.nbytes < 2**16 and math.prod(layout.shape) < 2**16:
        try:
            pixels = layout.decode(np.zeros(layout.nbytes, np.uint8))
        except FormatError:
            assert "zlib" in dtype
        else:
            assert (pixels.shape, pixels.dtype) == (layout.shape, layout.dtype)
    assert time.process_time() - before < 1
