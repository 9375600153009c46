"""Tilt series: in which order they are taken, what the dose leaves, and how much noise there is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from builders.errors import OptionError
from builders.io.made.recipe import Noise, Optics
from builders.io.made.tomograms.scene import scene_of
from builders.io.made.tomograms.slices import Slices
from builders.io.made.tomograms.tilting import Field, acquired, exposures, field_of, images_of
from builders.io.made.views import optics_of
from perc_transforms.functional import critical_dose, ctf
from tests.io.made.tomograms.scenes import PIXEL_SIZE, blobs, recipe

SHAPE = (24, 40, 48)


def series(said, contrast, index=0):
    """The images of a tilt series over the slab's own field, `(tilts, ny, nx)`."""
    scene = scene_of(said)
    field = field_of(said, scene)
    lines = Slices((SHAPE[0], SHAPE[2]), scene.tilts, field.width).of(contrast)
    spectra = images_of(said, scene, field, lines, index)
    images = torch.fft.irfft(spectra, n=field.width, dim=1).transpose(1, 2)
    return torch.stack([field.part(image) for image in images])


def slab():
    volume = torch.zeros(SHAPE)
    volume[8:16, 10:30, 12:36] = 0.01 * torch.rand(8, 20, 24, generator=torch.Generator().manual_seed(1))
    return volume


@pytest.mark.parametrize(
    ("angles", "order"),
    [
        ((-6.0, -3.0, 0.0, 3.0, 6.0), [4, 2, 0, 1, 3]),
        ((6.0, -6.0, 0.0, 9.0), [1, 2, 0, 3]),
        ((10.0, 20.0), [0, 1]),
    ],
)
def test_tilts_are_taken_from_the_least_outwards(angles, order):
    assert acquired(angles) == order
    said = recipe(tilts=angles, noise=Noise(dose=10.0 * len(angles)))
    assert exposures(said, scene_of(said)) == pytest.approx([10 * when for when in order])


def test_the_field_has_the_slabs_columns_in_any_order():
    field = Field(3, 5, 4, 8)
    image = torch.arange(32).view(4, 8)
    assert sorted(field.part(image)[0].tolist()) == [0, 1, 2, 6, 7]
    assert field.part(image).shape == (3, 5)


def test_the_untilted_image_is_the_projection_through_the_ctf():
    optics = Optics(defocus=(20_000.0, 20_000.0), astigmatism=3000.0, b_factor=100.0)
    said, contrast = recipe(tilts=(-30.0, 0.0), optics=optics), slab()
    around = torch.zeros(160, 160)
    around[60:100, 56:104] = contrast.sum(0)
    values = {name: torch.as_tensor(value) for name, value in optics_of(said, np.array([0])).items()}
    passed = ctf((160, 160), pixel_size=PIXEL_SIZE, like=around, **values)[0]
    k = torch.hypot(torch.fft.fftfreq(160)[:, None], torch.fft.rfftfreq(160)) / PIXEL_SIZE
    expected = -torch.fft.irfft2(torch.fft.rfft2(around) * passed * torch.exp(-100 / 4 * k**2))[60:100, 56:104]
    found = series(said, contrast)[1].roll(SHAPE[2] // 2, 1)  # whose middle comes first
    assert (found - expected).abs().max() < 0.01 * expected.abs().max()


def test_noise_has_the_variance_that_is_asked():
    said, contrast = recipe(noise=Noise(snr=(0.25, 0.25)), tilts=(-60, 60, 6)), slab()
    clean, noisy = series(replace(said, noise=Noise()), contrast), series(said, contrast)
    noise = noisy - clean
    expected = float(clean.var((1, 2), correction=0).mean()) / 0.25
    count = noise.numel()
    assert float(noise.var()) == pytest.approx(expected, rel=4 * np.sqrt(2 / count))
    assert abs(float(noise.mean())) < 4 * np.sqrt(expected / count)
    each = noise.flatten(1)
    assert np.abs(np.corrcoef(each.numpy()) - np.eye(len(each))).max() < 5 / np.sqrt(each.shape[1])
    assert not torch.equal(series(said, contrast, 1), noisy)


def test_ice_is_part_of_the_noise():
    optics = Optics(defocus=(30_000.0, 30_000.0), amplitude_contrast=1.0)
    options = {"tilts": (-60, 60, 6), "optics": optics}
    said, contrast = recipe(noise=Noise(snr=(0.5, 0.5), ice_snr=2.0), **options), slab()
    clean = series(recipe(**options), contrast)
    noise = series(said, contrast) - clean
    expected = float(clean.var((1, 2), correction=0).mean()) / 0.5
    assert float(noise.var()) == pytest.approx(expected, rel=4 * np.sqrt(2 / noise.numel()) + 0.02)
    alone = series(recipe(noise=Noise(ice_snr=2.0), **options), contrast) - clean
    assert 0.1 * expected < float(alone.var()) < 0.9 * expected
    with pytest.raises(OptionError, match="row 4: snr=50 with ice_snr: the ice alone makes it"):
        series(recipe(noise=Noise(snr=(50.0, 50.0), ice_snr=2.0), **options), contrast, 4)


def test_electrons_are_counted():
    dose, tilts = 84.0, 21
    said, contrast = recipe(noise=Noise(dose=dose), tilts=(-60, 60, 6), fading=False), slab()
    clean, noisy = series(replace(said, noise=Noise()), contrast), series(said, contrast)
    electrons = dose / tilts * 10.0**2  # in a pixel
    noise = noisy - clean
    assert float(noise.var()) == pytest.approx(1 / electrons, rel=0.03)
    counted = (noisy + 1) * electrons
    assert torch.allclose(counted, counted.round(), atol=2e-2)


def test_late_images_have_lost_their_detail():
    options = {"tilts": (0.0, 30.0), "optics": Optics(defocus=(0.0, 0.0), amplitude_contrast=1.0)}
    volume = blobs(24, (0, 0, 0, 1.0, 0.3))
    contrast = torch.zeros(SHAPE)
    contrast[:, 8:32, 12:36] = volume
    dose = 200.0
    said = recipe(noise=Noise(dose=dose), contrast="bright", **options)
    scene = scene_of(said)
    field = field_of(said, scene)
    lines = Slices((SHAPE[0], SHAPE[2]), scene.tilts, field.width).of(contrast)
    full = images_of(replace(said, noise=Noise()), replace(scene, fading=False), field, lines, 0)
    faded = torch.stack([images_of(said, scene, field, lines, index) for index in range(30)]).mean(0)
    k = torch.arange(2, 12) / field.width / 10.0
    for tilt, before in enumerate((0.0, 100.0)):
        left = torch.exp(-0.5 * (before + 50.0) / critical_dose(k))  # in the middle of the image
        ratio = (faded[tilt].sum(-1) / full[tilt].sum(-1)).real[2:12]
        assert ratio.numpy() == pytest.approx(left.numpy(), abs=0.08)
