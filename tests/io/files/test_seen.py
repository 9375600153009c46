"""What was seen to be finite is not looked at again, and what may have changed is."""

import os
from pathlib import Path

import numpy as np
import pytest

from builders.io import finite, gathering, pixels
from builders.io.files import local
from builders.io.files.seen import SEEN, Images, SeenImages
from builders.io.layout import Layout
from builders.io.volumes import reading as volumes

SHAPE = 6, 8, 16
SIZE = 8 * 16 * 4


@pytest.fixture
def path(tmp_path):
    np.random.default_rng(0).standard_normal(SHAPE, np.float32).tofile(tmp_path / "a.raw")
    return str(tmp_path / "a.raw")


@pytest.fixture
def looks(monkeypatch):
    """How often pixels were looked at."""
    found, look = [], finite.sum_of_products
    for module in (finite, gathering):
        monkeypatch.setattr(module, "sum_of_products", lambda numbers: found.append(numbers.size) or look(numbers))
    return found


def version(path):
    return local.etag_of(Path(path).stat())


def gathered(path, etag):
    out = np.empty((3, SIZE), np.uint8)
    return gathering.gather(path, np.array([2, 0, 5]) * SIZE, out, etag=etag, floats=np.dtype(np.float32)), out


def streamed(path, etag):
    out = np.empty((3, *SHAPE[1:]), np.float32)
    return pixels.read_into(path, SIZE, "<f4", out, etag), out


def tiled(path, etag):
    out = np.empty((2, 4, 8, 8), np.float32)
    corners = np.array([[1, 0, 0], [1, 0, 8]])
    return volumes.read_boxes(path, Layout(SHAPE, "<f4", 0), corners, out, etag=etag), out


ways = pytest.mark.parametrize("read", [gathered, streamed, tiled])


@ways
def test_pixels_are_looked_at_once(read, path, looks):
    found, first = read(path, version(path))
    assert found
    assert looks
    looks.clear()
    found, again = read(path, version(path))
    assert found
    assert not looks
    np.testing.assert_array_equal(again, first)


@ways
def test_without_a_version_they_are_looked_at_each_time(read, path, looks):
    for _ in range(2):
        looks.clear()
        assert read(path, None)[0]
        assert looks


@ways
def test_of_another_version_nothing_is_known(read, path):
    assert read(path, version(path))[0]
    values = np.fromfile(path, np.float32).reshape(SHAPE)
    values[2, 3, 4] = np.nan
    values.tofile(path)
    os.utime(path, ns=(0, 1))
    for _ in range(2):
        found, out = read(path, version(path))
        assert not found
        assert np.isnan(out.view(np.float32)).sum() == 1


def test_other_images_of_the_file_are_not_known(path, looks):
    assert gathered(path, version(path))[0]
    looks.clear()
    assert streamed(path, version(path))[0]
    assert looks


def images(path, *numbers, size=10, first=3):
    return Images(path, "v", "<f4", size, first + size * np.array(numbers, np.int64))


def test_any_of_them_may_be_asked_for_in_any_order():
    seen = SeenImages(10_000)
    seen.note(images("a", 5, 1, 2))
    assert images("a", 2, 1, 5, 5) in seen
    assert images("a", 2, 3) not in seen
    assert images("a", 900) not in seen
    assert images("a") not in seen
    for other in (images("b", 1), images("a", 1, size=5), images("a", 1, first=4)):
        assert other not in seen


def test_no_more_is_remembered_than_was_said():
    most = 5000
    seen = SeenImages(most)
    for name in "abc":
        seen.note(images(name, *range(1000)))
    assert images("a", 1) not in seen
    assert images("c", 999) in seen
    seen.note(images("d", most))
    assert images("d", most) not in seen
    assert seen._held <= most
    assert SEEN._held <= SEEN._most


def test_of_many_files_of_one_image_each_no_more_are_kept_than_there_is_room_for():
    seen = SeenImages(1_000_000)
    for number in range(5000):
        seen.note(images(f"{number}.mrc", 0))
    assert images("4999.mrc", 0) in seen
    assert images("0.mrc", 0) not in seen
    assert len(seen._files) <= 1000
