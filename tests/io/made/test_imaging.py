import math

import numpy as np
import pytest
import torch

from builders.errors import OptionError
from builders.io.made.electrons import counts, white
from builders.io.made.imaging import contrast_of, recorded, transfer, variance_of
from builders.io.made.recipe import Optics, Recipe, Source
from builders.io.made.views import optics_of
from perc_transforms.functional import ctf, interaction_constant

ROWS = np.array([5, 0, 7])


def recipe_with(contrast="dark", **optics):
    return Recipe("particle", 1, 32, 2.0, ("a",), (Source("a.npy", 0, 0),), Optics(**optics), contrast=contrast)


def test_the_contrast_of_a_volume_is_twice_the_phase_of_its_projection():
    volume = torch.full((2, 2, 2), 3.0)
    phase = float(interaction_constant(300.0)) * 3.0 * 2.0  # of a voxel of 2 Å
    assert contrast_of(recipe_with(), volume).numpy() == pytest.approx(2 * phase)


def test_the_transfer_is_ctf_times_envelope_and_negative_for_dark_images():
    recipe = recipe_with(b_factor=80.0, astigmatism=500.0)
    optics = optics_of(recipe, ROWS)
    made = transfer(recipe, (32, 48), optics, torch.zeros(1))
    bright = transfer(recipe_with("bright", b_factor=80.0, astigmatism=500.0), (32, 48), optics, torch.zeros(1))
    assert torch.equal(made, -bright)
    values = {name: torch.as_tensor(numbers) for name, numbers in optics.items()}
    assert bright[:, 0, 0].numpy() == pytest.approx(0.1)
    y, x = torch.meshgrid(torch.fft.fftfreq(32, 2.0), torch.fft.rfftfreq(48, 2.0), indexing="ij")
    expected = ctf((32, 48), pixel_size=2.0, like=torch.zeros(1), **values) * torch.exp(-20.0 * (y**2 + x**2))
    assert torch.allclose(bright, expected, atol=1e-6)


def test_the_variance_over_that_of_the_noise_is_the_snr_of_each_row():
    contrast = 1e-3 * torch.randn(3, 256, 256, generator=torch.Generator().manual_seed(0)) + 0.2
    snr = np.array([0.05, 0.5, 5.0])
    image, clean = recorded(contrast.clone(), 1, ROWS, snr=snr)
    assert torch.equal(clean, contrast)
    found = contrast.var((1, 2), correction=0) / (image - clean).var((1, 2))
    assert found.numpy() == pytest.approx(snr, rel=3 * math.sqrt(2) / 256)


def test_ice_is_white_noise_before_the_ctf_and_counts_as_noise():
    recipe = recipe_with()
    contrast = 0.1 * torch.randn(3, 256, 256, generator=torch.Generator().manual_seed(0))
    through = transfer(recipe, (256, 256), optics_of(recipe, ROWS), contrast)
    alone = recorded(contrast.clone(), 1, ROWS, ice=(torch.full((3,), 4e-3), through))
    power = torch.fft.rfft2(alone.image - alone.clean).abs().square() / 256**2
    strong = through.square() > 0.5
    assert float((power[strong] / through.square()[strong]).mean()) == pytest.approx(4e-3, rel=0.02)
    assert float(power[through.square() < 1e-4].mean()) < 4e-6
    image, clean = recorded(contrast.clone(), 1, ROWS, snr=np.full(3, 0.5), ice=(torch.full((3,), 4e-3), through))
    found = contrast.var((1, 2), correction=0) / (image - clean).var((1, 2))
    assert found.numpy() == pytest.approx(0.5, rel=0.02)
    with pytest.raises(OptionError, match=r"row 5: snr=50 .* the ice alone makes it .* expected a lower snr"):
        recorded(contrast[:1], 1, ROWS[:1], snr=np.full(1, 50.0), ice=(torch.full((1,), 4e-3), through[:1]))


@pytest.mark.parametrize("mean", [0.4, 3.0, 11.0, 13.0, 60.0])
def test_electrons_are_whole_numbers_of_poissons_distribution(mean):
    found = counts(torch.full((3, 200, 200), mean), 1, "x", ROWS).double()
    assert bool((found == found.round()).all())
    assert bool((found >= 0).all())
    error = 3 / math.sqrt(found.numel())
    assert float(found.mean()) == pytest.approx(mean, abs=error * math.sqrt(mean))
    assert float(found.var()) == pytest.approx(mean, abs=error * math.sqrt(mean + 2 * mean**2))
    third = float((found - found.mean()).pow(3).mean())
    assert third == pytest.approx(mean, abs=error * math.sqrt(15 * mean**3 + 25 * mean**2 + mean))


def test_electrons_of_a_pixel_do_not_depend_on_those_of_others():
    mean = torch.linspace(0, 40, 3 * 64 * 64).view(3, 64, 64)
    other = mean.clone()
    other[:, :32] += 7.0
    assert torch.equal(counts(mean, 1, "x", ROWS)[:, 32:], counts(other, 1, "x", ROWS)[:, 32:])


def test_with_a_dose_images_are_counts_about_the_clean_ones():
    contrast = 0.1 * torch.randn(3, 128, 128, generator=torch.Generator().manual_seed(0))
    image, clean = recorded(contrast.clone(), 1, ROWS, electrons=50.0)
    assert torch.allclose(clean, 50 * (1 + contrast))
    assert float(((image - clean) / clean.sqrt()).var()) == pytest.approx(1, rel=0.02)


def test_noise_is_that_of_a_row_and_of_a_purpose():
    both = white(1, "x", ROWS, (8, 8))
    assert torch.equal(white(1, "x", ROWS[1:], (8, 8)), both[1:])
    others = [both[1], white(2, "x", ROWS[:1], (8, 8))[0], white(1, "y", ROWS[:1], (8, 8))[0]]
    assert all(not torch.allclose(both[0], other, atol=0.1) for other in others)


def test_variances_of_spectra_are_those_of_images():
    images = torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(0)).double() + 3
    expected = images.var((1, 2), correction=0).numpy()
    assert variance_of(torch.fft.rfft2(images), 9).numpy() == pytest.approx(expected)
