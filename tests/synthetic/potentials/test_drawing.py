"""Laws of what is drawn of atoms: against sums over the atoms, and against gemmi."""

import gemmi
import numpy as np
import pytest

from builders.synthetic import density
from tests.synthetic.potentials.made import row, scattered

VOLTS = 47.878
"""V Å²: h² / (2 pi m e), as FACTS of the field have it."""


def amplitude(element, s):
    """Å, of five Gaussians that gemmi has; s in 1/Å."""
    a, b = np.split(np.array(gemmi.Element(element).c4322.get_coefs()), 2)
    return sum(ai * np.exp(-bi * s**2 / 4) for ai, bi in zip(a, b, strict=True))


def center_of_mass(atoms):
    masses = [gemmi.Element(e).weight * o for e, o in zip(atoms["element"], atoms["occupancy"], strict=True)]
    return np.average(atoms["coordinates"].astype(float), axis=0, weights=masses)


def lengths(n, voxel):
    """1/Å, of each frequency of a half spectrum, and its parts."""
    parts = np.meshgrid(*[np.fft.fftfreq(n, voxel)] * 2, np.arange(n // 2 + 1) / (n * voxel), indexing="ij")
    return np.sqrt(sum(part**2 for part in parts)), parts


def spectrum_by_sum(atoms, n, voxel):
    """The transform of the atoms' potential, in V Å³, atom by atom; the centre of mass at voxel n // 2."""
    s, (z, y, x) = lengths(n, voxel)
    total = np.zeros(s.shape, complex)
    places = atoms["coordinates"] - center_of_mass(atoms) + n // 2 * voxel
    for place, element, occupancy, b in zip(
        places, atoms["element"], atoms["occupancy"], atoms["b_factor"], strict=True
    ):
        phase = np.exp(-2j * np.pi * (x * place[0] + y * place[1] + z * place[2]))
        total += occupancy * amplitude(element, s) * np.exp(-b * s**2 / 4) * phase
    return total * VOLTS


@pytest.mark.parametrize("n", [24, 25, 31])
@pytest.mark.parametrize("voxel", [1.0, 1.7, 4.0])
def test_each_frequency_is_the_sum_over_the_atoms(n, voxel):
    atoms = scattered(12, n * voxel / 2 - 7 if voxel < 2 else 20)
    volume = density(atoms, pixel_size=voxel, box=n, solvent=False)
    assert volume.shape == (n, n, n)
    assert volume.dtype == np.float32
    found, wanted = np.fft.rfftn(volume) * voxel**3, spectrum_by_sum(atoms, n, voxel)
    shell = lengths(n, voxel)[0] * n * voxel
    kept = shell < n / 2 - 2
    assert np.abs(found - wanted)[kept].max() < 3e-3 * np.sqrt(np.mean(np.abs(wanted[kept]) ** 2))
    assert np.abs(found[shell > n / 2]).max() < 1e-5 * np.abs(found[0, 0, 0])


def test_elements_of_all_kinds_have_their_own_shapes():
    for elements in (["C", "Fe", "Zn", "Se"], ["H", "H", "H", "O"], ["U", "K", "Na", "Mg", "N"]):
        count = len(elements)
        atoms = row(np.zeros((count, 3)), elements, occupancy=np.ones(count), b_factor=np.full(count, 25.0))
        found = np.fft.rfftn(density(atoms, pixel_size=0.7, box=30, solvent=False)) * 0.7**3
        s, _ = lengths(30, 0.7)
        kept = s * 21 < 13
        wanted = VOLTS * np.exp(-25 * s**2 / 4) * sum(amplitude(element, s) for element in elements)
        assert np.abs(np.abs(found) - wanted)[kept].max() < 3e-3 * wanted[0, 0, 0]


def test_the_total_is_that_of_all_scattering_amplitudes():
    atoms = scattered(200, 20)
    total = density(atoms, pixel_size=1.3, box=48, solvent=False).sum(dtype=float) * 1.3**3
    wanted = VOLTS * sum(o * amplitude(e, 0.0) for e, o in zip(atoms["element"], atoms["occupancy"], strict=True))
    assert total == pytest.approx(wanted, rel=1e-4)


def test_an_atom_has_the_profile_of_its_gaussians():
    voxel, n, b = 0.5, 49, 60.0
    volume = density(row([[5.0, -3.0, 2.0]], "N"), pixel_size=voxel, box=n, b_factor=b, solvent=False)
    offsets = (np.arange(n) - n // 2) * voxel
    r2 = offsets[:, None, None] ** 2 + offsets[:, None] ** 2 + offsets**2
    a, widths = np.split(np.array(gemmi.Element("N").c4322.get_coefs()), 2)
    wanted = sum(
        ai * (4 * np.pi / (w + b)) ** 1.5 * np.exp(-4 * np.pi**2 * r2 / (w + b))
        for ai, w in zip(a, widths, strict=True)
    )
    assert np.abs(volume - VOLTS * wanted).max() < 2e-3 * volume.max()


def test_gemmi_draws_the_same():
    atoms, n, blur = scattered(60, 18, seed=3), 48, 20.0
    model = gemmi.Model(1)
    chain, residue = model.add_chain("A"), gemmi.Residue()
    for place, element, occupancy, b in zip(
        atoms["coordinates"] - center_of_mass(atoms),
        atoms["element"],
        atoms["occupancy"],
        atoms["b_factor"],
        strict=True,
    ):
        atom = gemmi.Atom()
        atom.element, atom.occ, atom.b_iso = gemmi.Element(element), occupancy, b
        atom.pos = gemmi.Position(*(place + n // 2))
        residue.add_atom(atom)
    chain.add_residue(residue)
    calculator = gemmi.DensityCalculatorE()
    calculator.d_min, calculator.rate, calculator.blur, calculator.cutoff = 1.0, 1.0, blur, 1e-7  # voxels of 0.5 Å
    calculator.grid.set_unit_cell(gemmi.UnitCell(n, n, n, 90, 90, 90))
    calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
    calculator.put_model_density_on_grid(model)
    fine = np.fft.rfftn(np.array(calculator.grid).transpose(2, 1, 0)) / 8
    keep = np.r_[0 : n // 2, fine.shape[0] - n // 2 : fine.shape[0]]
    s = lengths(n, 1.0)[0]
    wanted = fine[np.ix_(keep, keep, np.arange(n // 2 + 1))] * np.exp(blur * s**2 / 4) * VOLTS
    found = np.fft.rfftn(density(atoms, pixel_size=1.0, box=n, solvent=False))
    kept = s * n < n / 2 - 2
    assert np.abs(found - wanted)[kept].max() < 3e-3 * np.sqrt(np.mean(np.abs(wanted[kept]) ** 2))


def test_a_symmetric_molecule_makes_a_symmetric_volume():
    corners = np.stack(np.meshgrid(*[[-6.0, 6.0]] * 3), -1).reshape(8, 3) + np.array([100.0, -50.0, 7.0])
    volume = density(row(corners, "C" * 8), pixel_size=1.5, box=25, b_factor=40.0)
    scale = np.abs(volume).max()
    for turned in (volume[::-1], volume[:, ::-1], volume.transpose(2, 0, 1), np.rot90(volume)):
        assert np.abs(turned - volume).max() < 1e-3 * scale


def test_the_centre_of_mass_is_in_the_middle_voxel():
    atoms = scattered(30, 12, seed=5)
    for n in (32, 33):
        near = density(atoms, pixel_size=1.5, box=n, solvent=False)
        far = density(
            {**atoms, "coordinates": atoms["coordinates"] + [256.0, -64.0, 32.0]}, pixel_size=1.5, box=n, solvent=False
        )
        assert np.abs(near - far).max() < 1e-3 * near.max()
    one = density(row([[3.3, 4.4, 5.5]], "O"), pixel_size=1.0, box=17, b_factor=20.0)
    assert np.unravel_index(one.argmax(), one.shape) == (8, 8, 8)
