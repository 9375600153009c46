import numpy as np
import pyarrow as pa
import pytest

from builders.structures.arrays import Chain, atoms_of, chains_of, table_columns
from builders.structures.reading.parse import load
from builders.structures.uniprot.references import Segment
from tests.structures.samples import CIF, pdb, read, words


@pytest.mark.parametrize(("name", "author"), [("2d7t.pdb", ["52A", "82A", "82B", "82C"]), ("1orc.pdb", None)])
def test_insertion_codes_are_apart_from_numbers(shared, name, author):
    atoms = atoms_of(read(name), 0)
    codes = zip(atoms.residue_number, words(atoms.insertion_code), strict=True)
    found = list(dict.fromkeys(f"{number}{code}" for number, code in codes if code))
    assert found == (author or ["56A", "56B", "56C", "56D", "56E"])


def test_order_of_atoms_is_that_of_the_file(shared):
    for name in ("4hhb.cif", "4hhb.pdb"):
        loaded = load((shared / "wire" / "rcsb" / name).read_bytes(), name)
        serials = [atom.serial for chain in loaded.structure[0] for residue in chain for atom in residue]
        assert serials == sorted(serials)
        assert [chain.name for chain in chains_of(loaded, 0)] == ["A", "B", "C", "D"]


def test_both_formats_of_an_entry_say_the_same(shared):
    folder = shared / "wire" / "rcsb"
    for entry in ("4hhb.{}", "7n0r.{}.gz"):
        cif, text = (load((folder / entry.format(kind)).read_bytes(), entry) for kind in ("cif", "pdb"))
        a, b = table_columns(atoms_of(cif, 0)), table_columns(atoms_of(text, 0))
        # PDB has three and two decimals, mmCIF has more in one of them.
        np.testing.assert_allclose(*(np.array(c.pop("coordinates").to_pylist()) for c in (a, b)), atol=6e-4)
        np.testing.assert_allclose(*(c.pop("b_factor").to_numpy() for c in (a, b)), atol=6e-3)
        assert a == b
        ours, theirs = chains_of(cif, 0), chains_of(text, 0)
        assert [(c.name, c.sequence, c.uniprot) for c in ours] == [(c.name, c.sequence, c.uniprot) for c in theirs]
        assert all(c.label and c.entity for c in ours)
        assert not any(c.label or c.entity for c in theirs)


def test_columns_of_a_table(shared):
    columns = table_columns(atoms_of(read("1aki.cif"), 0))
    assert {len(column) for column in columns.values()} == {1079}
    assert columns["coordinates"].type == pa.list_(pa.float32(), 3)
    texts = {"element", "atom_name", "residue_name", "insertion_code", "chain", "altloc"}
    assert {name for name, column in columns.items() if column.type == pa.string()} == texts
    label, uniprot = columns["sequence_position"].to_pylist(), columns["uniprot_position"].to_pylist()
    water = columns["residue_name"].to_pylist().index("HOH")
    # 1aki is residues 19 to 147 of P00698; its water has no place in a sequence.
    assert [position + 18 for position in label[:water]] == uniprot[:water]
    assert {*label[water:], *uniprot[water:]} == {None}
    assert columns["insertion_code"].null_count == 0


def test_polymers_are_not_hetero(shared):
    for name, chain_names, names in [
        ("hetatm-polymer.pdb", ["B"], set()),
        ("1A8O.pdb", ["A"], {"HOH"}),
        ("1A8O.cif", ["A"], {"HOH"}),
        ("1pfe.cif.gz", ["A", "B"], {"CL", "HOH", "QUI"}),
        # Caps and residues of a force field, without TER, without a name that gemmi knows.
        ("helix_amber.pdb", ["", "B"], set()),
        ("noChainNameTerRecords.pdb", [""], {"Na+", "WAT"}),
        ("no-polymer.pdb", ["A"], {"GTP"}),
        ("calcium-calpha-example.pdb", ["A"], {"CA"}),
    ]:
        loaded = read(name)
        atoms = atoms_of(loaded, 0)
        assert set(words(atoms.residue_name[atoms.hetero])) == names
        assert [chain.name for chain in chains_of(loaded, 0)] == chain_names
    assert chains_of(read("no-polymer.pdb"), 0) == [Chain("A")]
    assert [chain.sequence for chain in chains_of(read("helix_amber.pdb"), 0)][1] == "XCX"


def test_a_long_chain_name_is_whole(shared):
    loaded = read("fibronectin_af_ca_1358_1537.cif")
    assert set(words(atoms_of(loaded, 0).chain)) == {"AZLONG"}
    assert [chain.name for chain in chains_of(loaded, 0)] == ["AZLONG"]


def test_names_of_any_length(shared):
    text = (shared / "data" / "struct" / "4m4b-minimal-w-assembly.cif").read_text()
    head, rows = text.split("_atom_site.auth_asym_id")[0], text.count("\nATOM")
    longer = load(text.replace(" ALA ", " ALANYL-RESIDUE ").replace(" CA ", " C-ALPHA-123 ").encode(), "long.cif")
    short = load(text.encode(), "short.cif")
    a, b = atoms_of(longer, 0), atoms_of(short, 0)
    assert head
    assert len(a.hetero) == rows
    replaced = [{b"ALA": b"ALANYL-RESIDUE"}.get(name, name) for name in b.residue_name.tolist()]
    assert a.residue_name.tolist() == replaced
    assert a.atom_name.tolist() == [{b"CA": b"C-ALPHA-123"}.get(name, name) for name in b.atom_name.tolist()]
    for column in ("coordinates", "element", "chain", "residue_number", "occupancy", "altloc"):
        np.testing.assert_array_equal(getattr(a, column), getattr(b, column))


ENTITIES = """loop_
_entity.id
_entity.type
1 polymer
2 polymer
loop_
_entity_poly.entity_id
_entity_poly.type
1 polypeptide(L)
2 polypeptide(L)
loop_
_entity_poly_seq.entity_id
_entity_poly_seq.num
_entity_poly_seq.mon_id
1 1 GLY
1 2 ALA
2 1 GLY
2 2 ALA
"""


def test_two_polymers_of_one_author_chain_are_two():
    for text in (CIF, CIF + ENTITIES):
        loaded = load(text.encode(), "a.cif")
        # Entities of one sequence stay two where the file says so.
        assert [(c.name, c.label, c.entity, c.sequence) for c in chains_of(loaded, 0)] == [
            ("A", "P", "1", "GA"),
            ("A", "Q", "2", "GA"),
        ]


def test_a_polymer_that_another_chain_interrupts_is_one():
    atoms = ["N _ GLY A 1 1 1 N", "CA _ GLY B 1 2 1 C", "CA _ ALA A 2 3 1 C"]
    loaded = load(pdb(*atoms), "a.pdb")
    assert [(c.name, c.sequence) for c in chains_of(loaded, 0)] == [("A", "GA"), ("B", "G")]
    assert [chain.name for chain in loaded.structure[0]] == ["A", "B"]


SUGAR = "HETATM{0:5}  {1:<3} {2} B{3:4}    {3:8.3f}{0:8.3f}   3.000  1.00 10.00           {4}\n"
SUGARS = "".join(
    SUGAR.format(10 * place + number, name, residue, place, name[0])
    for place, residue in enumerate(["NAG", "NAG", "BMA"], 1)
    for number, name in enumerate(["C1", "C2", "O5"])
)


def test_a_chain_of_sugars_is_no_polymer():
    loaded = load((SUGARS + "TER\nEND\n").encode(), "sugars.pdb")
    assert atoms_of(loaded, 0).hetero.all()
    assert [(chain.name, chain.sequence) for chain in chains_of(loaded, 0)] == [("B", "")]


def test_of_residues_of_several_names_at_one_position_the_first_is_in_the_sequence():
    loaded = load(pdb("CA A SER A 1 1 .4 C", "CA B PRO A 1 2 .6 C", "CA _ GLY A 2 3 1 C"), "a.pdb")
    assert [chain.sequence for chain in chains_of(loaded, 0)] == ["SG"]


def test_where_segments_overlap_the_first_counts():
    loaded = load(CIF.encode(), "a.cif")
    loaded.segments = [Segment("P", "P05067", 2, 2, 17, "file"), Segment("P", "P69905", 1, 2, 101, "file")]
    assert atoms_of(loaded, 0).uniprot_position.tolist() == [101, 17, 0, 0]


def test_without_sequence_records_positions_count_what_is_there(shared):
    loaded = load((shared / "data" / "struct" / "hetatm-polymer.pdb").read_bytes(), "hetatm-polymer.pdb")
    atoms, (chain,) = atoms_of(loaded, 0), chains_of(loaded, 0)
    assert chain.sequence == "LMQ"
    assert sorted(set(zip(atoms.residue_number.tolist(), atoms.sequence_position.tolist(), strict=True))) == [
        (49, 1),
        (50, 2),
        (51, 3),
    ]


def test_a_number_that_the_file_does_not_give_is_null():
    tags = "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_entity_id".split()
    tags += "label_seq_id Cartn_x Cartn_y Cartn_z auth_seq_id auth_asym_id".split()
    text = "data_x\nloop_\n" + "".join(f"_atom_site.{tag}\n" for tag in tags)
    text += "HETATM 1 C C1 . LIG A 1 . 1.0 2.0 3.0 ? A\nHETATM 2 C C2 . LIG A 1 . 2.0 2.0 3.0 ? A\n"
    columns = table_columns(atoms_of(load(text.encode(), "x.cif"), 0))
    assert columns["residue_number"].to_pylist() == [None, None]
