"""What RCSB, PDBe, AlphaFold DB and UniProt answer, in the forms that were recorded of them.

Where nobody knows how a service answers, it is said at the place, or the test chooses.
"""

import gzip
import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.server import Answer, Request

if TYPE_CHECKING:
    from tests.structures.databases.served import Databases

ACCESSION = r"[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2}"
SEARCH = "/rcsbsearch/v2/query"
_JSON = {"Content-Type": "application/json"}


class Span(NamedTuple):
    """What a chain, numbered from 1, is in UniProt.

    Attributes:
        accession: of the protein; empty: it is in none.
        first: UniProt position of the chain's first residue.
        last: of its last.
        coverage: how much of the protein it is, as the services say; 0 to 1.
        author_start: the author's number of the first residue; None: the services do not know.
    """

    accession: str
    first: int
    last: int
    coverage: float
    author_start: int | None = 1


class Entry(NamedTuple):
    """A PDB entry: its chains by author name, and its entities as lists of them."""

    resolution: float | None
    method: str
    chains: dict[str, Span]
    entities: list[list[str]]


def said(status: int, answer: Any, **headers: str) -> Answer:
    return Answer(status, {**_JSON, **headers}, json.dumps(answer).encode())


def _packed(made: Answer, request: Request) -> Answer:
    """The same as gzip for whoever takes it."""
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        made.body = gzip.compress(made.body, mtime=0)
        made.headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return made


MOST_ROWS = 10_000
"""Of one answer of the search."""
_ATTRIBUTE = "rcsb_polymer_entity_container_identifiers.reference_sequence_identifiers.database_"


def _search(databases: "Databases", request: Request) -> Answer:
    """Entities, or entries, by the exact accession; in the order in which they were added, all of one score."""
    try:
        question = json.loads(request.body)
        _matches(question["query"], "")
        page = question.get("request_options", {}).get("paginate", {})
        start, rows, kind = page.get("start", 0), page.get("rows", 10), question["return_type"]
        if kind not in ("polymer_entity", "entry") or not 0 <= start or not 0 <= rows <= 10_000:
            return _bad_query(f"{kind}, {start}, {rows}")
        found = [
            f"{id}_{number}" if kind == "polymer_entity" else id
            for id, entry in databases.entries.items()
            for number, names in enumerate(entry.entities, 1)
            if entry.chains[names[0]].accession and _matches(question["query"], entry.chains[names[0]].accession)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        return _bad_query(repr(err))
    found = list(dict.fromkeys(found))
    rows = min(rows, MOST_ROWS)
    hits = found if question.get("request_options", {}).get("return_all_hits") else found[start : start + rows]
    if not hits:
        return Answer(204, {}, b"")
    result = {"query_id": "576ce878-c722-449f-99f4-25bbd9874900", "result_type": kind, "total_count": len(found)}
    return said(200, {**result, "result_set": [{"identifier": hit, "score": 1.0} for hit in hits]})


def _matches(node: Mapping[str, Any], accession: str) -> bool:
    if node["type"] == "group":
        combined = {"and": all, "or": any}[node["logical_operator"]]
        return combined([_matches(each, accession) for each in node["nodes"]])
    parameters = node["parameters"]
    values = {f"{_ATTRIBUTE}accession": accession, f"{_ATTRIBUTE}name": "UniProt"}
    if (node["type"], node["service"], parameters["operator"]) != ("terminal", "text", "exact_match"):
        raise ValueError(node)
    return bool(values[parameters["attribute"]] == parameters["value"])


def _bad_query(reason: str) -> Answer:
    message = f"JSON schema validation failed for query: Errors: {reason}"
    return said(400, {"status": 400, "message": message, "link": "https://search.rcsb.org/redoc/index.html"})


def _download(databases: "Databases", request: Request, *_parts: str) -> Answer | None:
    path = databases.name_of(request.path)
    data = databases.files.get(path)
    if data is None:
        return Answer(404, {"Content-Type": "text/html"}, b"<html><head><title>404 Not Found</title></head></html>")
    if path.endswith(".gz"):
        return None
    made = Answer(200, {"Content-Type": "application/octet-stream"}, data, chunked=True)
    return _packed(made, request) if databases.packs_downloads else made


def _core_entry(databases: "Databases", _request: Request, id: str) -> Answer:
    entry = databases.entries.get(id.upper())
    if entry is None:
        return _no_data(f"No data found for entryId: {id.upper()}")
    ids = [str(number) for number in range(1, len(entry.entities) + 1)]
    info: dict[str, Any] = {"polymer_entity_count": len(ids)}
    if entry.resolution is not None:
        info["resolution_combined"] = [entry.resolution]
    identifiers = {"entry_id": id.upper(), "rcsb_id": id.upper(), "entity_ids": ids, "polymer_entity_ids": ids}
    found = {"rcsb_id": id.upper(), "rcsb_entry_info": info, "rcsb_entry_container_identifiers": identifiers}
    return said(200, found)


def _core_polymer(databases: "Databases", _request: Request, id: str, number: str) -> Answer:
    entry, id = databases.entries.get(id.upper()), id.upper()
    if entry is None or not 1 <= int(number) <= len(entry.entities):
        return _no_data(f"No data found for entryId: {id}, entityId: {number}")
    names = entry.entities[int(number) - 1]
    span = entry.chains[names[0]]
    reference: dict[str, Any] = {
        "database_accession": span.accession,
        "database_name": "UniProt",
        "entity_sequence_coverage": 1.0,
        "provenance_source": "SIFTS",
        "reference_sequence_coverage": span.coverage,
    }
    identifiers: dict[str, Any] = {"asym_ids": names, "auth_asym_ids": names, "entity_id": number, "entry_id": id}
    identifiers["rcsb_id"] = f"{id}_{number}"
    if span.accession:
        identifiers |= {"uniprot_ids": [span.accession], "reference_sequence_identifiers": [reference]}
    return said(200, {"rcsb_id": f"{id}_{number}", "rcsb_polymer_entity_container_identifiers": identifiers})


def _holdings(databases: "Databases", _request: Request, kind: str, id: str) -> Answer:
    """By the schemas of the RCSB; the form of "not there" is quoted."""
    if kind == "removed" and id.upper() in databases.removed:
        facts = databases.removed[id.upper()]
        return said(200, {"rcsb_id": id.upper(), "rcsb_repository_holdings_removed": facts})
    if kind == "unreleased" and id.upper() in databases.unreleased:
        facts = {"status_code": databases.unreleased[id.upper()], "title": "UNPUBLISHED"}
        return said(200, {"rcsb_id": id.upper(), "rcsb_repository_holdings_unreleased": facts})
    return _no_data(f"No data found for entry id: {id}")


def _no_data(message: str) -> Answer:
    return said(404, {"status": 404, "message": message, "link": "https://data.rcsb.org/redoc/index.html"})


def _best_structures(databases: "Databases", _request: Request, version: str, accession: str) -> Answer:
    """By coverage, then resolution; the second version has more to say of each."""
    found: list[dict[str, Any]] = []
    for id, entry in databases.entries.items():
        for number, name in _chains_of(entry):
            span = entry.chains[name]
            each = {"chain_id": name, "coverage": span.coverage, "start": 1, "end": span.last - span.first + 1}
            each |= {"experimental_method": entry.method, "pdb_id": id.lower(), "resolution": entry.resolution}
            each |= {"preferred_assembly_id": 1, "tax_id": 562, "unp_start": span.first, "unp_end": span.last}
            if version:
                regions = [{"unp_start": span.first, "unp_end": span.last}]
                each |= {"entity_id": number, "observed_regions": regions}
            if span.accession == accession:
                found.append(each)
    found.sort(key=lambda each: (-each["coverage"], each["resolution"] or 99))
    return said(200, {accession: found}) if found else _nothing_in_pdbe(version)


def _chains_of(entry: Entry) -> list[tuple[int, str]]:
    """The chains that are in UniProt, with the numbers of their entities."""
    chains = [(number, name) for number, names in enumerate(entry.entities, 1) for name in names]
    return [(number, name) for number, name in chains if entry.chains[name].accession]


def _nothing_in_pdbe(version: str) -> Answer:
    """The second version's answer is recorded; the first one's, an empty object, is believed."""
    return said(404, {"message": "Requested endpoint does not contains any data"} if version else {})


def _sifts(databases: "Databases", _request: Request, id: str) -> Answer:
    entry = databases.entries.get(id.upper())
    proteins: dict[str, Any] = {}
    for number, name in [] if entry is None else _chains_of(entry):
        span = databases.entries[id.upper()].chains[name]
        mapping: dict[str, Any] = {"entity_id": number, "chain_id": name, "struct_asym_id": name}
        mapping |= {"unp_start": span.first, "unp_end": span.last}
        for end, position in {"start": 1, "end": span.last - span.first + 1}.items():
            author = None if span.author_start is None else span.author_start + position - 1
            residue = {"author_residue_number": author, "author_insertion_code": "", "residue_number": position}
            mapping[end] = residue
        named = {"identifier": f"{span.accession}_TEST", "name": f"{span.accession}_TEST", "mappings": []}
        proteins.setdefault(span.accession, named)["mappings"].append(mapping)
    return said(200, {id.lower(): {"UniProt": proteins}}) if proteins else _nothing_in_pdbe("")


def model_of(accession: str, sequence: str, version: int) -> dict[str, Any]:
    """One element of the answer, with the old field names and the new ones."""
    id = f"AF-{accession}-F1"
    start = {"toolUsed": "AlphaFold Monomer v2.0 pipeline", "providerId": "GDM", "entityType": "protein"}
    names = {"modelEntityId": id, "entryId": id, "uniprotAccession": accession, "uniprotId": f"{accession}_TEST"}
    old = {"uniprotSequence": sequence, "uniprotStart": 1, "uniprotEnd": len(sequence)}
    new = {"sequence": sequence, "sequenceStart": 1, "sequenceEnd": len(sequence)}
    file = f"https://alphafold.ebi.ac.uk/files/{id}-model_v{version}"
    urls = {f"{suffix}Url": f"{file}.{suffix}" for suffix in ("bcif", "cif", "pdb")}
    return {**start, **names, **old, **new, **urls, "latestVersion": version, "globalMetricValue": 88.5}


_OLD_NAMES = ("entryId", "uniprotSequence", "uniprotStart", "uniprotEnd")
_NEW_NAMES = ("modelEntityId", "sequence", "sequenceStart", "sequenceEnd")


def _prediction(databases: "Databases", request: Request, accession: str) -> Answer:
    """All models of a protein, or (believed) the one of an isoform."""
    models = databases.models
    alone = [[each] for of in models.values() for each in of if each["uniprotAccession"] == accession]
    found = models.get(accession) or next(iter(alone), None)
    if found is None:
        if databases.alphafold_absent == "[]":
            return said(200, [])
        return said(int(databases.alphafold_absent), {})
    left_out = {"old": _NEW_NAMES, "new": _OLD_NAMES}.get(databases.alphafold_names, ())
    named = [{name: value for name, value in each.items() if name not in left_out} for each in found]
    made = _packed(said(200, named), request)
    made.chunked = True
    return made


def _model_file(databases: "Databases", request: Request, *_parts: str) -> Answer | None:
    if request.path in databases.files:
        return None
    code = "<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"
    text = f"<?xml version='1.0' encoding='UTF-8'?><Error>{code}</Error>"
    return Answer(404, {"Content-Type": "application/xml; charset=UTF-8"}, text.encode())


def _protein(databases: "Databases", request: Request, accession: str, *_parts: str) -> Answer:
    entry = databases.proteins.get(accession)
    if entry is None:
        url = f"http://rest.uniprot.org/uniprotkb/{accession}"
        if re.fullmatch(ACCESSION, accession) is None:
            form = "The 'accession' value has invalid format. It should be a valid UniProtKB accession"
            return said(400, {"url": url, "messages": [form]})
        return said(404, {"url": url, "messages": ["Resource not found"]})
    why = entry.get("inactiveReason", {})
    if why.get("inactiveReasonType") == "MERGED":
        target = f"/uniprotkb/{why['mergeDemergeTo'][0]}?from={accession}"
        return said(303, entry, Location=target)
    return _packed(said(200, entry), request)


def feature_of(kind: str, location: Any) -> dict[str, Any]:
    if not isinstance(location, Mapping):
        ends = zip(("start", "end"), location, strict=True)
        location = {end: {"value": at, "modifier": "UNKNOWN" if at is None else "EXACT"} for end, at in ends}
    return {"type": kind, "location": location, "description": "", "evidences": []}


ROUTES: dict[str, Callable[..., Answer | None]] = {
    SEARCH: _search,
    r"/download/(.*)": _download,
    r"/rest/v1/core/entry/(\w+)": _core_entry,
    r"/rest/v1/core/polymer_entity/(\w+)/(\d+)": _core_polymer,
    r"/rest/v1/holdings/(removed|unreleased)/(\w+)": _holdings,
    r"/pdbe/api/(v2)/uniprot/best_structures/(.+)": _best_structures,
    r"/pdbe/api/()mappings/best_structures/(.+)": _best_structures,
    r"/pdbe/api/mappings/uniprot/(\w+)": _sifts,
    r"/api/prediction/(.+)": _prediction,
    r"/files/(.*)": _model_file,
    r"/uniprotkb/([\w-]+?)(\.json)?": _protein,
}
