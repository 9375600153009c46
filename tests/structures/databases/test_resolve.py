"""Which structure an id gives: which database, which entry, which format; and what is said when there is none."""

import gzip
import json
import os
import time

import pytest

from builders.errors import (
    FormatError,
    HttpError,
    NotFoundError,
    OptionError,
    PercError,
    TruncatedError,
    UnknownOptionError,
    UnreachableError,
    UnsafeAddressError,
)
from builders.io.net import remote
from builders.structures import available, fetch
from builders.structures.databases.resolve import Wish, find, parse_all
from builders.structures.databases.services import Services
from builders.structures.databases.sources import sources
from builders.structures.reading.parse import load
from tests.server import Fault
from tests.structures.answers import said


@pytest.fixture
def find_one(databases, tmp_path):
    def find_one(text, *args, endpoints=None, **kwargs):
        services = Services(databases.endpoints if endpoints is None else endpoints, str(tmp_path / "cache"))
        ((id,), _) = parse_all([text])
        return find(id, Wish(*args, services=services, **kwargs))[0]

    return find_one


def instead(body, **headers):
    """Something else in place of a file."""
    return Fault(body=body, whole=True, headers={"ETag": None, "Last-Modified": None, **headers})


def chosen(found):
    return found.candidate.source, found.candidate.entry_id, found.format


def test_of_several_entries_the_best_coverage_then_the_best_resolution_is_taken(find_one):
    found = find_one("P45523")  # 1q6u and 1q6h cover as much; 1q6i, of better resolution than 1q6u, less
    assert chosen(found) == ("pdb", "1q6h", "cif")
    assert (found.candidate.coverage, found.candidate.resolution) == (pytest.approx(0.9), 1.97)


def test_equal_entries_are_taken_by_id(databases, find_one):
    for id in ("9zzz", "8aaa"):
        file = databases.files["/download/1Q6H.cif"].decode()
        databases.add_entry(id, file, file, resolution=1.97, chains={"A": ("P45523", 15, 257, 0.95)})
    assert find_one("P45523").candidate.entry_id == "8aaa"


def test_an_entry_without_resolution_comes_after_those_with_one(databases, find_one):
    file = databases.files["/download/1Q6H.cif"].decode()
    databases.add_entry("1aaa", file, file, resolution=None, chains={"A": ("P45523", 15, 257, 0.9)})
    assert find_one("P45523").candidate.entry_id == "1q6h"


def test_the_rcsb_ranks_where_pdbe_knows_nothing(databases, find_one):
    databases.broken["pdbe"] = Fault(status=404, body=b'{"message": "no data"}')
    assert find_one("P45523").candidate.entry_id == "1q6h"
    assert len(databases.asked("rcsb_data")) == 6


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(status=403), Fault(status=200, body=b"<html>busy</html>")])
def test_the_rcsb_ranks_where_pdbe_fails(databases, find_one, fault):
    databases.broken["pdbe"] = fault
    assert find_one("P45523").candidate.entry_id == "1q6h"


@pytest.mark.parametrize("broken", ["", "pdbe"])
def test_of_an_entry_the_chain_with_the_best_coverage_counts(databases, find_one, broken):
    file = databases.files["/download/1Q6H.cif"].decode()
    chains = {"A": ("P45523", 15, 257, 0.95), "B": ("P45523", 82, 100, 0.1)}
    databases.add_entry("1aaa", file, file, resolution=3.0, chains=chains)
    databases.broken[broken] = Fault(status=404, body=b"{}")
    found = find_one("P45523")
    assert (found.candidate.entry_id, found.candidate.coverage) == ("1aaa", pytest.approx(0.95))


def test_what_an_entry_covers_of_other_proteins_does_not_count(databases, find_one):
    file = databases.files["/download/4HHB.cif"].decode()
    databases.add_entry("1aaa", file, file, chains={"A": ("P69905", 1, 70, 0.5), "B": ("P68871", 1, 147, 0.99)})
    databases.add_entry("2aaa", file, file, chains={"A": ("P69905", 1, 85, 0.6)})
    databases.broken["pdbe"] = Fault(status=404, body=b"{}")
    hits = {"total_count": 2, "result_set": [{"identifier": "1AAA"}, {"identifier": "2AAA"}]}
    databases.broken["rcsb_search"] = Fault(status=200, body=json.dumps(hits).encode())
    assert find_one("P69905").candidate.entry_id == "2aaa"


def test_pdbe_ranks_by_its_older_answer_where_it_lacks_the_newer(databases, find_one):
    databases.fail("/pdbe/api/v2/uniprot/best_structures/P45523", Fault(status=404, body=b"{}"))
    assert find_one("P45523").candidate.entry_id == "1q6h"
    assert databases.asked("rcsb_data") == []


def test_where_only_pdbe_can_rank_its_failure_is_an_error_unless_there_is_one_entry(databases, find_one):
    databases.broken["pdbe"] = Fault(status=500)
    endpoints = {name: base for name, base in databases.endpoints.items() if name != "rcsb_data"}
    with pytest.raises(HttpError, match="HTTP 500"):
        find_one("P45523", endpoints=endpoints)
    assert find_one("P0DTC2", endpoints=endpoints).candidate.entry_id == "6vxx"


def test_nobody_is_asked_for_an_order_of_no_entries(databases, find_one):
    databases.broken["pdbe"] = databases.broken["rcsb_data"] = Fault(status=403)
    assert chosen(find_one("F4HVG8")) == ("alphafold", "AF-F4HVG8-F1", "cif")
    assert databases.asked("pdbe") == databases.asked("rcsb_data") == []


def test_an_order_that_nobody_tells_is_an_error(databases, find_one):
    databases.broken["pdbe"] = databases.broken["rcsb_data"] = Fault(status=500)
    with pytest.raises(HttpError, match="HTTP 500"):
        find_one("P45523")


def test_the_other_database_is_asked_where_the_first_has_nothing(find_one):
    assert chosen(find_one("F4HVG8")) == ("alphafold", "AF-F4HVG8-F1", "cif")
    assert chosen(find_one("P0DTC2", "alphafold")) == ("pdb", "6vxx", "cif")
    assert chosen(find_one("P45523", "alphafold")) == ("alphafold", "AF-P45523-F1", "cif")


def test_without_fallback_only_the_one_is_asked(databases, find_one):
    with pytest.raises(NotFoundError, match="F4HVG8: no structure of it: pdb: nothing for F4HVG8"):
        find_one("F4HVG8", "pdb", fallback=False)
    assert databases.asked("alphafold") == []


@pytest.mark.parametrize("form", ["404", "400", "[]"])
def test_alphafold_has_many_ways_to_say_no(databases, find_one, form):
    databases.alphafold_absent = form
    with pytest.raises(NotFoundError, match=r"Q9Y6K9: no structure of it: pdb: nothing .*; alphafold: nothing"):
        find_one("Q9Y6K9")


def test_a_format_that_is_missing_gives_the_other_one(find_one):
    assert chosen(find_one("4v1w", format="pdb")) == ("pdb", "4v1w", "cif")


def test_a_missing_file_names_every_place_that_was_asked(databases, find_one):
    with pytest.raises(NotFoundError) as caught:
        find_one("9xyz")
    for suffix in ("cif.gz", "cif", "pdb.gz", "pdb"):
        assert f"{databases.base}/download/9XYZ.{suffix}: not there" in str(caught.value)


def test_the_canonical_model_is_taken_by_accession_and_isoforms_by_theirs(find_one):
    assert find_one("P05067", "alphafold").candidate.entry_id == "AF-P05067-F1"
    assert find_one("AF-P05067-F1").candidate.entry_id == "AF-P05067-F1"
    assert find_one("P05067-2").candidate.entry_id == "AF-P05067-2-F1"
    assert find_one("af-p05067-4-f1").candidate.entry_id == "AF-P05067-4-F1"


def test_of_a_model_in_parts_the_part_that_is_named_is_taken_or_else_the_first(databases, find_one):
    first, name = databases.models["F4HVG8"][0], "AF-F4HVG8-F2"
    with pytest.raises(NotFoundError, match="alphafold: nothing for AF-P45523-F2"):
        find_one("AF-P45523-F2")
    databases.models["F4HVG8"].insert(0, first | {"entryId": name, "modelEntityId": name})
    for format in ("cif", "pdb"):
        first[f"{format}Url"] += ".not"
    assert find_one(name).candidate.entry_id == name
    with pytest.raises(NotFoundError, match=r"\.not: not there"):  # another part is not what stands for the protein
        find_one("F4HVG8")


@pytest.mark.parametrize("names", ["old", "new"])
def test_old_and_new_names_of_fields(databases, find_one, names):
    databases.alphafold_names = names
    found = find_one("F4HVG8", "alphafold")
    assert found.candidate.entry_id == "AF-F4HVG8-F1"
    assert found.candidate.coverage == 1


def test_urls_of_files_are_those_that_are_told(databases, find_one):
    model = databases.models["F4HVG8"][0]
    for format in ("cif", "pdb"):
        databases.files[f"/files/later/version-99.{format}"] = databases.files.pop(
            f"/files/AF-F4HVG8-F1-model_v6.{format}"
        )
        model[f"{format}Url"] = f"https://alphafold.ebi.ac.uk/files/later/version-99.{format}"
    assert find_one("F4HVG8").place.endswith("/files/later/version-99.cif")


def test_a_url_that_leads_elsewhere_is_not_followed(databases, find_one):
    databases.models["F4HVG8"][0]["cifUrl"] = "https://evil.example/x.cif"
    with pytest.raises(UnsafeAddressError, match=r"evil\.example"):
        find_one("F4HVG8")


@pytest.mark.parametrize(
    "url", ["httpx.cif", "http:/../x.cif", "https:///x", "https://u:p@alphafold.ebi.ac.uk/x", "https://[x", "http"]
)
def test_what_is_no_url_is_not_followed_nor_taken_for_a_path(databases, find_one, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:").mkdir()
    for name in ("httpx.cif", "x.cif"):
        (tmp_path / name).write_bytes(databases.files["/download/1Q6H.cif"])
    databases.models["F4HVG8"][0]["cifUrl"] = url
    with pytest.raises(UnsafeAddressError, match=r"expected an http or https URL|not a URL"):
        find_one("F4HVG8", "alphafold", fallback=False)
    with pytest.raises(UnsafeAddressError):
        Services().moved(url)


def test_a_path_in_place_of_a_url_is_not_followed(databases, find_one, tmp_path):
    (tmp_path / "x.cif").write_bytes(databases.files["/download/1Q6H.cif"])
    databases.models["F4HVG8"][0]["cifUrl"] = str(tmp_path / "x.cif")
    assert chosen(find_one("F4HVG8")) == ("alphafold", "AF-F4HVG8-F1", "pdb")


def test_formats_of_which_no_url_is_told_are_named(databases, find_one):
    del databases.models["F4HVG8"][0]["cifUrl"], databases.models["F4HVG8"][0]["pdbUrl"]
    with pytest.raises(NotFoundError, match="no cif of AF-F4HVG8-F1; alphafold: no pdb of AF-F4HVG8-F1"):
        find_one("F4HVG8")


@pytest.mark.parametrize("end", ["\ud800", "x\r\ny: z", "\x1b[31m"])
def test_a_url_with_characters_that_none_has_is_not_followed(databases, find_one, end):
    databases.models["F4HVG8"][0]["cifUrl"] = f"https://alphafold.ebi.ac.uk/files/{end}"
    with pytest.raises(UnsafeAddressError, match="not a URL"):
        find_one("F4HVG8")


@pytest.mark.parametrize(
    "path", ["../secret.cif", "x/../../secret.cif", "a" * 5000, "C:/x.cif", "..\\secret.cif", "\0"]
)
def test_a_url_leads_out_of_no_folder_that_stands_for_a_service(databases, find_one, tmp_path, path):
    (tmp_path / "pdb" / "x").mkdir(parents=True)
    (tmp_path / "secret.cif").write_bytes(databases.files["/download/1Q6H.cif"])
    databases.models["F4HVG8"][0]["cifUrl"] = f"https://files.rcsb.org/{path}"
    endpoints = {**databases.endpoints, "rcsb_files": str(tmp_path / "pdb")}
    try:
        found = find_one("F4HVG8", "alphafold", fallback=False, endpoints=endpoints)
    except UnsafeAddressError:
        return
    assert chosen(found) == ("alphafold", "AF-F4HVG8-F1", "pdb")


def test_a_server_that_fails_is_no_reason_to_look_elsewhere(databases, find_one):
    databases.broken["rcsb_search"] = Fault(status=503)
    with pytest.raises(HttpError, match=r"^A0A023FDY8: http://.*/query: .*HTTP 503"):
        find_one("A0A023FDY8")
    assert databases.asked("alphafold") == []


@pytest.mark.parametrize(
    ("reason", "to", "message"),
    [
        ("MERGED", ["A6QL63"], "A4FU41 was merged into A6QL63"),
        ("DEMERGED", ["P99999", "P99998"], "A4FU41 was split into P99999, P99998"),
        ("DELETED", [], r"A4FU41 was withdrawn \(Not part of a reference proteome\)"),
    ],
)
def test_what_became_of_an_accession_is_said(databases, find_one, reason, to, message):
    databases.add_inactive("A4FU41", reason, *to)
    with pytest.raises(NotFoundError, match=message) as caught:
        find_one("A4FU41")
    assert "pdb: nothing" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "message"), [(404, "there is no Q9Y6K9"), (400, "there is no Q9Y6K9"), (500, "nothing for Q9Y6K9$")]
)
def test_what_uniprot_says_of_an_accession_that_is_nowhere(databases, find_one, status, message):
    databases.broken["uniprot"] = Fault(status=status, body=b"{}")
    with pytest.raises(NotFoundError, match=message):
        find_one("Q9Y6K9")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            {"id_codes_replaced_by": ["2HHB", "4HHB"], "remove_date": "1984-07-17T00:00:00.000+00:00"},
            "pdb: 1hhb was superseded by 2hhb, 4hhb on 1984-07-17: ask for one of them$",
        ),
        (
            {"status_code": "OBS", "id_codes_replaced_by": ["4HHB"]},
            "pdb: 1hhb was superseded by 4hhb: ask for that one$",
        ),
        ({"status_code": "WDRN", "remove_date": "2020-01-01"}, "pdb: 1hhb was withdrawn on 2020-01-01$"),
        ({"status_code": "OBS"}, "pdb: 1hhb was withdrawn, and nothing is in its place$"),
        ({"id_codes_replaced_by": None}, "pdb: 1hhb was withdrawn$"),
    ],
)
def test_what_became_of_an_entry_is_said(databases, find_one, facts, message):
    databases.removed["1HHB"] = facts
    for text in ("1hhb", "1HHB:A"):
        with pytest.raises(NotFoundError, match=message) as caught:
            find_one(text)
        assert "/download/1HHB.cif.gz: not there" in str(caught.value)


def test_an_entry_that_is_not_released_yet_is_said(databases, find_one):
    databases.unreleased["9XYZ"] = "HPUB"
    with pytest.raises(NotFoundError, match=r"pdb: 9xyz is not released yet \(HPUB\)$"):
        find_one("9xyz")


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(status=200, body=b"[]"), Fault(status=200, body=b"{}")])
def test_an_entry_of_which_nothing_is_said_is_not_there_all_the_same(databases, find_one, fault):
    databases.broken["rcsb_data"] = fault
    with pytest.raises(NotFoundError, match=r"9xyz: no structure of it: .*not there"):
        find_one("9xyz")


def test_text_of_others_about_an_entry_is_made_printable(databases, find_one):
    databases.removed["1HHB"] = {"id_codes_replaced_by": ["\x1b[31m4HHB", 7], "remove_date": "\x07" * 100}
    with pytest.raises(NotFoundError) as caught:
        find_one("1hhb")
    assert str(caught.value).isprintable()


def test_a_file_that_says_that_it_is_obsolete_is_told(databases, tmp_path, caplog):
    cif, pdb = (databases.files[f"/download/4HHB.{suffix}"].decode() for suffix in ("cif", "pdb"))
    loop = "loop_\n_pdbx_database_PDB_obs_spr.id\n_pdbx_database_PDB_obs_spr.pdb_id\n"
    record = "OBSLTE     17-JUL-84 1HHB      2HHB  3HHB  4HHB\n"
    for name, text, by in (
        ("a.cif", cif.replace("# \n", f"# \n{loop}OBSLTE 2HHB\nSPRSDE 1ABC\n# \n", 1), "2hhb"),
        ("a.pdb", pdb.replace("\n", f"\n{record}", 1), "2hhb, 3hhb, 4hhb"),
    ):
        caplog.clear()
        load(text.encode(), name)
        assert caplog.messages == [f"{name}: it was withdrawn, superseded by {by}"]


def test_a_complex_of_alphafold_db_has_an_element_a_chain(databases, find_one):
    id = "AF-0000000066503175"
    (model,) = databases.models["P45523"]
    file = f"https://alphafold.ebi.ac.uk/files/{id}-model_v1"
    both = {"entryId": id, "modelEntityId": id, "cifUrl": f"{file}.cif", "pdbUrl": f"{file}.pdb", "isComplex": True}
    databases.models[id] = [{**model, **both, "chainId": chain} for chain in "BA"]
    databases.files[f"/files/{id}-model_v1.cif"] = databases.files["/files/AF-P45523-F1-model_v6.cif"]
    for text in (id, f"{id}-model_v1", f"{id.lower()}.cif"):
        found = find_one(text)
        assert (found.candidate.source, found.candidate.entry_id, found.candidate.coverage) == ("alphafold", id, None)
    assert databases.asked("alphafold")[0].path == f"/api/prediction/{id}"
    with pytest.raises(NotFoundError, match="alphafold: nothing for AF-0000000000000001"):
        find_one("AF-0000000000000001")


def test_an_entry_with_an_id_of_the_long_form_only(databases, find_one, tmp_path):
    databases.add_entry("pdb_10004v1w", databases.files["/download/4HHB.cif"].decode())
    found = find_one("PDB_10004V1W")
    assert (found.candidate.entry_id, found.format) == ("pdb_10004v1w", "cif")
    assert databases.asked("rcsb_files")[0].path == "/download/pdb_10004v1w.cif.gz"
    options = {"endpoints": databases.endpoints, "cache_dir": str(tmp_path / "cache")}
    assert fetch("pdb_10004v1w:A", save_dir=tmp_path, **options).path.name == "pdb_10004v1w.cif"


def test_services_that_are_not_replaced_are_not_wanted_where_others_are():
    assert Services().is_wanted("pdbe")
    services = Services({"uniprot": "http://127.0.0.1:1"})
    assert services.is_wanted("uniprot")
    assert not services.is_wanted("pdbe")


def test_a_merge_that_only_a_redirect_tells(databases, find_one):
    headers = {"Location": "/uniprotkb/A6QL63?from=A4FU41"}
    databases.broken["uniprot"] = Fault(status=303, headers=headers, body=b"")
    with pytest.raises(NotFoundError, match="A4FU41 was merged into A6QL63"):
        find_one("A4FU41")


def test_a_signal_peptide_of_a_protein_that_a_redirect_leads_to(databases, tmp_path):
    databases.proteins["A6QL63"] = databases.proteins.pop("A0A023FDY8") | {"primaryAccession": "A6QL63"}
    databases.fail("/uniprotkb/A0A023FDY8.json", Fault(status=303, headers={"Location": "/uniprotkb/A6QL63"}, body=b""))
    options = {"endpoints": databases.endpoints, "cache_dir": str(tmp_path)}
    result = fetch("A0A023FDY8", "alphafold", save_dir=tmp_path, remove=["signal_peptides"], **options)
    assert result.path.name == "a0a023fdy8_af-a0a023fdy8-f1_nosignal1to22.cif"


@pytest.mark.parametrize("id", ["4v1w", "F4HVG8"])
def test_an_html_page_in_place_of_a_structure(databases, find_one, id):
    page = b"<!DOCTYPE html><html><body>Please log in</body></html>"
    path = "/download/4V1W.cif.gz" if id == "4v1w" else "/files/AF-F4HVG8-F1-model_v6.cif"
    databases.fail(path, instead(page, **{"Content-Encoding": None, "Content-Type": "text/plain"}))
    with pytest.raises(FormatError, match=f"{id}.*(an HTML page|gzip)"):
        find_one(id)
    assert chosen(find_one(id))[2] == "cif"  # what came was not kept


def test_a_truncated_file_is_not_kept(databases, find_one):
    whole = gzip.decompress(databases.files["/download/4V1W.cif.gz"])
    lines = whole.splitlines(keepends=True)
    databases.fail("/download/4V1W.cif.gz", instead(gzip.compress(b"".join(lines[: len(lines) * 2 // 3]))))
    with pytest.raises(TruncatedError, match="4v1w"):
        find_one("4v1w")
    assert chosen(find_one("4v1w")) == ("pdb", "4v1w", "cif")


def test_a_file_without_end_is_not_read(databases, find_one, monkeypatch):
    monkeypatch.setattr("builders.structures.databases.services.MOST_BYTES", 1000)
    with pytest.raises(FormatError, match="more than 1000 bytes"):
        find_one("4v1w")


def test_a_wrong_format_is_not_kept(databases, find_one):
    databases.fail("/download/1Q6H.cif.gz", instead(databases.files["/download/1Q6H.pdb.gz"]))
    with pytest.raises(FormatError, match=r"1q6h.*is pdb, expected cif"):
        find_one("1q6h")


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"", b"[" * 100_000, b'{"result_set": 5}', b"null", b"[1]"])
def test_answers_of_no_known_form_are_errors_or_nothing(databases, find_one, body):
    databases.broken["rcsb_search"] = Fault(status=200, body=body)
    with pytest.raises(PercError):
        find_one("P0DTC2")


@pytest.mark.parametrize(
    ("service", "db"), [("rcsb_search", "pdb"), ("alphafold", "alphafold"), ("uniprot", "pdb"), ("pdbe", "pdb")]
)
@pytest.mark.parametrize("body", [b'{"message": "maintenance"}', b"null", b'"busy"', b'{"result_set": 5}'])
def test_what_is_no_answer_is_not_kept(databases, endpoints, tmp_path, service, db, body):
    """Nor does it lead to another database: a server that fails says so in many ways."""
    options = {"endpoints": endpoints, "cache_dir": str(tmp_path), "remove": ["signal_peptides"], "format": "pdb"}
    databases.broken = {service: Fault(status=200, body=body)}
    if service == "pdbe":  # the RCSB ranks instead
        assert fetch("P45523", db, **options).entry_id == "1q6h"
    else:
        with pytest.raises(FormatError, match="no answer"):
            fetch("P45523", db, **options)
    databases.broken = {}
    assert fetch("P45523", db, **options).source == db


def test_hostile_hits_are_passed_over(databases, find_one):
    hits = [{"identifier": i} for i in ("../../etc", "4V1W/../x", None, "1Q6U_1", {"a": 1})]
    databases.broken["rcsb_search"] = Fault(
        status=200, body=json.dumps({"total_count": 5, "result_set": hits}).encode()
    )
    assert find_one("P45523").candidate.entry_id == "1q6u"


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e999", "NaN", '"0.9"', "true", "[]"])
def test_numbers_that_are_none_rank_last(databases, find_one, number):
    facts = [
        f'{{"pdb_id": "1q6h", "coverage": {number}, "resolution": {number}}}',
        '{"pdb_id": "1q6u", "coverage": 0.1}',
    ]
    databases.broken["pdbe"] = Fault(status=200, body=f'{{"P45523": [{", ".join(facts)}]}}'.encode())
    databases.broken["rcsb_data"] = Fault(status=404)
    assert find_one("P45523").candidate.entry_id == "1q6u"


@pytest.mark.parametrize(("end", "coverage"), [(10**400, 1.0), (-(10**400), 0.0), (1.5, None), ("200", None)])
def test_a_model_whose_end_is_none(databases, find_one, end, coverage):
    databases.models["F4HVG8"][0] |= {"uniprotEnd": end, "sequenceEnd": end}
    assert find_one("F4HVG8").candidate.coverage == coverage


def test_entries_beyond_the_first_page_count(databases, find_one, monkeypatch):
    monkeypatch.setattr("builders.structures.databases.rcsb._PAGE", 2)
    assert find_one("P45523").candidate.entry_id == "1q6h"
    assert len(databases.asked("rcsb_search")) == 2


def test_pages_may_be_shorter_than_was_asked_for(databases, find_one, monkeypatch):
    monkeypatch.setattr("tests.structures.answers.MOST_ROWS", 1)
    assert find_one("P45523").candidate.entry_id == "1q6h"
    assert len(databases.asked("rcsb_search")) == 3


def test_a_page_that_comes_again_is_the_last_one(databases, find_one):
    answer = {"total_count": 24742, "result_set": [{"identifier": "1Q6U_1"}, {"identifier": "1Q6H_1"}]}
    databases.broken["rcsb_search"] = Fault(status=200, body=json.dumps(answer).encode())
    assert find_one("P45523").candidate.entry_id == "1q6h"
    assert len(databases.asked("rcsb_search")) == 2


# the cache


def test_a_second_run_asks_nobody_whatever_the_fallback_was(databases, tmp_path):
    ids = ["F4HVG8", "4v1w", "P45523", "P0DTC2", "4hhb", "Q9Y6K9"]
    cache = str(tmp_path / "cache")

    def run(**kwargs):
        results = fetch(ids, format="pdb", on_error="skip", endpoints=databases.endpoints, cache_dir=cache, **kwargs)
        return [(item.entry_id, item.format, item.path.read_bytes()) for item in results]

    first = run()
    asked = len(databases.requests)
    assert run() == first
    assert len(databases.requests) == asked
    assert run(anew=True) == first
    assert len(databases.requests) > asked


def test_what_is_cached_works_offline(databases, tmp_path):
    cache = str(tmp_path / "cache")
    endpoints = databases.endpoints
    first = fetch(["F4HVG8", "P45523"], endpoints=endpoints, cache_dir=cache, remove=["signal_peptides"])
    for service in endpoints:
        databases.broken[service] = Fault(status=500)
    again = fetch(["F4HVG8", "P45523"], endpoints=endpoints, cache_dir=cache, remove=["signal_peptides"])
    assert [item.entry_id for item in again] == [item.entry_id for item in first]
    with pytest.raises(HttpError):
        fetch("4v1w", endpoints=endpoints, cache_dir=cache)


def test_not_there_is_believed_for_a_day(databases, find_one, monkeypatch):
    with pytest.raises(NotFoundError):
        find_one("9xyz")
    asked = len(databases.requests)
    with pytest.raises(NotFoundError):
        find_one("9xyz")
    assert len(databases.requests) == asked
    file = databases.files["/download/1Q6H.cif"].decode()
    databases.add_entry("9xyz", file, file)
    monkeypatch.setattr("builders.structures.databases.services._BELIEVED", 0.0)
    assert find_one("9xyz").candidate.entry_id == "9xyz"


@pytest.mark.parametrize(("hours", "is_believed"), [(23, True), (25, False)])
def test_a_day_has_24_hours(databases, find_one, tmp_path, hours, is_believed):
    with pytest.raises(NotFoundError):
        find_one("9xyz")
    then = time.time() - hours * 3600
    for note in (tmp_path / "cache").rglob("*"):
        os.utime(note, (then, then))
    asked = len(databases.requests)
    with pytest.raises(NotFoundError):
        find_one("9xyz")
    assert (len(databases.requests) == asked) is is_believed


def test_not_there_is_believed_where_nobody_can_be_reached_and_nothing_else_is(find_one, monkeypatch):
    with pytest.raises(NotFoundError):
        find_one("9xyz")
    monkeypatch.setattr("builders.structures.databases.services._BELIEVED", 0.0)

    def stream(url, **_options):
        msg = f"{url}: no connection"
        raise UnreachableError(msg)

    monkeypatch.setattr(remote.client(), "stream", stream)
    with pytest.raises(NotFoundError):
        find_one("9xyz")
    with pytest.raises(UnreachableError):
        find_one("4v1w")


@pytest.mark.parametrize("form", ["404", "400", "[]"])
def test_each_way_to_say_no_is_believed_for_a_day(databases, find_one, monkeypatch, form):
    databases.alphafold_absent = form
    model = databases.models.pop("F4HVG8")
    with pytest.raises(NotFoundError):
        find_one("F4HVG8")
    databases.models["F4HVG8"] = model
    with pytest.raises(NotFoundError):
        find_one("F4HVG8")
    monkeypatch.setattr("builders.structures.databases.services._BELIEVED", 0.0)
    assert find_one("F4HVG8").candidate.entry_id == "AF-F4HVG8-F1"


def test_what_asking_anew_found_stays_found(databases, tmp_path):
    options = {"endpoints": databases.endpoints, "cache_dir": str(tmp_path)}
    with pytest.raises(NotFoundError):
        fetch("9xyz", **options)
    file = databases.files["/download/1Q6H.cif"].decode()
    databases.add_entry("9xyz", file, file)
    assert fetch("9xyz", anew=True, **options).entry_id == "9xyz"
    assert fetch("9xyz", **options).entry_id == "9xyz"


def test_what_asking_anew_did_not_find_is_not_there(databases, tmp_path):
    options = {"endpoints": databases.endpoints, "cache_dir": str(tmp_path)}
    fetch("4hhb", **options)
    for path in [path for path in databases.files if "4HHB" in path]:
        del databases.files[path]
    assert available("4hhb", **options) == {"4hhb": ["pdb"]}
    assert available("4hhb", anew=True, **options) == {"4hhb": []}
    for anew in (True, False):
        with pytest.raises(NotFoundError):
            fetch("4hhb", anew=anew, **options)


def test_asking_anew_what_is_not_there_asks_once(databases, tmp_path):
    services = Services(databases.endpoints, str(tmp_path), anew=True)
    ((id,), _) = parse_all(["9xyz"])
    asked = []
    for _ in range(2):
        with pytest.raises(NotFoundError):
            find(id, Wish(services=services))
        asked.append(len(databases.requests))
    assert asked[0] == asked[1]


def test_not_there_is_not_believed_from_the_future(databases, find_one, tmp_path):
    """The clock was wrong when it was written, or is wrong now."""
    with pytest.raises(NotFoundError):
        find_one("9xyz")
    for note in (tmp_path / "cache").rglob("*"):
        os.utime(note, (2**32, 2**32))
    file = databases.files["/download/1Q6H.cif"].decode()
    databases.add_entry("9xyz", file, file)
    assert find_one("9xyz").candidate.entry_id == "9xyz"


def test_formats_are_cached_apart(databases, tmp_path):
    options = {"endpoints": databases.endpoints, "cache_dir": str(tmp_path)}
    cif, pdb = (fetch("4hhb", format=format, **options) for format in ("cif", "pdb"))
    assert cif.path.read_bytes() == databases.files["/download/4HHB.cif"]
    assert pdb.path.read_bytes() == databases.files["/download/4HHB.pdb"]


def test_each_id_gives_its_own_structure(databases, tmp_path):
    options = {"endpoints": databases.endpoints, "cache_dir": str(tmp_path)}
    results = fetch(["P69905", "P45523", "F4HVG8", "4v1w"], **options)
    assert [item.id for item in results] == ["P69905", "P45523", "F4HVG8", "4v1w"]
    assert [item.entry_id for item in results] == ["4hhb", "1q6h", "AF-F4HVG8-F1", "4v1w"]
    assert len({item.path.read_bytes() for item in results}) == 4


# other places


def test_the_search_history_of_the_paper(databases, endpoints, tmp_path):
    ids = ["7U6Q", "F4HvG8", "A0A023FDY8"]
    found = available(ids, endpoints=endpoints, cache_dir=str(tmp_path))
    assert found == {"7U6Q": ["pdb"], "F4HvG8": ["alphafold"], "A0A023FDY8": ["pdb", "alphafold"]}
    asked = len(databases.requests)
    assert available(ids[1:], endpoints=endpoints, cache_dir=str(tmp_path)) == {name: found[name] for name in ids[1:]}
    assert len(databases.requests) == asked
    assert available(["9xyz", "Q9Y6K9"], endpoints=endpoints, cache_dir=str(tmp_path)) == {"9xyz": [], "Q9Y6K9": []}


def test_what_is_available_is_asked_once(databases, endpoints, tmp_path):
    del databases.files["/download/4HHB.cif.gz"]
    options = {"endpoints": endpoints, "cache_dir": str(tmp_path)}
    fetch("4hhb", **options)
    ids = ["4hhb", "1q6u", "AF-F4HVG8-F1", "9xyz"]
    found = available(ids, **options)
    assert found == {"4hhb": ["pdb"], "1q6u": ["pdb"], "AF-F4HVG8-F1": ["alphafold"], "9xyz": []}
    asked = len(databases.requests)
    for service in endpoints:
        databases.broken[service] = Fault(status=500)
    assert available(ids, **options) == found
    assert len(databases.requests) == asked


def test_a_file_that_was_seen_to_be_there_is_still_to_be_fetched(databases, endpoints, tmp_path):
    for suffix in ("cif", "cif.gz"):
        del databases.files[f"/download/4HHB.{suffix}"]
    options = {"endpoints": endpoints, "cache_dir": str(tmp_path)}
    assert available("4hhb", **options) == {"4hhb": ["pdb"]}
    assert fetch("4hhb", **options).path.read_bytes() == databases.files["/download/4HHB.pdb"]


def test_servers_need_not_answer_head(databases, endpoints, tmp_path, monkeypatch):
    answer = databases.answer
    monkeypatch.setattr(
        databases, "answer", lambda request: said(501, {}) if request.method == "HEAD" else answer(request)
    )
    found = available(["4v1w", "9xyz", "AF-F4HVG8-F1"], endpoints=endpoints, cache_dir=str(tmp_path))
    assert found == {"4v1w": ["pdb"], "9xyz": [], "AF-F4HVG8-F1": ["alphafold"]}


def test_folders_stand_for_services(tmp_path, databases):
    for name in ("1Q6H.cif.gz", "4HHB.pdb"):
        path = tmp_path / "pdb" / name.lower()
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(databases.files[f"/download/{name}"])
    models = tmp_path / "models"
    models.mkdir()
    for version in (4, 10, 6):
        (models / f"AF-F4HVG8-F1-model_v{version}.cif").write_bytes(
            gzip.decompress(databases.files["/files/AF-F4HVG8-F1-model_v6.cif"])
        )
    endpoints = {"rcsb_files": str(tmp_path / "pdb"), "alphafold": str(models)}
    results = fetch(["1q6h", "4HHB", "AF-F4HVG8-F1"], endpoints=endpoints, cache_dir=str(tmp_path / "cache"))
    assert [(item.entry_id, item.format) for item in results] == [
        ("1q6h", "cif"),
        ("4hhb", "pdb"),
        ("AF-F4HVG8-F1", "cif"),
    ]
    assert databases.requests == []


def test_of_the_models_in_a_folder_the_newest_is_taken(find_one, tmp_path, databases):
    whole = gzip.decompress(databases.files["/files/AF-F4HVG8-F1-model_v6.cif"])
    for end in ("v6.cif", "v10.cif", "v9.cif", "v11.cif.part"):
        (tmp_path / f"AF-F4HVG8-F1-model_{end}").write_bytes(whole)
    found = find_one("AF-F4HVG8-F1", endpoints={"alphafold": str(tmp_path)})
    assert found.place == str(tmp_path / "AF-F4HVG8-F1-model_v10.cif")


def test_a_folder_holds_answers_of_the_search_by_accession(databases, tmp_path):
    for entry in ("1Q6U", "4HHB"):
        path = tmp_path / "files" / f"{entry}.cif"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(databases.files[f"/download/{entry}.cif"])
    (tmp_path / "search").mkdir()
    for accession, hit in (("P45523", "1Q6U_1"), ("P69905", "4HHB_1")):
        answer = {"total_count": 1, "result_set": [{"identifier": hit}]}
        (tmp_path / "search" / f"{accession}.json").write_text(json.dumps(answer))
    endpoints = {"rcsb_files": str(tmp_path / "files"), "rcsb_search": str(tmp_path / "search")}
    options = {"endpoints": endpoints, "cache_dir": str(tmp_path / "cache"), "fallback": False}
    assert [item.entry_id for item in fetch(["P69905", "P45523"], **options)] == ["4hhb", "1q6u"]
    with pytest.raises(NotFoundError, match="pdb: nothing for P0DTC2"):
        fetch("P0DTC2", **options)


def test_a_folder_holds_what_services_answer(tmp_path, shared):
    """The recorded answers, as files in folders."""
    uniprot, models = tmp_path / "uniprot", tmp_path / "models"
    uniprot.mkdir()
    wire = shared / "wire"
    (uniprot / "P05067.json").write_bytes((wire / "uniprot" / "P05067.json").read_bytes())
    models.mkdir()
    (models / "P05067.json").write_bytes((wire / "alphafold" / "prediction_P05067.json").read_bytes())
    (models / "AF-P05067-F1-model_v6.pdb").write_bytes((wire / "alphafold" / "AF-P05067-F1-model_v6.pdb").read_bytes())
    endpoints = {"uniprot": str(uniprot), "alphafold": str(models)}
    result = fetch(
        "P05067", "alphafold", "pdb", tmp_path, ["signal_peptides"], endpoints=endpoints, cache_dir=str(tmp_path / "c")
    )
    assert result.path.name == "p05067_af-p05067-f1_nosignal1to17.pdb"
    first = next(line for line in result.path.read_text().splitlines() if line.startswith("ATOM"))
    assert first[17:26] == "LEU A  18"


@pytest.mark.parametrize(
    ("endpoints", "kind", "message"),
    [
        ({"alphafolds": "http://x"}, UnknownOptionError, "did you mean 'alphafold'"),
        ({"alphafold": "ftp://x"}, OptionError, "expected an http or https URL"),
        ({"alphafold": ""}, OptionError, "expected a base URL such as https://alphafold"),
        ({"alphafold": "/not/there"}, NotFoundError, "no such folder"),
        ({"alphafold": 5}, OptionError, "is 5"),
        (["alphafold"], OptionError, "expected a dict"),
        ({"alphafold": "http://user@x"}, UnsafeAddressError, "without a user name"),
    ],
)
def test_places_that_are_none(endpoints, kind, message):
    with pytest.raises(kind, match=message):
        Services(endpoints)


def test_only_https_is_built_in():
    for source in sources().values():
        assert all(base.startswith("https://") for base in source.services.values())


def test_domains_of_cath(databases, tmp_path):
    databases.add_domain("1cukA01", databases.files["/download/4HHB.pdb"].decode())
    options = {"endpoints": {**databases.endpoints, "cath": databases.base}, "cache_dir": str(tmp_path)}
    result = fetch("1cukA01", save_dir=tmp_path, **options)
    assert (result.source, result.format, result.path.name) == ("cath", "pdb", "1cukA01.pdb")
    assert available(["1cukA01", "1cukB01"], **options) == {"1cukA01": ["cath"], "1cukB01": []}
