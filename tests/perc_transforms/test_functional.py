import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

import perc_transforms.functional as F
from perc_transforms.functional.fourier import blur
from perc_transforms.functional.spatial import resampling

SIDES = st.integers(1, 33)
DIMS = st.sampled_from([2, 3])


def noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@st.composite
def shapes(draw, dims=None):
    return tuple(draw(SIDES) for _ in range(draw(DIMS) if dims is None else dims))


# normalise


@given(shapes(), st.floats(-100, 100), st.floats(0.01, 100))
def test_normalize_gives_mean_0_and_deviation_1_whatever_scale_and_offset(shape, offset, scale):
    if math.prod(shape) == 1:
        return
    x = noise(2, *shape)
    y = F.normalize(x * scale + offset, spatial_dims=len(shape))
    axes = tuple(range(1, x.ndim))
    torch.testing.assert_close(y.mean(axes), torch.zeros(2, dtype=y.dtype), atol=1e-9, rtol=0)
    torch.testing.assert_close(y.std(axes, correction=0), torch.ones(2, dtype=y.dtype))
    torch.testing.assert_close(y, F.normalize(x, spatial_dims=len(shape)), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 7.0, -1e6, 0.1, 123.456, 1000.1, -7.7, 1e-12, 3e20])
@pytest.mark.parametrize("shape", [(3, 4, 5), (64, 64, 64), (1, 255, 257)])
def test_normalize_and_minmax_take_a_constant_image_to_0(shape, value, dtype):
    x = torch.full(shape, value, dtype=dtype)
    for constant in (x, F.gaussian_blur(x, 1.3, spatial_dims=3), F.rescale(x, (3, 7, 9), spatial_dims=3, stretch=True)):
        assert F.normalize(constant, spatial_dims=3).abs().max() <= 1e-5 * abs(value)
        assert not F.minmax(constant, spatial_dims=3).any()
    assert F.normalize(x, spatial_dims=3).abs().max() <= 1e-15 * abs(value)


@pytest.mark.parametrize("scale", [1e-8, 1e15, 1e25])
def test_normalize_is_exact_for_small_and_large_numbers(scale):
    x = noise(8, 8).float()
    torch.testing.assert_close(F.normalize(x * scale, spatial_dims=2), F.normalize(x, spatial_dims=2))


@given(shapes())
def test_minmax_spans_0_to_1_and_keeps_order(shape):
    x = noise(*shape)
    y = F.minmax(x, spatial_dims=len(shape))
    if x.numel() > 1:
        assert (y.min(), y.max()) == (0, 1)
        torch.testing.assert_close(y * (x.max() - x.min()) + x.min(), x)


# blur


@given(shapes(), st.floats(0.3, 12))
def test_blur_is_scipys(shape, sigma):
    x = noise(*shape)
    radius = max(1, math.ceil(4 * sigma))
    expected = x.numpy()
    for axis, n in enumerate(shape):
        if n > 1:  # scipy's mirror of a single pixel is that pixel, too, but it refuses wide kernels there
            expected = ndimage.gaussian_filter1d(expected, sigma, axis, mode="mirror", radius=radius)
    y = F.gaussian_blur(x, sigma, spatial_dims=len(shape))
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 16, 300), (4, 9, 10, 11), (2, 3, 20, 5, 64)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e25])
def test_normalize_is_what_double_precision_gives(shape, scale):
    x = scale * (torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 5)
    dims = len(shape[1:]) if len(shape) < 5 else 3
    axes = tuple(range(-dims, 0))
    wanted = x.double() - x.double().mean(axes, keepdim=True)
    wanted /= x.double().std(axes, correction=0, keepdim=True)
    torch.testing.assert_close(F.normalize(x, spatial_dims=dims), wanted.float(), atol=2e-6, rtol=1e-6)


@pytest.mark.parametrize("value", [0.1, -12345.678, 1e-30, 3e30])
@pytest.mark.parametrize("shape", [(4, 7, 9), (2, 48, 48, 48)])
def test_normalize_takes_a_constant_image_to_0_exactly(shape, value):
    assert not F.normalize(torch.full(shape, value), spatial_dims=len(shape) - 1).any()


def test_normalize_keeps_nan_to_the_image_that_has_it():
    x = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    wanted = F.normalize(x, spatial_dims=2)
    x[1, 2, 3] = math.nan
    found = F.normalize(x, spatial_dims=2)
    assert found[1].isnan().all()
    torch.testing.assert_close(found[::2], wanted[::2])


@pytest.mark.parametrize("n", [255, 256, 257, 300])
def test_long_and_short_axes_blur_alike(n, monkeypatch):
    x = noise(2, n, 3)
    one = F.gaussian_blur(x, 2.5, spatial_dims=2)
    monkeypatch.setattr(blur, "MATRIX_LIMIT", 0 if n <= 256 else 1000)
    torch.testing.assert_close(one, F.gaussian_blur(x, 2.5, spatial_dims=2))


@given(shapes(), st.floats(0, 9))
def test_blur_has_gain_1_and_no_blur_is_the_identity(shape, sigma):
    torch.testing.assert_close(F.gaussian_blur(torch.ones(shape), sigma, spatial_dims=len(shape)), torch.ones(shape))
    x = noise(*shape)
    assert torch.equal(F.gaussian_blur(x, 0, spatial_dims=len(shape)), x)


# rescale: a band-limited function, sampled


def band_limited(positions, n, cutoff, phases):
    """sum_k cos(2 pi k (x - n // 2) / n + phase_k) for k up to cutoff, at some positions of an axis of n pixels."""
    k = torch.arange(len(phases), dtype=torch.float64)
    weights = (k <= cutoff).double()
    return (weights * torch.cos(2 * math.pi * k * (positions[:, None] - n // 2) / n + phases)).sum(1)


def sampled(sizes, steps, shape, cutoffs):
    """A product of band-limited functions where `rescale` promises to sample it; None beyond the image."""
    result, inside = torch.ones(()), torch.ones((), dtype=torch.bool)
    for axis, (n, step, m, cutoff) in enumerate(zip(sizes, steps, shape, cutoffs, strict=True)):
        phases = torch.linspace(0, 2, cutoff + 1, dtype=torch.float64) + axis
        x = n // 2 + (torch.arange(m, dtype=torch.float64) - m // 2) * step
        result = result[..., None] * band_limited(x, n, cutoff, phases)
        from_centre = x - n // 2
        within = (from_centre >= -n / 2 - 1e-9) & (from_centre < n / 2 - 1e-9)
        reached = torch.ones(m, dtype=torch.bool) if math.isclose(m * step, n) else within
        inside = inside[..., None] & reached
    return result, inside


@st.composite
def rescalings(draw):
    dims = draw(DIMS)
    largest = 65 if dims == 2 else 20
    sides = st.integers(1, largest)
    return tuple(draw(sides) for _ in range(dims)), tuple(draw(sides) for _ in range(dims)), draw(st.booleans())


@given(rescalings(), st.booleans())
def test_rescaling_a_band_limited_function_is_sampling_it_anew(rescaling, by_fft):
    sizes, shape, stretch = rescaling
    steps = F.rescale_steps(sizes, shape, stretch=stretch)
    cutoffs = [max(0, math.ceil(n / (2 * max(s, 1.0))) - 1) for n, s in zip(sizes, steps, strict=True)]
    x, _ = sampled(sizes, (1.0,) * len(sizes), sizes, cutoffs)
    expected, inside = sampled(sizes, steps, shape, cutoffs)
    resampling.MATRIX_LIMIT, limit = (0 if by_fft else 256), resampling.MATRIX_LIMIT
    try:
        y = F.rescale(x, shape, spatial_dims=len(sizes), stretch=stretch)
    finally:
        resampling.MATRIX_LIMIT = limit
    torch.testing.assert_close(y, torch.where(inside, expected, x.mean()), atol=1e-9, rtol=0)
    single = F.rescale(x.float(), shape, spatial_dims=len(sizes), stretch=stretch)
    torch.testing.assert_close(single.double(), y, atol=1e-5 * float(x.abs().max() + 1), rtol=0)


@given(shapes(), st.data(), st.booleans())
def test_enlarging_and_reducing_again_gives_the_image_back(shape, data, by_fft):
    larger = tuple(n + data.draw(st.integers(0, 20)) for n in shape)
    x = noise(*shape)
    resampling.MATRIX_LIMIT, limit = (0 if by_fft else 256), resampling.MATRIX_LIMIT
    try:
        there = F.rescale(x, larger, spatial_dims=len(shape), stretch=True)
        back = F.rescale(there, shape, spatial_dims=len(shape), stretch=True)
    finally:
        resampling.MATRIX_LIMIT = limit
    torch.testing.assert_close(back, x, atol=1e-8, rtol=0)


@given(rescalings())
def test_rescaling_keeps_the_mean_and_a_constant(rescaling):
    sizes, shape, stretch = rescaling
    constant = F.rescale(torch.full(sizes, 3.0), shape, spatial_dims=len(sizes), stretch=stretch)
    torch.testing.assert_close(constant, torch.full(shape, 3.0))
    x = noise(*sizes)
    y = F.rescale(x, shape, spatial_dims=len(sizes), stretch=True)
    odd = all(m % 2 or m >= n for n, m in zip(sizes, shape, strict=True))
    if odd:  # the Nyquist cosine of an even side does not change the mean either, but for a side of 2 over 1
        torch.testing.assert_close(y.mean(), x.mean(), atol=1e-9, rtol=0)


@given(shapes())
def test_rescaling_to_the_same_shape_changes_nothing(shape):
    x = noise(*shape)
    torch.testing.assert_close(F.rescale(x, shape, spatial_dims=len(shape), stretch=True), x)


@pytest.mark.parametrize(("n", "m"), [(64, 32), (65, 33), (64, 33), (65, 32), (31, 64), (300, 101), (301, 512)])
def test_the_centre_stays_the_centre(n, m):
    axis = torch.arange(n, dtype=torch.float64) - n // 2
    sigma = 0.08 * n
    x = torch.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2) / sigma**2)
    y = F.rescale(x, (m, m), spatial_dims=2)
    new = (torch.arange(m, dtype=torch.float64) - m // 2) * n / m
    expected = torch.exp(-0.5 * (new[:, None] ** 2 + new[None, :] ** 2) / sigma**2)
    torch.testing.assert_close(y, expected, atol=1e-6, rtol=0)
    assert divmod(int(y.argmax()), m) == (m // 2, m // 2)


def test_nothing_aliases():
    x = torch.cos(math.pi * 0.9 * torch.arange(64, dtype=torch.float64)).expand(64, 64)
    x = x - x.mean()
    assert F.rescale(x, (32, 32), spatial_dims=2).abs().max() < 0.2
    assert ndimage.zoom(x.numpy(), 0.5).max() > 0.5


@pytest.mark.parametrize("name", ["normalize", "minmax", "blur", "rescale", "rescale by FFT", "rescale with a margin"])
def test_gradients_flow(name, monkeypatch):
    if name == "rescale by FFT":
        monkeypatch.setattr(resampling, "MATRIX_LIMIT", 0)
    function = {
        "normalize": lambda x: F.normalize(x, spatial_dims=2),
        "minmax": lambda x: F.minmax(x, spatial_dims=2),
        "blur": lambda x: F.gaussian_blur(x, 1.0, spatial_dims=2),
        "rescale": lambda x: F.rescale(x, (3, 3), spatial_dims=2, stretch=True),
        "rescale by FFT": lambda x: F.rescale(x, (3, 3), spatial_dims=2, stretch=True),
        "rescale with a margin": lambda x: F.rescale(x, (4, 4), spatial_dims=2),
    }[name]
    assert torch.autograd.gradcheck(function, noise(2, 5, 6).requires_grad_())
    constant = torch.ones(4, 4, dtype=torch.float64, requires_grad=True)
    function(constant).sum().backward()
    assert torch.isfinite(constant.grad).all()


def test_what_was_first_used_without_gradients_has_them_later():
    resampling._interpolation_matrix.cache_clear()
    blur._blur_matrix.cache_clear()
    with torch.inference_mode():
        F.rescale(F.gaussian_blur(noise(16, 16), 1.0, spatial_dims=2), (8, 8), spatial_dims=2)
    x = noise(16, 16).requires_grad_()
    F.rescale(F.gaussian_blur(x, 1.0, spatial_dims=2), (8, 8), spatial_dims=2).sum().backward()
    assert x.grad is not None


def test_rescaling_to_the_same_shape_gives_a_tensor_of_its_own():
    x = noise(4, 4)
    F.rescale(x, (4, 4), spatial_dims=2).mul_(0)
    assert x.any()


@pytest.mark.parametrize("name", ["normalize", "minmax", "gaussian_blur", "rescale"])
def test_inputs_are_left_alone(name):
    x = noise(4, 6, 6)
    before = x.clone()
    more = {"gaussian_blur": (1.0,), "rescale": ((3, 3),)}.get(name, ())
    out = getattr(F, name)(x, *more, spatial_dims=2)
    out.mul_(0)
    assert torch.equal(x, before)
    unchanged = F.gaussian_blur(x, 0, spatial_dims=2)
    unchanged.mul_(0)
    assert torch.equal(x, before)
