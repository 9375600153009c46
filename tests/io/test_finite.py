"""NaN and infinite pixels are found wherever they are, by sums that may overflow without a word."""

import numpy as np
import pytest

from builders.io.finite import FiniteWatch, is_finite
from builders.io.layout import Layout


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("count", [1, 2, 3, 8, 9])
@pytest.mark.parametrize("around", [0.0, 1.0])
def test_one_wrong_pixel_is_seen_at_every_place(wrong: float, count: int, around: float) -> None:
    for place in range(count):
        pixels = np.full(count, around, np.float32)
        assert is_finite(pixels)
        pixels[place] = wrong
        assert not is_finite(pixels)
        watch = FiniteWatch()
        assert watch.expect(Layout((count,), "<f4", 0)) is watch
        watch(pixels.view(np.uint8))
        assert not watch.vouches_for(pixels)


def test_infinite_pixels_that_would_cancel_are_seen() -> None:
    assert not is_finite(np.array([np.inf, 1, -np.inf, 1], np.float32))
    assert not is_finite(np.array([np.inf, np.inf, 0, -1], np.float64))


def test_a_wrong_pixel_is_seen_in_large_images() -> None:
    pixels = np.ones((300, 301), np.float32)
    assert is_finite(pixels)
    for place in (0, 65535, 65536, pixels.size // 2, pixels.size - 1):
        pixels.flat[place] = np.nan
        assert not is_finite(pixels)
        pixels.flat[place] = 1


def test_sums_that_overflow_say_nothing_and_do_not_warn() -> None:
    assert not is_finite(np.full(100, 3e38, np.float32))
