import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perc_transforms import TransformError
from perc_transforms.functional.intensity.statistics import invert_contrast, percentile_clip
from perc_transforms.intensity.normalization import InvertContrast, PercentileClip


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@st.composite
def shapes(draw):
    dims = draw(st.sampled_from([2, 2, 3]))
    return tuple(draw(st.integers(1, 65 if dims == 2 else 17)) for _ in range(dims))


@st.composite
def percentiles(draw):
    low, high = sorted(draw(st.lists(st.floats(0, 100), min_size=2, max_size=2, unique=True)))
    return low, high


# clipping at percentiles


@settings(max_examples=60)
@given(shapes(), percentiles(), st.booleans(), st.booleans())
def test_clipping_is_at_numpys_percentiles(shape, bounds, single, tied):
    x = noise(2, *shape, dtype=torch.float32 if single else torch.float64)
    x = x.round() if tied else x
    y = percentile_clip(x, *bounds, spatial_dims=len(shape))
    assert y.dtype == x.dtype
    for image, result in zip(x.numpy(), y, strict=True):
        expected = np.clip(image, *np.percentile(image.astype(np.float64), bounds))
        np.testing.assert_allclose(result, expected, atol=1e-5 if single else 1e-12)


@pytest.mark.parametrize(
    "bounds",
    [(0.5, 99.5), (0, 99.9), (0.1, 100), (25, 75), (50, 50.001), (0, 1e-9), (1e-300, 100), tuple(np.array([2.0, 98]))],
)
def test_defaults_and_corner_cases_are_numpys_too(bounds):
    x = noise(1001, 2)
    expected = np.clip(x.numpy(), *np.percentile(x.numpy(), bounds))
    np.testing.assert_allclose(percentile_clip(x, *bounds, spatial_dims=2), expected, atol=1e-12)


@settings(max_examples=25)
@given(shapes(), percentiles())
def test_what_lies_between_the_percentiles_is_kept_and_so_is_order(shape, bounds):
    x = noise(*shape)
    y = percentile_clip(x, *bounds, spatial_dims=len(shape))
    inside = (x > y.min()) & (x < y.max())
    assert torch.equal(y[inside], x[inside])
    assert (y.flatten()[x.flatten().argsort()].diff() >= 0).all()
    assert torch.equal(percentile_clip(x, 0, 100, spatial_dims=len(shape)), x)
    constant = torch.full(shape, 0.1)
    torch.testing.assert_close(percentile_clip(constant, *bounds, spatial_dims=len(shape)), constant, rtol=0, atol=0)


def test_more_pixels_than_torch_quantile_takes():
    """Than it took before torch 2.14."""
    x = (torch.arange(4097 * 4097) // 4).float().reshape(4097, 4097)
    y = PercentileClip(0.01, 100)(x)
    assert float(y.min()) == 419, "percentile 0.01 lies between values 1678 and 1679"
    assert torch.equal(y[1:], x[1:])


# inverting


def blob(shape, sign=1.0):
    """A Gaussian of a fifth of half the side about the centre."""
    axes = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in shape)]
    r2 = sum((a / (0.2 * n / 2)) ** 2 for a, n in zip(axes, shape, strict=True))
    return sign * torch.from_numpy(np.exp(-r2 / 2))


def centre_less_rim(image):
    """What ASPIRE's ImageSource.invert_contrast compares, of one image, about pixel n // 2."""
    axes = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in image.shape)]
    r = np.sqrt(sum((a / (n / 2)) ** 2 for a, n in zip(axes, image.shape, strict=True)))
    centre, rim = image.numpy()[r < 0.5], image.numpy()[r > 0.8]
    return centre.mean() - rim.mean() if len(centre) and len(rim) else 0.0


@settings(max_examples=40)
@given(shapes(), st.booleans())
def test_auto_inverts_where_the_centre_is_darker(shape, single):
    x = noise(4, *shape, dtype=torch.float32 if single else torch.float64)
    y = invert_contrast(x, spatial_dims=len(shape), mode="auto")
    for image, result in zip(x, y, strict=True):
        difference = centre_less_rim(image)
        if abs(difference) > 1e-5 or difference == 0:
            assert torch.equal(result, -image if difference < 0 else image)
    assert torch.equal(invert_contrast(y, spatial_dims=len(shape), mode="auto"), y), "and but once"


@settings(max_examples=25)
@given(shapes(), st.sampled_from([0.0, 0.1, -7.7, 1e6]))
def test_always_is_its_own_inverse_and_auto_leaves_a_constant_image(shape, value):
    x = noise(*shape)
    y = invert_contrast(x, spatial_dims=len(shape))
    assert torch.equal(y, -x)
    assert torch.equal(invert_contrast(y, spatial_dims=len(shape)), x)
    constant = torch.full(shape, value)
    assert torch.equal(invert_contrast(constant, spatial_dims=len(shape), mode="auto"), constant)


@pytest.mark.parametrize("shape", [(64, 64), (65, 48), (16, 17, 18)])
@pytest.mark.parametrize("offset", [0.0, 1e3, -1e3])
def test_particles_are_bright_after_auto(shape, offset):
    dark, bright = blob(shape, -1.0).float() + offset, blob(shape).float() + offset
    out = InvertContrast("auto")([dark, bright])
    assert torch.equal(out[0], -dark)
    assert torch.equal(out[1], bright)


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 1, 1)])
def test_a_box_without_centre_or_rim_is_left(shape):
    x = -noise(*shape).abs()
    if centre_less_rim(x) == 0:
        assert torch.equal(InvertContrast("auto")(x), x)


# both


FUNCTIONS = [
    lambda x, dims: percentile_clip(x, 10, 85, spatial_dims=dims),
    lambda x, dims: invert_contrast(x, spatial_dims=dims),
    lambda x, dims: invert_contrast(x, spatial_dims=dims, mode="auto"),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dims", [2, 3])
def test_a_batch_is_one_by_one_and_the_input_is_left_alone(function, dims):
    x = noise(4, 2, 9, 8, dtype=torch.float32)
    before = x.clone()
    y = function(x, dims)
    expected = torch.stack([function(image, dims) for image in x.reshape(-1, *x.shape[-dims:])])
    torch.testing.assert_close(y.reshape(expected.shape), expected)
    y.mul_(0)
    percentile_clip(x, 0, 100, spatial_dims=dims).mul_(0)
    invert_contrast(torch.ones_like(x), spatial_dims=dims, mode="auto").mul_(0)
    assert torch.equal(x, before)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_stays_in_its_image(function, value):
    x = noise(3, 16, 17, dtype=torch.float32)
    x[1, 4, 4] = value
    y = function(x, 2)
    for place in (0, 2):
        torch.testing.assert_close(y[place], function(x[place], 2))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_gradients_flow(function):
    assert torch.autograd.gradcheck(lambda x: function(x, 2), noise(2, 5, 6).requires_grad_())
    assert torch.autograd.gradcheck(lambda x: function(x, 3), noise(3, 4, 5).requires_grad_())


@pytest.mark.parametrize("transform", [PercentileClip(10, 80), InvertContrast(), InvertContrast("auto")], ids=repr)
def test_lists_rows_and_stacks_equal_one_by_one(transform):
    images = [noise(*shape, seed=s) for s, shape in enumerate([(9, 8), (16, 16), (9, 8), (7, 8, 9)])]
    for image, result in zip(images, transform(images), strict=True):
        torch.testing.assert_close(result, transform(image))
    row = transform({"image": images[0], "pixel_size": 2.0, "path": "a"})
    torch.testing.assert_close(row["image"], transform(images[0]))
    assert (row["pixel_size"], row["path"]) == (2.0, "a")
    whole = np.arange(72, dtype=np.int16).reshape(9, 8)
    torch.testing.assert_close(transform(whole), transform(torch.from_numpy(whole).float()))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: PercentileClip(-1, 99), "PercentileClip: low is -1, high is 99: expected 0 <= low < high <= 100"),
        (lambda: PercentileClip(1, 101), "high is 101"),
        (lambda: PercentileClip(50, 50), "low is 50, high is 50"),
        (lambda: PercentileClip(99.5, 0.5), "low < high"),
        (lambda: PercentileClip(math.nan), "low is nan"),
        (lambda: PercentileClip(None), "low is None"),
        (lambda: InvertContrast("never"), "InvertContrast: mode is 'never': expected 'always' or 'auto'"),
        (lambda: InvertContrast(True), "mode is True"),
    ],
)
def test_what_is_wrong_is_told(make, complaint):
    with pytest.raises(TransformError, match=complaint):
        make()
