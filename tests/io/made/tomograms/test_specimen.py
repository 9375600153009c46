"""What lies in a tomogram: anywhere, turned any way, nothing in anything else."""

import numpy as np
import pytest
import torch

from builders.io.made.draws import generator
from builders.io.made.tomograms.membranes import Vesicles
from builders.io.made.tomograms.molecules import molecule
from builders.io.made.tomograms.placing import placed
from builders.io.made.tomograms.scene import scene_of
from builders.io.made.tomograms.specimen import count_of, potential, segmentation, specimen
from tests.io.made.tomograms.scenes import PIXEL_SIZE, VOLUMES, recipe

MOLECULES = {number: molecule(volume, PIXEL_SIZE, "") for number, volume in enumerate(VOLUMES)}
RADII = {number: found.radius for number, found in MOLECULES.items()}
NONE = Vesicles(np.zeros((0, 3)), np.zeros(0), 4.0, 10.0)


def made_of(index, **scene):
    said = recipe(**scene)
    return specimen(said, scene_of(said), RADII, index)


def distances(places):
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    return apart[~np.eye(len(places), dtype=bool)].reshape(len(places), -1)


@pytest.mark.parametrize("index", range(5))
def test_nothing_overlaps(index):
    made = made_of(index, tomogram_shape=(40, 60, 60), particles=(20, 30), membranes=2)
    radii = np.array([RADII[source] for source in made.sources])
    assert len(radii) > 10
    apart = np.linalg.norm(made.centres[:, None] - made.centres, axis=-1) - radii[:, None] - radii
    assert (apart[~np.eye(len(radii), dtype=bool)] > -1e-5).all()
    assert (made.centres >= radii[:, None] - 1e-5).all()
    assert (made.centres <= np.array([59, 59, 39]) - radii[:, None] + 1e-5).all()
    for centre, radius in zip(made.vesicles.centres, made.vesicles.radii, strict=True):
        depth = np.abs(np.linalg.norm(made.centres - centre, axis=1) - radius)
        assert (depth - radii - made.vesicles.half > -1e-5).all()


def test_min_distance_is_kept():
    made = made_of(0, particles=(6, 6), min_distance=150)
    assert len(made.sources) == 6
    assert distances(made.centres).min() >= 15 - 1e-5
    closer = made_of(0, particles=(40, 40), min_distance=0)
    assert len(closer.sources) == 40
    assert distances(closer.centres).min() < 5


def test_centres_are_uniform():
    random = generator(0, "test", 0)
    found = np.concatenate([placed(random, (11, 21, 31), np.full(1, 3.0), None, NONE) for _ in range(2000)])
    for axis, n in enumerate((31, 21, 11)):
        share = (found[:, axis] - 3) / (n - 1 - 6)
        assert share.mean() == pytest.approx(0.5, abs=0.03)
        assert share.var() == pytest.approx(1 / 12, abs=0.005)


def test_there_is_no_room():
    found = placed(generator(0, "test", 0), (20, 20, 20), np.array([4.0] * 30 + [1.0]), None, NONE)
    is_there = ~np.isnan(found[:, 0])
    assert 2 < is_there[:30].sum() < 20
    assert is_there[30]
    assert np.isnan(placed(generator(0, "test", 0), (9, 20, 20), np.array([5.0]), None, NONE)).all()


def test_counts_are_drawn_between():
    said = recipe(particles=(2, 4))
    counts = [count_of(said, scene_of(said), index) for index in range(300)]
    assert set(counts) == {2, 3, 4}
    assert min(counts.count(count) for count in (2, 3, 4)) > 60


def test_molecules_stand_where_picks_say():
    made = made_of(3, particles=(4, 4))
    volume = potential(made, MOLECULES, (24, 40, 48))
    total = sum(float(VOLUMES[source].sum()) for source in made.sources)
    assert float(volume.sum()) == pytest.approx(total, rel=1e-3)
    for source, centre, turn in zip(made.sources, made.centres, made.rotations, strict=True):
        x, y, z = np.rint(centre).astype(int)
        assert volume[z, y, x] > 1.5
        if source == 0:  # the hand's other balls
            for arm in ((5, 0, 0), (0, 4, 0), (0, 0, 3)):
                x, y, z = np.rint(centre + turn @ arm).astype(int)
                assert volume[z, y, x] > 0.8


@pytest.mark.parametrize(("membrane", "kind"), [(3, np.uint8), (300, np.uint16)])
def test_masks_say_what_each_voxel_is(membrane, kind):
    made = made_of(1, particles=(5, 5), membranes=3, membrane_radius=(60, 100))
    mask = segmentation(made, MOLECULES, {0: 0, 1: 1}, membrane, (24, 40, 48))
    assert mask.dtype == kind
    assert set(np.unique(mask)) == {0, 1, 2, membrane}
    for source, centre in zip(made.sources, made.centres, strict=True):
        x, y, z = np.rint(centre).astype(int)
        assert mask[z, y, x] == source + 1
    volume = potential(made, MOLECULES, (24, 40, 48)).numpy()
    assert (mask[volume > 1.3] > 0).all()
    assert (np.abs(volume[(mask > 0) & (mask < 3)]) > 0.1).all()


def test_one_molecule_alone_comes_of_its_own_numbers():
    first, again = made_of(7, particles=(2, 2)), made_of(7, particles=(2, 2))
    other = made_of(8, particles=(2, 2))
    assert (first.centres == again.centres).all()
    assert (first.rotations == again.rotations).all()
    assert not np.isin(first.centres, other.centres).any()
    assert np.linalg.det(first.rotations) == pytest.approx(1)
    assert torch.equal(potential(first, MOLECULES, (24, 40, 48)), potential(again, MOLECULES, (24, 40, 48)))
