"""What may be named as a structure, and that it is the same however it is named."""

import gzip
import logging
from pathlib import Path

import gemmi
import numpy as np
import pytest

from builders.errors import FolderError, FormatError, NotFoundError, OptionError
from builders.hf import registry
from builders.synthetic import densities, density
from tests.synthetic.potentials.made import CRYSTAL, cif, row

OPTIONS = {"pixel_size": 1.5, "box": 32, "solvent": False}
ATOMS = [
    ("N", "N", "", "GLY", 1, (1.0, 2.0, 3.0), 1.0, 20.0),
    ("C", "CA", "", "GLY", 1, (2.4, 2.1, 2.9), 0.8, 35.0),
    ("O", "O", "", "GLY", 1, (3.0, 3.3, 3.5), 1.0, 50.0),
]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "made.cif"
    path.write_text(cif(*ATOMS))
    return path


def as_row(atoms):
    return row(
        [atom[5] for atom in atoms],
        [atom[0] for atom in atoms],
        occupancy=[atom[6] for atom in atoms],
        b_factor=[atom[7] for atom in atoms],
        atom_name=[atom[1] for atom in atoms],
        altloc=[atom[2] for atom in atoms],
        residue_name=[atom[3] for atom in atoms],
        residue_number=[atom[4] for atom in atoms],
        chain=["A"] * len(atoms),
        insertion_code=[""] * len(atoms),
    )


def total(volume):
    """Sum of all scattering amplitudes, Å."""
    return volume.sum(dtype=float) * OPTIONS["pixel_size"] ** 3 / 47.878


def amplitude(element):
    return sum(gemmi.Element(element).c4322.get_coefs()[:5])


def test_rows_files_and_what_is_packed_are_the_same(path):
    wanted = density(path, **OPTIONS)
    assert np.abs(density(as_row(ATOMS), **OPTIONS) - wanted).max() < 1e-4 * wanted.max()
    packed = path.with_suffix(".cif.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(density(str(packed), **OPTIONS), wanted)
    path.with_name("model").write_bytes(path.read_bytes())
    np.testing.assert_array_equal(density(path.with_name("model"), **OPTIONS), wanted)
    structure = gemmi.read_structure(str(path))
    for name in ("made.pdb", "made.ent", "without_suffix"):
        other = path.with_name(name)
        other.write_text(structure.make_pdb_string())
        np.testing.assert_allclose(density(other, **OPTIONS), wanted, atol=1e-4)


def test_a_crystals_cell_and_symmetry_are_nothing_to_it(path):
    wanted = density(path, **OPTIONS)
    path.write_text(cif(*ATOMS, more=CRYSTAL))
    np.testing.assert_array_equal(density(path, **OPTIONS), wanted)
    tiny = gemmi.read_structure(str(path))
    tiny.cell = gemmi.UnitCell(1, 1, 1, 90, 90, 90)
    path.with_suffix(".pdb").write_text(tiny.make_pdb_string())
    np.testing.assert_allclose(density(path.with_suffix(".pdb"), **OPTIONS), wanted, atol=1e-4)


def test_long_names_are_nothing_to_it(path):
    wanted = density(path, **OPTIONS)
    path.write_text(path.read_text().replace(" CA ", " CARBONALPHA ").replace("GLY A", "GLYCINELONG CHAINALPHA"))
    np.testing.assert_array_equal(density(path, **OPTIONS), wanted)


def test_each_model_is_a_state_in_the_frame_of_the_first(path):
    moved = [(*atom[:5], (atom[5][0] + 6.0, *atom[5][1:]), *atom[6:], 2) for atom in ATOMS]
    path.write_text(cif(*ATOMS, *moved))
    first, second = densities(path, **OPTIONS)
    np.testing.assert_array_equal(density(path, **OPTIONS), first)
    np.testing.assert_allclose(second, np.roll(first, 4, axis=2), atol=2e-3 * first.max())
    as_rows = densities([as_row(ATOMS), as_row(moved)], **OPTIONS)
    np.testing.assert_allclose(as_rows, [first, second], atol=1e-4)


def test_alternatives_are_states_and_an_atom_is_wholly_in_each(path):
    place = (3.0, 3.3, 3.5)
    alternatives = [
        *ATOMS[:2],
        ("O", "O", "A", "GLY", 1, place, 0.3, 50.0),
        ("O", "O", "B", "GLY", 1, (place[0], place[1] + 3, place[2]), 0.7, 50.0),
    ]
    path.write_text(cif(*alternatives))
    states = densities(path, **OPTIONS)
    alone = [density([*map(as_row, [[*ATOMS[:2], (*alternatives[n][:6], 1.0, 50.0)]])], **OPTIONS) for n in (3, 2)]
    assert np.abs(states[0] - alone[0]).max() < 1e-4 * states[0].max()  # the likelier one comes first
    assert [total(state) for state in states] == pytest.approx([total(volume) for volume in alone], rel=1e-4)
    assert np.abs(states[1] - states[0]).max() > 0.1 * states[0].max()


def test_of_residues_of_several_names_one_is_drawn():
    atoms = [
        ("C", "CA", "A", "SER", 5, (0.0, 0.0, 0.0), 0.6, 30.0),
        ("O", "OG", "A", "SER", 5, (1.4, 0.0, 0.0), 0.6, 30.0),
        ("C", "CA", "B", "CYS", 5, (0.1, 0.0, 0.0), 0.4, 30.0),
        ("S", "SG", "B", "CYS", 5, (1.8, 0.0, 0.0), 0.4, 30.0),
        ("N", "N", "C", "ALA", 6, (4.0, 0.0, 0.0), 0.5, 30.0),
    ]
    first, second = (total(state) for state in densities(as_row(atoms), **OPTIONS))
    assert first == pytest.approx(amplitude("C") + amplitude("O") + 0.5 * amplitude("N"), rel=1e-4)
    assert second == pytest.approx(amplitude("C") + amplitude("S") + 0.5 * amplitude("N"), rel=1e-4)


def test_an_id_is_what_structures_has_of_it(path):
    registry.register()
    path.rename(path.with_name("1abc.cif"))
    endpoints = {"rcsb_files": str(path.parent)}
    found = density("1abc", **OPTIONS, endpoints=endpoints)
    np.testing.assert_allclose(found, density(path.with_name("1abc.cif"), **OPTIONS), atol=1e-4)
    with pytest.raises(NotFoundError, match="2xyz"):
        density("2xyz", **OPTIONS, endpoints=endpoints)


def test_confidences_and_zeros_are_no_b_factors(path, caplog):
    wanted = density(path, **OPTIONS, b_factor=30.0)
    predicted = path.with_name("AF-P69905-F1-model_v6.cif")
    predicted.write_text(path.read_text())
    told = path.with_name("told.cif")
    told.write_text(cif(*ATOMS, more="_ma_qa_metric.id 1\n_ma_qa_metric.name pLDDT"))
    zeros = path.with_name("zeros.cif")
    zeros.write_text(cif(*[(*atom[:7], 0.0) for atom in ATOMS]))
    absent = {key: value for key, value in as_row(ATOMS).items() if key != "b_factor"}
    for structure in (predicted, told, zeros, absent, {**as_row(ATOMS), "source": "alphafold"}):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            volume = density(structure, **OPTIONS)
        np.testing.assert_allclose(volume, wanted, atol=1e-4)
        assert "drawn with 30 Å²; density_b_factor= of load_dataset, or b_factor= of density" in caplog.text
        assert len(caplog.records) == 1
    caplog.clear()
    density(path, **OPTIONS)
    density(zeros, **OPTIONS, b_factor=80.0)
    assert not caplog.text


def test_deuterium_is_hydrogen():
    places, b = [[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]], [30.0, 30.0]
    as_hydrogen = density(row(places, "CH", b_factor=b), **OPTIONS)
    np.testing.assert_array_equal(density(row(places, "CD", b_factor=b), **OPTIONS), as_hydrogen)


@pytest.mark.parametrize("symbol", ["X", "Q", "Es", ""])
def test_an_unknown_element_names_its_atom(symbol):
    atoms = as_row([*ATOMS, (symbol, "X1", "", "UNL", 7, (0.0, 0.0, 0.0), 1.0, 20.0)])
    with pytest.raises(FormatError, match=f"made: atom X1 of residue UNL A/7: element '{symbol}'"):
        density(atoms, **OPTIONS)


def test_bad_structures_are_told(path, tmp_path):
    with pytest.raises(NotFoundError, match=r"gone\.cif: no such file"):
        density(tmp_path / "gone.cif", **OPTIONS)
    with pytest.raises(NotFoundError, match=r"gone\.pdb: no such file"):
        density("gone.pdb", **OPTIONS)
    with pytest.raises(FolderError, match="a folder"):
        density(tmp_path, **OPTIONS)
    for name, text in {"none.cif": "data_none\n_cell.length_a 1\n", "none.pdb": "END\n"}.items():
        path.with_name(name).write_text(text)
        with pytest.raises(FormatError, match=f"{name}: no atoms"):
            density(path.with_name(name), **OPTIONS)
    path.write_text("<html>not found</html>")
    with pytest.raises(FormatError, match=r"made\.cif: .*expected mmCIF or PDB"):
        density(path, **OPTIONS)
    for bad, message in {
        "coordinates": "expected 'coordinates'",
        "occupancy": r"occupancy of shape \(2,\) for 3",
        "b_factor": r"b_factor of shape \(2,\) for 3",
    }.items():
        with pytest.raises(FormatError, match=message):
            density({**as_row(ATOMS), bad: None if bad == "coordinates" else [1.0, 1.0]}, **OPTIONS)
    with pytest.raises(FormatError, match="atom CA of residue GLY A/1: coordinates"):
        density(as_row([ATOMS[0], (*ATOMS[1][:5], (0.0, np.nan, 0.0), *ATOMS[1][6:])]), **OPTIONS)
    with pytest.raises(FormatError, match="atom N of residue GLY A/1: occupancy -1"):
        density({**as_row(ATOMS), "occupancy": [-1.0, 1.0, 1.0]}, **OPTIONS)
    with pytest.raises(FormatError, match="all occupancies are 0"):
        density({**as_row(ATOMS), "occupancy": [0.0] * 3}, **OPTIONS)


@pytest.mark.parametrize("structure", [None, 12, b"1aki", "", [], {}, [None]])
def test_what_is_no_structure_is_told(structure):
    with pytest.raises(OptionError, match="expected the path of a structure"):
        density(structure, **OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixel_size": 0}, "pixel_size is 0"),
        ({"pixel_size": None}, "pixel_size is None"),
        ({"box": 0}, "box is 0"),
        ({"box": 2.5}, "box is 2.5"),
        ({"resolution": 2.9}, "resolution is 2.9: expected 3 Å or more"),
        ({"b_factor": -1.0}, "b_factor is -1.0"),
        ({"b_factor": True}, "b_factor is True"),
        ({"b_factor": float("nan")}, "b_factor is nan"),
        ({"solvent": 1}, "solvent is 1"),
        ({"box": 4}, r"9 Å in diameter, which a box of 4 voxels of 1.5 Å does not hold: expected 6 or more"),
    ],
)
def test_bad_options_are_told(options, message):
    with pytest.raises(OptionError, match=message):
        density(as_row(ATOMS), **{**OPTIONS, **options})


def test_the_box_that_is_asked_for_is_enough():
    atoms = as_row(ATOMS)
    assert density(atoms, **{**OPTIONS, "box": 6}).shape == (6, 6, 6)
    chosen = density(atoms, pixel_size=1.5)
    assert chosen.shape[0] % 2 == 0
    assert 6 < chosen.shape[0] <= 12


def test_real_structures_are_drawn(shared):
    folder: Path = shared / "data" / "struct"
    assert len(densities(folder / "pdb1ejg.pdb", pixel_size=2.0)) > 1  # alternatives
    assert len(densities(folder / "1v5a-3models.cif", pixel_size=2.0)) == 3
    one, other = (density(folder / f"1aki.{suffix}", pixel_size=2.0, box=48) for suffix in ("cif", "pdb"))
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_coordinates_that_are_no_numbers_are_told():
    for columns in ({"coordinates": [["a", "b", "c"]]}, {"coordinates": [[0, 0, 0]], "b_factor": ["x"]}):
        with pytest.raises(FormatError, match=r"made: .* that are no numbers"):
            densities({"id": "made", "element": ["C"], **columns}, pixel_size=2.0)
