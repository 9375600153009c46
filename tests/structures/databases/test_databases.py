"""The stand-in for the databases answers in the recorded forms."""

import gzip
import hashlib
import json

import pytest
import requests

from tests.server import Fault
from tests.structures.databases.served import Databases, standard

ATTRIBUTE = "rcsb_polymer_entity_container_identifiers.reference_sequence_identifiers.database_"


@pytest.fixture
def get(databases):
    """Asks as a client does that follows no redirect, and accepts what it is told to."""
    with requests.Session() as session:

        def get(path, accept="identity", method="GET", **options):
            headers = {"Accept-Encoding": accept, **options.pop("headers", {})}
            return session.request(method, databases.url(path), headers=headers, allow_redirects=False, **options)

        yield get


def question(accession, rows=25, start=0, return_type="polymer_entity", name="UniProt"):
    nodes = [
        {
            "type": "terminal",
            "service": "text",
            "parameters": {"attribute": f"{ATTRIBUTE}{what}", "operator": "exact_match", "value": value},
        }
        for what, value in {"accession": accession, "name": name}.items()
    ]
    options = {"paginate": {"start": start, "rows": rows}, "results_content_type": ["experimental"]}
    query = {"type": "group", "logical_operator": "and", "nodes": nodes}
    return {"query": query, "return_type": return_type, "request_options": options}


def form(answer):
    """The names in an answer, at whatever depth; a list has that of its first element."""
    if isinstance(answer, dict):
        return {name: form(value) for name, value in answer.items()}
    return [form(answer[0])] if isinstance(answer, list) and answer else type(answer).__name__


def is_within(inner, outer):
    if isinstance(inner, dict) and isinstance(outer, dict):
        return all(name in outer and is_within(value, outer[name]) for name, value in inner.items())
    if isinstance(inner, list) and isinstance(outer, list):
        return is_within(inner[0], outer[0])
    return inner == outer or {inner, outer} == {"int", "float"}


def search(get, body, **options):
    return get("/rcsbsearch/v2/query", method="POST", json=body, **options)


@pytest.mark.parametrize(("return_type", "suffix"), [("polymer_entity", "_1"), ("entry", "")])
def test_the_search_finds_an_exact_accession_and_nothing_else(get, return_type, suffix):
    answer = search(get, question("P45523", return_type=return_type)).json()
    assert [hit["identifier"] for hit in answer["result_set"]] == [f"{id}{suffix}" for id in ("1Q6U", "1Q6H", "1Q6I")]
    for accession in ("P4552", "p45523", "P45523-1", "F4HVG8", "1Q6U", ""):
        none = search(get, question(accession, return_type=return_type))
        assert (none.status_code, none.content, none.headers.get("Content-Length")) == (204, b"", None)
    assert search(get, question("P45523", name="GenBank")).status_code == 204


def test_an_entity_with_two_chains_is_found_once(get):
    assert [hit["identifier"] for hit in search(get, question("P02791")).json()["result_set"]] == ["4V1W_1"]
    assert [hit["identifier"] for hit in search(get, question("P68871")).json()["result_set"]] == ["4HHB_2"]


def test_pages_make_up_the_whole(get):
    pages = [search(get, question("P45523", rows=2, start=start)).json() for start in (0, 2)]
    assert [len(page["result_set"]) for page in pages] == [2, 1]
    assert {page["total_count"] for page in pages} == {3}


def test_the_form_of_the_search(get, shared):
    folder = shared / "wire" / "rcsb"
    recorded = json.loads((folder / "search_200_entry_paginated_10.json").read_text())
    assert form(search(get, question("P45523", return_type="entry")).json()) == form(recorded)
    quoted = json.loads((folder / "QUOTED_request_and_error_forms.json").read_text())
    assert search(get, quoted["request_uniprot_exact_match"]).json()["total_count"] == 1  # P69905
    for bad in ({}, [], {**question("P45523"), "return_type": "none"}, question("P45523", rows=-1)):
        answer = search(get, bad)
        assert answer.status_code == 400
        assert form(answer.json()) == form(quoted["bad_query"]["body"])
    assert get("/rcsbsearch/v2/query", method="POST", data=b"{").status_code == 400
    missing = get("/rest/v1/core/entry/8tsn")
    assert (missing.status_code, missing.json()) == (404, quoted["data_api_missing_entry"]["body"])


@pytest.mark.parametrize(
    ("path", "name"), [("entry/4hhb", "core_entry"), ("polymer_entity/4HHB/2", "core_polymer_entity")]
)
def test_the_data_is_as_the_schemas_have_it(get, shared, path, name):
    schema = json.loads((shared / "wire" / "rcsb" / "schemas" / f"{name}.json").read_text())

    def check(value, schema):
        if schema["type"] == "object":
            for key, item in value.items():
                check(item, schema["properties"][key])
        elif schema["type"] == "array":
            for item in value:
                check(item, schema["items"])
        else:
            kinds = {"string": str, "integer": int, "number": int | float}
            assert isinstance(value, kinds[schema["type"]])

    check(get(f"/rest/v1/core/{path}").json(), schema)


def test_coverage_and_resolution_come_from_the_data(get):
    found = {}
    for id in ("1q6u", "1q6h", "1q6i", "2beg"):
        resolution = get(f"/rest/v1/core/entry/{id}").json()["rcsb_entry_info"].get("resolution_combined")
        entity = get(f"/rest/v1/core/polymer_entity/{id}/1").json()["rcsb_polymer_entity_container_identifiers"]
        found[id] = resolution, entity["reference_sequence_identifiers"][0]["reference_sequence_coverage"]
    assert found == {"1q6u": ([2.45], 0.9), "1q6h": ([1.97], 0.9), "1q6i": ([2.25], 0.7), "2beg": (None, 0.055)}
    alone = get("/rest/v1/core/polymer_entity/7U6Q/1").json()["rcsb_polymer_entity_container_identifiers"]
    assert "reference_sequence_identifiers" not in alone


@pytest.mark.parametrize("id", ["1q6u", "1Q6U", "1q6U"])
def test_downloads_in_any_case(databases, get, id):
    for suffix in ("cif", "pdb"):
        plain, packed = get(f"/download/{id}.{suffix}"), get(f"/download/{id}.{suffix}.gz")
        assert "Content-Length" not in plain.headers
        assert plain.headers["Transfer-Encoding"] == "chunked"
        assert plain.content == gzip.decompress(packed.content) == databases.files[f"/download/1Q6U.{suffix}"]
        assert int(packed.headers["Content-Length"]) == len(packed.content)
        assert packed.headers["ETag"]
        head = get(f"/download/{id}.{suffix}.gz", method="HEAD")
        assert (head.headers["Content-Length"], head.content) == (packed.headers["Content-Length"], b"")
        part = get(f"/download/{id}.{suffix}.gz", headers={"Range": "bytes=5-24"})
        assert (part.status_code, part.content) == (206, packed.content[5:25])


def test_a_large_entry_has_no_pdb(get):
    assert get("/download/4v1w.cif").status_code == 200
    assert [get(f"/download/4v1w.pdb{packed}").status_code for packed in ("", ".gz")] == [404, 404]


def test_unpacked_names_come_packed_where_chosen(databases, get):
    plain = get("/download/1q6u.cif", accept="gzip")
    assert "Content-Encoding" not in plain.headers
    databases.packs_downloads = True
    packed = get("/download/1q6u.cif", accept="gzip")
    assert (packed.headers["Content-Encoding"], packed.content) == ("gzip", plain.content)
    assert "Content-Encoding" not in get("/download/1q6u.cif").headers


def test_the_canonical_model_is_not_the_first(get, shared):
    answer = get("/api/prediction/P05067", accept="gzip")
    assert (answer.headers["Content-Encoding"], answer.headers["Transfer-Encoding"]) == ("gzip", "chunked")
    models = answer.json()
    assert [model["uniprotAccession"] for model in models] == ["P05067-2", "P05067-4", "P05067"]
    assert all(model["cifUrl"].startswith("https://alphafold.ebi.ac.uk/files/") for model in models)
    recorded = json.loads((shared / "wire" / "alphafold" / "prediction_P05067.json").read_text())
    assert is_within(form(models), form(recorded))
    assert "Content-Encoding" not in get("/api/prediction/P05067").headers
    assert get("/api/prediction/P05067-4").json() == models[1:2]


def test_names_of_fields_old_and_new(databases, get):
    databases.alphafold_names = "old"
    assert {"entryId", "modelEntityId"} & set(get("/api/prediction/P45523").json()[0]) == {"entryId"}
    databases.alphafold_names = "new"
    assert {"entryId", "modelEntityId"} & set(get("/api/prediction/P45523").json()[0]) == {"modelEntityId"}


def test_how_alphafold_says_no(databases, get):
    found = []
    for databases.alphafold_absent in ("404", "400", "[]"):
        answer = get("/api/prediction/P0DTC2")
        found.append((answer.status_code, answer.json()))
    assert found == [(404, {}), (400, {}), (200, [])]


@pytest.mark.parametrize("accept", ["identity", "gzip"])
def test_model_files_are_stored_as_gzip(databases, get, accept):
    path = "/files/AF-P45523-F1-model_v6.cif"
    packed = databases.files[path]
    answer = get(path, accept=accept, stream=True)
    assert answer.raw.read(decode_content=False) == packed
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Length"] == str(len(packed))
    assert answer.headers["ETag"] == f'"{hashlib.md5(packed).hexdigest()}"'
    part = get(path, accept=accept, headers={"Range": "bytes=10-19"}, stream=True)
    assert (part.status_code, part.raw.read(decode_content=False)) == (206, packed[10:20])


def test_no_such_model_file(get, shared):
    answer = get("/files/AF-P45523-F1-model_v4.cif")
    assert answer.status_code == 404
    assert answer.text.strip() == (shared / "wire/alphafold/RECONSTRUCTED_file_missing_404.xml").read_text().strip()


def test_best_structures(get, shared):
    recorded = json.loads((shared / "wire/pdbe_sifts/v2_uniprot_best_structures_P41972.json").read_text())
    answer = get("/pdbe/api/v2/uniprot/best_structures/P45523").json()
    assert form(answer["P45523"]) == form(recorded["P41972"])
    assert [each["pdb_id"] for each in answer["P45523"]] == ["1q6h", "1q6u", "1q6i"]
    older = get("/pdbe/api/mappings/best_structures/P45523").json()["P45523"]
    assert [each["pdb_id"] for each in older] == ["1q6h", "1q6u", "1q6i"]
    missing = get("/pdbe/api/v2/uniprot/best_structures/F4HVG8")
    recorded = json.loads((shared / "wire/pdbe_sifts/pdbe_api_v2_404.json").read_text())
    assert (missing.status_code, missing.json()) == (404, recorded)


def test_sifts(get, shared):
    recorded = json.loads((shared / "wire/pdbe_sifts/mappings_uniprot_1cbs.json").read_text())
    answer = get("/pdbe/api/mappings/uniprot/2BEG").json()
    assert form(answer["2beg"]["UniProt"]["P05067"]) == form(recorded["1cbs"]["UniProt"]["P29373"])
    (mapping,) = answer["2beg"]["UniProt"]["P05067"]["mappings"]
    assert [mapping[end]["author_residue_number"] for end in ("start", "end")] == [1, 42]
    assert [mapping[end] for end in ("unp_start", "unp_end")] == [672, 713]
    assert get("/pdbe/api/mappings/uniprot/7u6q").status_code == 404


def test_proteins(databases, get, shared):
    folder = shared / "wire" / "uniprot"
    recorded = json.loads((folder / "P05067.json").read_text())
    answer = get("/uniprotkb/P05067.json", accept="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert {**answer.json(), "features": None}.keys() <= recorded.keys()
    assert answer.json()["features"][0]["location"] == recorded["features"][0]["location"]
    databases.add_protein("P04629", signal=((1, None), (40, 50)))
    variants = json.loads((folder / "RECONSTRUCTED_signal_position_variants.json").read_text())
    features = get("/uniprotkb/P04629.json").json()["features"]
    assert features[0]["location"] == variants["signal_unknown_end"]["location"]
    assert [each["type"] for each in features] == ["Signal", "Signal", "Chain"]


def test_proteins_that_are_no_more(databases, get, shared):
    quoted = json.loads((shared / "wire/uniprot/QUOTED_error_and_inactive_forms.json").read_text())
    databases.add_inactive("A0A008APQ8", "DELETED")
    databases.add_inactive("P00001", "DEMERGED", "P99999", "P99998")
    databases.add_inactive("A4FU41", "MERGED", "A6QL63")
    for accession, name in {"A0A008APQ8": "deleted_live_2026-09-30", "P00001": "demerged_live_2026-09-30"}.items():
        answer = get(f"/uniprotkb/{accession}.json")
        assert answer.status_code == 200
        assert is_within(form(answer.json()), form(quoted[name]["body"]))
    merged = get("/uniprotkb/A4FU41.json")
    assert (merged.status_code, merged.headers["Location"]) == (303, quoted["merged_quoted"]["location"])
    databases.add_protein("A6QL63")
    assert get(merged.headers["Location"]).json()["primaryAccession"] == "A6QL63"
    assert get("/uniprotkb/NOTANID.json").json() == quoted["invalid_accession_400"]["body"]
    missing = get("/uniprotkb/P99997.json")
    assert (missing.status_code, form(missing.json())) == (404, form(quoted["not_found_404"]["body"]))


def test_domains(databases, get):
    databases.add_domain("1cukA01", "ATOM\nEND\n")
    assert get("/version/v4_3_0/api/rest/id/1cukA01.pdb").text == "ATOM\nEND\n"
    assert get("/version/v4_3_0/api/rest/id/1cukA02.pdb").status_code == 404


def test_faults_and_counts(databases, get):
    databases.fail("/download/1q6u.cif", Fault(status=503))
    assert [get("/download/1Q6U.cif").status_code for _ in range(2)] == [503, 200]
    databases.broken["pdbe"] = Fault(status=500)
    assert [get("/pdbe/api/mappings/uniprot/4hhb").status_code for _ in range(2)] == [500, 500]
    databases.fail("/download/1Q6U.cif", Fault(cut=1000))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get("/download/1q6u.cif")
    assert {name: len(databases.asked(name)) for name in ("rcsb_files", "pdbe", "uniprot")} == {
        "rcsb_files": 3,
        "pdbe": 2,
        "uniprot": 0,
    }
    search(get, question("P45523"))
    assert json.loads(databases.requests[-1].body) == question("P45523")
    assert set(databases.endpoints.values()) == {databases.base}
    assert get("/uniprotkb/P45523.json", method="POST").status_code == 405


def test_what_is_there_is_there_for_each_alone():
    one, other = Databases(), Databases()
    standard(one)
    one.proteins["P45523"]["features"].clear()
    standard(other)
    assert other.proteins["P45523"]["features"]
