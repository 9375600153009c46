"""Plates: an image, a bar whose length is what it says, and words that fit."""

import io

import numpy as np
import pytest
from PIL import Image

from builders.drawing.plates import plate, round_length, told_length
from builders.publishing.writing.preview import preview_png


def greys(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(int)


def drawn(side=500, **options):
    picture = preview_png(np.random.default_rng(0).normal(size=(side, side)), 512)
    return greys(plate(picture, ["x.mrc"], **options))


@pytest.mark.parametrize(("pixel_size", "columns"), [(1.0, 500), (1.06, 500), (0.83, 4000), (250.0, 500)])
def test_the_bar_is_as_long_as_it_says(pixel_size, columns):
    sheet = drawn(pixel_size=pixel_size, columns=columns)
    is_ink = sheet < 30
    rows = np.flatnonzero(is_ink[516:, 16] & is_ink[516:, 60]) + 516
    assert len(rows) == 10
    pixels = np.count_nonzero(is_ink[rows[0]])
    length = round_length(0.3 * columns * pixel_size)
    assert abs(pixels * pixel_size * columns / 500 - length) <= pixel_size * columns / 500
    assert 0.1 < pixels / 500 <= 0.3


def test_without_a_pixel_size_there_is_none_and_words_fit():
    assert drawn().shape[0] < drawn(pixel_size=1.0).shape[0]
    narrow = plate(preview_png(np.eye(8)), ["a/very/long/" * 20 + "x.mrc"])
    sheet = greys(narrow)
    assert sheet.shape[1] < 700
    assert (sheet[:, -12:] == 255).all()


@pytest.mark.parametrize("most", [1.0, 1.99, 2.0, 4.9, 5.0, 999.0, 0.3])
def test_lengths_are_round_and_fit(most):
    length = round_length(most)
    assert most / 2.5 <= length <= most
    assert f"{length:e}"[0] in "125"
    assert told_length(length).split()[1] in ("Å", "nm", "µm")
