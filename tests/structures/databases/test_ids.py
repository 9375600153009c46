"""Ids as people write them: any case, any list, any file; what is none is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import NotFoundError, OptionError
from builders.structures.databases.ids import accession_of, parse_id, read_ids
from builders.structures.databases.resolve import parse_all
from builders.structures.databases.sources import sources
from builders.structures.databases.spellings import PART

CLAIMS = {name: source.claim for name, source in sources().items()}


@pytest.mark.parametrize(
    ("text", "id", "databases"),
    [
        ("4v1w", "4v1w", ("pdb",)),
        ("4V1W", "4v1w", ("pdb",)),
        (" 4v1w\n", "4v1w", ("pdb",)),
        ("pdb_00004v1w", "4v1w", ("pdb",)),
        ("P45523", "P45523", ("pdb", "alphafold")),
        ("F4HvG8", "F4HVG8", ("pdb", "alphafold")),
        ("A0A023FDY8", "A0A023FDY8", ("pdb", "alphafold")),
        ("p05067-2", "P05067-2", ("pdb", "alphafold")),
        ("af-p45523-f1", "AF-P45523-F1", ("alphafold",)),
        ("AF-P05067-2-F1", "AF-P05067-2-F1", ("alphafold",)),
        ("1cukA01", "1cukA01", ("cath",)),
        ("1CUKa01", "1cuka01", ("cath",)),
    ],
)
def test_an_id_is_spelled_as_its_databases_spell_it(text, id, databases):
    found = parse_id(text, CLAIMS)
    assert (found.text, found.sources) == (id, databases)


@pytest.mark.parametrize(
    ("text", "id"),
    [
        # AlphaFold DB
        ("AF-P45523-F1-model_v4", "AF-P45523-F1"),
        ("AF-P45523-F1-model_v4.cif.gz", "AF-P45523-F1"),
        ("af-p45523-f1-v4", "AF-P45523-F1"),
        ("AF-P45523-F1_v6", "AF-P45523-F1"),
        ("AF-P45523", "AF-P45523-F1"),
        ("AF-P05067-2", "AF-P05067-2-F1"),
        ("AF-Q8WZ42-F3-model_v1", "AF-Q8WZ42-F3"),
        ("P45523-F1", "AF-P45523-F1"),
        ("AF-0000000066503175", "AF-0000000066503175"),
        ("AF-0000000066503175-model_v1.pdb", "AF-0000000066503175"),
        ("AFDB:AF-P45523-F1", "AF-P45523-F1"),
        # PDB
        ("pdb_10004v1w", "pdb_10004v1w"),
        ("PDB_00004V1W", "4v1w"),
        ("PDB:4v1w", "4v1w"),
        ("pdb|4v1w|A", "4v1w"),
        ("PDB 4V1W", "4v1w"),
        ("PDB ID: 4V1W", "4v1w"),
        ("4V1W_1", "4v1w"),
        ("4V1W:A", "4v1w"),
        ("4V1W_A", "4v1w"),
        ("4v1w.A", "4v1w"),
        ("4v1w:A,B", "4v1w"),
        ("4v1w_AAA", "4v1w"),
        ("pdb_00004v1w:A", "4v1w"),
        ("4v1w.cif.gz", "4v1w"),
        ("pdb4v1w.ent.gz", "4v1w"),
        ("data/4V1W.pdb", "4v1w"),
        ("C:\\structures\\4v1w.cif", "4v1w"),
        ("'4v1w',", "4v1w"),
        ("\ufeff4v1w", "4v1w"),
        ("[4v1w]", "4v1w"),
        # UniProt
        ("sp|P45523|FKBA_ECOLI", "P45523"),
        (">sp|P45523|FKBA_ECOLI FKBP-type isomerase OS=Escherichia coli", "P45523"),
        ("tr|A0A023FDY8|A0A023FDY8_RHIPU", "A0A023FDY8"),
        ("UniProtKB:P45523", "P45523"),
        ("A0A023FDY8_RHIPU", "A0A023FDY8"),
        ("p45523_1q6h.cif", "1q6h"),
        ("UniProtKB/Swiss-Prot: P45523", "P45523"),
        ("P45523.2", "P45523"),
        # URLs
        ("https://www.rcsb.org/structure/4V1W", "4v1w"),
        ("https://www.rcsb.org/3d-view/4V1W/1", "4v1w"),
        ("https://files.rcsb.org/download/4V1W.cif.gz", "4v1w"),
        ("https://www.ebi.ac.uk/pdbe/entry/pdb/4v1w/", "4v1w"),
        ("https://doi.org/10.2210/pdb4v1w/pdb", "4v1w"),
        ("https://www.wwpdb.org/pdb?id=pdb_00004v1w", "4v1w"),
        ("https://alphafold.ebi.ac.uk/entry/P45523", "P45523"),
        ("https://alphafold.ebi.ac.uk/files/AF-P45523-F1-model_v6.cif", "AF-P45523-F1"),
        ("https://www.uniprot.org/uniprotkb/P45523/entry#structure", "P45523"),
        ("https://rest.uniprot.org/uniprotkb/P45523.fasta", "P45523"),
    ],
)
def test_ids_as_people_have_them(text, id):
    found = parse_id(text, CLAIMS)
    assert found.text == id
    assert parse_id(found.text, CLAIMS) == found
    assert read_ids(text, CLAIMS) == [text.strip()]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("4V1W-1", "an assembly of 4v1w: expected that id, and the option assembly=1"),
        ("4v1w-assembly2.cif.gz", "an assembly of 4v1w: expected that id, and the option assembly=2"),
        ("4v1wA", "has five characters, a PDB id four; a chain is written 4v1w:A"),
        ("EMD-1234", "a map of the EMDB"),
        ("EMPIAR-10943", "load_dataset('empiar', ...)"),
        ("FKBA_ECOLI", "the name of a UniProt entry, which may change: expected its accession, such as P45523"),
        ("UPI000000D74A", "UniParc"),
        ("UniRef90_P45523", "a cluster of UniRef"),
        ("ENSP00000369497.3", "Ensembl"),
        ("NP_000468.1", "RefSeq"),
        ("https://example.org/nothing/here", "expected a PDB id (4v1w)"),
        ("HEM", "expected a PDB id (4v1w)"),
    ],
)
def test_what_is_known_to_be_something_else_is_refused_with_the_reason(text, why):
    with pytest.raises(OptionError, match="is no id: ") as caught:
        parse_id(text, CLAIMS)
    assert why in str(caught.value)


def test_what_is_written_of_an_id_and_not_heeded_is_told_once(caplog):
    known, _ = parse_all(["4V1W:A", "4v1w:B", "2beg_1", "AF-P45523-F1-model_v4", "P45523", "PDB:4hhb"])
    assert [id.text for id in known] == ["4v1w", "2beg", "AF-P45523-F1", "P45523", "4hhb"]
    chains, versions = caplog.messages
    assert chains.startswith(
        "structures: 4V1W:A and 2 more: a chain or an entity of an entry (4v1w:A, 4v1w_1) stands for"
    )
    assert versions.startswith(
        "structures: AF-P45523-F1-model_v4: a model of AlphaFold DB is had in its present version"
    )


@pytest.mark.parametrize(
    "text",
    [
        *("4v1w.cif", "4V1W.CIF.gz", "4v1w.pdb", "4v1w.pdb1", "pdb4v1w.ent", "4v1w.mmcif", "4v1w.bcif", "4v1w.gz"),
        *("data/4v1w.cif", "p45523_4v1w.cif", "PDB:4v1w.cif", "4v1w.tar.gz", "4v1w.map", "4v1w.json"),
    ],
)
def test_the_name_of_a_file_is_told_as_one(text, caplog):
    known, _ = parse_all([text])
    assert [id.text for id in known] == ["4v1w"]
    (said,) = caplog.messages
    assert said.startswith(f"structures: {text}: the name of a file (4v1w.cif) stands for")


@pytest.mark.parametrize("text", ["4v1w.A", "4v1w.Z", "4v1w:cif", "4v1w_A.cif"])
def test_a_chain_is_told_as_one_also_in_the_name_of_a_file(text, caplog):
    parse_all([text])
    assert [f"structures: {text}: {PART}"] == caplog.messages


def test_a_url_is_no_name_of_a_file_of_ones_own(caplog):
    parse_all(["https://files.rcsb.org/download/4V1W.cif.gz"])
    assert not caplog.messages


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "4v1",
        "v41w",
        "P4552",
        "P455233",
        "PDB",
        "AF-XYZ-F1",
        "AF-P45523-F0",
        "../4v1w",
        "4v1w/..",
        "\uff14v1w",
        "1a\u017faA01",
        "1cuk\u212a01",
        None,
        7,
    ],
)
def test_what_is_no_id_is_an_error_that_names_it(text):
    with pytest.raises(OptionError, match="is no id: expected a PDB id") as caught:
        parse_id(text, CLAIMS)
    assert repr(text)[:20] in str(caught.value)


@given(st.text(max_size=30))
def test_whatever_is_accepted_is_safe_in_a_url_and_in_a_file_name(text):
    try:
        found = parse_id(text, CLAIMS)
    except OptionError:
        return
    assert found.text.replace("-", "").isalnum()
    assert found.text.isascii()
    assert parse_id(found.text, CLAIMS) == found


def test_a_list_in_a_file(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_bytes(b"\xef\xbb\xbf# ours\r\n4v1w   # apoferritin\r\n\r\n  P45523\r\n#1abc\r\n")
    assert read_ids(str(path), CLAIMS) == read_ids(path, CLAIMS) == ["4v1w", "P45523"]


LIST = ["4v1w", "P45523", "2beg"]


@pytest.mark.parametrize(
    ("text", "ids", "said"),
    [
        ("4v1w,P45523,2beg", LIST, ""),
        ("4v1w, P45523,\n2beg,\n", LIST, ""),
        ("4v1w P45523\t2beg", LIST, ""),
        ("4v1w;P45523\n\n  2beg", LIST, ""),
        ("'4v1w'\n\"P45523\"\n2beg", LIST, ""),
        ("PDB ID\n4v1w\nP45523\n2beg\n", LIST, "taken for titles, as there is no id: PDB ID"),
        ("id\n4v1w\nP45523\n2beg\n", LIST, "taken for titles"),
        ("My favourite structures of 2023\n---\n4v1w\nP45523\n2beg\n", LIST, "taken for titles"),
        (
            "pdb_id,resolution,title\n4v1w,2.9,apoferritin\nP45523,,x\n2beg,1.5,y\n",
            LIST,
            "the ids are taken from column 1",
        ),
        ("name\tpdb\nferritin\t4v1w\nFkpA\tP45523\nAβ\t2beg\n", LIST, "the ids are taken from column 2"),
        ("4v1w apoferritin at 2.9 Å\nP45523 a chaperone\n2beg\n", LIST, "the ids are taken from column 1"),
        ("4v1w # one\n# two\nP45523\n2beg", LIST, ""),
        (
            ">sp|P45523|FKBA_ECOLI x\nMKSLFK\nVTLLAT\n>sp|P02791|FRIL_HORSE\nMSSQIR",
            ["sp|P45523|FKBA_ECOLI", "sp|P02791|FRIL_HORSE"],
            "",
        ),
        ("https://www.rcsb.org/structure/4V1W\n2beg\n", ["https://www.rcsb.org/structure/4V1W", "2beg"], ""),
        ("4V1W:A\n2beg_1\n", ["4V1W:A", "2beg_1"], ""),
        # what is no id stays, to be told as such
        ("4hhb 4hhbb 2beg\n", ["4hhb", "4hhbb", "2beg"], ""),
        ("4hhb\n4hhbb\n2beg\n", ["4hhb", "4hhbb", "2beg"], ""),
        ("4hhbb\n2beg\n", ["4hhbb", "2beg"], ""),
        ("4hhb\nnonsense\n2beg\n", ["4hhb", "nonsense", "2beg"], ""),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_ids_as_people_have_them(text, ids, said, encoding, tmp_path, caplog):
    path = tmp_path / "ids.txt"
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert read_ids(path, CLAIMS) == ids
    assert (said in caplog.text) if said else not caplog.messages


def test_a_few_ids_in_one_text():
    assert read_ids("4v1w, P45523", CLAIMS) == read_ids("4v1w P45523", CLAIMS) == ["4v1w", "P45523"]
    assert read_ids("4v1w of mine", CLAIMS) == ["4v1w of mine"]


def test_a_file_of_a_structure_is_no_list_of_ids(tmp_path):
    path = tmp_path / "4v1w.cif"
    path.write_text("data_4V1W\n#\n")
    with pytest.raises(OptionError, match=r"4v1w\.cif': a file of a structure: expected ids"):
        read_ids(str(path), CLAIMS)


def test_a_single_id_needs_no_list():
    assert read_ids("4v1w", CLAIMS) == ["4v1w"]


@pytest.mark.parametrize("ids", [[], (), None, 5, b"4v1w", {"4v1w": 1}])
def test_no_ids_are_an_error(ids):
    with pytest.raises(OptionError, match="ids is"):
        read_ids(ids, CLAIMS)


def test_an_empty_file_and_a_missing_one_are_errors_that_name_them(tmp_path):
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(OptionError, match=r"empty\.txt: no id in it"):
        read_ids(tmp_path / "empty.txt", CLAIMS)
    with pytest.raises(NotFoundError, match=r"'missing\.txt': neither an id .* nor a file"):
        read_ids("missing.txt", CLAIMS)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(OptionError, match="not a text file"):
        read_ids(tmp_path / "picture.png", CLAIMS)


def test_a_text_that_is_neither_an_id_nor_a_path_is_taken_for_an_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_ids("nonsense", CLAIMS) == ["nonsense"]
    (tmp_path / "nonsense").write_text("4v1w\n")
    assert read_ids("nonsense", CLAIMS) == ["4v1w"]


def test_an_id_in_several_spellings_is_one():
    known, refused = parse_all(["4v1w", "4V1W", "p45523", "P45523"])
    assert [id.text for id in known] == ["4v1w", "P45523"]
    assert refused == []


def test_what_is_no_id_can_be_left_out():
    known, refused = parse_all(["4v1w", "nonsense"], "skip")
    assert [id.text for id in known] == ["4v1w"]
    assert [text for text, _ in refused] == ["nonsense"]


def test_accessions_have_the_form_that_uniprot_states():
    assert accession_of("q9y6k9") == "Q9Y6K9"
    assert accession_of("A0A140VJM9") == "A0A140VJM9"
    for text in ("4v1w", "P45523-0", "AB12345", "P0A", "A0A140VJM"):
        assert accession_of(text) is None, text
