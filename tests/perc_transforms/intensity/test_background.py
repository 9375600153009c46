import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perc_transforms import TransformError
from perc_transforms.functional.intensity.background import normalize_background
from perc_transforms.intensity.background import NormalizeBackground


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@st.composite
def shapes(draw, least=1):
    dims = draw(st.sampled_from([2, 2, 3]))
    return tuple(draw(st.integers(least, 65 if dims == 2 else 17)) for _ in range(dims))


def beyond(shape, radius):
    axes = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in shape)]
    return torch.from_numpy(np.broadcast_to(sum(a * a for a in axes) > radius * radius, shape).copy())


def relion(image, radius, ramp=True, dust=None):
    """RELION's normalise (image.cpp), but that dust is clipped; its plane is that of fitLeastSquaresPlane."""
    image = image.numpy().astype(np.float64)
    background = beyond(image.shape, radius).numpy()
    if dust is not None and image[background].std() >= 1e-10:
        avg, stddev = image[background].mean(), image[background].std()
        image = np.clip(image, avg - dust * stddev, avg + dust * stddev)
    if ramp and image.ndim == 2:
        i, j = np.indices(image.shape)
        design = np.stack([j, i, np.ones_like(i)], -1).astype(np.float64)
        plane, *_ = np.linalg.lstsq(design[background], image[background], rcond=None)
        image = image - design @ plane
    avg, stddev = image[background].mean(), image[background].std()
    return torch.from_numpy(image if stddev < 1e-10 else (image - avg) / stddev)


OPTIONS = [{}, {"ramp": False}, {"dust": 2.0}, {"ramp": False, "dust": 1.5}]


@settings(max_examples=40)
@given(shapes(least=6), st.floats(0.1, 0.5), st.sampled_from(OPTIONS), st.sampled_from([torch.float32, torch.float64]))
def test_it_is_relions_normalise(shape, share, options, dtype):
    x = noise(2, *shape) + 0.1 * torch.arange(shape[-1])
    radius = share * min(shape)
    y = normalize_background(x.to(dtype), radius, spatial_dims=len(shape), **options)
    assert y.dtype == dtype
    tolerance = {torch.float32: 1e-4, torch.float64: 1e-9}[dtype]
    for image, result in zip(x, y, strict=True):
        expected = relion(image, radius, **options)
        torch.testing.assert_close(result.double(), expected, atol=tolerance, rtol=tolerance)


@settings(max_examples=25)
@given(shapes(least=6), st.floats(-50, 50), st.floats(0.1, 50), st.floats(-3, 3), st.floats(-3, 3))
def test_offset_scale_and_ramp_of_an_image_are_no_matter(shape, offset, scale, down, across):
    x, radius = noise(*shape), 0.375 * min(shape)
    y = scale * x + offset
    if len(shape) == 2:
        y = y + down * torch.arange(shape[0]).double()[:, None] + across * torch.arange(shape[1]).double()
    expected = normalize_background(x, radius, spatial_dims=len(shape))
    torch.testing.assert_close(normalize_background(y, radius, spatial_dims=len(shape)), expected, atol=1e-8, rtol=0)
    background = expected[beyond(shape, radius)]
    assert abs(float(background.mean())) < 1e-9
    assert float(background.std(correction=0)) == pytest.approx(1)


@pytest.mark.parametrize("shape", [(256, 256), (255, 130), (40, 41, 42)])
@pytest.mark.parametrize("ramp", [True, False])
def test_single_precision_bears_an_offset(shape, ramp):
    x = (noise(3, *shape) + 1e4).float()
    y = normalize_background(x, 0.375 * min(shape), spatial_dims=len(shape), ramp=ramp)
    for image, result in zip(x, y, strict=True):
        expected = relion(image, 0.375 * min(shape), ramp=ramp)
        torch.testing.assert_close(result.double(), expected, atol=2e-5, rtol=0)


def test_single_precision_bears_a_steep_ramp():
    x = (noise(128, 128) + 1e3 + 10 * torch.arange(128) - 7 * torch.arange(128)[:, None]).float()
    torch.testing.assert_close(normalize_background(x, 48, spatial_dims=2).double(), relion(x, 48), atol=1e-3, rtol=0)


@settings(max_examples=40)
@given(shapes(), st.sampled_from([0.0, 7.0, -1e6, 0.1, 1e4 + 0.3]), st.sampled_from([torch.float32, torch.float64]))
def test_a_background_without_noise_is_not_scaled(shape, value, dtype):
    if math.prod(shape) == 1:
        return
    x = torch.full(shape, value, dtype=dtype)
    x[tuple(n // 2 for n in shape)] += 1
    flat = normalize_background(x, 0.5, spatial_dims=len(shape), ramp=False)
    torch.testing.assert_close(flat, x)
    dusted = normalize_background(x, 0.5, spatial_dims=len(shape), ramp=False, dust=3)
    torch.testing.assert_close(dusted, x, msg="a particle on a background without noise is no dust")
    levelled = normalize_background(x, 0.5, spatial_dims=len(shape))
    expected = x - value if len(shape) == 2 else x
    torch.testing.assert_close(levelled, expected, atol=1e-5 * abs(value) + 1e-6, rtol=1e-5)


def test_an_exact_ramp_is_removed_and_the_rest_not_scaled():
    ramp = 3.0 * torch.arange(32)[:, None] - 100 * torch.arange(32) + 1e4
    assert normalize_background(ramp, 12, spatial_dims=2).abs().max() < 0.01


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (2, 2), (3, 3), (1, 9), (9, 1), (2, 9), (2, 2, 2), (1, 1, 5)])
@pytest.mark.parametrize("options", OPTIONS)
def test_small_boxes_give_finite_numbers(shape, options):
    y = NormalizeBackground(spatial_dims=len(shape), **options)(noise(*shape) * 100)
    assert torch.isfinite(y).all()


def test_dust_is_clipped_before_it_counts():
    x = noise(64, 64)
    dusty = x.clone()
    dusty[2, 3], dusty[32, 32], dusty[60, 60] = 1e3, 1e3, -1e3
    clean = normalize_background(x, 24, spatial_dims=2)
    y = normalize_background(dusty, 24, spatial_dims=2, dust=3)
    assert (y - clean).abs().median() < (normalize_background(dusty, 24, spatial_dims=2) - clean).abs().median()
    assert y.max() < dusty.max() / dusty[beyond((64, 64), 24)].std()
    torch.testing.assert_close(normalize_background(x, 24, spatial_dims=2, dust=100), clean)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_stays_in_its_image(value, options):
    x = noise(3, 16, 17, dtype=torch.float32)
    x[1, 4, 4] = value
    y = normalize_background(x, 6, spatial_dims=2, **options)
    for place in (0, 2):
        torch.testing.assert_close(y[place], normalize_background(x[place], 6, spatial_dims=2, **options))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(3, 2, 9, 8), (2, 5, 7, 6)])
def test_a_batch_is_one_by_one_and_the_input_is_left_alone(shape, options):
    x = noise(*shape, dtype=torch.float32)
    before = x.clone()
    for dims in (2, 3):
        images = x.reshape(-1, *shape[-dims:])
        expected = torch.stack([normalize_background(i, 2.5, spatial_dims=dims, **options) for i in images])
        y = normalize_background(x, 2.5, spatial_dims=dims, **options)
        torch.testing.assert_close(y.reshape(expected.shape), expected)
        y.mul_(0)
    assert torch.equal(x, before)


@pytest.mark.parametrize("options", OPTIONS)
def test_gradients_flow(options):
    for dims, shape in ((2, (2, 5, 6)), (3, (2, 4, 3, 4))):
        x = noise(*shape).requires_grad_()
        assert torch.autograd.gradcheck(
            lambda x, dims=dims: normalize_background(x, 1.5, spatial_dims=dims, **options), x
        )
    constant = torch.ones(6, 6, requires_grad=True)
    normalize_background(constant, 2, spatial_dims=2, **options).sum().backward()
    assert torch.isfinite(constant.grad).all()


def test_the_radius_in_angstrom_is_by_each_rows_pixel_size():
    images = [noise(16, 18, seed=s, dtype=torch.float32) for s in range(3)]
    batch = {"image": images, "pixel_size": [2.0, 1.5, 2.0], "path": list("abc")}
    out = NormalizeBackground(radius_angstrom=12)(batch)
    for image, size, result in zip(images, batch["pixel_size"], out["image"], strict=True):
        torch.testing.assert_close(result, NormalizeBackground(12 / size)(image))
    assert (out["pixel_size"], out["path"]) == ([2.0, 1.5, 2.0], ["a", "b", "c"])
    same = NormalizeBackground()({"image": images, "pixel_size": [None, 1.0, 2.0], "path": list("abc")})["image"]
    unequal = [*images, noise(9, 9), noise(8, 7, 6), noise(16, 18)]
    for image, result in zip(unequal, NormalizeBackground()(unequal), strict=True):
        torch.testing.assert_close(result, NormalizeBackground()(image))
    torch.testing.assert_close(same[1], normalize_background(images[1], 6.0, spatial_dims=2))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: NormalizeBackground(0), r"radius=0\): expected radius \(pixels\) or radius_angstrom"),
        (lambda: NormalizeBackground(-1.0), "radius=-1.0"),
        (lambda: NormalizeBackground(math.nan), "radius=nan"),
        (lambda: NormalizeBackground("8"), "radius='8'"),
        (lambda: NormalizeBackground(8, radius_angstrom=8), "not both"),
        (lambda: NormalizeBackground(radius_angstrom=0), "radius_angstrom=0"),
        (lambda: NormalizeBackground(8, 5), "ramp is 5: expected True or False"),
        (lambda: NormalizeBackground(dust=0), "dust is 0: expected a number"),
        (lambda: NormalizeBackground(dust=-2), "dust is -2"),
        (lambda: NormalizeBackground(dust=True), "dust is True"),
        (lambda: NormalizeBackground(9)(torch.ones(16, 20)), r"9 pixels in a box of \(16, 20\).*at most 8.*larger box"),
        (
            lambda: NormalizeBackground(1.5)(torch.ones(3, 3)),
            r"1.5 pixels in a box of \(3, 3\): expected pixels beyond",
        ),
        (lambda: NormalizeBackground()(torch.ones(1, 1)), r"0.375 pixels in a box of \(1, 1\)"),
        (lambda: NormalizeBackground(radius_angstrom=9)(torch.ones(9, 9)), "pixel_size is None: give radius in pixels"),
        (lambda: NormalizeBackground(radius_angstrom=9)({"image": torch.ones(9, 9), "pixel_size": 0.0}), "is 0.0"),
        (lambda: NormalizeBackground(radius_angstrom=9)({"image": torch.ones(9, 9), "pixel_size": 1.0}), "at most 4.5"),
    ],
)
def test_what_is_wrong_is_told(make, complaint):
    with pytest.raises(TransformError, match=complaint) as caught:
        make()
    assert "NormalizeBackground" in str(caught.value)


def test_half_the_box_may_be_told_in_rounded_angstrom():
    row = {"image": noise(200, 200), "pixel_size": float(np.float32(1.06))}
    assert torch.isfinite(NormalizeBackground(radius_angstrom=106.0)(row)["image"]).all()


def test_reprs_can_be_read():
    assert repr(NormalizeBackground()) == "NormalizeBackground()"
    assert (
        repr(NormalizeBackground(radius_angstrom=80.0, dust=5)) == "NormalizeBackground(radius_angstrom=80.0, dust=5)"
    )
