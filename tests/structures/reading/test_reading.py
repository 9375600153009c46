"""Files that lack something, or hold something that is none: the atoms are had, and what was done about it is said."""

import re

import gemmi
import pytest

from builders.errors import FormatError, TruncatedError
from builders.structures.arrays import atoms_of, chains_of
from builders.structures.cleaning.clean import remove
from builders.structures.cleaning.writing import write
from builders.structures.reading.parse import load, select
from tests.structures.models import Chain, as_cif, as_pdb, protein
from tests.structures.samples import pdb, rows_of, words

SEQUENCE = "MHCAAGCWKP"
STRUCTURE = protein(SEQUENCE, models=2, altlocs=1, waters=2, second_chain=Chain("GGSH", "B"))
# Made up: categories that the parser reads, besides those of the structure.
ANNOTATIONS = """\
_exptl.entry_id 1TST
_exptl.method 'X-RAY DIFFRACTION'
_exptl.crystals_number 1
loop_ _struct_conf.conf_type_id _struct_conf.id _struct_conf.beg_auth_asym_id _struct_conf.beg_label_comp_id
_struct_conf.beg_auth_seq_id _struct_conf.end_auth_asym_id _struct_conf.end_label_comp_id _struct_conf.end_auth_seq_id
_struct_conf.pdbx_PDB_helix_class _struct_conf.pdbx_PDB_helix_length HELX_P 1 A CYS 3 A GLY 6 1 4
loop_ _struct_sheet_range.sheet_id _struct_sheet_range.id _struct_sheet_range.beg_auth_asym_id
_struct_sheet_range.beg_label_comp_id _struct_sheet_range.beg_auth_seq_id _struct_sheet_range.end_auth_asym_id
_struct_sheet_range.end_label_comp_id _struct_sheet_range.end_auth_seq_id A 1 A CYS 7 A LYS 9
loop_ _struct_conn.id _struct_conn.conn_type_id _struct_conn.ptnr1_auth_asym_id _struct_conn.ptnr2_auth_asym_id
_struct_conn.ptnr1_label_comp_id _struct_conn.ptnr2_label_comp_id _struct_conn.ptnr1_label_atom_id
_struct_conn.ptnr2_label_atom_id _struct_conn.ptnr1_auth_seq_id _struct_conn.ptnr2_auth_seq_id
_struct_conn.pdbx_ptnr1_label_alt_id _struct_conn.pdbx_dist_value 1 disulf A A CYS CYS CB CB 3 7 ? 2.0
loop_ _struct_mon_prot_cis.pdbx_PDB_model_num _struct_mon_prot_cis.auth_asym_id _struct_mon_prot_cis.auth_seq_id
_struct_mon_prot_cis.label_comp_id _struct_mon_prot_cis.pdbx_auth_seq_id_2 _struct_mon_prot_cis.label_alt_id
1 A 9 LYS 10 ?
loop_ _pdbx_struct_mod_residue.auth_asym_id _pdbx_struct_mod_residue.auth_seq_id
_pdbx_struct_mod_residue.auth_comp_id A 1 MSE
loop_ _pdbx_struct_assembly.id _pdbx_struct_assembly.details _pdbx_struct_assembly.method_details
_pdbx_struct_assembly.oligomeric_details _pdbx_struct_assembly.oligomeric_count
1 author_defined_assembly ? dimeric 2
loop_ _pdbx_struct_assembly_gen.assembly_id _pdbx_struct_assembly_gen.oper_expression
_pdbx_struct_assembly_gen.asym_id_list 1 1 A,B
loop_ _pdbx_struct_oper_list.id _pdbx_struct_oper_list.type _pdbx_struct_oper_list.matrix[1][1]
_pdbx_struct_oper_list.matrix[1][2] _pdbx_struct_oper_list.matrix[1][3] _pdbx_struct_oper_list.vector[1]
_pdbx_struct_oper_list.matrix[2][1] _pdbx_struct_oper_list.matrix[2][2] _pdbx_struct_oper_list.matrix[2][3]
_pdbx_struct_oper_list.vector[2] _pdbx_struct_oper_list.matrix[3][1] _pdbx_struct_oper_list.matrix[3][2]
_pdbx_struct_oper_list.matrix[3][3] _pdbx_struct_oper_list.vector[3] 1 'identity operation' 1 0 0 0 0 1 0 0 0 0 1 0
loop_ _pdbx_sifts_xref_db.entity_id _pdbx_sifts_xref_db.asym_id _pdbx_sifts_xref_db.seq_id_ordinal
_pdbx_sifts_xref_db.seq_id _pdbx_sifts_xref_db.observed _pdbx_sifts_xref_db.unp_res _pdbx_sifts_xref_db.unp_num
_pdbx_sifts_xref_db.unp_acc 1 A 1 1 y M 1 P45523 1 A 1 2 y H 2 P45523
loop_ _atom_site_anisotrop.id _atom_site_anisotrop.U[1][1] _atom_site_anisotrop.U[2][2] _atom_site_anisotrop.U[3][3]
_atom_site_anisotrop.U[1][2] _atom_site_anisotrop.U[1][3] _atom_site_anisotrop.U[2][3] 1 .1 .1 .1 0 0 0
"""
CIF = re.sub(r"(?m)^_exptl\..*\n", "", as_cif(STRUCTURE)) + ANNOTATIONS
JUNK = ("junk", "-1", "99999999999999999999")


def damaged(text, tag, value):
    block = gemmi.cif.read_string(text).sole_block()
    column = block.find_values(tag)
    for row in range(len(column)):
        column[row] = value
    return block.as_string().encode()


def tags_of(category):
    return list(gemmi.cif.read_string(CIF).sole_block().find_mmcif_category(category).tags)


WHOLE = load(CIF.encode(), "x.cif")
CATEGORIES = [c for c in gemmi.cif.read_string(CIF).sole_block().get_mmcif_category_names() if c != "_atom_site."]


def test_the_sample_has_what_is_to_be_damaged():
    structure = WHOLE.structure
    assert [len(item) for item in (structure.helices, structure.sheets, structure.connections)] == [1, 1, 1]
    assert [len(item) for item in (structure.cispeps, structure.mod_residues, structure.assemblies)] == [1, 1, 1]
    assert [segment.accession for segment in WHOLE.segments] == ["P45523"]
    assert len(CATEGORIES) >= 20


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_damaged_annotation_costs_no_atoms(category, caplog):
    rows = rows_of(atoms_of(WHOLE, 0))
    for tag in tags_of(category):
        for junk in JUNK:
            loaded = load(damaged(CIF, tag, junk), "x.cif")
            assert rows_of(atoms_of(loaded, 0)) == rows
            assert len(loaded.structure) == 2
            if junk == JUNK[0]:
                assert write(loaded, "cif")
                select(loaded)
                remove(loaded, ["water", "hetatms"])
    assert len(caplog.messages) <= len(tags_of(category)) * len(JUNK)  # each file says it in a line
    assert all("read without what cannot be read of its annotations: _" in message for message in caplog.messages)


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        ("_entity_poly_seq.num", "junk", "_entity_poly_seq (not an integer"),
        ("_exptl.crystals_number", "junk", "_exptl (not an integer"),
        ("_struct_conf.beg_auth_seq_id", "junk", "_struct_conf ("),
        ("_pdbx_sifts_xref_db.seq_id", "77", "_pdbx_sifts_xref_db (_pdbx_sifts_xref_db: seq_id not found: 77)"),
        ("_pdbx_sifts_xref_db.asym_id", "Z", "_pdbx_sifts_xref_db (_pdbx_sifts_xref_db: asym_id not found: Z)"),
        ("_struct_conn.pdbx_ptnr1_label_alt_id", "junk", "_struct_conn (Not a single character: junk)"),
    ],
)
def test_what_is_left_out_is_told_with_its_reason_and_the_rest_is_kept(tag, value, said, caplog):
    loaded = load(damaged(CIF, tag, value), "x.cif")
    assert f"x.cif: read without what cannot be read of its annotations: {said}" in caplog.text
    left = len(loaded.structure.connections) + len(loaded.structure.helices) + len(loaded.structure.sheets)
    assert left == 3 - tag.startswith(("_struct_conn.", "_struct_conf."))


@pytest.mark.parametrize(
    "wrong",
    [
        "loop_\n_citation.id\n_citation.title\n1 'x' 2\n",
        "_struct.title one\n_struct.title two\n",
        "_struct.title\n_struct.entry_id x\n",
        "_struct.title it's mine\n",
        "_struct.title 'it is mine\n",
        "loop_\n_citation.id\n_citation.id\n1 2\n",
    ],
)
@pytest.mark.parametrize("separator", ["", "#\n"])
def test_text_of_an_annotation_that_is_no_cif_costs_no_atoms(wrong, separator, caplog):
    text = CIF.replace("# \n", separator)
    first = text.index("\n") + 1
    for data in (text + separator + wrong, text[:first] + wrong + separator + text[first:]):
        caplog.clear()
        loaded = load(data.encode(), "x.cif")
        assert rows_of(atoms_of(loaded, 0)) == rows_of(atoms_of(WHOLE, 0))
        assert (len(loaded.structure.helices), len(loaded.segments)) == (1, 1)
        (message,) = caplog.messages
        assert message.startswith("x.cif: read without what cannot be read of its annotations: ")
    with pytest.raises(FormatError, match=r"^x\.cif: not readable as mmCIF: "):
        load(re.sub(r"(?m)^(ATOM .*)$", r"\1 7", text, count=1).encode(), "x.cif")


def test_a_residue_that_one_model_lacks_is_still_numbered_by_uniprot():
    structure = STRUCTURE.clone()
    del structure[1]["A"][1]
    text = re.sub(r"(?m)^_exptl\..*\n", "", as_cif(structure)) + ANNOTATIONS
    text = re.sub(r"(?s)_struct_ref\..*?# \n", "", text)
    loaded = load(text.encode(), "x.cif")
    assert [model.count_atom_sites() > 100 for model in loaded.structure] == [True, True]
    assert [(s.accession, s.first, s.last, s.origin) for s in loaded.segments] == [("P45523", 1, 2, "file")]
    assert atoms_of(loaded, 0).uniprot_position.max() == 2


# columns of atoms


def without(text, *tags):
    block = gemmi.cif.read_string(text).sole_block()
    loop = block.find_loop("_atom_site.id").get_loop()
    for tag in tags:
        loop.remove_column(f"_atom_site.{tag}")
    return block.as_string().encode()


FILLED = ("id", "type_symbol", "label_alt_id", "label_asym_id")
LEFT_OPEN = ("group_PDB", "label_entity_id", "label_seq_id", "pdbx_PDB_ins_code", "pdbx_formal_charge", "auth_asym_id")
SAID_ONLY = ("occupancy", "B_iso_or_equiv")


@pytest.mark.parametrize("tag", [*FILLED, *LEFT_OPEN, *SAID_ONLY])
def test_a_column_that_is_not_there_is_filled_in(tag, caplog):
    whole = atoms_of(WHOLE, 0)
    loaded = load(without(CIF, tag), "x.cif")
    atoms = atoms_of(loaded, 0)
    assert len(loaded.structure) == 2
    assert (atoms.coordinates == whole.coordinates).all()
    for name in (
        "element",
        "atom_name",
        "residue_name",
        "residue_number",
        "hetero",
        "chain",
        "altloc",
        "sequence_position",
    ):
        if (tag, name) in {("label_alt_id", "altloc"), ("auth_asym_id", "chain")}:
            continue
        assert getattr(atoms, name).tolist() == getattr(whole, name).tolist(), name
    assert [chain.sequence for chain in chains_of(loaded, 0)][:2] == [chain.sequence for chain in chains_of(WHOLE, 0)][
        :2
    ]
    assert [chain.label for chain in chains_of(loaded, 0)][:2] == ["A", "B"]
    messages = [message for message in caplog.messages if "its atoms lack what was filled in" in message]
    assert len(messages) == (tag in (*FILLED, *SAID_ONLY))
    assert all(f" {tag} (" in message for message in messages)
    assert load(write(loaded), "again.cif").structure[0].count_atom_sites() == len(whole.altloc)


def test_all_that_can_be_is_filled_in_at_once(caplog):
    tags = [*FILLED, *LEFT_OPEN[:-1], *SAID_ONLY, "auth_seq_id", "pdbx_PDB_model_num"]
    atoms = atoms_of(load(without(as_cif(protein(SEQUENCE, models=1)), *tags), "x.cif"), 0)
    whole = atoms_of(load(as_cif(protein(SEQUENCE, models=1)).encode(), "x.cif"), 0)
    assert (atoms.coordinates == whole.coordinates).all()
    assert words(atoms.chain) == words(whole.chain)
    assert words(atoms.residue_name) == words(whole.residue_name)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("lacks", ["column", "?", "."])
def test_residues_without_author_numbers_are_told_apart(lacks, caplog):
    """Three alanines in a row, and three waters, would else be one alanine and one water."""
    text = as_cif(protein("AAAGG", hydrogens=False, modified=False, ligand=False))
    data = without(text, "auth_seq_id") if lacks == "column" else damaged(text, "_atom_site.auth_seq_id", lacks)
    atoms = atoms_of(load(data, "x.cif"), 0)
    numbers = [number for number, name in zip(atoms.residue_number, words(atoms.atom_name), strict=True) if name == "O"]
    assert numbers == [1, 2, 3, 4, 5, 6, 7, 8]
    assert "auth_seq_id (by label_seq_id, or counted)" in caplog.text


def test_elements_by_names_where_no_columns_align_them():
    named = {"FE": "Fe", "NA": "N", "CL1": "Cl", "CA": "C", "HB1": "H", "BR": "Br", "PB": "P", "ZN": "Zn", "O1A": "O"}
    rows = [("HETATM", name, "LIG", 1, element) for name, element in named.items()]
    rows += [("HETATM", "CA", "CA", 2, "Ca"), ("HETATM", "NA", "NA", 3, "Na"), ("ATOM", "CD1", "LEU", 4, "C")]
    tags = "group_PDB auth_atom_id auth_comp_id auth_seq_id Cartn_x Cartn_y Cartn_z"
    text = "data_x\nloop_\n" + "".join(f"_atom_site.{tag}\n" for tag in tags.split())
    text += "".join(
        f"{group} {name} {residue} {number} 0 0 {i}\n" for i, (group, name, residue, number, _) in enumerate(rows)
    )
    found = words(atoms_of(load(text.encode(), "x.cif"), 0).element)
    assert found == [element for *_, element in rows]
    unknown = text.replace("Cartn_z", "Cartn_z\n_atom_site.type_symbol")
    unknown = "\n".join(f"{line} ?" if "ATM" in line or "ATOM" in line else line for line in unknown.split("\n"))
    assert words(atoms_of(load(unknown.encode(), "x.cif"), 0).element) == found


@pytest.mark.parametrize(
    ("tag", "value", "column", "expected"),
    [
        ("label_alt_id", "AA", "altloc", "A"),
        ("pdbx_PDB_ins_code", "XY", "insertion_code", "A"),
        ("label_seq_id", "junk", "atom_name", None),
        ("pdbx_formal_charge", "2+", "atom_name", None),
        ("pdbx_PDB_model_num", "one", "atom_name", None),
        ("occupancy", "junk", "occupancy", 1.0),
        ("B_iso_or_equiv", "junk", "b_factor", 20.0),
    ],
)
def test_values_that_are_none_are_mended_aloud(tag, value, column, expected, caplog):
    text = as_cif(protein("MKHW"))
    loaded = load(damaged(text, f"_atom_site.{tag}", value), "x.cif")
    atoms = atoms_of(loaded, 0)
    whole = atoms_of(load(text.encode(), "x.cif"), 0)
    assert (atoms.coordinates == whole.coordinates).all()
    found = getattr(atoms, column).tolist()
    assert set(found) == {expected.encode() if isinstance(expected, str) else expected} if expected else found
    assert tag in caplog.text
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("tag", ["Cartn_x", "Cartn_y", "Cartn_z"])
def test_coordinates_are_not_filled_in(tag):
    with pytest.raises(FormatError, match=r"^x\.cif: "):
        load(without(CIF, tag), "x.cif")


def test_one_atom_that_is_no_loop():
    text = "data_x\n" + "".join(
        f"_atom_site.{name} {value}\n"
        for name, value in {
            "label_atom_id": "CA",
            "label_comp_id": "GLY",
            "Cartn_x": 1,
            "Cartn_y": 2,
            "Cartn_z": 3,
        }.items()
    )
    atoms = atoms_of(load(text.encode(), "x.cif"), 0)
    assert atoms.coordinates.tolist() == [[1, 2, 3]]
    assert (words(atoms.element), words(atoms.residue_name)) == (["C"], ["GLY"])


# PDB files

ATOMS = pdb("CA _ GLY A 1 1 1 C", "CA _ ALA A 2 4 1 C", end="")
MODEL, ENDMDL = b"MODEL %8d\n", b"ENDMDL\n"


@pytest.mark.parametrize(
    ("data", "numbers"),
    [
        (MODEL % 1 + ATOMS + ENDMDL + MODEL % 1 + ATOMS + ENDMDL, [1, 2]),
        (MODEL % 1 + ATOMS + MODEL % 2 + ATOMS + b"END\n", [1, 2]),
        (MODEL % 5 + ATOMS + MODEL % 9 + ATOMS, [5, 9]),
        (b"MODEL\n" + ATOMS + ENDMDL + b"MODEL\n" + ATOMS + ENDMDL, [1, 2]),
        (b"MODEL\n" + ATOMS + ENDMDL, [1]),
        (ATOMS + MODEL % 1 + ATOMS + ENDMDL, [1, 2]),
        (MODEL % 1 + ATOMS + ENDMDL + ATOMS + MODEL % 2 + ATOMS, [1, 2, 3]),
        (b"MODEL  A\n" + ATOMS + ENDMDL + b"MODEL  B\n" + ATOMS, [1, 2]),
        (MODEL % 1 + ATOMS + b"TER\nEND\n" + MODEL % 2 + ATOMS + b"END\n", [1, 2]),
        (MODEL % 1 + MODEL % 2 + ATOMS + ENDMDL + ENDMDL, [2]),
        (MODEL % 3 + ATOMS + ENDMDL + MODEL % 1 + ATOMS + ENDMDL, [3, 1]),
        ((MODEL % 1 + ATOMS + ENDMDL + MODEL % 1 + ATOMS).lower(), [1, 2]),
        ((MODEL % 1 + ATOMS + MODEL % 2 + ATOMS).replace(b"\n", b"\r\n"), [1, 2]),
    ],
)
def test_models_whose_records_are_out_of_order(data, numbers):
    loaded = load(data, "x.pdb")
    assert [(model.num, model.count_atom_sites()) for model in loaded.structure] == [(number, 2) for number in numbers]
    select(loaded, models="first")
    assert atoms_of(loaded, 0).coordinates[:, 0].tolist() == [1, 4]


@pytest.mark.parametrize(
    "before",
    [
        "PFRMAT TS\nTARGET T1024\nAUTHOR 1234-5678-9012\nMETHOD x\nMODEL  1\nPARENT N/A\n",
        "A model of a protein\n\nby hand, end of 1999\n",
        "end of a long day\n",
        "\n\n   \n",
        "\ufeff",
        "\ufeffmodel of mine\n",
        "1 2 3\n%!\n",
        "data of mine\n",
    ],
)
@pytest.mark.parametrize("way", [bytes, bytes.lower])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_lines_before_the_first_record(before, way, newline, caplog):
    data = before.encode() + way(ATOMS) + b"TER\nEND\n"
    loaded = load(data.replace(b"\n", newline), "x.pdb")
    assert loaded.structure[0].num == 1
    assert [number for (_, number, _, _), *_ in rows_of(atoms_of(loaded, 0))] == [1, 2]
    said = [message for message in caplog.messages if "before its first record was passed over" in message]
    assert len(said) == bool(before.strip().strip("\ufeff"))


def test_lines_before_the_block_of_an_mmcif_file(caplog):
    assert rows_of(atoms_of(load(b"made by me\n\n" + CIF.encode(), "x.cif"), 0)) == rows_of(atoms_of(WHOLE, 0))
    assert "x.cif: what stands before its first record was passed over: 'made by me??'" in caplog.text


@pytest.mark.parametrize(
    "text", ["ATOM of mine", "the ATOM  \nHETATM", "data_ is\nwhat I have\n", "Title page not found"]
)
def test_titles_alone_are_no_structure(text):
    with pytest.raises(FormatError, match=r"^x: "):
        load(text.encode(), "x")


RECORDS = """\
HEADER    HYDROLASE                               01-JAN-00   1TST
DBREF1 1TST A    1     2  UNP                  P45523
DBREF2 1TST A     P45523                              1           2
SEQADV 1TST GLY A    1  UNP  P45523    ALA     1 CONFLICT
MODRES 1TST GLY A    1  GLY  SOMETHING
HELIX    1   1 GLY A    1  ALA A    2  1                                   2
SHEET    1   A 1 GLY A   1  ALA A   2  0
SSBOND   1 CYS A    6    CYS A  127                          1555   1555  2.03
LINK         O   GLY A   1                NA    NA A   2     1555   1555  2.98
CISPEP   1 GLY A    1    ALA A    2          0        18.50
REMARK   2 RESOLUTION.    1.74 ANGSTROMS.
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
CRYST1   63.150   83.590   53.800  90.00  99.34  90.00 P 1 21 1      4
SCALE1      0.015835  0.000000  0.002604        0.00000
MTRIX1   1 -1.000000  0.000000  0.000000        0.00000    1
SEQRES   1 A    2  GLY ALA
""".splitlines()
BEHIND = ["ANISOU    1  CA  GLY A   1     2406   1892   1614    198    519   -328       C", "CONECT    1    2"]
PLACES = [(start, length) for start in (6, 11, 17, 22, 28, 38, 47, 60, 72) for length in (1, 40)]


@pytest.mark.parametrize("record", [*RECORDS, *BEHIND], ids=lambda record: record[:22].strip().replace(" ", "-"))
def test_a_damaged_record_costs_no_atoms(record):
    lines = ATOMS.decode().splitlines()
    others = [line for line in RECORDS if line != record]
    for damage in [
        *(
            record[:start].ljust(start) + junk * length + record[start + length :]
            for start, length in PLACES
            for junk in "*9"
        ),
        record[:5],
        record[:7],
        record[:30],
    ]:
        text = (
            [*others, lines[0], damage, damage, lines[1]]
            if record in BEHIND[:1]
            else ([*others, damage, *lines] if record in RECORDS else [*others, *lines, damage])
        )
        atoms = atoms_of(load("\n".join([*text, "END", ""]).encode(), "x.pdb"), 0)
        assert atoms.coordinates[:, 0].tolist() == [1, 4], damage


def test_records_that_are_left_out_are_told(caplog):
    cell = "CRYST1   63.150   83.59*********** 90.00  99.34  90.00 P 1 21 1      4\n"
    lines = ATOMS.decode().splitlines(keepends=True)
    text = f"TITLE     MINE\n{cell}{lines[0]}{BEHIND[0]}\n{BEHIND[0]}\n{lines[1]}"
    loaded = load(text.encode(), "x.pdb")
    assert loaded.structure.info["_struct.title"] == "MINE"
    (message,) = caplog.messages
    assert message.startswith("x.pdb: read without what cannot be read of its annotations: ")
    assert "CRYS (Impossible angle" in message
    assert "ANIS (" in message


def test_short_lines_and_charges_that_are_none(caplog):
    lines = ATOMS.decode().splitlines()
    atoms = atoms_of(load("\n".join([lines[0][:54], f"{lines[1][:54]}  ****", ""]).encode(), "x.pdb"), 0)
    assert atoms.occupancy.tolist() == [1, 1]
    assert words(atoms.element) == ["C", "C"]
    assert "x.pdb: 2 of its atoms do not say their occupancy: taken as 1" in caplog.text
    caplog.clear()
    atoms = atoms_of(load("\n".join([f"{lines[0]:78}99", f"{lines[1]:78}1+", ""]).encode(), "x.pdb"), 0)
    assert atoms.coordinates[:, 0].tolist() == [1, 4]
    assert "x.pdb: charges of its atoms that are none were left out" in caplog.text
    with pytest.raises(TruncatedError, match=r"breaks off in"):
        load("\n".join([lines[0], lines[1][:50]]).encode(), "x.pdb")


@pytest.mark.parametrize("text", [as_cif(STRUCTURE), as_pdb(STRUCTURE)], ids=["cif", "pdb"])
def test_of_what_is_in_order_nothing_is_said(text, caplog):
    load(text.encode(), "x")
    assert caplog.messages == []
