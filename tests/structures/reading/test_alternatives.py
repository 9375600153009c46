import pytest

from builders.structures.arrays import atoms_of
from builders.structures.reading.parse import load, select
from tests.structures.samples import CIF, pdb, places_of, read, rows_of, words


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("1orc.pdb", {}),
        ("5i55.cif", {}),
        ("4ZJK.pdb.gz", {}),
        ("disordered.pdb", {}),
        ("4ZKK.cif", {}),
        # Of several residues at one place: the most occupied, otherwise that of label A.
        ("pdb1ejg.pdb", {22: "PRO", 25: "LEU"}),
        ("3JQH.cif", {1: "PRO", 15: "ARG"}),
        ("1pfe.cif.gz", {3: "N2C", 7: "NCY"}),
    ],
)
def test_one_alternative_of_each_atom_is_left(shared, name, kept):
    loaded = read(name)
    every = atoms_of(loaded, 0)
    select(loaded)
    best = atoms_of(loaded, 0)
    places = set(places_of(best))
    assert len(places) == len(best.hetero)
    # Nothing is lost but what is another residue's.
    names = {place[:3]: name for place, name in zip(places_of(best), words(best.residue_name), strict=True)}
    same = [names[place[:3]] == name for place, name in zip(places_of(every), words(every.residue_name), strict=True)]
    assert {place for place, is_same in zip(places_of(every), same, strict=True) if is_same} == places
    assert {int(number): name for (_, number, _), name in names.items() if number in kept and name != "HOH"} == kept
    assert all(same) == (not kept)
    # What is left is as it was.
    assert set(rows_of(best)) <= set(rows_of(every))
    select(loaded)
    assert rows_of(atoms_of(loaded, 0)) == rows_of(best)


@pytest.mark.parametrize(
    ("atoms", "left"),
    [
        # By mean occupancy, then by label.
        (["CA A GLY A 1 1 .4 C", "CA B GLY A 1 2 .6 C"], [2]),
        (["CA B GLY A 1 1 .5 C", "CA A GLY A 1 2 .5 C"], [2]),
        # The mean of a label decides, not one atom's occupancy.
        (["N A GLY A 1 1 .3 N", "CA A GLY A 1 2 .9 C", "N B GLY A 1 3 .7 N", "CA B GLY A 1 4 .7 C"], [3, 4]),
        # Not the last bits of a mean, either.
        ([f"{n} A SER A 1 {i} .35 C" for i, n in enumerate("ABCDEFG")] + ["A B SER A 1 7 .35 C"], list(range(7))),
        # An atom that only a lower label has stays, and so do those without one.
        (["N _ SER A 1 1 1 N", "OG A SER A 1 2 .6 O", "OG B SER A 1 3 .4 O", "HG B SER A 1 4 .4 H"], [1, 2, 4]),
        # No label is one, too, where others have the name of the atom.
        (["OG _ SER A 1 1 .1 O", "OG A SER A 1 2 .9 O"], [2]),
        (["OG _ SER A 1 1 .5 O", "OG A SER A 1 2 .5 O"], [1]),
        (["N _ SER A 1 1 1 N", "CB _ SER A 1 2 .4 C", "CB B SER A 1 3 .6 C", "OG _ SER A 1 4 .4 O"], [1, 3, 4]),
        (["N _ SER A 1 1 .6 N", "N A SER A 1 2 .3 N", "C _ SER A 1 3 .2 C", "C A SER A 1 4 .6 C"], [2, 4]),
        # Of two residues, one, also where atoms of them alternate.
        (["CA A SER A 1 1 .4 C", "CA B PRO A 1 2 .6 C", "CB A SER A 1 3 .4 C", "CD B PRO A 1 4 .6 C"], [2, 4]),
        (["CA A SER A 1 1 .4 C", "CA A SER A 1A 2 .4 C", "CA A SER B 1 3 .4 C"], [1, 2, 3]),
        # Atoms twice without a label are no alternatives.
        (["CA _ SER A 1 1 .4 C", "CA _ SER A 1 2 .6 C"], [1, 2]),
        (["CA _ SER A 1 1 .4 C", "CA _ SER A 1 2 .6 C", "CB A SER A 1 3 .4 C", "CB B SER A 1 4 .6 C"], [1, 2, 4]),
    ],
)
def test_alternatives_are_ranked(atoms, left):
    loaded = load(pdb(*atoms), "a.pdb")
    select(loaded)
    assert atoms_of(loaded, 0).coordinates[:, 0].tolist() == left


def test_of_ligands_that_alternate_in_subchains_of_their_own_one_is_left():
    # Two anomers of a sugar; a water that happens to have a ligand's number is no alternative of it.
    rows = [
        *(f"HETATM {i} C C{i} A GLC R 3 . 1.0 {i}.0 3.0 0.4 101 A" for i in (5, 6)),
        *(f"HETATM {i} C C{i - 2} B BGC S 4 . 1.0 {i}.0 3.0 0.6 101 A" for i in (7, 8)),
        *(f"HETATM {i} C C{i} {label} GOL T 5 . 1.0 {i}.0 3.0 0.5 102 A" for i, label in ((9, "A"), (10, "B"))),
        "HETATM 11 O O . HOH U 6 . 1.0 11.0 3.0 1.0 102 A",
    ]
    text = CIF.replace("_atom_site.auth_seq_id", "_atom_site.occupancy\n_atom_site.auth_seq_id")
    protein = [f"{line[:-6]} 1.0 {line[-5:]}" if line.startswith("ATOM") else line for line in text.splitlines()]
    loaded = load("\n".join([*protein, *rows, ""]).encode(), "a.cif")
    select(loaded)
    names = words(atoms_of(loaded, 0).residue_name)
    assert [(name, names.count(name)) for name in ("GLC", "BGC", "GOL", "HOH")] == [
        ("GLC", 0),
        ("BGC", 2),
        ("GOL", 2),
        ("HOH", 1),
    ]
