"""The structures made by code are what their arguments say, in both formats and for two readers."""

import io

import gemmi
import pytest
from Bio.PDB import MMCIFParser, PDBParser

from tests.structures.models import Chain, alphafold_model, as_cif, as_pdb, drawn_sequence, protein

MADE = {
    "plain": protein(drawn_sequence("P45523", 40)),
    "models": protein(drawn_sequence("P45523", 30), models=3, altlocs=4, missing=5, author_start=-8),
    "two": protein("MAHGK", second_chain=Chain("GHKLM", "B", ("P69905", 7), author_start=101)),
    "bare": protein("MAHGK", waters=0, ligand=False, hydrogens=False, modified=False, uniprot=None),
    "microscopy": protein("MAHGK", method="ELECTRON MICROSCOPY", resolution=3.5),
    "alphafold": alphafold_model("P45523", drawn_sequence("P45523", 60)),
}


def atoms(structure):
    return [
        (str(each.residue.seqid), each.chain.name, each.residue.name, each.atom.name, each.atom.altloc)
        for model in structure
        for each in model.all()
    ]


@pytest.mark.parametrize("structure", MADE.values(), ids=MADE)
def test_both_formats_read_as_what_was_made(structure):
    cif, pdb = as_cif(structure), as_pdb(structure)
    others = [MMCIFParser(QUIET=True).get_structure("x", io.StringIO(cif))]
    others.append(PDBParser(QUIET=True).get_structure("x", io.StringIO(pdb)))
    for read in (gemmi.make_structure_from_block(gemmi.cif.read_string(cif).sole_block()), gemmi.read_pdb_string(pdb)):
        assert sorted(atoms(read)) == sorted(atoms(structure))
        assert read.resolution == structure.resolution
    for other in others:
        counts = [sum(len(residue.get_unpacked_list()) for residue in model.get_residues()) for model in other]
        assert counts == [model.count_atom_sites() for model in structure]
    assert cif.endswith("\n#\n" if structure.name.startswith("AF-") else "\n# \n")
    assert pdb.splitlines()[-1].rstrip() == "END"


def test_numbers_of_the_author_are_not_those_of_uniprot():
    block = gemmi.cif.read_string(as_cif(MADE["two"])).sole_block()
    tags = ["seq_align_beg", "seq_align_end", "pdbx_db_accession", "db_align_beg", "pdbx_auth_seq_align_beg"]
    assert [list(row) for row in block.find("_struct_ref_seq.", tags)] == [
        ["1", "5", "P45523", "1", "1"],
        ["1", "5", "P69905", "7", "101"],
    ]
    lines = [line.split() for line in as_pdb(MADE["two"]).splitlines() if line.startswith("DBREF")]
    assert [(line[2], line[3], line[6], line[8]) for line in lines] == [
        ("A", "1", "P45523", "1"),
        ("B", "101", "P69905", "7"),
    ]


def test_what_a_structure_is_made_of():
    structure = MADE["plain"]
    found = list(structure[0].all())
    modified = [each for each in found if each.residue.name == "MSE"]
    assert modified
    assert {each.residue.het_flag for each in modified} == {"H"}
    assert {each.residue.entity_type for each in modified} == {gemmi.EntityType.Polymer}
    assert [each.atom.element.name for each in found if each.residue.name == "HG"] == ["Hg"]
    assert sum(each.residue.is_water() and each.atom.name == "O" for each in found) == 3
    assert sum(each.atom.element.name == "D" for each in found) == 1
    assert [each.atom.occ for each in MADE["models"][0].all() if each.atom.altloc != "\0"][:2] == pytest.approx(
        [0.4, 0.6]
    )
    assert MADE["models"][0]["A"][0].seqid.num == -3
    assert MADE["models"][0]["A"][0].label_seq == 6
