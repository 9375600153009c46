import re

import numpy as np
import pytest

from builders.structures.arrays import atoms_of
from builders.structures.reading.parse import load
from builders.structures.reading.pdb_text import guess_element, repair
from tests.structures.samples import pdb, read, words


def test_deuterium_and_mercury_are_what_they_are():
    water = [
        "O _ DOD A 1 1 1 O",
        "D1 _ DOD A 1 2 1 D",
        "HG _ HG A 2 3 1 HG",
        "HG1 _ THR A 3 4 1 H",
        "XX _ UNL A 4 5 1 X",
    ]
    assert words(atoms_of(load(pdb(*water), "a.pdb"), 0).element) == ["O", "D", "Hg", "H", "X"]


@pytest.mark.parametrize(
    "name", ["1A8O.pdb", "4ZJK.pdb.gz", "pdb1ejg.pdb", "no-polymer.pdb", "1bna.pdb", "multi-model.pdb"]
)
def test_elements_left_out_are_found_again(shared, name):
    loaded = read(name)
    text = loaded.structure.make_pdb_string()
    without = re.sub(r"(?m)^((?:ATOM  |HETATM).{70}).*", r"\1", text)
    assert without != text
    again = load(without.encode(), name)
    np.testing.assert_array_equal(atoms_of(again, 0).element, atoms_of(loaded, 0).element)


@pytest.mark.parametrize(
    ("atom", "residue", "hetero", "element"),
    [
        (" CA ", "ALA", False, "C"),
        ("CA  ", "HIE", False, "C"),
        ("CA  ", "CA", True, "CA"),
        ("HE21", "GLN", False, "H"),
        ("1HB ", "ALA", False, "H"),
        ("HO5'", "DA", False, "H"),
        ("HG  ", "SER", False, "H"),
        ("HG  ", "HG", True, "HG"),
        ("HO2 ", "LIG", True, "H"),
        ("FE  ", "HEM", True, "FE"),
        (" NA ", "HEM", True, "N"),
        ("SE  ", "MSE", True, "SE"),
        ("CL1 ", "LIG", True, "CL"),
        ("ZN  ", "ZN2", False, "ZN"),
        ("    ", "UNK", False, "X"),
        (" ?  ", "UNK", False, "X"),
    ],
)
def test_guesses_of_elements(atom, residue, hetero, element):
    assert guess_element(atom, residue, hetero) == element


def test_numbers_of_lines_are_no_elements():
    lines = [
        "ATOM      1  CA  GLY A   1       1.000   2.000   3.000  1.00  9.00      1ABC  90",
        "ATOM      2  CA  GLY A   2       1.000   2.000   3.000  1.00  9.00      1ABC 100",
    ]
    repaired = repair("\n".join(lines).encode(), "a.pdb").decode().split("\n")
    assert [line[66:] for line in repaired] == ["           C  "] * 2
