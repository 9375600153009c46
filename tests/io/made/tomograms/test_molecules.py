"""Molecules, turned and set down between voxels: where their parts lie, and how exactly."""

import numpy as np
import pytest
import torch

from builders.errors import OptionError
from builders.io.made.tomograms.molecules import molecule, set_down
from perc_transforms.functional import matrices_of
from tests.io.made.tomograms.scenes import blobs, hand

POINT = (5.0, -2.0, 1.5)


def turned(width, rotation, centre):
    """How wrong a blob is, of its own root mean square."""
    found = molecule(blobs(32, (*POINT, width, 1.0)), 5.0, "blob")
    cube, corner = set_down(found.fine, found.reach, rotation, centre)
    middle = len(cube) // 2
    place = centre + rotation @ torch.tensor(POINT, dtype=torch.float64) - corner.flip(0) - middle
    expected = blobs(len(cube), (*place.tolist(), width, 1.0))
    return float((cube - expected).norm() / expected.norm())


@pytest.mark.parametrize(("width", "error"), [(1.2, 0.011), (2.0, 0.005)])
def test_blobs_lie_where_rotations_take_them(width, error):
    random = np.random.default_rng(3)
    wrong = [
        turned(width, matrices_of(torch.tensor(angles)), torch.tensor(centre))
        for angles, centre in zip(random.uniform(0, 180, (10, 3)), random.uniform(10, 12, (10, 3)), strict=True)
    ]
    assert np.mean(wrong) < error
    assert turned(width, torch.eye(3, dtype=torch.float64), torch.tensor([11.0, 12.0, 10.5]).double()) < 3 * error


def test_radius_is_where_the_farthest_part_is():
    volume = torch.zeros(16, 16, 16)
    volume[8, 8, 3] = 2.0
    volume[8, 15, 8] = 0.1  # too little
    assert molecule(volume, 3.0, "rod").radius == 5


@pytest.mark.parametrize("size", [24, 25])
def test_nothing_is_lost(size):
    volume = blobs(size, (4, 1, -3, 1.5, 1.0), (-2, 3, 3, 1.5, 2.0))
    found = molecule(volume, 5.0, "two")
    turn, centre = matrices_of(torch.tensor([30.0, 50.0, 70.0], dtype=torch.float64)), torch.tensor([10.2, 11.3, 9.7])
    cube, _ = set_down(found.fine, found.reach, turn, centre.double())
    assert float(cube.sum()) == pytest.approx(float(volume.sum()), rel=1e-3)


def test_masks_hold_what_is_dense():
    volume = hand()
    found = molecule(volume, 10.0, "hand")
    cube, corner = set_down(
        found.mask, found.reach, torch.eye(3, dtype=torch.float64), torch.full((3,), 12.0).double(), fill=-1.0
    )
    mask = torch.zeros(24, 24, 24, dtype=torch.bool)
    z, y, x = corner.tolist()
    mask[z : z + len(cube), y : y + len(cube), x : x + len(cube)] = (cube > 0)[: 24 - z, : 24 - y, : 24 - x]
    assert mask[volume > 0.3 * volume.max()].all()
    assert not mask[volume < 0.02 * volume.max()].any()


def test_volumes_of_nothing_are_told():
    with pytest.raises(OptionError, match="ghost: no potential in its volume is above 0"):
        molecule(torch.zeros(8, 8, 8), 1.0, "ghost")
