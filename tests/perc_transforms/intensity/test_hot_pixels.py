import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

import perc_transforms as T
import perc_transforms.functional as F


def noise(*shape, seed=0, dtype=torch.float32):
    return torch.rand(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def test_without_hot_pixels_an_image_stays_as_it_is_bit_for_bit():
    x = noise(3, 16, 16)
    assert torch.equal(T.HotPixels()(x), x)
    assert torch.equal(T.HotPixels(sigma=None, above=1.0)(x), x)
    for value in (0.0, 0.1, -7.7, 1000.1, 3e20):
        flat = torch.full((65, 63), value)
        assert torch.equal(T.HotPixels(sigma=0.5)(flat), flat)


@given(st.integers(0, 8), st.integers(0, 11), st.sampled_from([3, 5, 7]))
def test_one_hot_pixel_becomes_the_mean_of_its_neighbours_and_no_other_changes(y, x, size):
    image = noise(9, 12, seed=1, dtype=torch.float64)
    image[y, x] = 100
    found = T.HotPixels(size=size)(image)
    reach = size // 2
    around = image[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    torch.testing.assert_close(found[y, x], (around.sum() - 100) / (around.numel() - 1))
    found[y, x] = 100
    assert torch.equal(found, image)


@pytest.mark.parametrize("size", [3, 5])
def test_replaced_pixels_are_what_scipys_filter_makes_of_the_others(size):
    image = np.random.default_rng(4).normal(0, 1, (3, 20, 23))
    bad = np.random.default_rng(5).random(image.shape) < 0.2
    known = np.where(bad, np.nan, image)
    means = ndimage.generic_filter(known, np.nanmean, (1, size, size), mode="constant", cval=np.nan)
    found = F.fill_from_neighbours(torch.from_numpy(image), torch.from_numpy(bad), size=size)
    np.testing.assert_allclose(found.numpy(), np.where(bad, means, image), atol=1e-12)


def test_hot_neighbours_do_not_count_and_where_all_are_hot_the_images_mean_does():
    image = torch.arange(49.0).reshape(7, 7)
    image[0, :2] = 1000
    found = T.HotPixels(sigma=None, above=500, size=3)(image)
    assert found[0, 0] == (7 + 8) / 2
    assert found[0, 1] == (2 + 7 + 8 + 9) / 4
    image[2:5, 2:5] = 1000
    found = T.HotPixels(sigma=None, above=500, size=3)(image)
    assert found[3, 3] == image[image < 500].mean()
    assert not T.HotPixels(sigma=None, above=-1)(torch.ones(4, 4)).any()


def test_the_threshold_is_mean_and_sigma_of_each_image_of_its_own():
    quiet, loud = noise(32, 32), 100 * noise(32, 32, seed=2)
    quiet[5, 5] = 20.0
    both = T.HotPixels()(torch.stack([quiet, loud]))
    assert both[0, 5, 5] < 1
    assert torch.equal(both[1], loud)
    values = quiet.double()
    for sigma in (3.0, 31.0, 33.0):  # the largest that one pixel of n can reach is sqrt(n - 1), 31.98
        threshold = values.mean() + sigma * values.std(correction=0)
        assert bool(F.hot_pixels(quiet, sigma=sigma)[5, 5]) == bool(values[5, 5] > threshold)


def test_what_is_not_finite_is_replaced_and_does_not_spoil_the_threshold():
    image = noise(16, 16)
    image[2, 2], image[7, 7], image[9, 9], image[12, 3] = float("nan"), float("inf"), -float("inf"), 50.0
    hot = F.hot_pixels(image)
    assert hot.nonzero().tolist() == [[2, 2], [7, 7], [9, 9], [12, 3]]
    found = T.HotPixels()(image)
    assert torch.isfinite(found).all()
    assert found.max() < 1


def test_both_thresholds_count():
    image = noise(16, 16)
    image[3, 3] = 2.0
    image[4, 9] = 90.0
    assert F.hot_pixels(image, sigma=6, above=1.5).sum() == 2
    assert F.hot_pixels(image, sigma=6).sum() == 1


def test_dark_pixels_of_a_gain_reference_are_replaced_where_that_is_asked_for():
    movie = torch.ones(3, 8, 8)
    movie[:, 2, 5] = 0
    assert torch.equal(T.HotPixels(of_sum=True)(movie), movie)
    assert torch.equal(T.HotPixels(of_sum=True, below=0.5)(movie), torch.ones(3, 8, 8))
    movie[1, 4, 4] = 0  # of a frame, but not of the sum
    assert (T.HotPixels(of_sum=True, below=0.5)(movie) == 0).nonzero().tolist() == [[1, 4, 4]]


def test_counting_frames_lose_no_electrons_to_the_threshold_of_their_sum():
    rng = np.random.default_rng(3)
    movie = torch.from_numpy(rng.poisson(0.05, (40, 64, 64)).astype(np.float32))
    movie[:, 20, 30] += 2.0  # hot in every frame, though no frame can tell it from two electrons
    movie[:, 20, 31] += 1.0
    found = T.HotPixels(of_sum=True)(movie)
    changed = (found != movie).any(0)
    assert changed.nonzero().tolist() == [[20, 30], [20, 31]]
    around = movie[7, 18:23, 28:34].clone()
    around[2, 2:4] = 0
    torch.testing.assert_close(found[7, 20, 30], around[:, :5].sum() / 23)
    assert (T.HotPixels()(movie) != movie).any(0).sum() > 50  # electrons that fell on one pixel in one frame


@pytest.mark.parametrize("of_sum", [False, True])
def test_a_batch_gives_what_one_by_one_gives(of_sum):
    movies = noise(3, 4, 12, 15) ** 8
    hot = T.HotPixels(sigma=3.0, of_sum=of_sum, spatial_dims=2)
    found = hot({"image": list(movies)})["image"]
    for movie, one in zip(movies, found, strict=True):
        assert torch.equal(hot(movie), one)
        if not of_sum:
            assert torch.equal(torch.stack([hot(frame) for frame in movie]), one)


def test_gradients_flow_to_the_neighbours():
    image = noise(6, 6, dtype=torch.float64)
    image[3, 3], image[0, 1] = float("nan"), 80.0
    image.requires_grad_()
    done = T.HotPixels(sigma=None, above=10.0, size=3)(image)
    done.sum().backward()
    assert torch.isfinite(image.grad).all()
    assert image.grad[3, 3] == 0
    assert image.grad[2, 2] == 1 + 1 / 8
    bad = F.hot_pixels(image, sigma=None, above=10.0)
    x = noise(6, 6, dtype=torch.float64, seed=5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: F.fill_from_neighbours(x, bad, size=3), x)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sigma": 0}, "sigma is 0: expected a number of standard deviations, more than 0, or None"),
        ({"sigma": None}, r"HotPixels\(sigma=None\): expected sigma .*, above or below .*, or several"),
        ({"above": "10"}, "above is '10': expected a number in the image's unit, or None"),
        ({"below": True}, "below is True: expected a number in the image's unit, or None"),
        ({"size": 4}, "size is 4: expected an odd number of pixels, 3 or more"),
        ({"size": 1}, "size is 1: expected an odd number"),
        ({"of_sum": 1}, "of_sum is 1: expected True or False"),
    ],
)
def test_an_option_out_of_range_is_told(options, said):
    with pytest.raises(T.TransformError, match=said):
        T.HotPixels(**options)


def test_the_sum_of_a_single_image_is_told():
    with pytest.raises(
        T.TransformError, match=r"HotPixels\(of_sum=True\): an image of shape \(4, 4\): expected a movie"
    ):
        T.HotPixels(of_sum=True)(torch.ones(4, 4))
