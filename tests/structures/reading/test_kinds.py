"""Water under the names that programs give it; what only has such a name, or only such atoms, stays and is told."""

import gemmi
import pytest

from builders.structures.arrays import atoms_of
from builders.structures.cleaning.clean import remove
from builders.structures.reading.kinds import has_atoms_of_water, is_water
from builders.structures.reading.parse import load
from tests.structures.models import as_cif, as_pdb, protein
from tests.structures.samples import words

# As force fields and programs write a water: name of the residue, and of its atoms with their elements.
WATERS = {
    "gromacs spc": ("SOL", "OW:O HW1:H HW2:H"),
    "gromacs tip4p": ("SOL", "OW:O HW1:H HW2:H MW:X"),
    "gromacs tip5p": ("SOL", "OW:O HW1:H HW2:H LP1:X LP2:X"),
    "charmm": ("TIP3", "OH2:O H1:H H2:H"),
    "charmm drude": ("SWM4", "OH2:O DOH2:D LP:X H1:H H2:H"),
    "amber leap": ("TP3", "O:O H1:H H2:H"),
    "amber tip4p-ew": ("WAT", "O:O H1:H H2:H EPW:X"),
    "amber tip5p": ("TP5", "O:O H1:H H2:H EP1:X EP2:X"),
    "opc": ("OPC", "O:O H1:H H2:H EPW:X"),
    "desmond": ("T3P", "OW:O HW2:H HW3:H"),
    "desmond tip4p": ("T4P", "OW:O HW2:H HW3:H MW4:X"),
    "maestro": ("SPC", "O:O H1:H H2:H"),
    "gromos": ("H2O", "OW:O HW1:H HW2:H"),
    "without hydrogens": ("TIP", "O:O"),
    "heavy": ("D2O", "O:O D1:D D2:D"),
    "a slip of the pen": ("H20", "O:O"),
    "in small letters": ("sol", "OW:O HW1:H HW2:H"),
    "one letter": ("W", "O:O H1:H H2:H"),
}
LIGANDS = {
    "carbon": ("SOL", "C1:C O1:O"),
    "two oxygens": ("SOL", "O1:O O2:O"),
    "tungsten": ("W", "W:W"),
    "a bead of Martini": ("W", "W:X"),
    "three hydrogens": ("TIP", "O:O H1:H H2:H H3:H"),
    "a lipid": ("OPC", "C1:C C2:C O1:O P:P N:N"),
}


def with_residues(*residues):
    """A protein with these at the end of its chain."""
    structure = protein("MKHW", waters=1, ligand=True)
    chain = structure[0][len(structure[0]) - 1]
    for number, (name, atoms) in enumerate(residues):
        residue = gemmi.Residue()
        residue.name, residue.seqid, residue.het_flag = name, gemmi.SeqId(2000 + number, " "), "H"
        residue.subchain, residue.entity_type = f"Z{number}", gemmi.EntityType.NonPolymer
        for at, text in enumerate(atoms.split()):
            atom = gemmi.Atom()
            atom.name, element = text.split(":")
            atom.element, atom.pos = gemmi.Element(element), gemmi.Position(50 + at, number, 1)
            residue.add_atom(atom)
        chain.add_residue(residue)
    return structure


@pytest.mark.parametrize("write", [as_cif, as_pdb])
@pytest.mark.parametrize(("name", "atoms"), WATERS.values(), ids=WATERS)
def test_water_is_water_whatever_it_is_called(name, atoms, write, caplog):
    loaded = load(write(with_residues((name, atoms))).encode(), "x")
    before = set(words(atoms_of(loaded, 0).residue_name))
    assert {"GOL", "HG"} <= before
    remove(loaded, ["water"])
    left = set(words(atoms_of(loaded, 0).residue_name))
    assert left == before - {name, name[:3], "HOH"}
    assert all(atoms_of(loaded, 0).residue_number < 1000)
    assert caplog.messages == []


@pytest.mark.parametrize(("name", "atoms"), LIGANDS.values(), ids=LIGANDS)
def test_a_ligand_that_is_named_as_water_stays_and_is_told(name, atoms, caplog):
    loaded = load(as_cif(with_residues((name, atoms), (name, atoms))).encode(), "x")
    remove(loaded, ["water"])
    assert {"GOL", "HG", name} <= set(words(atoms_of(loaded, 0).residue_name))
    (message,) = caplog.messages
    assert message == f"x: 2 residues are named as water, but have other atoms, and were kept: {name} (2)"
    remove(loaded, ["hetatms"])
    assert set(words(atoms_of(loaded, 0).residue_name)) == {"MSE", "LYS", "HIS", "TRP"}


def test_what_has_the_atoms_of_water_and_another_name_stays_and_is_told(caplog):
    loaded = load(as_cif(with_residues(("QQQ", "O:O H1:H"), ("OH", "O:O HO:H"))).encode(), "x")
    remove(loaded, ["water"])
    assert {"QQQ", "OH"} <= set(words(atoms_of(loaded, 0).residue_name))
    (message,) = caplog.messages
    assert message == "x: 1 residues are of the atoms of water, but not named so, and were kept: QQQ (1)"


def test_what_a_file_states_to_be_water_is_water():
    residue = with_residues(("XYZ", "O:O"))[0][-1][-1]
    assert not is_water(residue)
    residue.entity_type = gemmi.EntityType.Water
    assert is_water(residue)


def test_alternatives_and_repeated_numbers_count_once():
    residue = with_residues(("SOL", "O:O H1:H H2:H O:O H1:H H2:H"))[0][-1][-1]
    assert has_atoms_of_water(residue)


@pytest.mark.parametrize("chain", [" ", "W", "A"])
def test_names_of_four_letters_in_a_pdb_file_leave_the_chain_its_name(chain):
    """CHARMM's columns 18 to 21; gemmi reads the fourth letter as the chain's first."""
    line = "ATOM  {:5} {:4} {:4}{}{:4}    {:8.3f}   2.000   3.000  1.00  0.00      WT1\n"
    text = "".join(
        line.format(3 * r + a, f" {name:3}", residue, chain, r + 1, 3.0 * r + a)
        for r, residue in enumerate(("TIP3", "TIP4", "SPCE"))
        for a, name in enumerate(("OH2", "H1", "H2"))
    )
    protein_atoms = "ATOM     90  CA  GLY A   9       1.000   2.000   9.000  1.00  0.00\n"
    loaded = load((protein_atoms + text).encode(), "x.pdb")
    atoms = atoms_of(loaded, 0)
    assert set(words(atoms.chain)) == {"A", chain.strip()}
    assert words(atoms.element)[1:4] == ["O", "H", "H"]
    remove(loaded, ["water"])
    assert words(atoms_of(loaded, 0).residue_name) == ["GLY"]


def test_chains_of_two_letters_keep_them():
    text = "HETATM    1  O1  TIP3X   1       1.000   2.000   3.000  1.00  0.00           O\n"
    loaded = load(text.replace("O1 ", "C1 ").encode(), "x.pdb")  # no atom of water
    assert words(atoms_of(loaded, 0).chain) == ["3X"]
