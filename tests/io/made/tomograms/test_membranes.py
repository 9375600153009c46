"""Vesicles: spheres of a bilayer, none through another."""

import numpy as np
import pytest
import torch

from builders.io.made.tomograms.membranes import Vesicles, _poisson, vesicles

SHAPE = (40, 44, 48)


def one(pixel_size=2.0, thickness=20.0):
    return Vesicles(np.array([[24.0, 20.5, 19.0]]), np.array([14.0]), thickness / pixel_size, pixel_size)


def depths(made):
    """Voxels from the middle of the bilayer."""
    axes = (torch.arange(n, dtype=torch.float64) - place for n, place in zip(SHAPE, made.centres[0, ::-1], strict=True))
    z, y, x = axes
    return (z[:, None, None] ** 2 + y[:, None] ** 2 + x**2).sqrt() - made.radii[0]


def test_bilayers_have_two_leaflets():
    made = one(pixel_size=2.0, thickness=40.0)
    volume, mask = torch.zeros(SHAPE), torch.zeros(SHAPE, dtype=torch.uint8)
    made.add_to(volume, mask, 7)
    depth = depths(made)
    at_heads, within = (depth.abs() - 10).abs() < 0.2, depth.abs() < 0.2
    assert volume[at_heads].mean() == pytest.approx(2.0, abs=0.1)
    assert volume[within].mean() == pytest.approx(-0.8, abs=0.1)
    assert volume[depth.abs() > made.half].abs().max() < 0.03
    assert set(mask[depth.abs() < 12.4].tolist()) == {7}  # head groups are in it
    assert set(mask[depth.abs() > 12.6].tolist()) == {0}


def test_coarse_voxels_hold_the_mean_of_fine_ones():
    lines = []
    for size in (1.0, 8.0):
        depth = torch.arange(-60.0 + size / 2, 60.0, size) / size
        lines.append(one(size, 40.0)._profile(depth))
    assert (lines[0].view(-1, 8).mean(1) - lines[1]).abs().max() < 0.05


def test_what_is_cut_by_the_volume_is_there():
    made = Vesicles(np.array([[0.0, 43.0, 20.0]]), np.array([10.0]), 10.0, 2.0)
    volume = torch.zeros(SHAPE)
    made.add_to(volume, None, 0)
    assert volume[20, 43, 15] > 1.5
    assert volume[20, 28, 0] > 1.5


def test_no_bilayer_crosses_another():
    several = [vesicles(1, index, (60, 80, 80), 10.0, 12.0, (50.0, 200.0), 40.0) for index in range(20)]
    assert sum(len(made.radii) for made in several) > 40
    for made in several:
        apart = np.linalg.norm(made.centres[:, None] - made.centres, axis=-1)
        outside = apart - made.radii[:, None] - made.radii
        nested = np.abs(made.radii[:, None] - made.radii) - apart
        gaps = np.maximum(outside, nested)[~np.eye(len(apart), dtype=bool)]
        assert (gaps >= 2 * made.half - 1e-9).all()
        assert ((made.radii >= 5) & (made.radii <= 20)).all()


def test_how_many_there_are():
    counts = [_poisson(uniform, 2.5) for uniform in (np.arange(2000) + 0.5) / 2000]
    assert np.mean(counts) == pytest.approx(2.5, abs=0.01)
    assert np.var(counts) == pytest.approx(2.5, abs=0.05)
    assert vesicles(1, 0, SHAPE, 10.0, 0.0, (50.0, 100.0), 40.0).radii.size == 0
