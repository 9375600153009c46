"""AddNoise: how strong the noise is, of which colour, and that it is each row's own."""

import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import perc_transforms as T
from perc_transforms.functional.intensity.noise import add_noise, coloured, noise_std

SIDES = {2: st.integers(1, 65), 3: st.integers(1, 20)}


@st.composite
def shapes(draw):
    dims = draw(st.sampled_from([2, 3]))
    return tuple(draw(SIDES[dims]) for _ in range(dims))


def white(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def power_by_hand(sizes, spectrum):
    """The power of each component of the whole spectrum: linear between the given ones, then mean 1."""
    grids = np.meshgrid(*[np.fft.fftfreq(n) for n in sizes], indexing="ij")
    frequency = np.sqrt(sum(grid**2 for grid in grids))
    power = np.interp(frequency, np.linspace(0, 0.5, len(spectrum)), spectrum)
    return power / power.mean()


# strength


@settings(max_examples=25)
@given(shapes(), st.floats(0.01, 100), st.floats(-50, 50), st.floats(0.1, 30))
def test_the_signal_to_noise_ratio_is_as_stated(shape, snr, offset, scale):
    image = offset + scale * white(*shape)
    added = T.AddNoise(snr)(image) - image
    pixels = math.prod(shape)
    variance = float(image.var(correction=0)) / snr
    found = float(added.square().mean())
    assert abs(found - variance) <= 5 * variance * math.sqrt(2 / pixels) + 1e-12
    assert abs(float(added.mean())) <= 5 * math.sqrt(variance / pixels) + 1e-12


@pytest.mark.parametrize("shape", [(256, 255), (40, 41, 42)])
@pytest.mark.parametrize("color", ["white", (1.0, 0.3, 0.0, 0.1), (0.0, 1.0)])
@pytest.mark.parametrize("snr", [0.05, 4.0])
def test_over_many_pixels_it_is_within_3_sigma(shape, color, snr):
    image = 100 + 7 * white(*shape).float()
    added = T.AddNoise(snr, color=color)(image) - image
    weights = np.ones(shape) if color == "white" else power_by_hand(shape, color)
    spread = math.sqrt(2 * (weights**2).mean() / math.prod(shape))  # of a sum of squares whose powers differ
    ratio = float(added.double().square().mean() * snr / image.double().var(correction=0))
    assert abs(ratio - 1) <= 3 * spread + 1e-4


@settings(max_examples=25)
@given(shapes(), st.sampled_from([torch.float32, torch.float64]))
def test_no_noise_is_the_identity(shape, dtype):
    image = white(*shape).to(dtype)
    before = image.clone()
    for spectrum in ("white", [1.0, 2.0]):
        result = T.AddNoise(std=0, color=spectrum)(image)
        assert torch.equal(result, image)
        assert result.dtype == dtype
        assert result.data_ptr() != image.data_ptr()
    T.AddNoise(snr=1.0)(image)
    assert torch.equal(image, before)


def test_a_constant_image_has_no_signal_and_gets_noise_by_std_only():
    for value in (1000.1, 0.1, -7.7, 1e-12, 3e20):
        for dtype in (torch.float32, torch.float64):
            constant = torch.full((30, 31), value, dtype=dtype)
            assert torch.equal(T.AddNoise(snr=1e-6)(constant), constant)
    image = torch.zeros(30, 31)
    assert float((T.AddNoise(std=2.0)(image) - image).std()) == pytest.approx(2.0, rel=0.1)


def test_a_movie_counts_as_one_image_and_its_frames_get_unlike_noise():
    movie = white(4, 32, 32).float() * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None]
    row = {"image": movie, "path": "movie.mrc", "index": 0}
    done = T.AddNoise(snr=1.0, record=True, spatial_dims=2)(row)
    added = done["image"] - movie
    assert done["transforms"][0]["std"] == pytest.approx(float(movie.std(correction=0)), rel=1e-5)
    for frame in added:
        assert float(frame.std()) == pytest.approx(float(movie.std()), rel=0.1)
    assert not torch.allclose(added[0], added[1], atol=1.0)
    frames = T.AddNoise(snr=1.0, spatial_dims=2)(movie) - movie
    for frame, before in zip(frames, movie, strict=True):
        assert float(frame.std()) == pytest.approx(float(before.std()), rel=0.1)


def test_the_noise_of_two_rows_has_nothing_in_common():
    rows = {"image": torch.zeros(6, 64, 64), "path": ["a"] * 3 + ["b"] * 3, "index": [0, 1, 2] * 2}
    made = T.AddNoise(std=1.0)(rows)["image"].flatten(1).double()
    correlations = np.corrcoef(made.numpy())
    np.fill_diagonal(correlations, 0)
    assert np.abs(correlations).max() < 5 / 64


# colour


@settings(max_examples=25)
@given(shapes(), st.lists(st.floats(0.01, 10), min_size=1, max_size=6), st.integers(0, 99))
def test_coloured_noise_is_white_noise_times_the_root_of_the_spectrum(shape, spectrum, seed):
    noise = white(2, *shape, seed=seed)
    axes = tuple(range(1, noise.ndim))
    weights = np.sqrt(power_by_hand(shape, spectrum))
    expected = np.fft.ifftn(np.fft.fftn(noise.numpy(), axes=axes) * weights, axes=axes).real
    found = coloured(noise, spectrum, spatial_dims=len(shape))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10)
    torch.testing.assert_close(coloured(noise.float(), spectrum, spatial_dims=len(shape)), found.float())


@pytest.mark.parametrize("shape", [(256, 256), (129, 255), (64, 65, 63)])
def test_the_power_over_rings_follows_the_spectrum(shape):
    spectrum = np.array([4.0, 1.0, 3.0, 0.5, 2.0])
    rows = {"image": torch.zeros(4, *shape), "id": list("abcd")}
    made = T.AddNoise(std=3.0, color=spectrum)(rows)["image"].double().numpy()
    power = (np.abs(np.fft.fftn(made, axes=range(1, made.ndim))) ** 2).mean(0) / math.prod(shape)
    frequency = np.sqrt(sum(g**2 for g in np.meshgrid(*[np.fft.fftfreq(n) for n in shape], indexing="ij")))
    expected = 9 * power_by_hand(shape, spectrum)
    for low in np.arange(0.05, 0.7, 0.05):
        ring = (frequency >= low) & (frequency < low + 0.05)
        assert power[ring].mean() == pytest.approx(expected[ring].mean(), rel=5 / math.sqrt(2 * ring.sum()))
    assert (made**2).mean() == pytest.approx(9.0, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (8, 9), (2, 2, 2), (3, 4, 5)])
def test_one_value_is_white_and_no_power_at_0_leaves_the_mean(shape):
    noise = white(*shape)
    torch.testing.assert_close(coloured(noise, [3.0], spatial_dims=len(shape)), noise)
    if math.prod(shape) == 1:
        with pytest.raises(T.TransformError, match=r"\(0\.0, 1\.0\): it is 0 at every frequency .*expected power"):
            coloured(noise, [0.0, 1.0], spatial_dims=len(shape))
    else:
        assert abs(float(coloured(noise, [0.0, 1.0], spatial_dims=len(shape)).mean())) < 1e-12


@pytest.mark.parametrize(
    "color", [[1, 0.5], (1.0, 0.5), np.array([1, 0.5], np.float32), torch.tensor([1, 0.5], requires_grad=True)]
)
def test_a_spectrum_may_come_as_any_numbers(color):
    noisy = T.AddNoise(std=1.0, color=color)
    assert repr(noisy) == "AddNoise(std=1.0, color=(1.0, 0.5))"
    assert noisy == T.AddNoise(std=1.0, color=(1.0, 0.5))
    image = torch.zeros(5, 5)
    assert torch.equal(pickle.loads(pickle.dumps(noisy))(image), noisy(image))


# the functions


def test_each_image_has_its_own_strength():
    x, noise = white(2, 3, 5, 4), white(2, 3, 5, 4, seed=1)
    std = torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    found = add_noise(x, noise, std, spatial_dims=2)
    torch.testing.assert_close(found, x + noise * std.double()[..., None, None])
    torch.testing.assert_close(add_noise(x, noise, 2.0, spatial_dims=3), x + 2 * noise)
    torch.testing.assert_close(noise_std(x, 0.25, spatial_dims=2), 2 * x.std((-2, -1), correction=0))


def test_gradients_flow():
    x, noise = white(2, 3, 4).requires_grad_(), white(2, 3, 4, seed=1).requires_grad_()

    def both(x, noise):
        return add_noise(x, noise, noise_std(x, 2.0, spatial_dims=2), spatial_dims=2, spectrum=[1.0, 0.5])

    assert torch.autograd.gradcheck(both, (x, noise))
    T.AddNoise(snr=1.0)(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.ones_like(x))  # the strength is a number: nothing flows through it


# bad options


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, r"snr=None, std=None\): expected snr > 0 or std >= 0, one of them"),
        ({"snr": 1.0, "std": 1.0}, "snr=1.0, std=1.0"),
        ({"snr": 0}, "snr=0"),
        ({"snr": -1}, "snr=-1"),
        ({"snr": math.nan}, "snr=nan"),
        ({"snr": math.inf}, "snr=inf"),
        ({"snr": "1"}, "snr='1'"),
        ({"std": -0.5}, "std=-0.5"),
        ({"std": math.nan}, "std=nan"),
        ({"std": 1, "color": "pink"}, "color is 'pink': expected 'white', or a power spectrum"),
        ({"std": 1, "color": None}, "color is None: expected"),
        ({"std": 1, "color": []}, r"color is \[\]: expected powers"),
        ({"std": 1, "color": [0, 0]}, r"color is \[0, 0\]: .*not all 0"),
        ({"std": 1, "color": [1, -1]}, "not negative"),
        ({"std": 1, "color": [1, math.nan]}, "finite"),
        ({"std": 1, "color": [[1.0]]}, "one axis"),
        ({"std": 1, "color": ["a"]}, "a sequence of numbers"),
        ({"std": 1, "seed": 1.5}, "seed is 1.5: expected an integer"),
    ],
)
def test_wrong_options_are_told(options, complaint):
    with pytest.raises(T.TransformError, match="AddNoise.*" + complaint):
        T.AddNoise(**options)


def test_complex_images_are_told():
    with pytest.raises(T.TransformError, match="AddNoise: a complex image"):
        T.AddNoise(std=1.0)(torch.ones(3, 3, dtype=torch.complex64))
