"""Laws of more than one transform, at any size: those of one stand beside its other tests."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import perc_transforms as T
import perc_transforms.functional as F
from perc_transforms.functional.fourier.wedge import wedge
from tests.perc_transforms import catalogue

some = settings(max_examples=40)


@st.composite
def images(draw, largest=65, leading=(1, 3)):
    """Images of equal sides or not, 2-D or 3-D, one or several, in single or double precision, and their axes."""
    dims = draw(st.sampled_from([2, 3]))
    sizes = [draw(st.integers(1, largest if dims == 2 else 14)) for _ in range(dims)]
    if draw(st.booleans()):
        sizes = sizes[:1] * dims
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    before = draw(st.lists(st.integers(*leading), max_size=2))
    return torch.randn(*before, *sizes, dtype=dtype, generator=torch.Generator().manual_seed(1)), dims


def near(x, y):
    torch.testing.assert_close(x, y, atol=2e-4, rtol=1e-4)


@some
@given(images())
def test_no_strength_is_the_identity(case):
    x, dims = case
    own = tuple(x.shape[-dims:])
    for transform in (
        T.GaussianBlur(0, spatial_dims=dims),
        T.Envelope(0, spatial_dims=dims),
        T.RandomGaussianBlur((0, 0), spatial_dims=dims),
        T.PercentileClip(0, 100, spatial_dims=dims),
        T.Rescale(own, spatial_dims=dims),
        T.FourierCrop(own, spatial_dims=dims),
        T.FourierPad(own, spatial_dims=dims),
        T.CenterCrop(own, spatial_dims=dims),
        T.RandomCrop(own, spatial_dims=dims),
        T.Pad(own, spatial_dims=dims),
        T.RandomRotate(0, spatial_dims=dims),
        T.RandomShift(0, spatial_dims=dims),
        T.AddNoise(std=0, spatial_dims=dims),
        T.Cutout(1, number=0, spatial_dims=dims),
        T.Mixup(0, spatial_dims=dims),
        *([T.MissingWedge(-90, 90)] if dims == 3 else []),
    ):
        done = (
            transform({"image": x, "pixel_size": 2.0})["image"] if isinstance(transform, T.Envelope) else transform(x)
        )
        near(done, x)


@some
@given(images(), st.floats(-100, 100))
def test_what_keeps_the_mean_keeps_a_constant_image(case, value):
    x, dims = case
    constant = torch.full_like(x, value)
    for transform in (
        T.Lowpass(9.0),
        T.Envelope(120.0),
        T.GaussianBlur(1.3),
        T.RandomGaussianBlur((0.5, 2.0)),
        T.FourierCrop(pixel_size=3.0),
        T.FourierPad(pixel_size=1.7),
        T.Rescale(7),
        T.SoftMask(0.4),
        T.RandomRotate(),
        T.RandomShift(2.0),
        T.AddNoise(snr=1.0),
        T.Cutout(1),
        T.HotPixels(),
        *([T.MissingWedge(-40, 50)] if dims == 3 else []),
    ):
        transform.spatial_dims = dims
        done = transform({"image": constant, "pixel_size": 2.0})["image"]
        near(done, torch.full_like(done, value))


@some
@given(images(leading=(1, 2)), st.data())
def test_a_mirror_twice_is_the_identity(case, data):
    x, dims = case
    params = {"flip": [data.draw(st.integers(0, 1)) for _ in range(dims)]}
    flip = T.RandomFlip(spatial_dims=dims)
    assert torch.equal(flip.replay(flip.replay(x, params), params), x)


@some
@given(st.data(), st.sampled_from([2, 3]), st.sampled_from([torch.float32, torch.float64]))
def test_a_rotation_by_quarter_turns_is_random_rotate_90s(data, dims, dtype):
    n = data.draw(st.integers(1, 65 if dims == 2 else 14))
    x = torch.randn(2, *[n] * dims, dtype=dtype, generator=torch.Generator().manual_seed(n))
    element = data.draw(st.sampled_from(F.quarter_turns(dims)))
    turned = F.orient(x, [element] * 2, spatial_dims=dims)
    rotated = F.rotate(x, torch.tensor([element] * 2, dtype=torch.float64), spatial_dims=dims)
    inside = (slice(None), *[slice(1 - n % 2, None)] * dims)  # line 0 of an even side lies opposite to no other
    near(rotated[inside], turned[inside])


@some
@given(st.integers(2, 65), st.integers(2, 65), st.data(), st.sampled_from([100.0, 200.0, 300.0]))
def test_the_ctf_is_zero_where_theory_puts_it(ny, nx, data, voltage):
    """Without aberration and amplitude contrast it is sin(pi lambda U k^2): 0 where k^2 = m / (lambda U)."""
    y, x = data.draw(st.integers(0, (ny - 1) // 2)), data.draw(st.integers(1, max(1, (nx - 1) // 2)))
    k, order = math.hypot(y / ny, x / nx) / 1.5, data.draw(st.integers(1, 20))
    wavelength = float(F.electron_wavelength(voltage))
    options = {"pixel_size": 1.5, "voltage": voltage, "spherical_aberration": 0.0, "amplitude_contrast": 0.0}
    like = torch.zeros(1, dtype=torch.float64)
    zero = F.ctf((ny, nx), defocus_u=order / (wavelength * k**2), **options, like=like)[y, x]
    peak = F.ctf((ny, nx), defocus_u=(order - 0.5) / (wavelength * k**2), **options, like=like)[y, x]
    assert abs(float(zero)) < 1e-9
    assert abs(float(peak)) > 1 - 1e-9


@some
@given(st.integers(8, 40), st.floats(-90, 90), st.floats(-90, 90), st.sampled_from(["x", "y"]))
def test_the_wedge_keeps_the_stated_fraction(n, one, other, axis):
    low, high = sorted([one, other])
    if high - low < 1:
        return
    kept = wedge((n, n, n), min_angle=low, max_angle=high, axis=axis, like=torch.zeros(1))
    z, y, x = np.meshgrid(np.fft.fftfreq(n), np.fft.fftfreq(n), np.fft.rfftfreq(n), indexing="ij")
    plane = np.hypot(z, x if axis == "y" else y)
    counted = (plane > 0) & (plane < 0.5 - 1e-9) & (x > 0)  # x = 0 holds each component twice
    if axis == "x":
        counted = (plane > 0) & (plane < 0.5 - 1e-9)
    share = float(np.broadcast_to(kept.numpy(), plane.shape)[counted].mean())
    assert abs(share - (high - low) / 180) < 4 / n


@settings(max_examples=60)
@given(st.sampled_from(catalogue.CASES), st.data())
def test_gradients_flow_at_any_size(case, data):
    _, transform, dims = case
    sizes = tuple(data.draw(st.integers(1, 65 if dims == 2 else 14)) for _ in range(dims))
    row = catalogue.row(data.draw(st.integers(0, 9)), sizes)
    image = torch.from_numpy(row["image"]).to(data.draw(st.sampled_from([torch.float32, torch.float64])))
    image.requires_grad_()
    try:
        done = transform({**row, "image": image})["image"]
    except T.TransformError:  # an image too small for it
        return
    assert done.dtype == image.dtype
    done.square().sum().backward()
    assert image.grad.shape == image.shape
    assert torch.isfinite(image.grad).all()
