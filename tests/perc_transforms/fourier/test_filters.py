import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perc_transforms import TransformError
from perc_transforms.fourier.filters import Bandpass, Highpass, Lowpass, MissingWedge, Whiten
from perc_transforms.functional.fourier.filters import bandpass, filter_rows, highpass, lowpass, whiten
from perc_transforms.functional.fourier.wedge import missing_wedge, wedge

EXAMPLES = settings(max_examples=25)
WIDTHS = st.one_of(st.sampled_from([0.0, 1.0, 2.0, 3.5]), st.floats(0.01, 40))
FILTERS = [Lowpass(9.0), Highpass(9.0, width=3.0), Bandpass(low=20.0, high=6.0)]


def noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@st.composite
def shapes(draw):
    return tuple(draw(st.integers(1, 65)) for _ in range(2)) if draw(st.booleans()) else draw(volumes())


@st.composite
def volumes(draw):
    return tuple(draw(st.integers(1, 12)) for _ in range(3))


@st.composite
def cutoffs(draw, sizes=2):
    """A pixel size, and resolutions from its Nyquist limit to far beyond the box."""
    pixel_size = draw(st.floats(0.3, 8))
    return pixel_size, [pixel_size * draw(st.floats(2, 300)) for _ in range(sizes)]


def grid(shape):
    return np.meshgrid(*[np.fft.fftfreq(n) for n in shape], indexing="ij")


def relions_lowpass(shape, resolution, pixel_size, width, do_highpass=False):
    """`lowPassFilterMap` of RELION's fftw.cpp, whose halved width is no integer here; where it divides 0 by 0, a step.

    Differs in that the frequencies of unequal sides are each divided by their own.
    """
    size = max(shape)
    shell = math.floor(size * pixel_size / resolution + 0.5)
    low, high = max(0.0, (shell - width / 2) / size), (shell + width / 2) / size
    res = np.sqrt(sum(f**2 for f in grid(shape)))
    below, above = res < low + 1e-12, res > high - 1e-12
    cosine = 0.5 * np.cos(np.pi * (res - low) / (high - low if high > low else 1.0))
    if do_highpass:
        return np.where(below, 0.0, np.where(above, 1.0, 0.5 - cosine))
    return np.where(below, 1.0, np.where(above, 0.0, 0.5 + cosine))


def by_numpy(x, weights):
    return np.fft.ifftn(np.fft.fftn(x.numpy()) * weights).real


# by resolution


@EXAMPLES
@given(shapes(), cutoffs(1), WIDTHS)
def test_lowpass_and_highpass_are_relions(shape, cutoff, width):
    pixel_size, (resolution,) = cutoff
    options = {"resolution": resolution, "pixel_size": pixel_size, "width": width}
    x = noise(*shape)
    for function, high in ((lowpass, False), (highpass, True)):
        y = function(x, **options, spatial_dims=len(shape))
        expected = by_numpy(x, relions_lowpass(shape, **options, do_highpass=high))
        np.testing.assert_allclose(y.numpy(), expected, atol=1e-6)
        single = function(x.float(), **options, spatial_dims=len(shape))
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), y, atol=1e-5, rtol=0)


@EXAMPLES
@given(shapes(), cutoffs(2), WIDTHS)
def test_what_lowpass_leaves_out_is_what_highpass_keeps_and_bandpass_is_both(shape, cutoff, width):
    pixel_size, (one, other) = cutoff
    options = {"pixel_size": pixel_size, "width": width, "spatial_dims": len(shape)}
    x = noise(*shape)
    low, high = lowpass(x, resolution=one, **options), highpass(x, resolution=one, **options)
    torch.testing.assert_close(low + high, x)
    torch.testing.assert_close(low.mean(), x.mean(), atol=1e-9, rtol=0)
    torch.testing.assert_close(high.mean(), torch.zeros_like(high.mean()), atol=1e-9, rtol=0)
    fine, coarse = sorted([one, other])
    expected = highpass(lowpass(x, resolution=fine, **options), resolution=coarse, **options)
    for order in ({"low": one, "high": other}, {"low": other, "high": one}):
        torch.testing.assert_close(bandpass(x, **order, **options), expected, atol=1e-9, rtol=0)


@EXAMPLES
@given(shapes(), cutoffs(1), WIDTHS)
def test_a_constant_image_passes_lowpass_and_nothing_of_it_the_others(shape, cutoff, width):
    pixel_size, (resolution,) = cutoff
    row = {"image": torch.full(shape, 3.0), "pixel_size": pixel_size}
    torch.testing.assert_close(Lowpass(resolution, width)(row)["image"], row["image"])
    zero = torch.zeros(shape)
    torch.testing.assert_close(Highpass(resolution, width)(row)["image"], zero, atol=1e-5, rtol=0)
    band = Bandpass(2 * resolution, resolution, width)(row)["image"]
    torch.testing.assert_close(band, zero, atol=1e-5, rtol=0)


@pytest.mark.parametrize("n", [16, 17, 64, 65])
def test_a_step_keeps_its_own_shell_and_waves_on_either_side_tell(n):
    axis = torch.arange(n, dtype=torch.float64)
    waves = {shell: torch.cos(2 * math.pi * shell * axis / n).expand(n, n) for shell in (4, 5, 6)}
    kept = {
        shell: lowpass(w, resolution=n / 5, pixel_size=1.0, width=0.0, spatial_dims=2) for shell, w in waves.items()
    }
    for shell, expected in ((4, waves[4]), (5, waves[5]), (6, 0 * waves[6])):
        torch.testing.assert_close(kept[shell], expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("transform", FILTERS, ids=repr)
@pytest.mark.parametrize("shape", [(16, 17), (6, 7, 8)])
def test_each_row_is_filtered_by_its_own_pixel_size(transform, shape):
    images = list(noise(4, *shape).float())
    sizes = [1.0, 2.0, 2.0000001, 2.9]
    one_by_one = [transform({"image": i, "pixel_size": s})["image"] for i, s in zip(images, sizes, strict=True)]
    together = transform({"image": images, "pixel_size": sizes})
    torch.testing.assert_close(together["image"], one_by_one)
    assert together["pixel_size"] == sizes
    assert not torch.allclose(one_by_one[0], transform({"image": images[0], "pixel_size": 2.9})["image"], atol=1e-3)
    unequal = [*images[:2], images[2][..., :-1], images[3][..., 1:, :]]
    one_by_one = [transform({"image": i, "pixel_size": s})["image"] for i, s in zip(unequal, sizes, strict=True)]
    torch.testing.assert_close(transform({"image": unequal, "pixel_size": sizes})["image"], one_by_one)


def test_leading_axes_are_images_of_their_row():
    movies = noise(2, 3, 4, 8, 9)
    y = lowpass(movies, resolution=9.0, pixel_size=[1.0, 3.0], spatial_dims=2)
    for movie, size, result in zip(movies, (1.0, 3.0), y, strict=True):
        torch.testing.assert_close(result, lowpass(movie, resolution=9.0, pixel_size=size, spatial_dims=2))
        single = lowpass(movie[1, 2], resolution=9.0, pixel_size=size, spatial_dims=2)
        torch.testing.assert_close(result[1, 2], single)


@pytest.mark.parametrize("missing", [None, math.nan, 0.0, -1.0, math.inf, "1"])
@pytest.mark.parametrize("transform", FILTERS, ids=repr)
def test_a_row_without_pixel_size_is_told(transform, missing):
    with pytest.raises(TransformError, match=rf"{type(transform).__name__}.*pixel_size is .*give the row a pixel_size"):
        transform({"image": torch.ones(8, 8), "pixel_size": missing})
    with pytest.raises(TransformError, match="pixel_size"):
        transform(torch.ones(8, 8))


def test_a_resolution_beyond_nyquist_is_told():
    row = {"image": torch.ones(8, 8), "pixel_size": 2.0}
    for transform in (Lowpass(3.9), Highpass(3.9), Bandpass(20.0, 3.9), Bandpass(3.9, 20.0)):
        with pytest.raises(TransformError, match=r"3\.9 Å is finer than the Nyquist limit of 4 Å .*pixel_size of 2 Å"):
            transform(row)
    with pytest.raises(TransformError, match="Nyquist limit of 6 Å"):
        Lowpass(5.0)({"image": [torch.ones(8, 8)] * 2, "pixel_size": [2.0, 3.0]})
    size = float(np.float32(1.1))
    assert 2.2 < 2 * size
    Lowpass(2.2)({"image": torch.ones(8, 8), "pixel_size": torch.tensor(size)})


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, None, "8"])
def test_options_of_resolution_are_checked(value):
    for make in (Lowpass, Highpass, lambda v: Bandpass(v, 8.0), lambda v: Bandpass(8.0, v)):
        with pytest.raises(TransformError, match=r"(resolution|low|high) is .*expected a resolution in Å"):
            make(value)
    if value != 0:
        with pytest.raises(TransformError, match=r"Lowpass: width is .*shells"):
            Lowpass(8.0, value)


# whiten


def shell_power(y):
    """Mean of |F|^2 / pixels over each shell of the full spectrum, shells that are empty left out."""
    shells = (np.sqrt(sum(f**2 for f in grid(y.shape))) * max(y.shape) + 0.5 + 1e-9).astype(int).ravel()
    power = np.abs(np.fft.fftn(y)).ravel() ** 2 / y.size
    members = np.bincount(shells)
    return (np.bincount(shells, power) / members.clip(1))[members > 0]


@EXAMPLES
@given(shapes(), st.floats(-10, 10), st.sampled_from([1e-8, 1.0, 1e15, 1e25]))
def test_whitening_gives_every_shell_power_1_whatever_scale_and_offset(shape, offset, scale):
    x = (noise(*shape) + offset) * scale
    y = whiten(x, spatial_dims=len(shape))
    if math.prod(shape) > 1:
        np.testing.assert_allclose(shell_power(y.numpy()), 1.0, rtol=1e-6)
    torch.testing.assert_close(whiten(y, spatial_dims=len(shape)), y, atol=1e-6, rtol=0)
    single = whiten(x.float(), spatial_dims=len(shape))
    torch.testing.assert_close(single.double(), y, atol=5e-3, rtol=0)


def test_an_offset_does_not_hide_the_spectrum():
    x = noise(32, 32).float()
    y = whiten(x + 1e4, spatial_dims=2)
    np.testing.assert_allclose(shell_power(y.double().numpy()), 1.0, rtol=1e-3)
    torch.testing.assert_close(y - y.mean(), whiten(x - x.mean(), spatial_dims=2), atol=0.02, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.7, 1e-12, 3e20])
@pytest.mark.parametrize("shape", [(1, 1), (16, 15), (64, 64), (5, 6, 7)])
def test_a_constant_image_stays_constant_when_whitened(shape, value):
    y = whiten(torch.full(shape, value), spatial_dims=len(shape))
    expected = float(np.sign(value)) / math.sqrt(math.prod(shape))
    torch.testing.assert_close(y, torch.full(shape, expected))


def test_what_a_lowpass_removed_is_not_blown_up():
    x = lowpass(noise(64, 64).float(), resolution=8.0, pixel_size=1.0, width=0.0, spatial_dims=2)
    power = shell_power(whiten(x, spatial_dims=2).double().numpy())
    np.testing.assert_allclose(power[:8], 1.0, rtol=1e-3)
    np.testing.assert_allclose(power[9:], 0.0, atol=1e-6)


def test_whitening_is_by_image_and_in_any_form():
    images = noise(3, 2, 16, 15).float() * torch.tensor([1.0, 5.0, 1e-3]).view(3, 1, 1, 1)
    together = Whiten(spatial_dims=2)(images)
    for stack, result in zip(images, together, strict=True):
        for image, one in zip(stack, result, strict=True):
            torch.testing.assert_close(one, Whiten()(image))
    unequal = [images[0, 0], images[1, 0, :-1], images[2, 1]]
    torch.testing.assert_close(Whiten()(unequal), [Whiten()(image) for image in unequal])


# missing wedge


def acryos_mask(shape, tilt_range, axis, scale):
    """`create_mask` of acryo's tilt/_single.py and tilt/_utils.py, without rotation, in the order of `fftn`.

    `scale` is what the normals are multiplied by: acryo takes the shape. Index n // 2 is -n / 2 of even sides, but
    -(n + 1) / 2, one beyond the highest, of odd ones. In float64, with some slack for what lies on the planes.
    """
    normals = []
    for angle in tilt_range:
        turned = math.pi - math.radians(angle)
        cosine, sine = math.cos(turned), math.sin(turned)
        normals.append(np.array([cosine, 0.0, sine] if axis == "y" else [cosine, sine, 0.0]))
    indices = np.indices(shape, dtype=np.float64)
    for index, n in zip(indices, shape, strict=True):
        index -= math.ceil(n / 2)
    vectors = np.fft.fftshift(np.stack(list(indices), axis=-1), axes=(0, 1, 2))
    one, other = (vectors.dot(normal * scale) for normal in normals)
    return one * other <= 1e-9


def full(shape, axis, low, high):
    half = wedge(shape, min_angle=low, max_angle=high, axis=axis, like=torch.zeros(1, dtype=torch.float64))
    spectrum = np.broadcast_to(half.numpy(), (*shape[:2], shape[2] // 2 + 1))
    result = np.zeros(shape)
    result[..., : shape[2] // 2 + 1] = spectrum
    for x in range(shape[2] // 2 + 1, shape[2]):
        z, y = (-np.arange(n) % n for n in shape[:2])
        result[..., x] = spectrum[np.ix_(z, y, [shape[2] - x])][..., 0]
    return result


def without_the_highest(mask):
    for axis, n in enumerate(mask.shape):
        mask = np.delete(mask, n // 2, axis)
    return mask


TILTS = st.one_of(
    st.tuples(st.integers(-89, 88), st.integers(1, 89)).map(lambda t: (t[0], min(89, t[0] + t[1]))),
    st.sampled_from([(-60, 60), (-45, 45), (0, 45), (-89, 89)]),
)


@EXAMPLES
@given(st.integers(2, 14), TILTS, st.sampled_from(["x", "y"]))
def test_the_wedge_of_a_cube_is_acryos(n, tilts, axis):
    ours, acryos = full((n, n, n), axis, *tilts), acryos_mask((n, n, n), tilts, axis, (n, n, n))
    np.testing.assert_array_equal(without_the_highest(ours), without_the_highest(acryos))
    if tilts[0] == -tilts[1] and n % 2 == 0:
        np.testing.assert_array_equal(ours, acryos)


@EXAMPLES
@given(volumes().filter(lambda shape: min(shape) > 1), TILTS, st.sampled_from(["x", "y"]))
def test_the_wedge_of_unequal_sides_has_true_angles(shape, tilts, axis):
    expected = acryos_mask(shape, tilts, axis, 1 / np.array(shape))
    np.testing.assert_array_equal(without_the_highest(full(shape, axis, *tilts)), without_the_highest(expected))


@pytest.mark.parametrize("shape", [(12, 12, 12), (7, 8, 9), (8, 6, 4), (1, 2, 1), (98, 2, 4)])
@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("tilts", [(-60, 60), (-60, 41.5), (10, 30)])
def test_the_wedge_is_symmetric_on_the_full_grid_and_filtering_twice_is_filtering_once(shape, axis, tilts):
    mask = full(shape, axis, *tilts)
    mirrored = mask[np.ix_(*(-np.arange(n) % n for n in shape))]
    np.testing.assert_array_equal(mask, mirrored)
    x = noise(*shape)
    y = missing_wedge(x, min_angle=tilts[0], max_angle=tilts[1], axis=axis)
    np.testing.assert_allclose(y.numpy(), by_numpy(x, mask), atol=1e-9)
    torch.testing.assert_close(missing_wedge(y, min_angle=tilts[0], max_angle=tilts[1], axis=axis), y)


@pytest.mark.parametrize("tilts", [(-60, 60), (-45, 45), (-60, 40), (3, 88), (20, 50)])
@pytest.mark.parametrize("shape", [(49, 49, 49), (48, 48, 48), (64, 33, 48)])
def test_the_wedge_keeps_the_stated_fraction(shape, tilts):
    inside = sum(f**2 for f in grid(shape)) < 0.25
    for axis in ("x", "y"):
        kept = full(shape, axis, *tilts)[inside].mean()
        assert kept == pytest.approx((tilts[1] - tilts[0]) / 180, abs=0.03)


@EXAMPLES
@given(volumes(), st.sampled_from(["x", "y"]))
def test_the_full_range_changes_nothing_and_every_range_keeps_the_mean(shape, axis):
    x = noise(*shape)
    torch.testing.assert_close(missing_wedge(x, min_angle=-90, max_angle=90, axis=axis), x)
    y = missing_wedge(x, min_angle=5, max_angle=10, axis=axis)
    torch.testing.assert_close(y.mean(), x.mean(), atol=1e-9, rtol=0)


def test_the_tilt_axis_is_what_it_is_called_and_angles_have_their_sign():
    z, y, x = (torch.arange(16, dtype=torch.float64).view(*[-1 if a == b else 1 for b in range(3)]) for a in range(3))
    tilted = torch.cos(2 * math.pi / 16 * (2 * z + 4 * x)).expand(16, 16, 16)  # atan(2 / 4) = 26.6 degrees
    beam = torch.cos(2 * math.pi / 16 * 3 * z).expand(16, 16, 16)
    for low, high, kept in ((20, 30, 1), (-30, -20, 0), (-26, 26, 0), (-27, 27, 1)):
        torch.testing.assert_close(missing_wedge(tilted, min_angle=low, max_angle=high), kept * tilted)
        turned = tilted.transpose(1, 2)
        torch.testing.assert_close(missing_wedge(turned, min_angle=low, max_angle=high, axis="x"), kept * turned)
    assert missing_wedge(beam, min_angle=-89, max_angle=89).abs().max() < 1e-9
    along_y = torch.cos(2 * math.pi / 16 * 3 * y).expand(16, 16, 16)
    torch.testing.assert_close(missing_wedge(along_y, min_angle=1, max_angle=2), along_y)


def test_volumes_of_any_form_lose_their_wedge_one_by_one():
    volumes = list(noise(3, 6, 5, 4).float())
    transform = MissingWedge(-50, 40, "x")
    expected = [transform(v) for v in volumes]
    torch.testing.assert_close(transform(torch.stack(volumes)), torch.stack(expected))
    torch.testing.assert_close(transform({"image": volumes, "path": ["a"] * 3})["image"], expected)
    unequal = [volumes[0], volumes[1][:-1], volumes[2]]
    torch.testing.assert_close(transform(unequal), [transform(v) for v in unequal])


def test_options_of_the_wedge_are_checked():
    for low, high in ((60, -60), (-91, 60), (-60, 91), (5, 5), (math.nan, 60), (None, 60)):
        with pytest.raises(TransformError, match=rf"MissingWedge: tilts from {low} to {high}: expected degrees"):
            MissingWedge(low, high)
    with pytest.raises(TransformError, match="axis is 'z': expected 'x' or 'y'"):
        MissingWedge(axis="z")
    with pytest.raises(TransformError, match="spatial_dims is 2"):
        MissingWedge(spatial_dims=2)
    with pytest.raises(TransformError, match=r"MissingWedge.*shape \(8, 8\): expected a volume"):
        MissingWedge()(torch.ones(8, 8))


# all


FUNCTIONS = {
    "lowpass": lambda x: lowpass(x, resolution=7.0, pixel_size=[1.0, 3.0], spatial_dims=2),
    "highpass": lambda x: highpass(x, resolution=7.0, pixel_size=1.0, spatial_dims=2),
    "bandpass": lambda x: bandpass(x, low=12.0, high=3.0, pixel_size=1.0, spatial_dims=2),
    "whiten": lambda x: whiten(x, spatial_dims=2),
    "wedge": lambda x: missing_wedge(x, min_angle=-50, max_angle=20),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_flow_and_inputs_are_left_alone(name):
    x = noise(2, 5, 6)
    before = x.clone()
    without = FUNCTIONS[name](x)
    assert torch.equal(x, before)
    x.requires_grad_()
    torch.testing.assert_close(FUNCTIONS[name](x), without)
    assert torch.autograd.gradcheck(FUNCTIONS[name], x)
    constant = torch.ones(2, 5, 6, dtype=torch.float64, requires_grad=True)
    FUNCTIONS[name](constant).sum().backward()
    assert torch.isfinite(constant.grad).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_not_finite_stays_in_its_image(name):
    if name == "wedge":
        x = noise(2, 5, 6, 7)
    else:
        x = noise(2, 5, 6)
    broken = x.clone()
    broken[0, 0, 0] = math.nan
    y = FUNCTIONS[name](broken)
    assert torch.isfinite(y[1]).all()
    assert torch.isnan(y[0]).any()


def test_weights_may_need_gradients():
    x, weights = noise(2, 4, 4), torch.rand(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: filter_rows(x, w, 2), weights)
