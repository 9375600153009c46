"""What a recipe may say of micrographs, and what it may not."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from builders.errors import OptionError
from builders.io.made.micrographs.motion import drifts
from builders.io.made.micrographs.scene import completed, diameter, scene_of
from builders.io.made.recipe import Noise, Optics
from tests.io.made.micrographs.molecules import SIZE, N, recipe, volumes


@pytest.mark.parametrize(
    ("scene", "told"),
    [
        (
            {"micrograph_shape": (8, 100)},
            r"micrograph_shape is \(8, 100\): expected \(ny, nx\), whole numbers of at least 16",
        ),
        ({"micrograph_shape": 100}, r"micrograph_shape is 100: expected \(ny, nx\)"),
        ({"particles": (0, 3)}, r"particles is \(0, 3\): expected \(fewest, most\), whole numbers of at least 1"),
        ({"particles": (5, 3)}, r"particles is \(5, 3\): expected \(fewest, most\), the fewest first"),
        ({"particles": (1, 2.5)}, r"particles is \(1, 2.5\)"),
        ({"min_distance": -1}, r"min_distance is -1: expected a number of at least 0, Å"),
        ({"min_distance": 3.0}, r"min_distance is 3.0: expected 0, or 10 Å or more"),
        ({"ice_gradient": 2.5}, r"ice_gradient is 2.5: expected a number from 0 to 2"),
        ({"ice_gradient": "much"}, r"ice_gradient is 'much': expected a number"),
        ({"aggregates": -1}, r"aggregates is -1: expected a number from 0"),
        ({"aggregates": 1.0, "min_distance": 0}, r"aggregates is 1.0, and min_distance 0"),
        ({"carbon": 1.5}, r"carbon is 1.5: expected a number from 0 to 1, a probability"),
        ({"carbon": float("nan")}, r"carbon is nan"),
        ({"frames": 0}, r"frames is 0: expected a whole number of at least 1"),
        ({"frame_dose": 1.0}, r"frame_dose is 1.0, and frames is None: expected frames="),
        ({"drift": 5.0}, r"drift is 5.0, and frames is None"),
        ({"frames": 4, "drift": -5.0}, r"drift is -5.0: expected a number of at least 0"),
        ({"frames": 4, "frame_dose": 0}, r"frame_dose is 0 and frames is 4: expected a number above 0"),
        ({"frames": 4, "frame_dose": -1}, r"frame_dose is -1: expected a number of at least 0"),
        ({"clean": 1}, r"clean is 1: expected True or False"),
        ({"colour": 1}, r"a micrograph's scene has clean?.*|.*colour.*: expected micrograph_shape, particles"),
        (
            {"particles": (5, 80)},
            r"impossible distances: particles is \(5, 80\), min_distance 70 Å: in \(160, 220\) pixels",
        ),
        ({"particles": (5, 14), "carbon": 0.1}, r"impossible distances: .* some \d+ fit off the carbon: expected"),
    ],
)
def test_what_is_wrong_is_said(scene, told):
    with pytest.raises(OptionError, match=told):
        scene_of(recipe(**scene))


def test_what_is_wrong_with_the_recipe_is_said():
    with pytest.raises(OptionError, match="max_shift is 4: expected 0"):
        scene_of(replace(recipe(), max_shift=4.0))
    with pytest.raises(OptionError, match="voltage is 120: expected 300, 200, 100 kV"):
        scene_of(recipe(frames=4, optics=Optics(voltage=120.0)))
    with pytest.raises(OptionError, match=r"frame_dose is 1\.0 and frames is 10: expected 2, for dose=20"):
        scene_of(recipe(frames=10, frame_dose=1.0, noise=Noise(dose=20.0)))


def test_the_error_of_impossible_distances_says_what_is_possible():
    with pytest.raises(OptionError) as caught:
        scene_of(recipe(particles=(5, 80)))
    found = re.search(
        r"some (\d+) fit: .* min_distance of (.*) Å, or micrograph_shape of \((\d+), (\d+)\)", str(caught.value)
    )
    fit, distance, shape = int(found[1]), float(found[2]), (int(found[3]), int(found[4]))
    for better in ({"particles": (5, fit)}, {"min_distance": distance}, {"micrograph_shape": shape}):
        scene_of(recipe(**({"particles": (5, 80)} | better)))


def test_what_is_left_to_us_is_filled_in():
    how = completed(recipe(particles=None, min_distance=None), volumes())
    assert how.scene["min_distance"] == max(diameter(volume, SIZE) for volume in volumes())
    fewest, most = how.scene["particles"]
    assert 1 <= fewest < most < 50
    assert completed(how, volumes()) == how
    atom = torch.zeros(N, N, N)
    atom[N // 2, N // 2, N // 2] = 1.0
    assert completed(recipe(min_distance=None), [atom]).scene["min_distance"] == 10.0
    roomy = completed(recipe(particles=None, micrograph_shape=(2000, 2000)), volumes())
    assert roomy.scene["particles"] == (50, 200)
    with pytest.raises(OptionError, match="impossible distances"):
        completed(recipe(particles=(5, 80)), volumes())


def test_diameter_is_that_of_the_sphere_about_the_centre():
    axis = np.arange(N) - N // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    ball = torch.from_numpy(((x - 4) ** 2 + y**2 + z**2 <= 10**2).astype(np.float32)) * 5.0 - 0.1
    assert diameter(ball, 1.5) == pytest.approx((2 * 14 + 1) * 1.5)


def test_drift_ends_where_it_should_and_slows_down():
    paths = drifts(7, np.arange(200), 12, 30.0)
    assert paths.shape == (200, 12, 2)
    assert (paths[:, 0] == 0).all()
    lengths = np.hypot(*np.moveaxis(paths, -1, 0))
    assert lengths[:, -1] == pytest.approx(30.0)
    directions = paths[:, -1] / 30.0
    assert np.abs(directions.mean(0)).max() < 5 / np.sqrt(2 * 200)
    across = paths[..., 0] * directions[:, None, 1] - paths[..., 1] * directions[:, None, 0]
    assert np.abs(across).max() <= 30 / 8 + 1e-9
    assert np.abs(across).max() > 2
    along = (paths * directions[:, None]).sum(-1)
    steps = np.diff(along, axis=1)
    assert (steps > 0).all()
    assert np.diff(steps, axis=1).max() < 1e-9
    assert drifts(7, np.arange(2), 1, 30.0).tolist() == [[[0, 0]], [[0, 0]]]
