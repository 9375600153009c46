import functools
import io
import itertools
import json
from collections import Counter
from dataclasses import fields, replace

import gemmi
import numpy as np
import pytest
from Bio.PDB import MMCIFParser, PDBParser

from builders.errors import FormatError, OptionError
from builders.structures.arrays import atoms_of
from builders.structures.cleaning.clean import REMOVABLE, cleaned_name, remove
from builders.structures.cleaning.signal_peptides import Cut
from builders.structures.cleaning.writing import write
from builders.structures.reading.parse import load, select
from builders.structures.uniprot.entries import Peptide
from builders.structures.uniprot.references import Segment
from tests.structures.models import Chain, as_cif, as_pdb, protein
from tests.structures.samples import pdb

COMBINATIONS = [what for n in range(5) for what in itertools.combinations(REMOVABLE, n)]
TEXTS = pytest.mark.parametrize("text", [as_pdb, as_cif])

# Removing hetero atoms, we leave more than the HETATM records of the file suggest: residues of polymers that are
# written so; or less: ligands and water that are written as ATOM.
HETATM_RECORDS = {
    "1A8O.pdb": (556, "selenomethionine is part of the chain; the .cif of the entry writes it as ATOM"),
    "5i55.cif": (194, "selenomethionine"),
    "1pfe.cif.gz": (237, "the peptide has D-serine, N-methylated and other modified residues"),
    "hetatm-polymer.pdb": (25, "selenomethionine"),
    "noChainNameTerRecords.pdb": (56, "two sodium ions and three waters are written as ATOM"),
}
# Their atoms have no element columns or wrong ones; what counts as hydrogen is for the reading to decide.
UNSURE_HYDROGENS = {"helix_amber.pdb", "noChainNameTerRecords.pdb"}
# Files that are not read to the counts of the text, for reasons that the tests of reading list.
READ_OTHERWISE = {"a_structure.pdb"}
# Biopython drops atoms of these that repeat a name, as it does in the original.
LOSSY_IN_BIOPYTHON = {"a_structure.pdb", "pdb1ejg.pdb"}


@functools.cache
def readable(shared):
    truth = json.loads((shared / "data" / "TRUTH.json").read_text())
    found = []
    for key, facts in truth.items():
        if key.startswith("struct/") and facts.get("raw") and facts["gemmi"].get("ok"):
            path = shared / "data" / key
            try:
                load(path.read_bytes(), path.name)
            except FormatError:
                continue  # the tests of reading say which, and why
            found.append((path, facts))
    return found


def read(path):
    return load(path.read_bytes(), path.name)


def atoms(structure):
    return counted(
        ((number, chain.name, str(residue.seqid), residue.name, atom.name, atom.altloc), atom.pos.tolist())
        for number, model in enumerate(structure)
        for chain in model
        for residue in chain
        for atom in residue
    )


def counted(named_places):
    names, places = zip(*named_places, strict=True)
    rounded = np.round(np.array(places, float), 3).tolist()
    return Counter((*name, *place) for name, place in zip(names, rounded, strict=True))


def biopython_atoms(data, format):
    parser = MMCIFParser(QUIET=True) if format == "cif" else PDBParser(QUIET=True)
    return counted(
        (
            (
                number,
                chain.id.strip(),
                f"{residue.id[1]}{residue.id[2].strip()}",
                residue.resname.strip(),
                atom.name.strip(),
                "\0" if atom.altloc == " " else atom.altloc,
            ),
            atom.coord,
        )
        for number, model in enumerate(parser.get_structure("x", io.StringIO(data.decode())))
        for chain in model
        for residue in chain.get_unpacked_list()
        for atom in residue.get_unpacked_list()
    )


def residues(structure, chain):
    return [residue for part in structure[0] if part.name == chain for residue in part]


def invented(loaded):
    """Peptides of ten residues at the start of whatever the file refers to."""
    return {s.accession: [Peptide(s.uniprot_first, s.uniprot_first + 9)] for s in loaded.segments}


def sequence(structure, subchain):
    return next(list(entity.full_sequence) for entity in structure.entities if subchain in entity.subchains)


def test_counts_of_real_files(shared):
    compared = 0
    for path, facts in readable(shared):
        if path.name in READ_OTHERWISE:
            continue
        for all_models in (False, True)[: facts["raw"]["models"]]:
            counts = facts["raw"]["clean_all_models"] if all_models else facts["raw"]["model_1"]["clean"]
            for what, key in [
                (["hydrogens"], "no_hydrogens"),
                (["water"], "no_water"),
                (["hetatms"], "no_hetatm"),
                (["hydrogens", "water", "hetatms"], "none_of_the_three"),
            ]:
                if "hydrogens" in what and path.name in UNSURE_HYDROGENS:
                    continue
                loaded = read(path)
                if not all_models:
                    del loaded.structure[1:]
                expected = (
                    HETATM_RECORDS[path.name][0] if "hetatms" in what and path.name in HETATM_RECORDS else counts[key]
                )
                if expected:
                    remove(loaded, what)
                    assert sum(model.count_atom_sites() for model in loaded.structure) == expected, (path.name, what)
                else:
                    with pytest.raises(FormatError, match=f"{path.name}: no atom is left.*: it has no polymer"):
                        remove(loaded, what)
                compared += 1
    assert compared > 150


@pytest.mark.parametrize("what", COMBINATIONS, ids="-".join)
def test_what_is_written_reads_as_the_same_atoms(shared, what):
    for path, _ in readable(shared):
        # of small files any of them, of larger ones nothing, each thing and all, of the largest nothing and all
        size, most = path.stat().st_size, len(REMOVABLE)
        if len(what) not in ((0, most) if size > 150_000 else (0, 1, most) if size > 20_000 else range(most + 1)):
            continue
        if path.name == "4YVS.cif.gz" and what != REMOVABLE:
            continue  # 26,000 atoms: once is enough
        loaded = read(path)
        before = atoms(loaded.structure)
        try:
            remove(loaded, what, invented(loaded))
        except FormatError:
            assert path.name in ("no-polymer.pdb", "pdb2k39_truncated.pdb")  # of the latter, eight residues are there
            continue
        left = atoms(loaded.structure)
        assert not left - before, path.name
        assert what or left == before, path.name
        data = write(loaded)
        again = load(data, path.name)
        assert atoms(again.structure) == left, path.name
        if path.name not in LOSSY_IN_BIOPYTHON and len(what) in (0, 1, most):  # it takes its time
            assert biopython_atoms(data, loaded.format) == left, path.name
        assert again.segments == loaded.segments, path.name
        for number in range(len(loaded.structure)):
            mine, theirs = atoms_of(loaded, number), atoms_of(again, number)
            assert "hetatms" not in what or not mine.hetero.any(), path.name
            for field in fields(mine):
                one, other = getattr(mine, field.name), getattr(theirs, field.name)
                if field.name in ("occupancy", "b_factor") and loaded.format == "pdb":
                    np.testing.assert_allclose(one, other, atol=0.005, err_msg=path.name)
                else:
                    np.testing.assert_array_equal(one, other, err_msg=f"{path.name} {field.name}")


def test_twice_is_once_and_order_does_not_matter(shared):
    for path, _ in readable(shared):
        results = set()
        for what in (REMOVABLE, REMOVABLE[::-1], set(REMOVABLE)):
            loaded = read(path)
            known = {} if path.name == "pdb2k39_truncated.pdb" else invented(loaded)
            try:
                remove(loaded, what, known)
            except FormatError:
                break
            results.add(write(loaded))
            remove(loaded, what, known)
            results.add(write(loaded))
        assert len(results) <= 1, path.name


@TEXTS
def test_histidines_have_no_hydrogen_in_their_name_and_mercury_is_none(text):
    loaded = load(text(protein("MHHHGHEHA")).encode(), "x")
    remove(loaded, ["hydrogens"])
    names = Counter(residue.name for residue in residues(loaded.structure, "A"))
    assert names["HIS"] == 5
    assert [a.name for r in residues(loaded.structure, "A") if r.name == "HIS" for a in r][:5] == [
        "N",
        "CA",
        "C",
        "O",
        "CB",
    ]
    assert names["HG"] == 1
    assert names["HOH"] == 3
    assert not any(a.element.is_hydrogen for r in residues(loaded.structure, "A") for a in r)


@TEXTS
def test_deuterium_is_hydrogen(text):
    loaded = load(text(protein("AAAA")).encode(), "x")
    assert any(a.element.name == "D" for r in residues(loaded.structure, "A") for a in r)
    remove(loaded, ["hydrogens"])
    assert not any(a.element.name == "D" for r in residues(loaded.structure, "A") for a in r)


@pytest.mark.parametrize("name", ["HOH", "WAT", "DOD", "H2O", "hoh"])
def test_water_goes_by_its_name(name):
    text = as_pdb(protein("AAAA")).replace("HOH", name)
    loaded = load(text.encode(), "x.pdb")
    before = sum(atoms(loaded.structure).values())
    remove(loaded, ["water"])
    assert before - sum(atoms(loaded.structure).values()) == 9


@pytest.mark.parametrize("ends", [["TER"], []])
def test_sugars_are_hetero_atoms_also_where_they_form_a_chain(ends):
    lines = as_pdb(protein("AAAAGGAAWK", waters=0, ligand=False, hydrogens=False)).splitlines()
    sugars = [
        f"HETATM{900 + 3 * i + k:5}  {name:3} {residue} B{i + 1:4}    {3 * i + k:8.3f}{50:8.3f}{50:8.3f}  1.00 10.00"
        for i, residue in enumerate(("NAG", "NAG", "BMA", "MAN"))
        for k, name in enumerate(("C1", "C2", "O4"))
    ]
    loaded = load("\n".join([*lines[:-1], *sugars, *ends, "END"]).encode(), "x.pdb")
    assert {chain.name for chain in loaded.structure[0]} == {"A", "B"}
    remove(loaded, ["hetatms"])
    assert [(chain.name, len(chain)) for chain in loaded.structure[0]] == [("A", 10)]


def test_selenomethionine_stays_in_both_formats(shared):
    left = []
    for name in ("1A8O.pdb", "1A8O.cif"):
        loaded = read(shared / "data" / "struct" / name)
        remove(loaded, ["hetatms", "water"])
        assert sum(r.name == "MSE" for r in residues(loaded.structure, "A")) == 4
        left.append(atoms(loaded.structure))
    assert left[0] == left[1]


@TEXTS
def test_author_numbers_cut_nothing(text):
    # 2BEG: residues 672-713 of P05067, numbered from 1; the signal peptide is 1-17
    structure = protein("DAEFRHDSGYEVHHQKLVFFAEDVGSNKGAIIGLMVGGVVIA", uniprot=("P05067", 672))
    loaded = load(text(structure).encode(), "2beg")
    before = atoms(loaded.structure)
    cuts = remove(loaded, ["signal_peptides"], {"P05067": [Peptide(1, 17)]})
    assert atoms(loaded.structure) == before
    assert [(cut.accession, cut.peptides) for cut in cuts] == [("P05067", [Peptide(1, 17)])]


@pytest.mark.parametrize(
    ("name", "accession", "end"),
    [
        ("data/struct/P04629.pdb", "P04629", 32),
        ("wire/alphafold/AF-P05067-F1-model_v6.pdb", "P05067", 17),
        ("wire/alphafold/AF-P00698-F1-model_v6.cif", "P00698", 18),
    ],
)
def test_a_model_loses_its_signal_peptide_from_atoms_and_sequence(shared, name, accession, end):
    original, loaded = read(shared / name), read(shared / name)
    subchain = loaded.segments[0].subchain
    cuts = remove(loaded, ["signal_peptides"], {accession: [Peptide(1, end)]})
    assert cuts == [Cut(subchain, accession, [Peptide(1, end)])]
    expected = [r.name for r in residues(original.structure, "A")][end:]
    again = load(write(loaded), "again")
    for structure in (loaded.structure, again.structure):
        assert [r.name for r in residues(structure, "A")] == sequence(structure, subchain) == expected
        assert [r.label_seq for r in residues(structure, "A")] == list(range(1, len(expected) + 1))
        assert [r.seqid.num for r in residues(structure, "A")] == list(range(end + 1, end + 1 + len(expected)))
    assert loaded.segments == again.segments == [Segment(subchain, accession, 1, len(expected), end + 1, "file")]


def test_the_sequence_that_is_left_is_that_of_uniprot(shared):
    loaded = read(shared / "wire" / "alphafold" / "AF-P05067-F1-model_v6.pdb")
    remove(loaded, ["signal_peptides"], {"P05067": [Peptide(1, 17)]})
    entry = json.loads((shared / "wire" / "uniprot" / "P05067.json").read_text())
    letters = gemmi.one_letter_code(sequence(loaded.structure, "Axp"))
    assert letters == entry["sequence"]["value"][17:]


def test_an_isoform_is_numbered_in_its_own_way(shared):
    loaded = read(shared / "wire" / "alphafold" / "AF-P05067-2-F1-model_v6.cif")
    before = atoms(loaded.structure)
    assert remove(loaded, ["signal_peptides"], {"P05067": [Peptide(1, 17)]}) == []
    assert atoms(loaded.structure) == before
    assert remove(loaded, ["signal_peptides"], {"P05067-2": [Peptide(1, 17)]})
    assert len(residues(loaded.structure, "A")) == 288


@TEXTS
def test_each_protein_is_cut_by_its_own_peptides(text):
    other = Chain("GSTNQCHYWVILMKRDEGST", name="B", uniprot=("Q9UL95", 1))
    structure = protein("MKRLLAAAWTYVEDKSTPQF", uniprot=("P45523", 1), second_chain=other)
    loaded = load(text(structure).encode(), "x")
    remove(loaded, ["signal_peptides"], {"P45523": [Peptide(1, 5)]})
    assert [r.seqid.num for r in residues(loaded.structure, "A") if r.label_seq] == list(range(6, 21))
    assert [r.seqid.num for r in residues(loaded.structure, "B")] == list(range(1, 21))
    assert {s.accession: (s.first, s.last, s.uniprot_first) for s in load(write(loaded), "again").segments} == {
        "P45523": (1, 15, 6),
        "Q9UL95": (1, 20, 1),
    }


@TEXTS
def test_both_chains_of_a_dimer_are_cut(text):
    letters = "MKRLLAAAWTYVEDKSTPQF"
    second = Chain(letters, name="B", uniprot=("P45523", 1), author_start=201, missing=2)
    structure = protein(letters, uniprot=("P45523", 1), second_chain=second)
    loaded = load(text(structure).encode(), "x")
    assert len(remove(loaded, ["signal_peptides"], {"P45523": [Peptide(1, 5)]})) == 2
    again = load(write(loaded), "again")
    for structure in (loaded.structure, again.structure):
        assert [r.seqid.num for r in residues(structure, "A") if r.label_seq] == list(range(6, 21))
        assert [r.seqid.num for r in residues(structure, "B")] == list(range(206, 221))
        assert {len(e.full_sequence) for e in structure.entities if e.entity_type == gemmi.EntityType.Polymer} == {15}
    assert [(s.first, s.last, s.uniprot_first) for s in again.segments] == [(1, 15, 6)] * 2


@TEXTS
def test_chains_of_one_entity_that_are_cut_apart_are_entities_apart(text):
    letters = "MKRLLAAAWTYVEDKSTPQF"
    structure = protein(letters, uniprot=("P45523", 1), second_chain=Chain(letters, "B", ("P45523", 1)))
    loaded = load(text(structure).encode(), "x")
    loaded.segments = loaded.segments[:1]
    remove(loaded, ["signal_peptides"], {"P45523": [Peptide(1, 5)]})
    again = load(write(loaded), "again")
    lengths = {s.subchain: s.last for s in again.segments}
    assert sorted(lengths.values()) == [15, 20]
    assert [len(sequence(again.structure, subchain)) for subchain in lengths] == list(lengths.values())


@TEXTS
def test_of_a_chimera_only_the_part_of_that_protein_is_cut(text):
    loaded = load(text(protein("MKRLLAAAWTYVEDKSTPQF", author_start=11, uniprot=None)).encode(), "x")
    (subchain,) = {r.subchain for r in residues(loaded.structure, "A") if r.label_seq}
    loaded.segments = [Segment(subchain, "P45523", 1, 8, 1, "sifts"), Segment(subchain, "P00698", 9, 20, 1, "sifts")]
    remove(loaded, ["signal_peptides"], {"P00698": [Peptide(1, 4), Peptide(7, 8)]})
    left = [r for r in residues(loaded.structure, "A") if r.label_seq]
    assert [r.seqid.num for r in left] == [*range(11, 19), 23, 24, *range(27, 31)]
    assert [r.label_seq for r in left] == list(range(1, 15))
    assert loaded.segments == [
        Segment(subchain, "P45523", 1, 8, 1, "sifts"),
        Segment(subchain, "P00698", 9, 10, 5, "sifts"),
        Segment(subchain, "P00698", 11, 14, 9, "sifts"),
    ]


def test_references_to_two_proteins_are_kept_apart():
    lines = as_pdb(protein("MKRLLAAAWTYVEDKSTPQF", uniprot=("P45523", 1))).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("DBREF"))
    lines[at : at + 1] = [
        "DBREF  1TST A    1     8  UNP    P45523   FKBA_ECOLI       1      8             ",
        "DBREF  1TST A    9    14  UNP    P00698   LYSC_CHICK       3      8             ",
        "DBREF  1TST A   15    20  UNP    P00698   LYSC_CHICK      19     24             ",
    ]
    loaded = load("\n".join(lines).encode(), "x.pdb")
    assert len(loaded.segments) == 3
    remove(loaded, ["signal_peptides"], {"P45523": [Peptide(1, 3)], "P00698": [Peptide(5, 6)]})
    written = [line for line in write(loaded).decode().splitlines() if line.startswith("DBREF")]
    found = [(int(x[14:18]), int(x[20:24]), x[33:39], x[42:54].strip(), int(x[55:60]), int(x[62:67])) for x in written]
    assert found == [
        (4, 8, "P45523", "FKBA_ECOLI", 4, 8),
        (9, 10, "P00698", "LYSC_CHICK", 3, 4),
        (13, 14, "P00698", "LYSC_CHICK", 7, 8),
        (15, 20, "P00698", "LYSC_CHICK", 19, 24),
    ]


@pytest.mark.parametrize(
    ("name", "chain", "accession", "uniprot_first"), [("1GBT.cif", "A", "P00760", 21), ("2d7t.cif", "L", "Q6GMX0", 23)]
)
def test_insertion_codes_do_not_count(shared, name, chain, accession, uniprot_first):
    original, loaded = (read(shared / "data" / "struct" / name) for _ in range(2))
    remove(loaded, ["signal_peptides"], {accession: [Peptide(1, uniprot_first + 39)]})
    before = [r for r in residues(original.structure, chain) if r.label_seq]
    kept = [str(r.seqid) for r in before if r.label_seq > 40]
    assert [str(r.seqid) for r in residues(loaded.structure, chain) if r.label_seq] == kept
    assert len(before) - len(kept) == sum(r.label_seq <= 40 for r in before)
    subchain = before[0].subchain
    assert sequence(loaded.structure, subchain) == sequence(original.structure, subchain)[40:]


def test_every_model_is_cut():
    loaded = load(as_cif(protein("MKRLLAAAWTYVEDKSTPQF", models=3)).encode(), "x.cif")
    remove(loaded, REMOVABLE, {"P45523": [Peptide(1, 5)]})
    assert [len(model["A"]) for model in loaded.structure] == [15, 15, 15]


@pytest.mark.parametrize("name", ["4hhb.pdb", "4hhb.cif"])
def test_nothing_speaks_of_what_is_gone(shared, name):
    path = shared / "wire" / "rcsb" / name
    original, loaded = read(path), read(path)
    # chains A and C lose the first 40 residues, with helices A and B and some of C
    remove(loaded, REMOVABLE, {"P69905": [Peptide(1, 41)]})
    again = load(write(loaded), name)
    for structure in (loaded.structure, again.structure):
        there = {(c.name, str(r.seqid), r.name) for c in structure[0] for r in c}
        ends = [(e.chain_name, str(e.res_id.seqid), e.res_id.name) for h in structure.helices for e in (h.start, h.end)]
        assert ends
        assert set(ends) <= there
        assert not structure.connections
        assert not structure.conect_map
        assert {e.entity_type for e in structure.entities} == {gemmi.EntityType.Polymer}
    lengths = {}
    for structure in (original.structure, loaded.structure):
        for helix in structure.helices:
            if helix.start.chain_name == "A":
                lengths.setdefault(str(helix.end), []).append((str(helix.start.res_id.seqid), helix.length))
    # helix C is residues 36-42: 41 and 42 are left of it
    assert lengths["A/TYR 42/"] == [("36", 7), ("41", 2)]
    assert lengths["A/SER 35/"] == [("20", 16)]
    assert {helix.start.chain_name for helix in loaded.structure.helices} == set("ABCD")


def test_a_single_residue_is_no_helix(shared):
    loaded = read(shared / "wire" / "rcsb" / "4hhb.pdb")
    remove(loaded, ["signal_peptides"], {"P69905": [Peptide(1, 42)]})  # of helix C, 36-42, 42 is left
    ends = {str(helix.end) for helix in loaded.structure.helices}
    assert "A/GLY 51/" in ends
    assert "A/TYR 42/" not in ends


def test_cis_peptides_and_modified_residues_that_are_gone_are_not_spoken_of(shared):
    for accession, left in (("Q9UL95", 2), ("Q6GMX0", 0)):  # both are of the light chain
        loaded = read(shared / "data" / "struct" / "2d7t.cif")
        remove(loaded, ["signal_peptides"], {accession: [Peptide(1, 1000)]})
        assert len(loaded.structure.cispeps) == left
    loaded = read(shared / "data" / "struct" / "1A8O.pdb")
    places = [modified.res_id.seqid.num for modified in loaded.structure.mod_residues]
    remove(loaded, ["signal_peptides"], {"P12497": [Peptide(1, 320)]})
    there = {r.seqid.num for r in residues(loaded.structure, "A")}
    left = [modified.res_id.seqid.num for modified in loaded.structure.mod_residues]
    assert left == [place for place in places if place in there]
    assert 0 < len(left) < len(places)


def test_a_residue_of_hydrogens_alone_goes_with_them():
    loaded = load(pdb("CA _ GLY A 1 1 1 C", "H _ ALA A 2 2 1 H"), "a.pdb")
    remove(loaded, ["hydrogens"])
    assert [residue.name for chain in loaded.structure[0] for residue in chain] == ["GLY"]


def bonds(structure):
    names = {atom.serial: (c.name, str(r.seqid), atom.name) for c in structure[0] for r in c for atom in r}
    return {frozenset((names[one], names[n])) for one, others in structure.conect_map.items() for n in others}


def test_bonds_follow_the_numbers_of_the_written_atoms(shared):
    original, loaded = (read(shared / "wire" / "rcsb" / "4hhb.pdb") for _ in range(2))
    # with residue 87 of chains A and C, the bonds of their haems to the protein go
    remove(loaded, ["water", "signal_peptides"], {"P69905": [Peptide(1, 100)]})
    again = load(write(loaded), "again.pdb")
    left = {atom[1:3] + atom[4:5] for atom in atoms(loaded.structure)}
    expected = {bond for bond in bonds(original.structure) if bond <= left}
    assert bonds(loaded.structure) == bonds(again.structure) == expected
    assert len(bonds(original.structure) - expected) == 2
    assert len(again.structure.connections) == len(loaded.structure.connections) == 2


def test_bonds_of_numbers_that_several_atoms_have_are_none():
    lines = as_pdb(protein("AAAA", waters=0, hydrogens=False)).splitlines()
    ends = [line[6:11] for line in lines if line[:6] == "HETATM" and line[17:20] == "GOL"][:2]
    bond = f"CONECT{ends[0]}{ends[1]}"
    plain = load("\n".join([*lines[:-1], bond]).encode(), "x.pdb")
    assert len(bonds(load(write(plain), "x.pdb").structure)) == 1
    doubled = [line.replace(f"ATOM  {lines[0][6:11]}", f"ATOM  {ends[0]}") for line in lines]
    first = next(i for i, line in enumerate(doubled) if line.startswith("ATOM"))
    doubled[first] = f"ATOM  {ends[0]}" + doubled[first][11:]
    assert "CONECT" not in write(load("\n".join([*doubled[:-1], bond]).encode(), "x.pdb")).decode()


@TEXTS
def test_references_of_chains_with_numbers_of_their_own_hold_in_both_formats(text):
    letters = "MKRLLAAAWTYVEDKSTPQF"
    second = Chain(letters, name="B", uniprot=("P45523", 1), author_start=5, missing=2)
    loaded = load(as_cif(protein(letters, uniprot=("P45523", 1), second_chain=second)).encode(), "x.cif")
    again = load(write(loaded, "pdb" if text is as_pdb else "cif"), "again")
    assert [(s.first, s.last, s.uniprot_first) for s in again.segments] == [(1, 20, 1)] * 2


def test_strands_that_are_cut_leave_a_sheet_that_reads(shared):
    path = shared / "data" / "struct" / "1GBT.cif"
    original, loaded = read(path), read(path)
    remove(loaded, ["signal_peptides"], {"P00760": [Peptide(1, 60)]})
    again = load(write(loaded), path.name)
    there = {str(r.seqid) for r in residues(loaded.structure, "A")}
    counts = [sum(len(s.strands) for s in x.structure.sheets) for x in (original, loaded, again)]
    assert counts[0] > counts[1] == counts[2] > 0
    for sheet in again.structure.sheets:
        assert sheet.strands[0].sense == 0
        for strand in sheet.strands:
            assert {str(strand.start.res_id.seqid), str(strand.end.res_id.seqid)} <= there


@pytest.mark.parametrize("name", ["4hhb.pdb", "4hhb.cif"])
def test_assemblies_keep_the_chains_that_remain(shared, name):
    loaded = read(shared / "wire" / "rcsb" / name)
    everything = [Peptide(1, 142)]
    remove(loaded, ["signal_peptides", "hetatms"], {"P69905": everything})
    again = load(write(loaded), name)
    for structure in (loaded.structure, again.structure):
        assert {chain.name for chain in structure[0]} == {"B", "D"}
        (assembly,) = structure.assemblies
        assert [g.chains or g.subchains for g in assembly.generators] == [["B", "D"]]
        assert (
            assembly.oligomeric_details
            == read(shared / "wire" / "rcsb" / name).structure.assemblies[0].oligomeric_details
        )
    assert not [segment for segment in again.segments if segment.accession == "P69905"]


def test_remarks_that_list_residues_go_and_the_licence_stays(shared):
    loaded = read(shared / "data" / "struct" / "3eiy_stripped_no_ele.pdb")
    remove(loaded, ["signal_peptides"], {"Q3JUV5": [Peptide(1, 20)]})
    assert not [line for line in write(loaded).decode().splitlines() if line.startswith("REMARK 465")]
    model = read(shared / "wire" / "alphafold" / "AF-P05067-F1-model_v6.pdb")
    remove(model, REMOVABLE, {"P05067": [Peptide(1, 17)]})
    assert "CC-BY 4.0 LICENCE" in write(model).decode()


def test_headers_survive(shared):
    for name in ("data/struct/1aki.cif", "data/struct/1aki.pdb", "wire/rcsb/4hhb.cif", "wire/rcsb/7n0r.pdb.gz"):
        original, loaded = read(shared / name), read(shared / name)
        remove(loaded, REMOVABLE)
        again = load(write(loaded), name).structure
        for key in ("_struct.title", "_exptl.method", "_entry.id"):
            assert again.info[key] == original.structure.info[key]
        assert again.resolution == original.structure.resolution > 0
        assert again.cell == original.structure.cell
        assert again.spacegroup_hm == original.structure.spacegroup_hm
        assert len(again.assemblies) == len(original.structure.assemblies) > 0


def test_the_resolution_of_a_map_is_written():
    structure = protein("AAAA", method="ELECTRON MICROSCOPY", resolution=3.2)
    for text in (as_cif, as_pdb):
        loaded = load(text(structure).encode(), "x")
        loaded.structure.resolution = 3.2
        assert load(write(loaded, "cif"), "x").structure.resolution == pytest.approx(3.2)
        assert load(write(loaded, "pdb"), "x").structure.resolution == pytest.approx(3.2)


def test_each_format_can_be_written_as_the_other(shared):
    for name in ("1aki.cif", "1aki.pdb", "2d7t.cif", "1orc.pdb", "5i55.cif", "pdb1ejg.pdb"):
        loaded = read(shared / "data" / "struct" / name)
        for format in ("cif", "pdb"):
            again = load(write(loaded, format), name)
            assert again.format == format
            assert atoms(again.structure) == atoms(loaded.structure)


def changed(**changes):
    loaded = load(as_cif(protein("AAAA")).encode(), "x.cif")
    chain = loaded.structure[0][0]
    residue, atom = chain[0], chain[0][0]
    for key, value in changes.items():
        owner, _, name = key.partition("_")
        setattr({"chain": chain, "residue": residue, "atom": atom}[owner], name, value)
    return loaded


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"chain_name": "AZLONG"}, "the chain name 'AZLONG'"),
        ({"residue_name": "A1CDE"}, "the residue name 'A1CDE'"),
        ({"residue_seqid": gemmi.SeqId("-1234")}, "the residue number -1234"),
        ({"atom_name": "ABCDE"}, "the atom name 'ABCDE'"),
        ({"atom_pos": gemmi.Position(0, 0, 10_000)}, "the coordinate 10000"),
        ({"atom_pos": gemmi.Position(-1000, 0, 0)}, "the coordinate -1000"),
        ({"atom_b_iso": 1000}, "the B factor 1000"),
        ({"atom_occ": 1e4}, "the occupancy 10000"),
    ],
)
def test_what_pdb_format_has_no_room_for_is_said(changes, said):
    loaded = changed(**changes)
    with pytest.raises(FormatError, match=r"x\.cif: ") as caught:
        write(loaded, "pdb")
    assert said in str(caught.value)
    assert atoms(load(write(loaded), "x.cif").structure) == atoms(loaded.structure)


def test_what_just_fits_is_written():
    loaded = changed(atom_pos=gemmi.Position(9999.999, -999.999, 0), residue_seqid=gemmi.SeqId("-999"))
    assert atoms(load(write(loaded, "pdb"), "x").structure) == atoms(loaded.structure)
    many = changed(residue_seqid=gemmi.SeqId("12345"))
    assert atoms(load(write(many, "pdb"), "x").structure) == atoms(many.structure)


def test_a_file_without_an_entry_id_is_named_for_its_file():
    loaded = load(b"ATOM      1  CA  GLY A   7       1.000   2.000   3.000  1.00  9.00           C\n", "my model.pdb")
    assert write(loaded, "cif").startswith(b"data_my_model\n")


def test_nothing_left_is_an_error_that_says_why():
    water = "HETATM    1  O   HOH A   1       1.000   2.000   3.000  1.00 10.00           O  \n"
    with pytest.raises(FormatError, match=r"w.pdb: no atom is left after removing hetatms: it has no polymer"):
        remove(load(water.encode(), "w.pdb"), ["hetatms"])
    loaded = load(as_pdb(protein("AAAA", waters=0, ligand=False)).encode(), "p.pdb")
    with pytest.raises(FormatError, match=r"p.pdb: no atom is left after removing signal peptides, water$"):
        remove(loaded, ["water", "signal_peptides"], {"P45523": [Peptide(1, 9)]})


@pytest.mark.parametrize("what", ["waters", ["waters"], ["water", "HOH"]])
def test_only_what_can_be_removed(what):
    with pytest.raises(OptionError, match="expected some of 'signal_peptides', 'hydrogens', 'water', 'hetatms'"):
        remove(load(as_pdb(protein("AAAA")).encode(), "p.pdb"), what)


@pytest.mark.parametrize(
    ("what", "peptides", "expected"),
    [
        (REMOVABLE, [Peptide(1, 25)], "s_nosignal1to25_nohydrogens_nowater_nohetatm.pdb"),
        (REMOVABLE[::-1], [Peptide(40, 50), Peptide(1, 25)], "s_nosignal1to25_40to50_nohydrogens_nowater_nohetatm.pdb"),
        (REMOVABLE, [], "s_nohydrogens_nowater_nohetatm.pdb"),
        (["signal_peptides"], [Peptide(1, 25), Peptide(1, 25)], "s_nosignal1to25.pdb"),
        (["hydrogens"], [Peptide(1, 25)], "s_nohydrogens.pdb"),
        ([], [], "s.pdb"),
    ],
)
def test_names_tell_what_was_removed(what, peptides, expected):
    assert cleaned_name("s", what, peptides, "pdb") == expected
    assert cleaned_name("s", what, peptides, "cif") == expected.replace(".pdb", ".cif")


def test_a_name_is_the_same_whether_cleaned_at_once_or_by_and_by():
    sets = [what for n in range(5) for what in itertools.combinations(REMOVABLE, n)]
    for first, second in itertools.product(sets, sets):
        stem = cleaned_name("s_b", first, [Peptide(1, 25)], "pdb").removesuffix(".pdb")
        assert cleaned_name(stem, second, [Peptide(1, 25)], "pdb") == cleaned_name(
            "s_b", {*first, *second}, [Peptide(1, 25)], "pdb"
        )
    # As they were called before, and names that only look alike.
    assert cleaned_name("s_nowater_nohetatm_nohydrogens", ["water"], [], "cif") == "s_nohydrogens_nowater_nohetatm.cif"
    assert cleaned_name("s_nosignal1to9_20to25", REMOVABLE[:1], [Peptide(1, 9)], "cif") == "s_nosignal1to9_20to25.cif"
    assert cleaned_name("nowater", ["water"], [], "cif") == "nowater_nowater.cif"
    assert cleaned_name("x_nowaters", ["water"], [], "cif") == "x_nowaters_nowater.cif"


def test_the_name_of_the_paper():
    name = cleaned_name("p45523_1q6u", REMOVABLE, [Peptide(1, 25)], "pdb")
    assert name == "p45523_1q6u_nosignal1to25_nohydrogens_nowater_nohetatm.pdb"


def test_segments_of_other_origins_are_cut_alike(shared):
    loaded = read(shared / "data" / "struct" / "1cbs_updated.cif")
    loaded.segments = [replace(loaded.segments[0], uniprot_first=2, origin="sifts")]
    remove(loaded, ["signal_peptides"], {"P29373": [Peptide(1, 4)]})
    assert next(r.seqid.num for r in residues(loaded.structure, "A") if r.label_seq) == 4


def test_a_disulfide_follows_the_alternative_that_is_left():
    lines = as_pdb(protein("CAAAAC", waters=0, ligand=False, hydrogens=False)).splitlines()
    sulfurs = []
    for number, label, occupancy in ((1, "A", 0.3), (1, "B", 0.7), (6, "A", 0.3), (6, "B", 0.7)):
        at = f"{10.0 + number:8.3f}{0:8.3f}{0:8.3f}{occupancy:6.2f}{20:6.2f}           S"
        sulfurs.append((number, f"ATOM    900  SG {label}CYS A{number:4}    {at}"))
    for number, line in sulfurs:
        last = max(i for i, x in enumerate(lines) if x.startswith("ATOM") and int(x[22:26]) == number)
        lines.insert(last + 1, line)
    bond = "SSBOND   1 CYS A    1    CYS A    6                          1555   1555  2.03"
    loaded = load("\n".join([bond, *lines]).encode(), "x.pdb")
    select(loaded, altlocs="first")
    for structure in (loaded.structure, load(write(loaded), "again.pdb").structure):
        (connection,) = structure.connections
        assert {str(connection.partner1), str(connection.partner2)} == {"A/CYS 1/SG.B", "A/CYS 6/SG.B"}


def test_what_speaks_of_a_place_names_the_residue_that_is_left_there():
    lines = as_pdb(protein("AAAAAA", waters=0, ligand=False, hydrogens=False)).splitlines()
    first = [x for x in lines if x.startswith("ATOM") and int(x[22:26]) == 2]
    at = lines.index(first[-1]) + 1
    for label, name, occupancy in (("A", "ALA", "0.30"), ("B", "GLY", "0.70")):
        for line in first:
            lines.insert(at, f"{line[:16]}{label}{name}{line[20:54]}  {occupancy}{line[60:]}")
            at += 1
    lines = [x for x in lines if x not in first]
    said = [
        "HELIX    1   1 ALA A    2  ALA A    5  1                                   4",
        "CISPEP   1 ALA A    2    ALA A    3          0         0.00",
    ]
    loaded = load("\n".join([*said, *lines]).encode(), "x.pdb")
    select(loaded, altlocs="first")
    for structure in (loaded.structure, load(write(loaded), "again.pdb").structure):
        assert [str(helix.start) for helix in structure.helices] == ["A/GLY 2/"]
        assert [peptide.partner_c.res_id.name for peptide in structure.cispeps] == ["GLY"]
