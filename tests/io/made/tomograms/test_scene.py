"""What a recipe says of tomograms: what it may say, and what is told of what it may not."""

from dataclasses import replace

import pytest

from builders.errors import OptionError, PercError
from builders.io.made.recipe import Noise, Optics
from builders.io.made.tomograms.scene import angles_of, scene_of
from tests.io.made.tomograms.scenes import recipe


def test_defaults():
    scene = scene_of(recipe())
    assert scene.tilts == tuple(float(angle) for angle in range(-60, 61, 3))
    assert scene.membrane_radius == (120, 240)  # half of 48 voxels of 10 Å
    assert scene_of(recipe(tomogram_shape=[64, 200, 100])).membrane_radius == (200, 600)
    assert not scene.fading
    assert scene_of(recipe(noise=Noise(dose=100.0))).fading


@pytest.mark.parametrize(
    ("said", "angles"),
    [
        ((-60, 60, 60), (-60, 0, 60)),
        ((-1, 1, 0.1), tuple(round(-1 + 0.1 * n, 9) for n in range(21))),
        ([-3, 0], (-3, 0)),
        ([3, 0, -3, 90], (3, 0, -3, 90)),
        ([0], (0,)),
    ],
)
def test_tilts(said, angles):
    assert angles_of("tilts", said) == pytest.approx(angles)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tomogram_shape": (7, 40, 40)}, "tomogram_shape is (7, 40, 40): expected voxels (nz, ny, nx)"),
        ({"tomogram_shape": (40, 40)}, "tomogram_shape is (40, 40)"),
        ({"tomogram_shape": (40, 40, 40.5)}, "whole numbers"),
        ({"tomogram_shape": None}, "needs tomogram_shape="),
        ({"tomogram_shape": (2000, 2000, 2000)}, "expected 1,073,741,824 voxels at most"),
        ({"particles": (0, 5)}, "at least 1"),
        ({"particles": (1, 100_000)}, "expected 10,000 at most"),
        ({"particles": (5, 4)}, "particles is (5, 4): expected the lower one first"),
        ({"min_distance": -1}, "min_distance is -1: expected"),
        ({"tilts": ()}, "tilts is ()"),
        ({"tilts": (-60, 60, 0)}, "the step above 0"),
        ({"tilts": (60, -60, 3)}, "the last not below the first"),
        ({"tilts": (-60, 91, 1)}, "from -90 to 90"),
        ({"tilts": (0, 0, 3, 4)}, "no two alike"),
        ({"tilts": "all"}, "tilts is 'all'"),
        ({"tilts": (-60, 60, 1e-3)}, "1000 steps at most"),
        ({"membranes": -1}, "membranes is -1"),
        ({"membranes": 1e6}, "0 to 100"),
        ({"membrane_radius": (0, 5)}, "above 0"),
        ({"membrane_radius": (100, 200)}, "membranes is 0: expected membranes="),
        ({"membrane_radius": (30, 200), "membranes": 1}, "expected 40 Å or more"),
        ({"membrane_radius": (6, 5)}, "lower one first"),
        ({"membrane_thickness": 0}, "membrane_thickness is 0"),
        ({"fading": True}, "fading=True without dose="),
        ({"mebranes": 1}, "has 'mebranes': expected some of"),
    ],
)
def test_what_cannot_be_is_told(options, words):
    with pytest.raises(OptionError) as told:
        scene_of(recipe(**options))
    assert words in str(told.value)
    assert isinstance(told.value, PercError | ValueError)


def test_what_the_recipe_has_besides_is_checked():
    with pytest.raises(OptionError, match="known at 100, 200, 300 kV: expected one of these, or snr="):
        scene_of(recipe(noise=Noise(dose=100.0), optics=Optics(voltage=120.0)))
    assert not scene_of(recipe(noise=Noise(dose=100.0), optics=Optics(voltage=120.0), fading=False)).fading
    with pytest.raises(OptionError, match="max_shift is 3: expected 0"):
        scene_of(replace(recipe(), max_shift=3.0))
