import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perc_transforms import TransformError
from perc_transforms.functional.intensity import masks
from perc_transforms.functional.intensity.masks import soft_mask
from perc_transforms.intensity.masks import SoftMask


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@st.composite
def shapes(draw):
    dims = draw(st.sampled_from([2, 2, 3]))
    return tuple(draw(st.integers(1, 65 if dims == 2 else 17)) for _ in range(dims))


def distances(shape):
    axes = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in shape)]
    return torch.from_numpy(np.broadcast_to(np.sqrt(sum(a * a for a in axes)), shape).copy())


def relion(image, radius, cosine_width, fill=None):
    """RELION's softMaskOutsideMap (mask.cpp): a mean of the background, unless a number stands for Mnoise."""
    vol, r = image.numpy().astype(np.float64), distances(image.shape).numpy()
    radius_p = radius + cosine_width
    raisedcos = 0.5 + 0.5 * np.cos(np.pi * (radius_p - r) / cosine_width)
    weight = np.where(r < radius, 0.0, np.where(r > radius_p, 1.0, raisedcos))
    if weight.sum() == 0:
        return torch.from_numpy(vol)
    background = (weight * vol).sum() / weight.sum() if fill is None else fill
    return torch.from_numpy((1 - weight) * vol + weight * background)


SHARES = st.floats(0.05, 0.5)


@settings(max_examples=40)
@given(shapes(), SHARES, st.floats(0.1, 100), st.sampled_from([None, 0, -2.5]), st.booleans())
def test_it_is_relions_soft_mask(shape, share, edge, fill, single):
    x, radius = noise(2, *shape, dtype=torch.float32 if single else torch.float64) + 3, share * min(shape)
    options = {} if fill is None else {"fill": fill}
    y = soft_mask(x, radius, spatial_dims=len(shape), edge=edge, **options)
    assert y.dtype == x.dtype
    tolerance = 2e-5 if single else 1e-10
    for image, result in zip(x, y, strict=True):
        expected = relion(image, radius, edge, fill)
        torch.testing.assert_close(result.double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("edge", [3.0, 5.0])
@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (20, 21, 20)])
def test_whole_radii_are_relions_too(shape, edge):
    x = noise(*shape)
    y = soft_mask(x, 8, spatial_dims=len(shape), edge=edge)
    torch.testing.assert_close(y, relion(x, 8, edge))
    assert torch.equal(y[distances(shape) <= 8], x[distances(shape) <= 8])
    assert len(y[distances(shape) >= 8 + edge].unique()) == 1


@settings(max_examples=25)
@given(shapes(), SHARES, st.floats(0, 100), st.sampled_from([1.0, 0.1, -1e4 - 0.3]), st.booleans())
def test_a_constant_image_stays(shape, share, edge, value, single):
    x = torch.full(shape, value, dtype=torch.float32 if single else torch.float64)
    torch.testing.assert_close(soft_mask(x, share * min(shape), spatial_dims=len(shape), edge=edge), x)


@settings(max_examples=25)
@given(shapes(), SHARES, st.sampled_from(["background", 0, 2.0]))
def test_a_step_keeps_the_circle_and_a_second_one_changes_nothing(shape, share, fill):
    x, radius = noise(*shape), share * min(shape)
    y = soft_mask(x, radius, spatial_dims=len(shape), edge=0.0, fill=fill)
    outside = distances(shape) > radius
    assert torch.equal(y[~outside], x[~outside])
    if outside.any():
        expected = x[outside].mean() if fill == "background" else torch.tensor(float(fill), dtype=x.dtype)
        torch.testing.assert_close(y[outside], expected.expand(int(outside.sum())))
    torch.testing.assert_close(soft_mask(y, radius, spatial_dims=len(shape), edge=0.0, fill=fill), y)


@settings(max_examples=25)
@given(shapes(), SHARES, st.floats(0, 20))
def test_it_is_linear_and_its_weights_fall_from_1_to_0(shape, share, edge):
    dims, radius, x, y = len(shape), share * min(shape), noise(*shape), noise(*shape, seed=1)
    both = soft_mask(3 * x - y, radius, spatial_dims=dims, edge=edge)
    apart = [soft_mask(z, radius, spatial_dims=dims, edge=edge) for z in (x, y)]
    torch.testing.assert_close(both, 3 * apart[0] - apart[1], atol=1e-9, rtol=0)
    weights = soft_mask(torch.ones(shape).double(), radius, spatial_dims=dims, edge=edge, fill=0)
    assert (weights.min() >= 0, weights.max()) == (True, 1)
    ordered = weights.flatten()[distances(shape).flatten().argsort(stable=True)]
    assert (ordered.diff() <= 1e-12).all()


def test_where_nothing_lies_outside_nothing_changes():
    for fill in ("background", 0):
        for x in (noise(1, 1), noise(3, 3)):
            y = soft_mask(x, 1.5 if len(x) > 1 else 0.5, spatial_dims=2, fill=fill)
            assert torch.equal(y, x)
            assert y is not x


@pytest.mark.parametrize("shape", [(256, 256), (40, 41, 42)])
def test_single_precision_bears_an_offset(shape):
    x = (noise(*shape) + 1e4).float()
    y = soft_mask(x, 0.3 * min(shape), spatial_dims=len(shape))
    torch.testing.assert_close(y.double(), relion(x, 0.3 * min(shape), 5.0), atol=2e-3, rtol=0)


def test_large_and_small_boxes_are_masked_alike(monkeypatch):
    x = noise(33, 34)
    kept = soft_mask(x, 11, spatial_dims=2)
    monkeypatch.setattr(masks, "_SMALL_BOX", 0)
    assert torch.equal(soft_mask(x, 11, spatial_dims=2), kept)


@pytest.mark.parametrize("fill", ["background", 0])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_stays_in_its_image(value, fill):
    x = noise(3, 16, 17, dtype=torch.float32)
    x[1, 0, 0] = value
    y = soft_mask(x, 6, spatial_dims=2, fill=fill)
    for place in (0, 2):
        torch.testing.assert_close(y[place], soft_mask(x[place], 6, spatial_dims=2, fill=fill))


@pytest.mark.parametrize("fill", ["background", 1.0])
@pytest.mark.parametrize("dims", [2, 3])
def test_a_batch_is_one_by_one_and_the_input_is_left_alone(fill, dims):
    x = noise(3, 2, 9, 8, dtype=torch.float32)
    before = x.clone()
    y = soft_mask(x, 2.5, spatial_dims=dims, edge=2, fill=fill)
    images = x.reshape(-1, *x.shape[-dims:])
    expected = torch.stack([soft_mask(i, 2.5, spatial_dims=dims, edge=2, fill=fill) for i in images])
    torch.testing.assert_close(y.reshape(expected.shape), expected)
    y.mul_(0)
    assert torch.equal(x, before)


@pytest.mark.parametrize("fill", ["background", 1.0])
def test_gradients_flow(fill):
    x = noise(2, 5, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: soft_mask(x, 1.5, spatial_dims=2, edge=1.5, fill=fill), x)
    with torch.inference_mode():
        soft_mask(noise(7, 7), 2, spatial_dims=2)
    x = noise(7, 7).requires_grad_()
    soft_mask(x, 2, spatial_dims=2).sum().backward()
    assert x.grad is not None


def test_the_radius_in_angstrom_is_by_each_rows_pixel_size_and_half_the_box_by_default():
    images = [noise(16, 18, seed=s, dtype=torch.float32) for s in range(3)]
    batch = {"image": images, "pixel_size": [2.0, 1.5, 2.0], "path": list("abc")}
    out = SoftMask(radius_angstrom=9, edge=3)(batch)
    for image, size, result in zip(images, batch["pixel_size"], out["image"], strict=True):
        torch.testing.assert_close(result, SoftMask(9 / size, edge=3)(image))
    assert (out["pixel_size"], out["path"]) == ([2.0, 1.5, 2.0], ["a", "b", "c"])
    torch.testing.assert_close(SoftMask()(images[0]), SoftMask(8)(images[0]))
    rounded = float(np.float32(1.3))
    SoftMask(radius_angstrom=8 * 1.3)({"image": images[0], "pixel_size": rounded})  # half the box, but for rounding
    unequal = [*images, noise(9, 9), noise(8, 7, 6), noise(16, 18)]
    for image, result in zip(unequal, SoftMask(fill=0)(unequal), strict=True):
        torch.testing.assert_close(result, SoftMask(fill=0)(image))
    whole = np.arange(81).reshape(9, 9)
    torch.testing.assert_close(SoftMask(2)(whole), SoftMask(2)(torch.from_numpy(whole).float()))
    flat = SoftMask(3, spatial_dims=2)(torch.stack(images))
    torch.testing.assert_close(flat[1], SoftMask(3)(images[1]))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: SoftMask(0), r"radius=0\): expected radius \(pixels\) or radius_angstrom"),
        (lambda: SoftMask(math.inf), "radius=inf"),
        (lambda: SoftMask(True), "radius=True"),
        (lambda: SoftMask(8, radius_angstrom=8), "not both"),
        (lambda: SoftMask(8, -1), "edge is -1: expected a width in pixels, 0 or more"),
        (lambda: SoftMask(8, None), "edge is None"),
        (lambda: SoftMask(8, math.nan), "edge is nan"),
        (lambda: SoftMask(fill="noise"), "fill is 'noise': expected 'background' or a number"),
        (lambda: SoftMask(fill=None), "fill is None"),
        (lambda: SoftMask(9)(torch.ones(16, 20)), r"9 pixels in a box of \(16, 20\).*at most 8.*pad to a larger box"),
        (lambda: SoftMask(radius_angstrom=9)(torch.ones(9, 9)), "pixel_size is None: give radius in pixels"),
    ],
)
def test_what_is_wrong_is_told(make, complaint):
    with pytest.raises(TransformError, match=complaint) as caught:
        make()
    assert "SoftMask" in str(caught.value)
