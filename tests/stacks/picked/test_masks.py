"""Masks: what lies beyond them is 0, in references, batches and streams, where other images are filled with a mean."""

import numpy as np
import pytest

from builders.io.boxes.overhang import box_of
from builders.io.image_reference import layout_of, told
from builders.io.layout import Layout
from builders.io.pixels import read_layout


@pytest.fixture
def mask(tmp_path):
    labels = np.random.default_rng(0).integers(1, 9, (5, 6, 7), np.int8)
    path = tmp_path / "mask.raw"
    path.write_bytes(labels.tobytes())
    return str(path), labels


@pytest.mark.parametrize("is_mask", [False, True])
def test_a_reference_says_that_an_image_is_a_mask(mask, is_mask):
    path, labels = mask
    image = Layout(labels.shape, "|i1", 0, is_mask=is_mask)
    box = box_of(image, [(-2, 3), (4, 9), (0, 7)])
    fields = told(box)
    assert ("!" in fields["dtype"]) == is_mask
    again = layout_of(tuple(fields["shape"]), fields["dtype"], fields["offset"], None, "x")
    assert again == box
    found = read_layout(path, again)
    np.testing.assert_array_equal(found[2:, :2], labels[:3, 4:])
    beyond = np.concatenate([found[:2].ravel(), found[:, 2:].ravel()])
    assert (beyond == 0).all() == is_mask
    assert beyond.min() == beyond.max()


def test_one_that_is_whole_is_a_mask_too(mask):
    image = Layout((5, 6, 7), "|i1", 0, is_mask=True)
    fields = told(image)
    assert layout_of(tuple(fields["shape"]), fields["dtype"], fields["offset"], None, "x") == image
    np.testing.assert_array_equal(read_layout(mask[0], image), mask[1])
