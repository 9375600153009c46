"""What the solvent takes away, and filters."""

from pathlib import Path

import numpy as np
import pytest
import torch

from builders.synthetic import density
from builders.synthetic.potentials.reading import read_atoms
from perc_transforms import functional
from tests.synthetic.potentials.made import row, scattered

ICE = 3.6


def mask(structure, **options):
    """What is taken away, in units of ice."""
    bare, relative = (density(structure, **options, solvent=solvent) for solvent in (False, True))
    return (bare - relative) / ICE


def block(spacing, count):
    """Carbons on a lattice that leaves no room for water."""
    axis = (np.arange(count) - (count - 1) / 2) * spacing
    places = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    return row(places, "C" * len(places), b_factor=[40.0] * len(places))


def test_the_mask_is_one_inside_and_zero_far_away():
    made = mask(block(1.8, 9), pixel_size=1.0, box=48)  # 14.4 Å a side
    middle = made[21:28, 21:28, 21:28]
    assert np.abs(middle - 1).max() < 0.02
    outside = np.abs(np.arange(48) - 24) > 14
    assert np.abs(made[outside]).max() < 0.02
    # edges lie by a radius beyond the outermost atoms, 1.7 Å, and a little for the probe
    line = made[24, 24]
    edge = np.interp(0.5, line[24:40][::-1], np.arange(24, 40)[::-1]) - 24
    assert 7.2 + 1.7 < edge < 7.2 + 1.7 + 0.8
    steep = np.abs(np.diff(line))
    assert steep.max() < 0.45  # of a Gaussian edge of 1 Å: 0.4 a voxel


@pytest.mark.parametrize("voxel", [1.0, 2.0, 4.0])
def test_a_masks_volume_is_the_same_in_all_voxels(voxel):
    structure = block(1.8, 9)
    wanted = (8 * 1.8 + 2 * 2.05) ** 3
    volume = mask(structure, pixel_size=voxel, box=int(64 / voxel)).sum(dtype=float) * voxel**3
    assert volume == pytest.approx(wanted, rel=0.1)


def test_proteins_take_as_much_room_as_they_do(shared):
    path: Path = shared / "data" / "struct" / "mmcif_4ake_scipion.cif"
    (atoms,) = read_atoms(path)
    protein = np.flatnonzero(atoms.residue_name != "HOH")
    places, elements = atoms.coordinates[protein], atoms.element[protein]
    volume = mask(row(places, elements), pixel_size=2.0, box=64, b_factor=50.0).sum(dtype=float) * 8
    mass = atoms.masses[protein].sum() * 1.07  # with its hydrogens
    assert volume / mass == pytest.approx(1.21, rel=0.08)  # Å³ / Da, of 0.73 cm³ / g


def test_a_protein_is_stronger_than_ice(shared):
    path = shared / "data" / "struct" / "mmcif_4ake_scipion.cif"
    options = {"pixel_size": 2.0, "box": 64}
    within, relative = mask(path, **options), density(path, **options)
    assert 1.0 < relative.sum(dtype=float) / within.sum(dtype=float) < 4.0  # V, without its hydrogens
    assert np.abs(relative[:4]).max() < 0.02 * relative.max()


def test_the_filter_is_that_of_lowpass():
    atoms = scattered(40, 15)
    full = density(atoms, pixel_size=1.5, box=36)
    wanted = functional.lowpass(torch.from_numpy(full), resolution=8.0, pixel_size=1.5, spatial_dims=3)
    found = density(atoms, pixel_size=1.5, box=36, resolution=8.0)
    assert np.abs(found - wanted.numpy()).max() < 1e-5 * np.abs(full).max()
    assert np.abs(found - full).max() > 0.1 * np.abs(full).max()


def test_b_factors_blur_as_they_should():
    atoms = {**scattered(30, 12), "b_factor": np.full(30, 20.0)}
    sharp, blurred = (
        np.fft.rfftn(density(atoms, pixel_size=1.5, box=32, solvent=False, b_factor=b)) for b in (None, 95.0)
    )
    s2 = sum(k**2 for k in np.meshgrid(*[np.fft.fftfreq(32, 1.5)] * 2, np.arange(17) / 48, indexing="ij"))
    kept = s2 < 0.3**2
    assert np.abs(blurred - sharp * np.exp(-75 * s2 / 4))[kept].max() < 1e-4 * np.abs(sharp).max()
