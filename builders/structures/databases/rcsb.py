"""The PDB, at the RCSB: searched by the exact accession, ranked by what PDBe or the RCSB say of each entry."""

import logging
import math
import re
from collections.abc import Mapping
from typing import Any

from builders.errors import AccessError, FormatError, HttpError, PercError, StalledError
from builders.io.net import remote
from builders.structures.databases.ids import accession_of
from builders.structures.databases.services import Services
from builders.structures.databases.sources import Candidate, register
from builders.structures.reading.content import check_complete

logger = logging.getLogger(__name__)

_ENTRY = re.compile(r"(?:pdb_0000)?([0-9][a-z0-9]{3})|(pdb_[0-9][a-z0-9]{7})")
_ENTITY = re.compile(r"(PDB_[0-9][A-Z0-9]{7}|[0-9][A-Z0-9]{3})(?:_([1-9][0-9]{0,4}))?")
_SHORT = 4
_PAGE = 1000
_MOST_PAGES = 100
_MOST = 1e9
"""No coverage and no resolution is as large; JSON has integers that are no floats."""
_REFERENCES = "rcsb_polymer_entity_container_identifiers"
_ATTRIBUTE = f"{_REFERENCES}.reference_sequence_identifiers"
_FAILURES = (AccessError, FormatError, HttpError, StalledError)
"""Of a service for which another one can stand in."""

Rank = tuple[float | None, float | None]
"""Coverage and resolution of an entry."""


class Pdb:
    """The Protein Data Bank: `4v1w`, or the entries with the protein of a UniProt accession."""

    name = "pdb"
    services: Mapping[str, str] = {
        "rcsb_files": "https://files.rcsb.org",
        "rcsb_search": "https://search.rcsb.org",
        "rcsb_data": "https://data.rcsb.org",
    }
    formats = ("cif", "pdb")

    def claim(self, text: str) -> str | None:
        """A PDB id in small letters, of the long form only where there is no short one; an accession in capitals."""
        match = _ENTRY.fullmatch(text.lower())
        return match[1] or match[2] if match else accession_of(text)

    def candidates(self, id: str, services: Services) -> list[Candidate]:
        """The entry itself; of an accession, all entries: best coverage first, then best resolution, then id."""
        if accession_of(id) is None:
            return [Candidate(self.name, id)]
        if "-" in id:
            return []  # the PDB's references are to whole entries of UniProt: an isoform is not told from others
        entities = _search(id, services)
        if not entities:
            return []
        ranks = _ranks(id, entities, services) if len(entities) > 1 or services.is_wanted("pdbe") else {}
        found = [Candidate(self.name, entry, *ranks.get(entry, (None, None))) for entry in entities]
        return sorted(found, key=_order)

    def places(self, candidate: Candidate, format: str, services: Services) -> list[str]:
        """Its file packed, which comes with its length, or as it is."""
        entry = candidate.entry_id
        path = f"/download/{entry if len(entry) > _SHORT else entry.upper()}.{format}"
        return services.places("rcsb_files", f"{path}.gz", path)

    def check(self, data: bytes, format: str, name: str) -> None:
        """The PDB marks the end of its files."""
        check_complete(data, format, name)


def _order(candidate: Candidate) -> tuple[float, float, str]:
    coverage = 0.0 if candidate.coverage is None else candidate.coverage
    return -coverage, math.inf if candidate.resolution is None else candidate.resolution, candidate.entry_id


def _search(accession: str, services: Services) -> dict[str, list[str]]:
    """Entries with a polymer of that accession, and the numbers of these polymers, as far as they are told."""
    found: dict[str, list[str]] = {}
    for match in filter(None, map(_ENTITY.fullmatch, _hits(accession, services))):
        numbers = found.setdefault(match[1].lower(), [])
        if match[2] is not None and match[2] not in numbers:
            numbers.append(match[2])
    return found


def _hits(accession: str, services: Services) -> dict[str, None]:
    """What the search finds, page by page; a folder in its place holds an answer for each accession."""
    path = "/rcsbsearch/v2/query"
    if services.local("rcsb_search") is not None:
        return _identifiers(services.ask("rcsb_search", f"{path}/{accession}"))
    found: dict[str, None] = {}
    start = 0
    for _ in range(_MOST_PAGES):
        answer = services.ask("rcsb_search", path, _query(accession, start), (204, 404), is_answer=_has_hits)
        page = _identifiers(answer)
        total = _dict(answer).get("total_count")
        start += len(_list(answer or {}, "result_set"))  # a page may hold less than was asked for
        if found.keys() >= page.keys() or not isinstance(total, int) or start >= total:
            return found | page
        found |= page
    return found


def _identifiers(answer: Any) -> dict[str, None]:
    return dict.fromkeys(str(_dict(hit).get("identifier", "")).upper() for hit in _list(answer or {}, "result_set"))


def _has_hits(answer: Any) -> bool:
    return isinstance(_dict(answer).get("result_set"), list)


def _query(accession: str, start: int) -> dict[str, Any]:
    def exactly(attribute: str, value: str) -> dict[str, Any]:
        parameters = {"attribute": f"{_ATTRIBUTE}.{attribute}", "operator": "exact_match", "value": value}
        return {"type": "terminal", "service": "text", "parameters": parameters}

    nodes = [exactly("database_accession", accession), exactly("database_name", "UniProt")]
    return {
        "query": {"type": "group", "logical_operator": "and", "nodes": nodes},
        "return_type": "polymer_entity",
        "request_options": {
            "paginate": {"start": start, "rows": _PAGE},
            "results_content_type": ["experimental"],
        },
    }


def _ranks(accession: str, entities: Mapping[str, list[str]], services: Services) -> dict[str, Rank]:
    """Coverage and resolution of entries: PDBe tells them all at once, the RCSB one by one."""
    ranks: dict[str, Rank] = {}
    problem: PercError | None = None
    if services.is_wanted("pdbe"):
        try:
            ranks = _ranks_of_pdbe(accession, services)
        except _FAILURES as err:
            problem = err
    missing = [entry for entry in entities if entry not in ranks]
    if missing and services.is_wanted("rcsb_data"):
        asked = ((entry, entities[entry]) for entry in missing)
        answers = remote.each(lambda item: _rank_of_rcsb(accession, *item, services), asked, pool="answers")
        ranks |= dict(zip(missing, answers, strict=True))
    elif problem is not None and len(entities) > 1:
        raise problem
    return ranks


def _ranks_of_pdbe(accession: str, services: Services) -> dict[str, Rank]:
    answer = services.ask("pdbe", f"/pdbe/api/v2/uniprot/best_structures/{accession}")
    if answer is None:
        answer = services.ask("pdbe", f"/pdbe/api/mappings/best_structures/{accession}")
    ranks: dict[str, Rank] = {}
    for item in _list(answer or {}, accession):
        facts = _dict(item)
        entry = str(facts.get("pdb_id", "")).lower()
        coverage, resolution = _number(facts.get("coverage")), _number(facts.get("resolution"))
        known = ranks.get(entry, (None, None))[0]
        if known is None or (coverage is not None and coverage > known):
            ranks[entry] = coverage, resolution
    return ranks


def _rank_of_rcsb(accession: str, entry: str, numbers: list[str], services: Services) -> Rank:
    facts = _dict(services.ask("rcsb_data", f"/rest/v1/core/entry/{entry.upper()}") or {})
    resolutions = _dict(facts.get("rcsb_entry_info")).get("resolution_combined")
    resolution = _number(resolutions[0]) if isinstance(resolutions, list) and resolutions else _number(resolutions)
    if not numbers:
        told = _dict(facts.get("rcsb_entry_container_identifiers")).get("polymer_entity_ids")
        numbers = [str(number) for number in told if str(number).isdigit()] if isinstance(told, list) else []
    coverages = [0.0]
    for number in numbers:
        polymer = _dict(services.ask("rcsb_data", f"/rest/v1/core/polymer_entity/{entry.upper()}/{number}") or {})
        references = _dict(polymer.get(_REFERENCES)).get("reference_sequence_identifiers")
        for reference in references if isinstance(references, list) else []:
            if _dict(reference).get("database_accession") == accession:
                coverages.append(_number(_dict(reference).get("reference_sequence_coverage")) or 0.0)
    best = max(coverages)
    return best or None, resolution


def _list(answer: Any, key: str) -> list[Any]:
    found = _dict(answer).get(key, [])
    if not isinstance(found, list):
        msg = f"the answer's {key!r} is {type(found).__name__}: expected a list"
        raise FormatError(msg)
    return found


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -_MOST < value < _MOST else None


register(Pdb())
