"""Resizing in Fourier space, rotation by any angle, and shifts by fractions of a pixel."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

import perc_transforms as T
from perc_transforms.functional.spatial import rotation
from perc_transforms.functional.spatial.rotation import rotate
from perc_transforms.functional.spatial.shifting import fourier_shift
from perc_transforms.spatial.resampling import FourierCrop, FourierPad
from perc_transforms.spatial.rotation import RandomRotate
from perc_transforms.spatial.shifting import RandomShift

some = settings(max_examples=25)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@st.composite
def shapes(draw, least=1):
    dims = draw(st.sampled_from([2, 3]))
    return tuple(draw(st.integers(least, 65 if dims == 2 else 14)) for _ in range(dims))


# Fourier crop and pad


def centred_spectrum(x):
    """Coefficients of the Fourier series about the centre pixel, by whole frequency."""
    axes = tuple(range(x.ndim))
    return np.fft.fftn(np.fft.ifftshift(x, axes), axes=axes) / x.size


def resized_by_series(x, shape):
    """The series' coefficients taken to another grid one by one; half of a Nyquist cosine to either side."""
    for axis, m in enumerate(shape):
        n = x.shape[axis]
        coefficients = np.moveaxis(np.fft.fft(np.fft.ifftshift(x, axes=axis), axis=axis), axis, 0) / n
        result = np.zeros((m, *coefficients.shape[1:]), complex)
        highest = min(n, m) // 2
        for k in range(-highest, highest + 1):
            share = 0.5 if 2 * abs(k) == n and n < m else 1.0
            if n == m and 2 * k == -n:
                continue
            result[k % m] += share * coefficients[k % n]
        x = np.fft.fftshift(np.moveaxis(np.fft.ifft(result * m, axis=0), 0, axis).real, axes=axis)
    return x


@some
@given(shapes(), st.data())
def test_the_spectrum_is_cropped_and_padded_about_the_origin(sizes, data):
    x = randn(*sizes)
    smaller = tuple(data.draw(st.integers(1, n)) for n in sizes)
    larger = tuple(n + data.draw(st.integers(0, 9)) for n in sizes)
    for transform, shape in ((FourierCrop(smaller), smaller), (FourierPad(larger), larger)):
        y = transform(x)
        np.testing.assert_allclose(y.numpy(), resized_by_series(x.numpy(), shape), atol=1e-9)
        torch.testing.assert_close(transform(x.float()).double(), y, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(transform(torch.ones(sizes)), torch.ones(shape))
    torch.testing.assert_close(FourierCrop(sizes)(FourierPad(larger)(x)), x, atol=1e-9, rtol=0)


@pytest.mark.parametrize(("n", "m"), [(16, 9), (17, 9), (16, 8), (17, 8), (33, 32)])
def test_it_is_aspires_downsample_but_for_the_nyquist_line(n, m):
    x = randn(n, n).numpy()
    # ASPIRE, Image.downsample: centered_fft2, crop_pad_2d, centered_ifft2(...).real * (m / n)^2, with its centres
    start = n // 2 - m // 2
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x)))[start : start + m, start : start + m]
    expected = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(spectrum))).real * (m / n) ** 2
    difference = centred_spectrum(FourierCrop(m)(torch.from_numpy(x).double()).numpy() - expected)
    if m % 2 == 0:
        assert np.abs(difference[m // 2]).max() > 1e-6
        difference[m // 2], difference[:, m // 2] = 0, 0
    np.testing.assert_allclose(difference, 0, atol=1e-12)


def test_ours_has_the_whole_nyquist_cosine_where_aspires_has_half():
    x = torch.cos(math.pi / 2 * (torch.arange(16, dtype=torch.float64) - 8)).expand(1, 16)
    y = torch.cos(math.pi * (torch.arange(8, dtype=torch.float64) - 4)).expand(1, 8)
    torch.testing.assert_close(FourierCrop((1, 8))(x), y)


@pytest.mark.parametrize("transform", [FourierCrop(pixel_size=3.0), FourierPad(pixel_size=0.7)], ids=repr)
def test_pixel_sizes_become_what_is_true_row_by_row(transform):
    sizes = [1.0, 1.3, 1.0, 2.9]
    rows = [{"image": randn(20, 31, seed=i), "pixel_size": size} for i, size in enumerate(sizes)]
    batch = transform({"image": [row["image"] for row in rows], "pixel_size": sizes})
    for place, row in enumerate(rows):
        one = transform(row)
        shape = tuple(round(n * row["pixel_size"] / transform.pixel_size) for n in (20, 31))
        assert one["image"].shape == shape
        assert one["pixel_size"] == pytest.approx(row["pixel_size"] * 31 / shape[1], rel=1e-12)
        assert abs(one["pixel_size"] / transform.pixel_size - 1) <= 0.5 / shape[1]
        torch.testing.assert_close(batch["image"][place], one["image"])
        assert batch["pixel_size"][place] == one["pixel_size"]


def test_the_pixel_size_that_it_has_is_the_identity():
    row = {"image": randn(7, 8), "pixel_size": float(np.float32(1.06))}
    assert FourierCrop(pixel_size=1e3)(row)["image"].shape == (1, 1)
    for transform in (FourierCrop(pixel_size=1.06), FourierPad(pixel_size=1.06), FourierPad((7, 8))):
        out = transform(row)
        assert torch.equal(out["image"], row["image"])
        assert out["pixel_size"] == row["pixel_size"]
        out["image"].mul_(0)
    assert row["image"].any()


def test_a_movie_is_cropped_frame_by_frame():
    movie = randn(5, 9, 8)
    out = FourierCrop(4, spatial_dims=2)(movie)
    torch.testing.assert_close(out[3], FourierCrop(4)(movie[3]))


# rotation


def by_scipy(x, matrix, mode, level=0.0):
    """Rotated about pixel n // 2 by `ndimage.affine_transform`, whose coordinates are those of the array."""
    backwards = np.asarray(matrix)[::-1, ::-1].T
    centre = np.array([n // 2 for n in x.shape])
    offset = centre - backwards @ centre
    return ndimage.affine_transform(x, backwards, offset, order=1, mode=mode, cval=level)


MODES = {"mean": "grid-constant", "zeros": "grid-constant", "border": "nearest", "reflection": "mirror"}


def rotations(count, dims, seed=0):
    if dims == 3:
        return torch.from_numpy(Rotation.random(count, random_state=seed).as_matrix())
    turns = np.exp(1j * np.random.default_rng(seed).uniform(-np.pi, np.pi, count))
    return torch.from_numpy(np.array([[turns.real, -turns.imag], [turns.imag, turns.real]]).transpose(2, 0, 1).copy())


@some
@given(shapes(least=2), st.sampled_from(list(MODES)), st.integers(0, 99))
def test_rotation_is_scipys(sizes, padding, seed):
    dims = len(sizes)
    x, matrices = randn(2, *sizes), rotations(2, dims, seed)
    y = rotate(x, matrices, spatial_dims=dims, padding=padding)
    for one, matrix, found in zip(x.numpy(), matrices.numpy(), y.numpy(), strict=True):
        level = one.mean() if padding == "mean" else 0.0
        np.testing.assert_allclose(found, by_scipy(one, matrix, MODES[padding], level), atol=1e-9)
    single = rotate(x.float(), matrices, spatial_dims=dims, padding=padding)
    torch.testing.assert_close(single.double(), y, atol=1e-3, rtol=0)


@pytest.mark.parametrize("padding", list(MODES))
@pytest.mark.parametrize("sizes", [(1, 1), (1, 6), (5, 1), (1, 1, 1), (1, 4, 5), (4, 1, 1)])
def test_a_side_of_one_pixel_is_one_pixel_wide(sizes, padding):
    x = 3 + randn(1, *sizes)
    same = rotate(x, torch.eye(len(sizes))[None], spatial_dims=len(sizes), padding=padding)
    torch.testing.assert_close(same, x)
    y = rotate(x, rotations(1, len(sizes)), spatial_dims=len(sizes), padding=padding)
    assert y.isfinite().all()
    if sizes == (1, 6) and padding == "zeros":
        quarter = rotate(x, torch.tensor([[[0.0, -1.0], [1.0, 0.0]]]), spatial_dims=2, padding=padding)
        assert int((quarter != 0).sum()) == 1, "the line stands on its head: one pixel of it is left"


@pytest.mark.parametrize("padding", ["mean", "border", "reflection"])
@pytest.mark.parametrize("sizes", [(9, 12), (6, 7, 9)])
def test_a_constant_image_stays_constant_and_no_angle_is_the_identity(sizes, padding):
    constant = torch.full(sizes, -3.7)
    torch.testing.assert_close(RandomRotate(padding=padding)(constant), constant)
    x = randn(*sizes)
    torch.testing.assert_close(RandomRotate(0, padding=padding)(x), x, atol=1e-12, rtol=0)
    torch.testing.assert_close(RandomRotate(0, padding=padding)(x.float()), x.float(), atol=2e-5, rtol=0)


def test_places_are_held_for_a_few_images_at_a_time(monkeypatch):
    x, matrices = randn(5, 2, 4, 6), rotations(5, 2)
    whole, held, sample = rotate(x, matrices, spatial_dims=2), [], torch.nn.functional.grid_sample

    def watched(source, grid, **options):
        held.append(tuple(grid.shape))
        return sample(source, grid, **options)

    monkeypatch.setattr(torch.nn.functional, "grid_sample", watched)
    monkeypatch.setattr(rotation, "_AT_ONCE", 50)
    assert torch.equal(rotate(x, matrices, spatial_dims=2), whole)
    assert held == [(2, 4, 6, 2), (2, 4, 6, 2), (1, 4, 6, 2)]


def test_a_positive_angle_takes_content_from_x_towards_y():
    x = torch.zeros(21, 31)
    x[10, 15 + 6] = 1
    y = RandomRotate().replay(x, {"angle": 90.0})
    assert divmod(int(y.argmax()), 31) == (10 + 6, 15)
    y = RandomRotate().replay(x, {"angle": 30.0})
    row, column = divmod(int(y.argmax()), 31)
    assert math.degrees(math.atan2(row - 10, column - 15)) == pytest.approx(30, abs=5)


def test_quaternions_are_scipys():
    x = randn(1, 9, 9, 9)
    for turn in Rotation.random(4, random_state=1):
        quaternion = (2 * turn.as_quat()[[3, 0, 1, 2]]).tolist()
        y = RandomRotate().replay(x[0], {"quaternion": quaternion})
        torch.testing.assert_close(y, rotate(x, torch.from_numpy(turn.as_matrix())[None], spatial_dims=3)[0])


def drawn(transform, dims, count):
    rows = {"image": [torch.zeros([2] * dims)] * count, "path": list(map(str, range(count)))}
    return [record[0] for record in transform(rows)["transforms"]]


@pytest.mark.parametrize("max_angle", ["uniform", 180, 40.0])
def test_angles_are_uniform_in_the_plane_and_rotations_in_space(max_angle):
    reach = 180 if max_angle == "uniform" else max_angle
    count = 500
    transform = RandomRotate(max_angle, record=True)
    angles = np.array([record["angle"] for record in drawn(transform, 2, count)])
    assert kolmogorov(angles / reach / 2 + 0.5) < 1.95
    turns = Rotation.from_quat([np.roll(record["quaternion"], -1) for record in drawn(transform, 3, count)])
    theta, most = turns.magnitude(), math.radians(reach)
    assert kolmogorov((theta - np.sin(theta)) / (most - math.sin(most))) < 1.95
    axes = turns.as_rotvec() / theta[:, None]
    for axis in axes.T:
        assert kolmogorov(axis / 2 + 0.5) < 1.95
    assert (axes**4).sum(1).mean() == pytest.approx(0.6, abs=0.03), "on the sphere; 0.54 by way of a cube"
    if reach == 180:  # uniform on SO(3): each column of the matrix is uniform on the sphere
        for entry in turns.as_matrix().reshape(count, 9).T:
            assert kolmogorov(entry / 2 + 0.5) < 1.95


def kolmogorov(shares):
    """The Kolmogorov-Smirnov statistic against the uniform distribution; above 1.95 once in a thousand."""
    ordered = np.sort(shares)
    steps = np.arange(len(shares) + 1) / len(shares)
    return max(np.abs(ordered - steps[1:]).max(), np.abs(ordered - steps[:-1]).max()) * math.sqrt(len(shares))


# shift


@some
@given(shapes(), st.data(), st.booleans())
def test_a_shift_by_whole_pixels_is_a_roll(sizes, data, single):
    dims = len(sizes)
    x = randn(2, *sizes)
    by = [[data.draw(st.integers(-70, 70)) for _ in sizes] for _ in x]
    y = fourier_shift(x.float() if single else x, torch.tensor(by), spatial_dims=dims)
    for one, shift, found in zip(x, by, y, strict=True):
        expected = one.roll(shift[::-1], tuple(range(dims)))
        torch.testing.assert_close(found.double(), expected, atol=1e-5 if single else 1e-10, rtol=0)


@some
@given(st.sampled_from([(8, 8), (9, 12), (5, 5), (6, 5, 8), (1, 7), (2, 2)]), st.data())
def test_a_shift_is_that_of_the_fourier_series(sizes, data):
    """With a full complex FFT and half of the Nyquist cosine at -N and +N: the formula, not the real FFT's shortcut."""
    dims = len(sizes)
    x = randn(1, *sizes)
    by = [data.draw(st.floats(-9, 9)) for _ in sizes]
    expected = x[0].numpy()
    for axis, (n, d) in enumerate(zip(sizes, by[::-1], strict=True)):
        k = np.fft.fftfreq(n)
        factor = np.where(np.abs(k) == 0.5, np.cos(np.pi * d), np.exp(-2j * np.pi * k * d))
        spectrum = np.fft.fft(expected, axis=axis) * factor.reshape([-1 if a == axis else 1 for a in range(dims)])
        expected = np.fft.ifft(spectrum, axis=axis)
        np.testing.assert_allclose(expected.imag, 0, atol=1e-12)
        expected = expected.real
    found = fourier_shift(x, torch.tensor([by], dtype=torch.float64), spatial_dims=dims)
    np.testing.assert_allclose(found[0], expected, atol=1e-10)


def test_nyquists_frequency_becomes_its_cosine_at_every_even_size():
    """At 98 and 196 pixels 1 / n is rounded such that n / 2 of them are less than a half."""
    for n in (98, 100, 196):
        wave = torch.cos(math.pi * torch.arange(n, dtype=torch.float64))[:, None] * randn(5)
        found = fourier_shift(wave[None], torch.tensor([[0.0, 1 / 3]]), spatial_dims=2)
        torch.testing.assert_close(found[0], wave / 2)


def test_shifts_of_a_band_limited_image_add_up_and_go_back():
    x = T.GaussianBlur(1.5, spatial_dims=2)(randn(3, 31, 33))
    a, b = torch.tensor([[0.3, -1.7]] * 3), torch.tensor([[2.2, 0.9]] * 3)
    one = fourier_shift(fourier_shift(x, a, spatial_dims=2), b, spatial_dims=2)
    torch.testing.assert_close(one, fourier_shift(x, a + b, spatial_dims=2))
    torch.testing.assert_close(fourier_shift(fourier_shift(x, a, spatial_dims=2), -a, spatial_dims=2), x)


def test_shifts_are_uniform_and_recorded_as_x_y():
    x = torch.zeros(15, 21)
    x[7, 10] = 1
    y = RandomShift(5).replay(x, {"shift": [4.0, -2.0]})
    assert divmod(int(y.argmax()), 21) == (7 - 2, 10 + 4)
    shifts = np.array([record["shift"] for record in drawn(RandomShift(2.5, record=True), 3, 600)])
    assert shifts.shape == (600, 3)
    for component in shifts.T:
        assert kolmogorov(component / 5 + 0.5) < 1.95
    assert np.abs(np.corrcoef(shifts.T) - np.eye(3)).max() < 0.16


def test_no_shift_is_the_identity_and_angstrom_go_by_the_pixel_size():
    x = randn(6, 7)
    out = RandomShift(0)(x)
    assert torch.equal(out, x)
    assert out.data_ptr() != x.data_ptr()
    row = {"image": x, "path": "a", "pixel_size": 4.0}
    in_pixels, in_angstrom = RandomShift(2.0, record=True)(row), RandomShift(max_shift_angstrom=8.0, record=True)(row)
    assert in_pixels["transforms"] == in_angstrom["transforms"]
    for missing in (None, -1.0):
        with pytest.raises(T.TransformError, match=r"RandomShift.*pixel_size is .*give max_shift in pixels"):
            RandomShift(max_shift_angstrom=8.0)({**row, "pixel_size": missing})


# all of them


@pytest.mark.parametrize("transform", [RandomRotate(record=True), RandomShift(3.0, record=True)], ids=repr)
@pytest.mark.parametrize("sizes", [(9, 8), (5, 6, 7)])
def test_forms_agree_replay_repeats_and_the_input_stays(transform, sizes):
    images = [randn(*sizes, seed=seed) for seed in range(5)]
    before = [image.clone() for image in images]
    one_by_one = [transform({"image": image, "path": "a", "index": place}) for place, image in enumerate(images)]
    batch = transform({"image": torch.stack(images), "path": ["a"] * 5, "index": list(range(5))})
    for place, row in enumerate(one_by_one):
        torch.testing.assert_close(batch["image"][place], row["image"])
        again = transform.replay({"image": images[place]}, row["transforms"])
        assert torch.equal(again["image"], row["image"])
        row["image"].mul_(0)
    assert all(map(torch.equal, images, before))
    assert not torch.allclose(batch["image"][0], images[0])


@pytest.mark.parametrize("transform", [RandomRotate(30, spatial_dims=2), RandomShift(2, spatial_dims=2)], ids=repr)
def test_a_movie_moves_as_one_and_a_bare_stack_one_by_one(transform):
    movie = randn(9, 8).expand(4, 9, 8)
    frames = transform({"image": movie, "path": "a"})["image"]
    torch.testing.assert_close(frames, frames[:1].expand(4, 9, 8))
    assert not torch.allclose(transform(movie)[0], transform(movie)[1])


def test_gradients_flow():
    x, y = randn(2, 4, 5), randn(1, 3, 4, 3)
    for padding in MODES:
        assert torch.autograd.gradcheck(
            lambda x, padding=padding: rotate(x, rotations(2, 2), spatial_dims=2, padding=padding), x.requires_grad_()
        )
    assert torch.autograd.gradcheck(lambda y: rotate(y, rotations(1, 3), spatial_dims=3), y.requires_grad_())
    by = torch.tensor([[0.3, 1.2], [-2.0, 0.7]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, by: fourier_shift(x, by, spatial_dims=2), (x, by))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: FourierCrop(), r"FourierCrop\(\): expected shape"),
        (lambda: FourierCrop(4, pixel_size=2.0), r"FourierCrop\(shape=4, pixel_size=2.0\): expected"),
        (lambda: FourierPad(0), r"FourierPad\(shape=0\): expected"),
        (lambda: FourierPad(pixel_size=0), r"FourierPad\(pixel_size=0\): expected"),
        (lambda: FourierPad(pixel_size=math.inf), r"pixel_size=inf\): expected"),
        (lambda: FourierCrop(pixel_size="2"), r"pixel_size='2'\): expected"),
        (lambda: FourierCrop(9)(randn(8, 9)), r"FourierCrop\(shape=9\): .*\(8, 9\) would become \(9, 9\).*FourierPad"),
        (lambda: FourierPad(8)(randn(8, 9)), r"FourierPad\(shape=8\): .*\(8, 9\) would become \(8, 8\).*FourierCrop"),
        (
            lambda: FourierCrop(pixel_size=1.0)({"image": randn(8, 8), "pixel_size": 2.0}),
            r"\(8, 8\) would become \(16, 16\)",
        ),
        (lambda: FourierCrop(pixel_size=1.0)(randn(8, 8)), "pixel_size is None: give shape in pixels"),
        (lambda: FourierCrop((4, 4))(randn(8, 8, 8)), "2 numbers for an image of 3 spatial axes"),
        (lambda: RandomRotate(181), "max_angle is 181: expected degrees, 0 to 180"),
        (lambda: RandomRotate(-1.0), "max_angle is -1.0: expected"),
        (lambda: RandomRotate("all"), "max_angle is 'all': expected"),
        (lambda: RandomRotate(math.nan), "max_angle is nan: expected"),
        (lambda: RandomRotate(padding="wrap"), "padding is 'wrap': expected 'mean', 'zeros'"),
        (lambda: RandomRotate().replay(randn(4, 4, 4), {"angle": 3.0}), r"RandomRotate.*expected 'quaternion'"),
        (lambda: RandomRotate().replay(randn(4, 4), {"quaternion": [1.0, 0, 0, 0]}), "expected 'angle'"),
        (lambda: RandomShift(), r"RandomShift\(\): expected max_shift"),
        (lambda: RandomShift(1, max_shift_angstrom=1), "expected max_shift"),
        (lambda: RandomShift(-1), r"RandomShift\(max_shift=-1\): expected"),
        (lambda: RandomShift("1"), r"RandomShift\(max_shift='1'\): expected"),
        (lambda: RandomShift(1).replay(randn(4, 4), {"shift": [1.0, 2.0, 3.0]}), "a shift of .*expected 2 numbers"),
    ],
)
def test_what_is_wrong_is_told(make, complaint):
    with pytest.raises(T.TransformError, match=complaint):
        make()
