import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perc_transforms import Compose, MinMax, TransformError
from perc_transforms.fourier.dose import DoseWeight
from perc_transforms.functional.fourier.dose import critical_dose, dose_weighted, dose_weights

EXAMPLES = settings(max_examples=25)
SIZES = st.tuples(st.integers(1, 65), st.integers(1, 65))


def noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def relions_dose_weighting(movie, doses, pixel_size, restore=True):
    """`doseWeighting` of RELION's motioncorr_runner.cpp: the weighted frames, before they are summed.

    The dose of a frame is that after it; at 200 kV RELION divides it by 0.8.
    """
    ny, nx = movie.shape[1:]
    y, x = np.meshgrid(np.fft.fftfreq(ny), np.fft.fftfreq(nx), indexing="ij")
    dinv = np.sqrt(x**2 + y**2) / pixel_size
    with np.errstate(divide="ignore"):
        critical = (0.245 * np.power(dinv, -1.665) + 2.81) * 2
    weights = np.stack([np.exp(-dose / critical) for dose in doses])
    if restore:
        weights /= np.sqrt((weights**2).sum(0))
    return np.fft.ifft2(np.fft.fft2(movie) * weights).real


@EXAMPLES
@given(SIZES, st.integers(1, 6), st.floats(0, 5), st.floats(0, 10), st.floats(0.4, 5), st.booleans())
def test_frames_are_weighted_as_in_relion(sizes, frames, dose, before, pixel_size, restore):
    movie = noise(frames, *sizes)
    transform = DoseWeight(dose, before, False, restore_noise=restore)
    row = {"image": movie, "pixel_size": pixel_size}
    doses = [before + dose * (frame + 1) for frame in range(frames)]
    expected = relions_dose_weighting(movie.numpy(), doses, pixel_size, restore)
    np.testing.assert_allclose(transform(row)["image"].numpy(), expected, atol=1e-9)
    summed = DoseWeight(dose, before, restore_noise=restore)(row)["image"]
    assert summed.shape == sizes
    np.testing.assert_allclose(summed.numpy(), expected.sum(0), atol=1e-9)
    single = DoseWeight(dose, before, restore_noise=restore)({**row, "image": movie.float()})["image"]
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), summed, atol=2e-5, rtol=0)


@EXAMPLES
@given(SIZES, st.integers(1, 6), st.floats(0, 300))
def test_no_dose_a_frame_is_the_plain_sum_whose_noise_is_that_of_a_frame(sizes, frames, before):
    movie = noise(frames, *sizes)
    row = {"image": movie, "pixel_size": 1.1}
    torch.testing.assert_close(DoseWeight(0.0, before)(row)["image"], movie.sum(0) / math.sqrt(frames))
    torch.testing.assert_close(DoseWeight(0.0, restore_noise=False)(row)["image"], movie.sum(0))


@EXAMPLES
@given(SIZES, st.integers(1, 6), st.floats(0, 5), st.floats(0, 50))
def test_the_mean_knows_no_dose(sizes, frames, dose, before):
    row = {"image": torch.full((frames, *sizes), 2.0), "pixel_size": 1.1}
    plain = DoseWeight(dose, before, restore_noise=False)(row)["image"]
    torch.testing.assert_close(plain, torch.full(sizes, 2.0 * frames))
    torch.testing.assert_close(DoseWeight(dose, before)(row)["image"], torch.full(sizes, 2.0 * math.sqrt(frames)))


def test_noise_stays_white_however_large_the_dose():
    weights = dose_weights((32, 33), [500.0 * (i + 1) for i in range(5)], pixel_size=0.5, like=torch.zeros(1))
    torch.testing.assert_close(weights.square().sum(0), torch.ones(32, 17))
    assert float(weights[0, 16, 16]) == pytest.approx(1)


def test_what_came_before_matters_only_without_restoring():
    row = {"image": noise(3, 8, 9), "pixel_size": 1.0}
    torch.testing.assert_close(DoseWeight(1.0, 30.0)(row)["image"], DoseWeight(1.0)(row)["image"])
    late, early = (DoseWeight(1.0, pre, restore_noise=False)(row)["image"] for pre in (30.0, 0.0))
    assert late.var() < 0.2 * early.var()


@pytest.mark.parametrize(("voltage", "share"), [(300.0, 1.0), (200.0, 0.8), (100.0, 0.64)])
def test_critical_doses_of_voltages(voltage, share):
    k = torch.tensor([0.05, 0.1, 0.25], dtype=torch.float64)
    expected = torch.tensor([share * (0.245 * f**-1.665 + 2.81) for f in k.tolist()], dtype=torch.float64)
    torch.testing.assert_close(critical_dose(k, voltage=voltage), expected)
    row = {"image": noise(4, 8, 9), "pixel_size": 1.0}
    faster = DoseWeight(1.0 / share)(row)["image"]
    torch.testing.assert_close(DoseWeight(1.0, voltage=voltage)(row)["image"], faster)
    torch.testing.assert_close(DoseWeight(1.0)({**row, "ctf": {"voltage": voltage}})["image"], faster)
    torch.testing.assert_close(DoseWeight(1.0)({**row, "ctf": {"voltage": torch.tensor(voltage)}})["image"], faster)
    torch.testing.assert_close(DoseWeight(1.0, voltage=voltage)({**row, "ctf": {"voltage": 80.0}})["image"], faster)


def test_a_voltage_that_is_not_known_is_300():
    row = {"image": noise(4, 8, 9), "pixel_size": 1.0}
    expected = DoseWeight(1.0, voltage=300)(row)["image"]
    for ctf in (None, {}, {"voltage": None}, {"voltage": math.nan}):
        torch.testing.assert_close(DoseWeight(1.0)({**row, "ctf": ctf})["image"], expected)


@pytest.mark.parametrize("sum_frames", [True, False])
def test_every_form_gives_what_one_row_gives(sum_frames):
    movies = list(noise(3, 4, 8, 9).float())
    sizes, ctfs = [1.0, 2.0, 1.0], [None, {"voltage": 200.0}, {"voltage": 300.0}]
    transform = DoseWeight(1.5, sum_frames=sum_frames)
    rows = [{"image": m, "pixel_size": s, "ctf": c} for m, s, c in zip(movies, sizes, ctfs, strict=True)]
    expected = [transform(row)["image"] for row in rows]
    together = transform({"image": movies, "pixel_size": sizes, "ctf": ctfs})
    torch.testing.assert_close(together["image"], expected)
    assert together["pixel_size"] == sizes
    stacked = transform({"image": torch.stack(movies), "pixel_size": torch.tensor(sizes), "ctf": ctfs})
    torch.testing.assert_close(stacked["image"], torch.stack(expected))
    unequal = [movies[0][:2], movies[1], movies[2][:, :-1]]
    out = transform({"image": unequal, "pixel_size": sizes, "ctf": ctfs})["image"]
    alone = [transform({**row, "image": movie})["image"] for row, movie in zip(rows, unequal, strict=True)]
    torch.testing.assert_close(out, alone)


def test_axes_before_the_frames_are_movies():
    movies = noise(2, 3, 4, 8, 9)
    for sum_frames in (True, False):
        transform = DoseWeight(1.5, sum_frames=sum_frames)
        y = transform({"image": movies, "pixel_size": 1.0})["image"]
        torch.testing.assert_close(y[1, 2], transform({"image": movies[1, 2], "pixel_size": 1.0})["image"])
        batch = transform({"image": list(movies), "pixel_size": [1.0, 2.0]})["image"]
        torch.testing.assert_close(batch[1][2], transform({"image": movies[1, 2], "pixel_size": 2.0})["image"])


def test_the_sum_is_an_image_to_what_follows():
    row = {"image": noise(4, 8, 9), "pixel_size": 1.0}
    out = Compose([DoseWeight(1.0), MinMax()])(row)["image"]
    torch.testing.assert_close(out, MinMax()(DoseWeight(1.0)(row)["image"]))


def test_gradients_flow_and_inputs_are_left_alone():
    movie = noise(3, 5, 6)
    before = movie.clone()
    for sum_frames in (True, False):
        transform = DoseWeight(1.0, sum_frames=sum_frames)
        without = transform({"image": movie, "pixel_size": 1.0})["image"]
        assert torch.equal(movie, before)
        x = movie.clone().requires_grad_()
        torch.testing.assert_close(transform({"image": x, "pixel_size": 1.0})["image"], without)
        assert torch.autograd.gradcheck(lambda i, t=transform: t({"image": i, "pixel_size": 1.0})["image"], x)
    weights = dose_weights((5, 6), [1.0, 2.0, 3.0], pixel_size=1.0, like=movie).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: dose_weighted(movie, w), weights)


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan, None, "1"])
def test_doses_are_checked(value):
    with pytest.raises(TransformError, match=rf"DoseWeight: dose_per_frame is {value!r}: expected a dose"):
        DoseWeight(value)
    with pytest.raises(TransformError, match=rf"DoseWeight: pre_dose is {value!r}: expected a dose"):
        DoseWeight(1.0, value)


def test_what_cannot_be_weighted_is_told():
    row = {"image": torch.ones(4, 8, 8), "pixel_size": 1.0}
    for dims in (3, None):
        with pytest.raises(TransformError, match=rf"spatial_dims is {dims}: expected 2: the frames of a movie"):
            DoseWeight(1.0, spatial_dims=dims)
    with pytest.raises(TransformError, match="voltage is 120: expected 300, 200, 100 kV"):
        DoseWeight(1.0, voltage=120)
    with pytest.raises(TransformError, match=r"the row's ctf: voltage is 120\.0: expected 300, 200, 100 kV"):
        DoseWeight(1.0)({**row, "ctf": {"voltage": 120.0}})
    with pytest.raises(TransformError, match=r"DoseWeight.*shape \(8, 8\): expected a movie \(frames, ny, nx\)"):
        DoseWeight(1.0)({**row, "image": torch.ones(8, 8)})
    for size in (None, math.nan, 0.0):
        with pytest.raises(TransformError, match=r"DoseWeight.*pixel_size is .*give the row a pixel_size"):
            DoseWeight(1.0)({**row, "pixel_size": size})
