"""Many boxes of a file at once, against the same boxes of the whole array; and what of the file that takes."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.errors import ChangedError, FormatError, TruncatedError
from builders.io import gathering
from builders.io.boxes import reading as box_reading
from builders.io.boxes.crowds import row_ranges
from builders.io.boxes.overhang import box_of
from builders.io.boxes.reading import are_cut, is_cut, read_boxes
from builders.io.gathering import PackedError
from builders.io.image_file import describe
from builders.io.layout import Layout
from builders.io.pixels import read_layout
from tests.io.boxes import ENCODINGS, encode, numbers
from tests.io.test_overhang import FAR, expected, same

SIDES = st.integers(1, 9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("boxes")


@settings(max_examples=150)
@given(st.data(), st.sampled_from([1, 2, 3, 512 * 1024]))
def test_boxes_are_those_of_the_array_however_they_are_read(folder, data, rows):
    shape, box = (data.draw(SIDES), data.draw(SIDES)), (data.draw(SIDES), data.draw(SIDES))
    encoding, offset = data.draw(st.sampled_from(ENCODINGS)), data.draw(st.integers(0, 9))
    array = numbers(shape, encoding)
    path = folder / "x.raw"
    path.write_bytes(bytes(offset) + encode(array, encoding))
    near = st.tuples(*(st.integers(max(1 - size, -FAR), side - 1) for size, side in zip(box, shape, strict=True)))
    corners = np.array(data.draw(st.lists(near, min_size=1, max_size=6)), np.int64)
    places = np.array(data.draw(st.permutations(range(len(corners) + 1)))[: len(corners)])
    image = Layout(shape, encoding, offset)
    out = np.full((len(corners) + 1, *box), 77, image.dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box_reading, "_PIECE", rows * len(encode(array[:1], encoding)))
        finite = read_boxes(str(path), image, corners, out, places)
    assert finite == (image.dtype.char not in "eFD")
    for corner, place in zip(corners.tolist(), places.tolist(), strict=True):
        bounds = [(start, start + side) for start, side in zip(corner, box, strict=True)]
        same(out[place], expected(array, bounds))
        same(read_layout(str(path), box_of(image, bounds)), out[place])
    (left,) = {*range(len(corners) + 1)} - {*places.tolist()}
    assert (out[left] == np.full((), 77, image.dtype)).all()


def read_stretches(monkeypatch, *args):
    """What of a file is read for some boxes: from and to."""
    seen = []
    stock = gathering.fill_exactly

    def fill(raw, path, offset, place):
        seen.append((offset, offset + len(place)))
        stock(raw, path, offset, place)

    monkeypatch.setattr(box_reading, "fill_exactly", fill)
    read_boxes(*args)
    return seen


def test_rows_that_several_boxes_cross_are_read_once_and_those_between_crowds_are_not(tmp_path, monkeypatch):
    array = numbers((1000, 64), "<f4")
    path = tmp_path / "x.raw"
    path.write_bytes(array.tobytes())
    corners = np.array([(900, 0), (10, 60), (12, -3), (30, 5), (-4, 0), (900, 30)])
    seen = read_stretches(monkeypatch, str(path), Layout(array.shape, "<f4", 0), corners, np.empty((6, 8, 8), "f4"))
    assert seen == [(0, 4 * 256), (10 * 256, 20 * 256), (30 * 256, 38 * 256), (900 * 256, 908 * 256)]


def test_what_cannot_be_read_is_told(tmp_path):
    array = numbers((16, 8), "<f4")
    path = tmp_path / "x.raw"
    path.write_bytes(array.tobytes())
    image, out = Layout(array.shape, "<f4", 0), np.empty((1, 4, 4), "f4")
    for corner in ((16, 0), (-4, 0), (0, 8), (0, -4)):
        with pytest.raises(FormatError, match="it lies outside: expected at least one pixel"):
            read_boxes(str(path), image, np.array([corner]), out)
    with pytest.raises(ChangedError, match="changed"):
        read_boxes(str(path), image, np.array([(0, 0)]), out, None, "0-0")
    path.write_bytes(array.tobytes()[:-4])
    assert read_boxes(str(path), image, np.array([(0, 0)]), out)
    with pytest.raises(TruncatedError, match="508 bytes, expected 512"):
        read_boxes(str(path), image, np.array([(14, 0)]), out)
    np.save(tmp_path / "x.npy", array)
    path.write_bytes(gzip.compress((tmp_path / "x.npy").read_bytes()))
    with pytest.raises(PackedError):
        read_boxes(str(path), image, np.array([(0, 0)]), out)
    packed = box_of(describe(path).layout, [(-1, 3), (0, 4)])
    same(read_layout(str(path), packed), expected(array, [(-1, 3), (0, 4)]))
    assert read_boxes(str(path), image, np.empty((0, 2), np.int64), out)


def test_pixels_that_are_not_finite_are_seen(tmp_path):
    array = np.zeros((8, 8), "<f4")
    array[5, 5] = np.nan
    path = tmp_path / "x.raw"
    path.write_bytes(array.tobytes())
    out = np.empty((1, 4, 4), "f4")
    assert read_boxes(str(path), Layout((8, 8), "<f4", 0), np.array([(0, 0)]), out)
    assert not read_boxes(str(path), Layout((8, 8), "<f4", 0), np.array([(3, 3)]), out)


def test_only_plain_images_are_read_so():
    image = Layout((8, 8), "<f4", 0)
    assert are_cut(image)
    assert is_cut(image.box([(0, 4), (0, 4)]))
    assert is_cut(box_of(image, [(-1, 4), (0, 4)]))
    assert not is_cut(image)
    for other in (Layout((8, 8), "<f4", 0, (1, 0)), Layout((2, 8, 8), "<f4", 0)):
        assert not are_cut(other)
        assert not is_cut(box_of(other, [(-1, 4)] * len(other.shape)))


@given(st.lists(st.integers(-7, 59), min_size=1, max_size=12), st.integers(8, 20), st.sampled_from([0.0, 0.1, 0.5]))
def test_rows_that_are_needed_are_read_and_not_many_others(tops, ny, most):
    image = Layout((60, 5), "<i2", 100)
    needed = {row for top in tops for row in range(max(0, top), min(60, top + ny))}
    for few in (1, 2, 8):
        ranges = row_ranges(image, np.array(tops), ny, most, few)
        rows = [row for start, stop in ranges for row in range((start - 100) // 10, (stop - 100) // 10)]
        assert rows == sorted(set(rows))
        assert needed <= set(rows)
        assert len(rows) <= (1 + most) * len(needed)
        assert most or set(rows) == needed
        assert len(ranges) >= min(few, len(row_ranges(image, np.array(tops), ny)))
