"""Boxes that reach beyond their image, against padded arrays; what fills them, against sums over single pixels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import FormatError
from builders.io.boxes.overhang import BACKGROUND, MOST_UNASKED, FilledBox, box_of, cut
from builders.io.image_reference import layout_of, told
from builders.io.layout import Layout
from perc_transforms.functional.intensity import background
from tests.io import test_coded
from tests.io.boxes import ENCODINGS, encode, numbers
from tests.io.boxes import cut as slices_of

FAR = 7


def expected(array, bounds):
    """A box, filled pixel by pixel."""
    places = np.stack(np.meshgrid(*(np.arange(*side) for side in bounds), indexing="ij"), -1)
    inside = ((places >= 0) & (places < array.shape)).all(-1)
    box = np.pad(array, 2 * FAR)[tuple(slice(start + 2 * FAR, stop + 2 * FAR) for start, stop in bounds)]
    sides = box.shape[1:] if box.ndim > 2 and box.shape[0] == 1 else box.shape
    radius = 0.375 * min(sides)
    from_centre = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in sides), indexing="ij"), -1).reshape(
        *box.shape, -1
    )
    far = np.sqrt((from_centre**2).sum(-1)) > radius
    chosen = box[inside & far] if (inside & far).any() else box[inside]
    level = math.fsum(chosen.real.tolist()) / chosen.size
    if array.dtype.kind == "c":
        level = level + 1j * math.fsum(chosen.imag.tolist()) / chosen.size
    elif array.dtype.kind in "biu":
        level = round(level)
    filled = box.copy()
    filled[~inside] = level
    return filled


def boxes_near(shape):
    """Boxes that have a pixel of an array of a shape."""
    return st.tuples(*(_range_near(side) for side in shape)).map(list)


def _range_near(side):
    starts = st.integers(-FAR, side - 1)
    return starts.flatmap(lambda start: st.tuples(st.just(start), st.integers(max(start, 0) + 1, side + FAR)))


@st.composite
def plain_files(draw):
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=2, max_size=3)))
    encoding = draw(st.sampled_from(ENCODINGS))
    array, offset = numbers(shape, encoding), draw(st.integers(0, 9))
    axes = draw(st.none() | st.permutations(range(len(shape))).map(tuple))
    axes = None if axes is None or list(axes) == sorted(axes) else axes
    stored = array if axes is None else array.transpose(axes)
    return array, bytes(offset) + encode(stored, encoding), Layout(shape, encoding, offset, axes)


def read(file, layout):
    assert layout.nbytes == sum(stop - start for start, stop in layout.ranges)
    return layout.decode(np.frombuffer(b"".join(file[start:stop] for start, stop in layout.ranges), np.uint8))


def same(array, wanted):
    assert array.dtype == wanted.dtype
    assert array.flags.c_contiguous
    assert array.shape == wanted.shape
    assert_equal = np.testing.assert_array_equal if array.dtype.kind in "biu" else np.testing.assert_allclose
    assert_equal(array, wanted, **({} if array.dtype.kind in "biu" else {"rtol": np.finfo(array.dtype).eps}))


@given(plain_files() | test_coded.files(), st.data())
def test_a_box_is_cut_of_the_padded_image_and_filled_with_its_background(made, data):
    array, file, layout = made
    bounds = data.draw(boxes_near(array.shape))
    box, wanted = box_of(layout, bounds, "x"), expected(array, bounds)
    same(read(file, box), wanted)
    assert isinstance(box, FilledBox) == any(a < 0 or b > n for (a, b), n in zip(bounds, array.shape, strict=True))
    again = layout_of(**{"index": None, "name": "y"} | told(box) | {"shape": tuple(told(box)["shape"])})
    same(read(file, again), wanted[0] if wanted.ndim == 3 and len(wanted) == 1 else wanted)
    assert told(again) == told(box)
    if array.ndim == 3:
        for index, section in enumerate(array):
            same(read(file, box_of(layout.slice(index, "x"), bounds[1:], "x")), expected(section, bounds[1:]))


def test_a_box_needs_the_bytes_of_its_part_in_the_image_and_no_others():
    image = Layout((100, 50), ">i2", 8)
    inside = image.box([(0, 4), (45, 50)], "x")
    assert box_of(image, [(-3, 4), (45, 60)], "x").ranges == inside.ranges == ((8, 408),)
    assert box_of(image, [(0, 4), (45, 50)], "x") == inside


@given(st.data())
def test_a_box_is_cut_out_of_rows_that_were_read(data):
    shape = (data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)))
    array = numbers(shape, data.draw(st.sampled_from(["<f4", "<f2", "|u1", "<c8"])))
    bounds = data.draw(boxes_near(shape))
    first = data.draw(st.integers(0, max(0, bounds[0][0])))
    stop = data.draw(st.integers(min(shape[0], bounds[0][1]), shape[0]))
    out = np.empty([stop - start for start, stop in bounds], array.dtype)
    swapped = array[first:stop].astype(array.dtype.newbyteorder(">"))
    cut(swapped, first, (bounds[0][0], bounds[1][0]), shape, out)
    same(out, expected(array, bounds))


@pytest.mark.parametrize("shape", [(8, 8), (9, 12), (5, 6, 7), (64, 64)])
def test_the_background_is_that_of_normalize_background(shape):
    mask, _ = background._background(shape, background.BACKGROUND * min(shape), *_as_torch())
    image = np.random.default_rng(0).normal(5, 1, shape)
    sides = [(0, n + 1) for n in shape]  # one more: of its pixels, those of the image are there
    filled = box_of(Layout(shape, "<f8", 0), sides).decode(image.reshape(-1).view(np.uint8))
    larger, _ = background._background(tuple(n + 1 for n in shape), BACKGROUND * (min(shape) + 1), *_as_torch())
    there = larger.numpy()[slices_of([(0, n) for n in shape])].astype(bool)
    assert filled.reshape(-1)[-1] == pytest.approx(image[there].mean(), rel=1e-12)
    assert background.BACKGROUND == BACKGROUND
    assert mask.any()


def _as_torch():
    import torch

    return torch.float64, torch.device("cpu")


def test_means_of_whole_numbers_are_rounded_and_stay_in_their_type():
    def corner(values, encoding):
        image = np.array([values], encoding)
        return box_of(Layout(image.shape, encoding, 0), [(0, 1), (0, 5)]).decode(image.reshape(-1).view(np.uint8))[0, 4]

    assert corner([1, 2], "<i2") == 2
    assert corner([2, 3], "<i2") == 2
    assert corner([-128, -128], "|i1") == -128
    assert corner([2**64 - 1, 2**64 - 1], "<u8") == 2**64 - 1
    assert corner([True, True], "|b1")
    assert np.isnan(corner([np.inf, -np.inf], "<f4"))


NO_BOXES = {
    "empty": [(1, 1), (0, 5)],
    "backwards": [(3, 1), (0, 5)],
    "before it": [(-4, 0), (0, 5)],
    "beyond it": [(0, 4), (5, 9)],
    "endless": [(-(10**30), 10**30), (0, 5)],
    "far larger": [(-MOST_UNASKED, 4), (0, 5)],
    "of fewer axes": [(0, 4)],
    "of more axes": [(0, 1), (0, 4), (0, 5)],
    "of none": [],
}


@pytest.mark.parametrize("what", NO_BOXES)
def test_what_is_no_box_is_refused(what):
    for image in (Layout((4, 5), "<f4", 0), Layout((4, 5), "<f4", 0, (1, 0)), Layout((0, 5), "<f4", 0)):
        with pytest.raises(FormatError, match=r"y\.mrc: a box"):
            box_of(image, NO_BOXES[what], "y.mrc")


def test_a_large_image_may_have_larger_boxes():
    side = math.isqrt(MOST_UNASKED)
    image = Layout((side, side), "<f4", 0)
    assert box_of(image, [(-side, 2 * side), (-9, side + 9)], "x").shape == (3 * side, side + 18)
    with pytest.raises(FormatError, match=r"of its \d+ pixels lie in the image: expected 0.0625 of them"):
        box_of(image, [(1 - side, 2), (1 - side, 2)], "x")


def test_a_filled_box_has_no_boxes_and_no_slices():
    volume = box_of(Layout((4, 5, 6), "<f4", 0), [(-1, 3), (0, 5), (0, 6)], "x")
    with pytest.raises(FormatError, match=r"y\.mrc: a box of a box"):
        volume.box([(0, 1), (0, 1), (0, 1)], "y.mrc")
    with pytest.raises(FormatError, match=r"y\.mrc: slice 0 of a box"):
        volume.slice(0, "y.mrc")
    image = box_of(Layout((5, 6), "<f4", 0), [(-1, 5), (0, 6)], "x")
    assert image.slice(0, "y.mrc") is image
