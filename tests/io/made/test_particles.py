"""What particles look like: against sums, closed forms and a reconstruction that know nothing of how they are made."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from builders.io.made.particles import ParticleMaker
from builders.io.made.recipe import Noise, Optics, Recipe, Source
from perc_transforms.functional import angles_of, ctf, interaction_constant, matrices_of

pytestmark = pytest.mark.usefixtures("finely")
N = 32
ANGSTROM = 3.0
MANY = np.arange(64)
AS_IT_IS = Optics((0.0, 0.0), spherical_aberration=0.0, amplitude_contrast=1.0)
"""A microscope whose CTF is 1."""
SCALE = 2 * float(interaction_constant(300.0)) * ANGSTROM


def blob(at=(0.0, 0.0, 0.0), width=2.0, height=8.0):
    z, y, x = np.meshgrid(*[np.arange(N) - N // 2] * 3, indexing="ij")
    squares = (x - at[0]) ** 2 + (y - at[1]) ** 2 + (z - at[2]) ** 2
    return torch.from_numpy((height * np.exp(-squares / (2 * width**2))).astype(np.float32))


ASYMMETRIC = blob() + blob((5, -3, 2), 1.5) - blob((-4, 4, -3), 1.8, 4.0) + blob((1, 2, 5), 1.3)


def recipe_with(angles=None, optics=AS_IT_IS, clean=True, **more):
    given = {"contrast": "bright", "scene": {"clean": clean}} | more
    if angles is not None:
        given["orientations"] = {"kind": "table", "angles": [angles]}
    return Recipe("particle", 1, N, ANGSTROM, ("a",), (Source("a.npy", 0, 0),), optics, **given)


def made(recipe, volume=ASYMMETRIC, rows=MANY[:1]):
    return ParticleMaker(recipe, [volume]).pixels(rows, ["image", "clean"])


def test_a_particle_that_is_not_turned_is_the_sum_along_z():
    image = made(recipe_with((0.0, 0.0, 0.0)))["clean"][0]
    expected = SCALE * ASYMMETRIC.sum(0).numpy()
    assert np.sqrt(((image - expected) ** 2).mean() / (expected**2).mean()) < 5e-4
    dark = made(recipe_with((0.0, 0.0, 0.0), contrast="dark"))["clean"][0]
    np.testing.assert_allclose(dark, -image, atol=1e-6)


def test_the_contrast_of_a_voxel_is_twice_its_phase():
    """10 V over 3 Å: 30 V Å, and 6.526e-4 rad / (V Å) at 300 kV."""
    volume = torch.zeros(N, N, N)
    volume[N // 2, N // 2, N // 2] = 10.0
    image = made(recipe_with((0.0, 0.0, 0.0)), volume)["clean"][0]
    assert float(image.sum()) == pytest.approx(2 * 6.526e-4 * 30, rel=1e-3)


def test_a_point_appears_where_relion_has_it():
    image = made(recipe_with((30.0, 50.0, 70.0)), blob((9, -6, 4), 1.2))["clean"][0]
    y, x = np.meshgrid(*[np.arange(N) - N // 2] * 2, indexing="ij")
    assert float((image * x).sum() / image.sum()) == pytest.approx(-9.11, abs=0.03)
    assert float((image * y).sum() / image.sum()) == pytest.approx(-3.33, abs=0.03)


def test_origins_are_where_content_came_from():
    recipe = recipe_with((0.0, 0.0, 0.0), max_shift=12.0)
    maker = ParticleMaker(recipe, [blob()])
    pose = maker.columns(MANY).column("pose").combine_chunks()
    images = maker.pixels(MANY, ["clean"])["clean"]
    y, x = np.meshgrid(*[np.arange(N) - N // 2] * 2, indexing="ij")
    for axis, places in (("shift_x", x), ("shift_y", y)):
        found = (images * places).sum((1, 2)) / images.sum((1, 2))
        origin = pose.field(axis).to_numpy()
        assert found == pytest.approx(-origin / ANGSTROM, abs=0.02)
        assert np.abs(origin).max() > 9


def test_images_of_a_gaussian_are_those_of_the_formula():
    """Its projection is Gaussian, wherever it is seen from; the CTF multiplies the transform of that."""
    at, width = np.array([4.0, 2.0, -3.0]), 1.8
    optics = Optics((9000.0, 21000.0), 800.0, b_factor=60.0)
    maker = ParticleMaker(recipe_with(None, optics, max_shift=6.0), [blob(at, width)])
    table = maker.columns(MANY)
    angles, shifts = (
        np.stack([table.column("pose").combine_chunks().field(name).to_numpy() for name in names], 1).astype(float)
        for names in (("rot", "tilt", "psi"), ("shift_x", "shift_y"))
    )
    places = (matrices_of(angles) @ at)[:, :2] - shifts / ANGSTROM
    ky, kx = np.meshgrid(np.fft.fftfreq(N), np.fft.rfftfreq(N), indexing="ij")
    power = 8.0 * (2 * np.pi * width**2) ** 1.5 * np.exp(-2 * np.pi**2 * width**2 * (kx**2 + ky**2))
    centre = places + N // 2
    phases = np.exp(-2j * np.pi * (kx * centre[:, :1, None] + ky * centre[:, 1:, None]))
    fields = table.column("ctf").combine_chunks()
    values = {name: torch.tensor(fields.field(name).to_numpy()) for name in [field.name for field in fields.type]}
    through = ctf((N, N), pixel_size=ANGSTROM, like=torch.zeros(1), **values).numpy()
    through = through * np.exp(-60.0 / 4 * (kx**2 + ky**2) / ANGSTROM**2)
    expected = np.fft.irfft2(SCALE * power * phases * through, s=(N, N))
    images = maker.pixels(MANY, ["clean"])["clean"]
    assert np.sqrt(((images - expected) ** 2).mean() / (expected**2).mean()) < 2e-3


def test_from_behind_an_image_is_mirrored():
    front = (20.0, 60.0, 35.0)
    turn = np.diag([-1.0, 1.0, -1.0]) @ matrices_of(np.array(front))
    behind = tuple(np.asarray(angles_of(turn)).tolist())
    optics = Optics((12000.0, 12000.0))
    one, other = (made(recipe_with(angles, optics))["clean"][0] for angles in (front, behind))
    np.testing.assert_allclose(other[1:, 1:], one[1:, :0:-1], atol=2e-3 * np.abs(one).max())


def test_rows_alone_are_those_in_a_batch():
    recipe = recipe_with(None, Optics(), max_shift=6.0, noise=Noise((0.1, 1.0), ice_snr=3.0))
    both = replace(recipe, labels=("a", "b"), sources=(Source("a.npy", 0, 0), Source("b.npy", 1, 0)))
    maker = ParticleMaker(both, [ASYMMETRIC, blob()])
    images, table = maker.pixels(MANY, ["image"])["image"], maker.columns(MANY)
    for row in (0, 17, 63):
        alone = maker.pixels(MANY[row : row + 1], ["image"])["image"][0]
        np.testing.assert_allclose(alone, images[row], atol=1e-5 * np.abs(alone).max())
        assert maker.columns(MANY[row : row + 1]).to_pylist() == table.slice(row, 1).to_pylist()
    assert set(table.column("label").to_pylist()) == {0, 1}


def test_snr_is_that_of_each_row_and_noise_is_white():
    recipe = recipe_with(None, Optics(), noise=Noise((0.05, 0.5)))
    maker = ParticleMaker(recipe, [ASYMMETRIC])
    both = maker.pixels(MANY, ["image", "clean"])
    noise = (both["image"] - both["clean"]).astype(float)
    snr = maker.columns(MANY).column("snr").to_numpy()
    expected = both["clean"].var((1, 2)) / snr
    assert (noise**2).mean((1, 2)) == pytest.approx(expected, rel=4 * math.sqrt(2) / N)
    power = (np.abs(np.fft.fft2(noise)) ** 2 / N**2 / expected[:, None, None]).mean(0)
    ky, kx = np.meshgrid(*[np.fft.fftfreq(N) * N] * 2, indexing="ij")
    ring = np.hypot(kx, ky).round().astype(int)
    counts = np.bincount(ring.ravel())
    found = np.bincount(ring.ravel(), power.ravel()) / counts
    # of independent components, half of those in a ring: each power has the standard deviation of its mean
    assert (np.abs(found - 1) < 3.5 / np.sqrt(len(MANY) * counts / 2)).all()


def test_with_a_dose_pixels_are_counted_electrons():
    recipe = recipe_with(None, Optics(), noise=Noise(dose=5.0), contrast="dark")
    maker = ParticleMaker(recipe, [ASYMMETRIC])
    both, table = maker.pixels(MANY, ["image", "clean"]), maker.columns(MANY)
    image, clean = (both[name].astype(float) for name in ("image", "clean"))
    assert (image == image.round()).all()
    assert clean.mean() == pytest.approx(5.0 * ANGSTROM**2, rel=0.01)
    pull = (image - clean) / np.sqrt(clean)
    assert abs(pull.mean()) < 3 / np.sqrt(pull.size)
    assert pull.var() == pytest.approx(1, rel=3 * math.sqrt(2 / pull.size))
    found = clean.var((1, 2)) / clean.mean((1, 2))
    snr = table.column("snr").to_numpy()
    assert snr.mean() == pytest.approx(found.mean(), rel=0.1)  # it is that of views on average
    assert np.corrcoef(snr, found)[0, 1] > 0.5


def test_the_snr_of_a_dose_is_that_of_a_thing_that_looks_the_same_from_everywhere():
    recipe = recipe_with(None, Optics(), noise=Noise(dose=5.0, ice_snr=0.05))
    maker = ParticleMaker(recipe, [blob(width=2.2)])
    both, table = maker.pixels(MANY, ["image", "clean"]), maker.columns(MANY)
    noise = (both["image"] - both["clean"]).astype(float)
    found = both["clean"].var((1, 2)) / noise.var((1, 2))
    assert np.corrcoef(table.column("snr").to_numpy(), found)[0, 1] > 0.8
    assert table.column("snr").to_numpy().mean() == pytest.approx(found.mean(), rel=0.03)


def test_without_noise_images_are_the_clean_ones():
    both, table = made(recipe_with()), ParticleMaker(recipe_with(), [ASYMMETRIC]).columns(MANY)
    assert np.array_equal(both["image"], both["clean"])
    assert table.column("snr").null_count == len(MANY)


def test_a_million_rows_have_different_names():
    names = ParticleMaker(recipe_with(), [ASYMMETRIC]).columns(np.arange(10**6)).column("id")
    assert len(names.unique()) == 10**6
