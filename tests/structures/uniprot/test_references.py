import itertools
import json

import gemmi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import FormatError
from builders.structures.reading.parse import load
from builders.structures.uniprot.alignment import stretches
from builders.structures.uniprot.references import Segment, segments_by_alignment, segments_of_sifts
from tests.structures.models import Chain, as_cif, as_pdb, protein
from tests.structures.samples import CIF

LYSOZYME = (
    "MRSLLILVLCFLPLAALGKVFGRCELAAAMKRHGLDNYRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQINSRWWCNDGRTPGSRNLCNIPCSALLSSDITASVNC"
    "AKKIVSDGNGMNAWVAWRNRCKGTDVQAWIRGCRL"
)

HALF = [("A", "P69905", 1, 141, 2), ("B", "P68871", 1, 146, 2)]  # of haemoglobin


def read(shared, name):
    path = shared / name if "/" in name else shared / "data" / "struct" / name
    return load(path.read_bytes(), path.name)


def spans(segments):
    return [(s.subchain, s.accession, s.first, s.last, s.uniprot_first) for s in segments]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1aki.cif", [("A", "P00698", 1, 129, 19)]),
        ("1aki.pdb", [("Axp", "P00698", 1, 129, 19)]),
        ("1A8O.cif", [("A", "P12497", 2, 70, 283)]),
        ("1A8O.pdb", [("Axp", "P12497", 2, 70, 283)]),
        # by author numbers 16-245 against 21-243: by label positions it is linear
        ("1GBT.cif", [("A", "P00760", 1, 223, 21)]),
        ("2d7t.cif", [("A", "Q9UL95", 2, 124, 2), ("B", "Q6GMX0", 1, 108, 23)]),
        # 22 residues of a tag come before author number 1
        ("3eiy_stripped_no_ele.pdb", [("Axp", "Q3JUV5", 22, 196, 1)]),
        # five residues are inserted: no row says where
        ("1orc.pdb", []),
        # references to the entry itself
        ("1bna.pdb", []),
        ("1v5a-3models.cif", []),
        ("wire/rcsb/4hhb.cif", [*HALF, ("C", "P69905", 1, 141, 2), ("D", "P68871", 1, 146, 2)]),
        ("wire/alphafold/AF-P05067-F1-model_v6.pdb", [("Axp", "P05067", 1, 770, 1)]),
        ("wire/alphafold/AF-P05067-2-F1-model_v6.cif", [("A", "P05067-2", 1, 305, 1)]),
    ],
)
def test_segments_of_files(shared, name, expected):
    segments = read(shared, name).segments
    assert spans(segments) == expected
    assert {segment.origin for segment in segments} <= {"file"}


def test_what_files_state_is_what_their_db_references_say(shared):
    truth = json.loads((shared / "data" / "TRUTH.json").read_text())
    compared = 0
    for key, facts in truth.items():
        for row in facts.get("db_references", []) if key.startswith("struct/") else []:
            loaded = read(shared, f"data/{key}")
            mine = [s for s in loaded.segments if s.accession == row["accession"]]
            if mine:
                ends = {(s.uniprot_first, s.uniprot_first + s.last - s.first) for s in mine}
                assert (int(row["db_beg"]), int(row["db_end"])) in ends, key
                compared += 1
    assert compared > 20


@pytest.mark.parametrize("text", [as_pdb, as_cif])
def test_author_numbers_are_not_uniprot_numbers(text):
    # 2BEG: residues 672-713 of P05067, numbered from 1
    structure = protein("DAEFRHDSGYEVHHQKLVFFAEDVGSNKGAIIGLMVGGVVIA", uniprot=("P05067", 672))
    (segment,) = load(text(structure).encode(), "2beg").segments
    assert (segment.first, segment.last, segment.uniprot_first) == (1, 42, 672)


def test_without_struct_ref_the_annotations_of_sifts_serve(shared):
    text = (shared / "wire" / "alphafold" / "AF-P00698-F1-model_v6.cif").read_text()
    stripped = text.replace("_struct_ref", "_other_ref")
    assert stripped != text
    assert load(stripped.encode(), "x.cif").segments == load(text.encode(), "x.cif").segments


def test_the_segments_of_sifts_in_a_file():
    structure = protein("DAEFRHDSGYEVHHQKLVFF", uniprot=None)
    table = """loop_
_pdbx_sifts_unp_segments.entity_id
_pdbx_sifts_unp_segments.asym_id
_pdbx_sifts_unp_segments.unp_acc
_pdbx_sifts_unp_segments.unp_start
_pdbx_sifts_unp_segments.unp_end
_pdbx_sifts_unp_segments.seq_id_start
_pdbx_sifts_unp_segments.seq_id_end
_pdbx_sifts_unp_segments.best_mapping
1 A Q00001 1 20 1 20 N
1 A P05067 672 676 1 5 Y
1 A P05067 677 690 6 20 Y
1 B P05067 1 5 1 5 Y
1 A NOTANID 1 5 1 5 Y
1 A P05067 700 704 18 22 Y
"""
    assert spans(load((as_cif(structure) + table).encode(), "x.cif").segments) == [("A", "P05067", 1, 5, 672)]


def test_residue_by_residue_annotations_make_runs():
    structure = protein("DAEFRHDSGYEVHHQKLVFF", uniprot=None)
    numbers = {1: 672, 2: 673, 3: 674, 5: 676, 6: 678, 7: 679, 9: None, 10: 682}
    rows = "\n".join(f"A {p} P05067 {'?' if n is None else n}" for p, n in numbers.items())
    tags = "\n".join(f"_pdbx_sifts_xref_db.{tag}" for tag in ("asym_id", "seq_id", "unp_acc", "unp_num"))
    found = load(f"{as_cif(structure)}loop_\n{tags}\n{rows}\n".encode(), "x.cif").segments
    assert spans(found) == [("A", "P05067", 1, 5, 672), ("A", "P05067", 6, 10, 678)]


@pytest.mark.parametrize("name", ["1cbs_updated.cif", "AF-P29373-F1-model_v4.cif.gz"])
def test_sifts(shared, name):
    answer = json.loads((shared / "wire" / "pdbe_sifts" / "mappings_uniprot_1cbs.json").read_text())
    assert segments_of_sifts(answer, read(shared, name).structure) == [Segment("A", "P29373", 1, 137, 2, "sifts")]


def mapping(chain="A", label=(1, 20), uniprot=(672, 691), **facts):
    ends = {"start": {"residue_number": label[0]}, "end": {"residue_number": label[1]}}
    return {"chain_id": chain, **ends, "unp_start": uniprot[0], "unp_end": uniprot[1], **facts}


def answer(*mappings, accession="P05067"):
    return {"2beg": {"UniProt": {accession: {"mappings": list(mappings)}}}}


def test_of_two_polymers_of_an_author_chain_sifts_means_the_one_that_it_labels():
    structure = load(CIF.encode(), "x.cif").structure
    found = segments_of_sifts(answer(mapping(label=(1, 2), uniprot=(5, 6), struct_asym_id="Q")), structure)
    assert spans(found) == [("Q", "P05067", 1, 2, 5)]


def test_a_reference_is_of_the_chains_that_it_names():
    sequence = "DAEFRHDSGYEVHHQKLVFF"
    second = Chain(sequence, "B", ("P05067", 672))
    text = as_cif(protein(sequence, uniprot=("P05067", 672), second_chain=second))
    references = gemmi.cif.read_string(text)
    for row in references.sole_block().find("_struct_ref_seq.", ["pdbx_strand_id"]):
        row[0] = "A"
    segments = load(references.as_string().encode(), "x.cif").segments
    assert spans(segments) == [("A", "P05067", 1, 20, 672)]


@pytest.mark.parametrize("text", [as_pdb, as_cif])
def test_what_does_not_fit_the_structure_is_dropped(text):
    structure = load(text(protein("DAEFRHDSGYEVHHQKLVFF", uniprot=None)).encode(), "x").structure
    good = mapping()
    bad = [
        mapping(chain="B"),
        mapping(label=(1, 21), uniprot=(1, 21)),
        mapping(label=(0, 19)),
        mapping(label=(5, 4), uniprot=(5, 4)),
        mapping(label=(1, 19)),
        mapping(uniprot=(99_990, 100_009)),
        mapping(chain=None),
        mapping(chain=[]),
    ]
    found = segments_of_sifts(answer(*bad, good, good), structure)
    assert [(s.first, s.last, s.uniprot_first) for s in found] == [(1, 20, 672)]


@pytest.mark.parametrize(
    "hostile",
    [
        None,
        [],
        "<html>",
        {"2beg": None},
        {"2beg": {}},
        {"2beg": {"UniProt": []}},
        {"2beg": {"UniProt": {"P05067": {}}}},
        {"2beg": {"UniProt": {"P05067": {"mappings": {}}}}},
        {"2beg": {"UniProt": {"P05067": {"mappings": [1]}}}},
        answer(mapping(), accession="../P05067"),
        answer(mapping(label=("1", 20))),
        answer(mapping(label=(True, 20))),
        answer(mapping(uniprot=(None, 20))),
        answer({"chain_id": "A", "unp_start": 1, "unp_end": 2}),
    ],
)
def test_what_is_no_answer_of_sifts_is_refused(hostile):
    with pytest.raises(FormatError, match="SIFTS: "):
        segments_of_sifts(hostile, gemmi.Structure())


def test_alignment_agrees_with_the_references_of_files(shared):
    app = json.loads((shared / "wire" / "uniprot" / "P05067.json").read_text())["sequence"]["value"]
    for name, accession, sequence in [
        ("1aki.cif", "P00698", LYSOZYME),
        ("1aki.pdb", "P00698", LYSOZYME),
        ("wire/alphafold/AF-P00698-F1-model_v6.cif", "P00698", LYSOZYME),
        ("wire/alphafold/AF-P05067-F1-model_v6.pdb", "P05067", app),
    ]:
        loaded = read(shared, name)
        assert spans(segments_by_alignment(loaded.structure, accession, sequence)) == spans(loaded.segments), name
    for name in ("1GBT.cif", "2d7t.cif", "4YVS.cif.gz", "1bna.cif"):
        assert segments_by_alignment(read(shared, name).structure, "P00698", LYSOZYME) == [], name


def aligned(sequence, target=LYSOZYME, **facts):
    structure = load(as_cif(protein(sequence, uniprot=None, **facts)).encode(), "x.cif").structure
    return [(s.first, s.last, s.uniprot_first) for s in segments_by_alignment(structure, "P00698", target)]


def test_alignment_of_what_is_not_quite_the_protein():
    mature = LYSOZYME[18:]
    assert aligned("GSHHHHHHSSGLVPR" + mature) == [(16, 144, 19)]
    assert aligned(mature[:40] + mature[50:]) == [(1, 40, 19), (41, 119, 69)]
    assert aligned(mature[:40] + "GGSGGSGG" + mature[40:]) == [(1, 40, 19), (49, 137, 59)]
    assert aligned(mature[:60] + "W" + mature[61:]) == [(1, 129, 19)]  # a mutation is no gap
    assert aligned(mature[:12]) == [(1, 12, 19)]  # short, but all of it
    assert aligned(mature, missing=5) == [(1, 129, 19)]
    assert aligned(mature[:20] + mature[::-1]) == []  # too little of it
    assert aligned("A" * 60) == []
    every_fourth_mutated = "".join("W" if i % 4 == 3 else letter for i, letter in enumerate(mature))
    assert aligned(every_fourth_mutated) == []


def test_a_modified_residue_aligns_as_its_parent():
    assert aligned("GMKMEMAMVMGMLM", "GMKMEMAMVMGMLM", modified=True) == [(1, 14, 1)]


def test_of_equal_repeats_the_first_is_taken():
    unit = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"
    assert aligned(unit, unit * 9) == [(1, 76, 1)]


@given(st.text("ACDEFGX", max_size=60), st.text("ACDEFGX", max_size=60))
def test_stretches_are_in_order_apart_and_alike(query, target):
    found = stretches(query, target)
    for (a, b, length), (c, d, _) in itertools.pairwise(found):
        assert a + length <= c
        assert b + length <= d
    for a, b, length in found:
        same = sum(query[a + i] == target[b + i] != "X" for i in range(length))
        assert 0 <= a <= a + length <= len(query)
        assert 0 <= b <= b + length <= len(target)
        assert same >= 5
    if len(query) >= 5 and "X" not in query:
        assert stretches(query, query) == [(0, 0, len(query))]


@pytest.mark.parametrize("text", [as_pdb, as_cif])
def test_long_accessions_and_ends_that_are_not_observed(text):
    # PDB format has the records DBREF1 and DBREF2 for such an accession
    structure = protein("DAEFRHDSGYEVHHQKLVFF", uniprot=("A0A140VJM9", 101), author_start=31, missing=4)
    written = text(structure)
    assert text is as_cif or "DBREF2" in written
    (segment,) = load(written.encode(), "x").segments
    assert (segment.accession, segment.first, segment.last, segment.uniprot_first) == ("A0A140VJM9", 1, 20, 101)


@pytest.mark.parametrize(("name", "counts"), [("UNP", 1), ("UniProt", 1), ("SWS", 1), ("PDB", 0), ("GB", 0)])
def test_only_references_to_uniprot_count(name, counts):
    written = as_cif(protein("DAEFRHDSGYEVHHQKLVFF", uniprot=("P05067", 672)))
    assert "_struct_ref.db_name UNP\n" in written
    changed = written.replace("_struct_ref.db_name UNP\n", f"_struct_ref.db_name {name}\n")
    assert len(load(changed.encode(), "x.cif").segments) == counts
