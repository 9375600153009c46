"""Signal peptides of files that do not say which protein they hold: SIFTS, alignment, accessions that moved on."""

import gemmi
import pytest

from builders.errors import HttpError
from builders.structures import fetch
from tests.server import Fault


@pytest.fixture
def bring(endpoints, tmp_path):
    def bring(id, **kwargs):
        options = {"endpoints": endpoints, "cache_dir": str(tmp_path / "cache"), "save_dir": tmp_path / "out", **kwargs}
        return fetch(id, remove=["signal_peptides"], **options)

    return bring


def without_references(databases, id="1Q6H"):
    """An entry's file that says nothing of UniProt."""
    document = gemmi.cif.read_string(databases.files[f"/download/{id}.cif"].decode())
    for category in ("_struct_ref.", "_struct_ref_seq."):
        document.sole_block().find_mmcif_category(category).erase()
    options = gemmi.cif.WriteOptions()
    options.misuse_hash = True
    return document.as_string(options)


def numbers(fetched):
    return [residue.seqid.num for residue in gemmi.read_structure(str(fetched.path))[0]["A"].get_polymer()]


def test_sifts_numbers_a_file_that_does_not(databases, bring):
    databases.add_entry("1abc", without_references(databases), chains={"A": ("P45523", 15, 257, 0.9)})
    result = bring("1abc")
    assert numbers(result)[0] == 1  # the author's 1 is 26 of UniProt
    assert result.path.name == "1abc_nosignal1to25.cif"
    assert any("mappings/uniprot/1abc" in request.path for request in databases.asked("pdbe"))


def test_sifts_is_not_asked_of_a_file_that_numbers_itself(databases, bring):
    assert numbers(bring("1q6h"))[0] == 1
    assert not any("mappings/uniprot" in request.path for request in databases.asked("pdbe"))


def test_alignment_numbers_what_nobody_else_does(databases, bring):
    databases.add_entry("1abc", without_references(databases), chains={"A": ("P45523", 15, 257, 0.95)})
    for path in ("mappings/uniprot/1abc", "mappings/uniprot/1ABC"):
        databases.fail(f"/pdbe/api/{path}", Fault(status=404, body=b'{"message": "no data"}'))
    result = bring("P45523")
    assert (result.entry_id, numbers(result)[0]) == ("1abc", 1)
    assert result.path.name == "p45523_1abc_nosignal1to25.cif"


def test_a_protein_of_another_name_is_left_alone(databases, bring):
    """Chain B of 4hhb is none of P69905, whose signal peptide is invented here."""
    sequence = databases.proteins["P69905"]["sequence"]["value"]
    databases.add_protein("P69905", sequence, [(1, 20)])
    whole = fetch("4hhb", endpoints=databases.endpoints)
    cut = bring("4hhb")
    left = [[len(chain.get_polymer()) for chain in gemmi.read_structure(str(f.path))[0]] for f in (whole, cut)]
    assert left[1][0] == left[0][0] - 19  # the chain begins at the second residue
    assert left[1][1] == left[0][1]


def test_a_merged_accession_is_followed(databases, bring, caplog):
    file = databases.files["/download/1Q6H.cif"].decode().replace("P45523", "P09000")
    databases.add_entry("1abc", file)
    databases.add_inactive("P09000", "MERGED", "P45523")
    assert numbers(bring("1abc"))[0] == 1
    assert "P09000 was merged into P45523" in caplog.text


def test_a_service_that_fails_is_an_error_and_cuts_nothing_by_chance(databases, bring):
    databases.add_entry("1abc", without_references(databases))
    databases.broken["pdbe"] = Fault(status=500)
    with pytest.raises(HttpError, match="mappings/uniprot/1abc"):
        bring("1abc")
    databases.broken["uniprot"] = Fault(status=500)
    with pytest.raises(HttpError, match="uniprotkb/P45523"):
        bring("1q6h")


def test_an_accession_that_uniprot_does_not_know_cuts_nothing_and_says_so(databases, bring, caplog):
    del databases.proteins["P45523"]
    result = bring("1q6h")
    assert result.path.read_bytes() == databases.files["/download/1Q6H.cif"]
    assert "UniProt has no entry P45523" in caplog.text
