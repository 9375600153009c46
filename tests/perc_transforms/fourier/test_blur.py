"""Blurs of many widths at once, and the random one."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import perc_transforms as T
from perc_transforms.functional.fourier import blur
from perc_transforms.functional.fourier.blur import gaussian_blur

SIDES = {2: st.integers(1, 65), 3: st.integers(1, 20)}


def noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@st.composite
def shapes(draw):
    dims = draw(st.sampled_from([2, 3]))
    return tuple(draw(SIDES[dims]) for _ in range(dims))


@settings(max_examples=30)
@given(shapes(), st.lists(st.floats(0, 12), min_size=3, max_size=3), st.booleans())
def test_each_image_with_its_own_sigma_is_as_one_by_one(shape, sigmas, long):
    x = noise(3, 2, *shape)
    before = x.clone()
    with pytest.MonkeyPatch.context() as patch:
        if long:
            patch.setattr(blur, "MATRIX_LIMIT", 0)
        found = gaussian_blur(x, torch.tensor(sigmas, dtype=torch.float64)[:, None], spatial_dims=len(shape))
    assert torch.equal(x, before)
    for one, image, sigma in zip(found, x, sigmas, strict=True):
        torch.testing.assert_close(one, gaussian_blur(image, sigma, spatial_dims=len(shape)), atol=1e-12, rtol=1e-12)
    single = gaussian_blur(x[0, 0], torch.tensor(sigmas[0], dtype=torch.float64), spatial_dims=len(shape))
    torch.testing.assert_close(single, found[0, 0])


@pytest.mark.parametrize("sigma", [0.0, 1e-4, 5e-324])
def test_no_blur_among_others_is_the_identity(sigma):
    x = noise(2, 9, 300)
    found = gaussian_blur(x, torch.tensor([sigma, 2.0]), spatial_dims=2)
    assert torch.equal(found[0], x[0])
    assert torch.equal(gaussian_blur(x[0], sigma, spatial_dims=2), x[0])
    torch.testing.assert_close(gaussian_blur(torch.ones_like(x), torch.tensor([0.3, 7.0]), spatial_dims=2), x * 0 + 1)


def test_gradients_flow():
    x, sigma = noise(2, 3, 4).requires_grad_(), torch.tensor([0.7, 1.9])
    assert torch.autograd.gradcheck(lambda x: gaussian_blur(x, sigma, spatial_dims=2), (x,))


@pytest.mark.parametrize("shape", [(20, 21), (9, 10, 11)])
def test_a_random_blur_is_that_of_its_sigma(shape):
    rows = {"image": noise(6, *shape).float(), "id": list(range(6))}
    done = T.RandomGaussianBlur((0.5, 3.0), record=True)(rows)
    sigmas = [record["sigma"] for [record] in done["transforms"]]
    assert len(set(sigmas)) == 6
    for image, one, sigma in zip(rows["image"], done["image"], sigmas, strict=True):
        assert 0.5 <= sigma <= 3.0
        torch.testing.assert_close(one, T.GaussianBlur(sigma)(image))
    assert torch.equal(T.RandomGaussianBlur((0, 0))(rows["image"][0]), rows["image"][0])
    torch.testing.assert_close(T.RandomGaussianBlur((1.5, 1.5))(rows)["image"], T.GaussianBlur(1.5)(rows)["image"])


def test_sigmas_are_uniform_and_follow_the_pixel_size():
    count = 2000
    rows = {"image": torch.zeros(count, 1, 1), "id": list(range(count)), "pixel_size": [1.0, 2.0] * (count // 2)}
    for options, scale in (({"sigma": (1.0, 3.0)}, 1.0), ({"sigma_angstrom": (1.0, 3.0)}, np.array([1.0, 0.5]))):
        done = T.RandomGaussianBlur(**options, record=True)(rows)
        drawn = np.array([record["sigma"] for [record] in done["transforms"]]).reshape(-1, 2) / scale
        assert drawn.min() >= 1.0 - 1e-6
        assert drawn.max() <= 3.0 + 1e-6
        below = np.arange(1, count + 1) / count
        assert np.abs(np.sort((drawn.ravel() - 1) / 2) - below).max() < 1.95 / math.sqrt(count)  # Kolmogorov-Smirnov
    for missing in (None, math.nan):
        with pytest.raises(T.TransformError, match=r"RandomGaussianBlur\(.*pixel_size is .*give sigma in pixels"):
            T.RandomGaussianBlur(sigma_angstrom=(1, 2))({"image": torch.ones(3, 3), "pixel_size": missing})


def test_what_was_drawn_is_not_kept():
    blur._blur_matrix.cache_clear()
    T.RandomGaussianBlur((0.5, 3.0))({"image": noise(50, 8, 8), "id": list(range(50))})
    assert blur._blur_matrix.cache_info().currsize == 0


def test_rows_of_unequal_pixel_sizes_are_blurred_in_one_go(monkeypatch):
    calls = []
    monkeypatch.setattr("perc_transforms.fourier.blur.gaussian_blur", lambda x, *a, **k: calls.append(1) or x)
    T.GaussianBlur(sigma_angstrom=3.0)({"image": noise(4, 8, 8), "pixel_size": [1.0, 2.0, 3.0, 1.0]})
    assert len(calls) == 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sigma": 1.0},
        {"sigma": (2.0, 1.0)},
        {"sigma": (-1.0, 1.0)},
        {"sigma": (0.0, math.inf)},
        {"sigma": (1.0, 2.0, 3.0)},
        {"sigma": "ab"},
        {"sigma_angstrom": (1.0, math.nan)},
        {"sigma": (0.0, 1.0), "sigma_angstrom": (0.0, 1.0)},
    ],
)
def test_wrong_ranges_are_told(options):
    with pytest.raises(T.TransformError, match=r"RandomGaussianBlur\(.*\): expected sigma=\(low, high\)") as caught:
        T.RandomGaussianBlur(**options)
    assert all(repr(value) in str(caught.value) for value in options.values())
