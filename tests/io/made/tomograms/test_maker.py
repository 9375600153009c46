"""Tomograms, row by row: their columns, their voxels, and that the same row is the same."""

import numpy as np
import pytest
import torch

from builders.errors import OptionError
from builders.io.made.recipe import Noise, Optics
from builders.io.made.tomograms.maker import SCHEMA, TomogramMaker, check
from perc_transforms.functional import interaction_constant, missing_wedge
from tests.io.made.tomograms.scenes import PIXEL_SIZE, VOLUMES, blobs, recipe

FLAT = Optics(defocus=(0.0, 0.0), spherical_aberration=1e-6, amplitude_contrast=1.0)
"""A microscope whose CTF is 1."""


def maker(**options):
    return TomogramMaker(recipe(**options), VOLUMES)


def row(made, index):
    return made.columns(np.array([index])).to_pylist()[0]


def voxels(made, index, name="image"):
    return made.pixels(np.array([index]), [name])[name][0]


def alike(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_columns():
    made = maker(noise=Noise(dose=82.0), membranes=1)
    table = made.columns(np.array([3, 5, 0]))
    assert table.schema == SCHEMA == made.schema
    first = table.to_pylist()[0]
    assert first == row(made, 3)
    assert first["tomogram"] == first["id"] != row(made, 5)["id"]
    assert 30_000 <= first["defocus"] <= 50_000
    assert first["tilts"] == list(range(-60, 61, 3))
    assert first["pre_exposure"][20] == 0
    assert sorted(first["pre_exposure"]) == pytest.approx([2.0 * number for number in range(41)])
    assert first["snr"] is None
    picks = first["picks"]
    assert np.array(picks["coordinates"]) == pytest.approx(10 * np.array(picks["pixels"]))
    assert {len(values) for values in picks.values()} == {len(picks["label"])}
    turns = np.array(picks["rotation"])
    assert turns @ turns.transpose(0, 2, 1) == pytest.approx(np.broadcast_to(np.eye(3), turns.shape), abs=1e-5)


def test_snr_is_told():
    made = maker(noise=Noise(snr=(0.1, 0.3)))
    told = made.columns(np.arange(20))["snr"].to_numpy()
    assert ((told >= 0.1) & (told <= 0.3)).all()
    assert len(set(told.tolist())) == 20
    assert maker().columns(np.arange(2))["snr"].null_count == 2
    assert row(maker(), 0)["pre_exposure"] is None


def test_images_of_a_row():
    made = maker(clean=True, membranes=1)
    assert list(made.images) == ["image", "segmentation", "clean"]
    assert list(maker(segmentation=False).images) == ["image"]
    for name, values in made.pixels(np.array([2, 0]), list(made.images)).items():
        assert values.shape == (2, 24, 40, 48)
        assert values.dtype == made.images[name]
        assert np.array_equal(values[0], voxels(made, 2, name))
        assert not np.array_equal(values[0], values[1])


def test_rows_are_the_same_in_any_order_and_by_any_maker():
    options = {"noise": Noise(snr=(0.2, 0.2)), "membranes": 1}
    first = maker(**options)
    several = first.pixels(np.array([4, 2**40, 1]), ["image", "segmentation"])
    for name, values in several.items():
        for place, index in enumerate([4, 2**40, 1]):
            assert np.array_equal(voxels(maker(**options), index, name), values[place])
    assert not np.array_equal(voxels(maker(seed=1, **options), 4), several["image"][0])


@pytest.mark.parametrize(("contrast", "sign"), [("dark", -1), ("bright", 1)])
def test_clean_is_the_potential_as_contrast(contrast, sign):
    made = maker(particles=(1, 1), contrast=contrast, clean=True)
    clean, picks = voxels(made, 0, "clean"), row(made, 0)["picks"]
    x, y, z = np.rint(picks["pixels"][0]).astype(int)
    scale = 2 * float(interaction_constant(300.0)) * PIXEL_SIZE
    brightest = np.unravel_index(abs(clean).argmax(), clean.shape)[::-1]
    assert np.abs(brightest - np.array(picks["pixels"][0])).max() <= 1
    assert clean[z, y, x] == pytest.approx(sign * 3 * scale, rel=0.25)
    total = float(VOLUMES[picks["label"][0]].sum())
    assert clean.sum() == pytest.approx(sign * total * scale, rel=1e-3)


@pytest.mark.parametrize("contrast", ["dark", "bright"])
def test_all_around_a_tomogram_is_the_potential(contrast):
    made = maker(tilts=(-90, 88, 2), optics=FLAT, contrast=contrast, clean=True, membranes=1)
    image, clean = voxels(made, 1), voxels(made, 1, "clean")
    assert alike(image, clean) > 0.98
    assert float((image * clean).sum() / np.square(clean).sum()) == pytest.approx(1, abs=0.03)


def test_the_wedge_of_the_tilts_is_missing():
    made = maker(tilts=(-60, 60, 1), optics=FLAT, clean=True, particles=(2, 2), tomogram_shape=(40, 40, 48))
    image, clean = torch.from_numpy(voxels(made, 0)), torch.from_numpy(voxels(made, 0, "clean"))
    around = torch.nn.functional.pad(clean, (24, 24, 0, 0, 40, 40))
    expected = missing_wedge(around, min_angle=-60.5, max_angle=60.5)[40:-40, :, 24:-24]
    assert alike(image.numpy(), expected.numpy()) > 0.99
    assert alike(image.numpy(), clean.numpy()) < 0.97


def test_molecules_stand_out_of_noise():
    made = maker(noise=Noise(snr=(0.5, 0.5)), optics=FLAT, clean=True)
    image, clean = voxels(made, 0), voxels(made, 0, "clean")
    assert 0.3 < alike(image, clean) < 0.95
    mask = voxels(made, 0, "segmentation")
    spread = image[mask == 0].std() / np.sqrt((mask > 0).sum() / 8)
    assert image[mask > 0].mean() < image[mask == 0].mean() - 5 * spread


def test_orientations_of_a_table():
    made = maker(orientations={"kind": "table", "angles": [[0.0, 0.0, 90.0]]})
    for turn in row(made, 0)["picks"]["rotation"]:
        assert np.array(turn) == pytest.approx(np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"particles": (1, 500)}, r"about \d+ fit: expected fewer, or a larger volume"),
        (
            {"tomogram_shape": (10, 40, 48)},
            r"hand is \d+ Å across, and tomogram_shape=.* has a side of 90 Å",
        ),
        ({"particles": (4, 5), "min_distance": 600}, r"about \d fit"),
    ],
)
def test_molecules_that_do_not_fit_are_told(options, words):
    with pytest.raises(OptionError, match=words):
        check(recipe(**options), VOLUMES)
    check(recipe(), VOLUMES)


def test_as_many_as_are_told_to_fit_do():
    with pytest.raises(OptionError) as told:
        check(recipe(particles=(1, 500)), VOLUMES)
    fit = int(str(told.value).split("about ")[1].split(" ")[0])
    few = int(0.8 * fit)
    check(recipe(particles=(few, few)), VOLUMES)
    made = maker(particles=(few, few))
    assert {len(row(made, index)["picks"]["label"]) for index in range(10)} == {few}


def test_volumes_of_nothing_are_told():
    with pytest.raises(OptionError, match="hand: no potential"):
        check(recipe(), (torch.zeros(8, 8, 8), blobs(8, (0, 0, 0, 1.0, 1.0))))
