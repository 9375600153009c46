"""A loopback server that stands for RCSB, PDBe, AlphaFold DB, UniProt and CATH: one port, the services' own paths."""

import contextlib
import copy
import functools
import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from tests.server import Answer, Archive, Fault, Request, serve
from tests.structures.answers import ROUTES, SEARCH, Entry, Span, feature_of, model_of, said
from tests.structures.models import Chain, alphafold_model, as_cif, as_pdb, drawn_sequence, protein

SERVICES = {
    "rcsb_search": "/rcsbsearch/",
    "rcsb_files": "/download/",
    "rcsb_data": "/rest/v1/",
    "pdbe": "/pdbe/",
    "alphafold": "/api/prediction/ /files/",
    "uniprot": "/uniprotkb/",
    "cath": "/version/",
}
"""What their paths begin with."""


class Databases(Archive):
    """What the databases hold, and how they fail.

    Besides what an `Archive` has:

    Attributes:
        alphafold_absent: how AlphaFold DB says that it does not know an accession: `404`, `400` or `[]`.
        alphafold_names: of the fields in its answer: `old`, `new` or `both`.
        removed: what the RCSB says of entries that it has no more, by id.
        unreleased: the status of entries that it has not yet, by id.
        packs_downloads: RCSB sends unpacked names as gzip on the way to whoever takes it (believed).
        broken: what goes wrong with every request to a service, by its name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, Entry] = {}
        self.models: dict[str, list[dict[str, Any]]] = {}
        self.proteins: dict[str, dict[str, Any]] = {}
        self.removed: dict[str, dict[str, Any]] = {}
        self.unreleased: dict[str, str] = {}
        self.alphafold_absent = "404"
        self.alphafold_names = "both"
        self.packs_downloads = False
        self.broken: dict[str, Fault] = {}

    @property
    def endpoints(self) -> dict[str, str]:
        """The base of every built-in service, by its name; CATH, which is none of them, has the same."""
        return {name: self.base for name in SERVICES if name != "cath"}

    def asked(self, service: str) -> list[Request]:
        """The requests to a service."""
        return [request for request in self.requests if _service(request.path) == service]

    def name_of(self, path: str) -> str:
        """RCSB takes ids in any case."""
        path = path.partition("?")[0]
        match = re.fullmatch(r"(/download/)(\w+)(\..*)", path)
        return path if match is None else f"{match[1]}{match[2].upper()}{match[3]}"

    def fault(self, path: str) -> Fault:
        broken = self.broken.get(_service(path))
        return broken if broken is not None else super().fault(path)

    def add_entry(
        self,
        id: str,
        cif: str | None = None,
        pdb: str | None = None,
        *,
        resolution: float | None = None,
        method: str = "X-ray diffraction",
        chains: Mapping[str, Sequence[Any] | None] | None = None,
    ) -> None:
        """An entry of the PDB.

        Args:
            id: such as `4v1w`, in any case.
            cif: its file; None: not there.
            pdb: likewise.
            resolution: Å.
            method: as PDBe spells it.
            chains: what a `Span` takes, by author name, or None; chains of the same are one entity. The label names
                are the author's.
        """
        spans = {name: Span(*(span or ("", 1, 0, 0.0))) for name, span in (chains or {}).items()}
        entities: dict[Span, list[str]] = {}
        for name, span in spans.items():
            entities.setdefault(span._replace(author_start=None), []).append(name)
        self.entries[id.upper()] = Entry(resolution, method, spans, list(entities.values()))
        for suffix, text in {"cif": cif, "pdb": pdb}.items():
            if text is not None:
                self.files[f"/download/{id.upper()}.{suffix}"] = text.encode()
                self.files[f"/download/{id.upper()}.{suffix}.gz"] = gzip.compress(text.encode(), mtime=0)

    def add_model(
        self,
        accession: str,
        cif: str | None = None,
        pdb: str | None = None,
        *,
        sequence: str = "M",
        isoforms: Mapping[str, tuple[str | None, str | None, str]] | None = None,
        version: int = 6,
    ) -> None:
        """A model of AlphaFold DB.

        Args:
            accession: of the protein.
            cif: its file; None: not there, though the answer names it.
            pdb: likewise.
            sequence: of the protein.
            isoforms: cif, pdb and sequence of others, by accession (`P05067-2`); they come before it in the answer.
            version: in the names of the files.
        """
        models = {**(isoforms or {}), accession: (cif, pdb, sequence)}
        self.models[accession] = [model_of(name, its, version) for name, (*_, its) in models.items()]
        for name, (its_cif, its_pdb, _) in models.items():
            for suffix, text in {"cif": its_cif, "pdb": its_pdb}.items():
                if text is not None:
                    packed = gzip.compress(text.encode(), mtime=0)
                    self.files[f"/files/AF-{name}-F1-model_v{version}.{suffix}"] = packed

    def add_protein(self, accession: str, sequence: str = "M", signal: Sequence[Any] = ((1, 25),)) -> None:
        """An entry of UniProt with signal peptides: (start, end), None: unknown; or a `location` as UniProt has it."""
        end = next((s[1] for s in signal if not isinstance(s, Mapping)), None) or 0
        features = [feature_of("Signal", location) for location in signal]
        features.append(feature_of("Chain", (end + 1, len(sequence))))
        self.proteins[accession] = {
            "entryType": "UniProtKB reviewed (Swiss-Prot)",
            "primaryAccession": accession,
            "uniProtkbId": f"{accession}_TEST",
            "annotationScore": 5.0,
            "features": features,
            "sequence": {"value": sequence, "length": len(sequence)},
        }

    def add_inactive(self, accession: str, reason: str, *to: str) -> None:
        """An accession that was DELETED, DEMERGED or MERGED, and into which others."""
        why: dict[str, Any] = {"inactiveReasonType": reason}
        why |= {"mergeDemergeTo": list(to)} if to else {"deletedReason": "Not part of a reference proteome"}
        entry = {"entryType": "Inactive", "primaryAccession": accession, "uniProtkbId": f"{accession}_TEST"}
        self.proteins[accession] = {**entry, "annotationScore": 0.0, "inactiveReason": why}

    def add_domain(self, id: str, pdb: str) -> None:
        """A domain of CATH, such as `1cukA01`."""
        self.files[f"/version/v4_3_0/api/rest/id/{id}.pdb"] = pdb.encode()

    def etag(self, path: str) -> str:
        return f'"{hashlib.md5(self.files[path], usedforsecurity=False).hexdigest()}"'

    def headers_of(self, path: str) -> dict[str, str]:
        packed = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"} if path.startswith("/files/") else {}
        return {**super().headers_of(path), **packed}

    def answer(self, request: Request) -> Answer | None:
        path = unquote(request.path.partition("?")[0])
        for pattern, answer in ROUTES.items():
            match = re.fullmatch(pattern, path)
            if match is not None:
                if (request.method == "POST") != (pattern == SEARCH):
                    return said(405, {"message": "Method Not Allowed"})
                return answer(self, request, *match.groups())
        return None


def _service(path: str) -> str:
    return next((name for name, begins in SERVICES.items() if path.startswith(tuple(begins.split()))), "")


@contextlib.contextmanager
def serve_databases() -> Iterator[Databases]:
    """The databases, empty, on a free port of 127.0.0.1; they end with the block."""
    databases = Databases()
    with serve(archive=databases):
        yield databases


def standard(databases: Databases) -> None:
    """Offer proteins and entries under real ids, of invented content, besides what there is."""
    made = _standard()
    databases.files |= made.files
    databases.entries |= copy.deepcopy(made.entries)
    databases.models |= copy.deepcopy(made.models)
    databases.proteins |= copy.deepcopy(made.proteins)


@functools.cache
def _standard() -> Databases:
    """What each is for is said beside it."""
    databases = Databases()
    fkpa = _protein(databases, "P45523", 270, (1, 25))
    _offer_model(databases, "P45523")
    for id, first, last, resolution in [("1q6u", 15, 257, 2.45), ("1q6h", 15, 257, 1.97), ("1q6i", 82, 270, 2.25)]:
        chain = Chain(fkpa[first - 1 : last], "A", ("P45523", first), author_start=first - 25)
        _offer(databases, id, chain, resolution=resolution)  # the author's 1 is what follows the signal peptide
    ferritin = _protein(databases, "P02791", 175)
    _offer(
        databases, "4v1w", *(Chain(ferritin[1:], name, ("P02791", 2)) for name in "AB"), method="ELECTRON MICROSCOPY"
    )
    for suffix in ("pdb", "pdb.gz"):  # a large entry
        del databases.files[f"/download/4V1W.{suffix}"]
    _protein(databases, "F4HVG8", 200)
    _offer_model(databases, "F4HVG8")  # in no entry of the PDB
    _offer(databases, "7u6q", Chain(drawn_sequence("7u6q", 60)))  # has no protein of UniProt
    evasin = _protein(databases, "A0A023FDY8", 120, (1, 22))
    _offer_model(databases, "A0A023FDY8")
    _offer(databases, "7so0", Chain(evasin[22:], "A", ("A0A023FDY8", 23)))
    alpha, beta = _protein(databases, "P69905", 142), _protein(databases, "P68871", 147)
    _offer_model(databases, "P69905")
    _offer(databases, "4hhb", Chain(alpha[1:], "A", ("P69905", 2)), Chain(beta[1:], "B", ("P68871", 2)))
    spike = _protein(databases, "P0DTC2", 150, (1, 13))  # of a virus: AlphaFold DB has none of them
    _offer(databases, "6vxx", Chain(spike[13:140], "A", ("P0DTC2", 14), author_start=14))
    app = _protein(databases, "P05067", 770, (1, 17))
    _offer_model(databases, "P05067", "P05067-2", "P05067-4")
    amyloid = Chain(app[671:713], "A", ("P05067", 672))  # the author's 1 to 42 are no signal peptide
    _offer(databases, "2beg", amyloid, resolution=None, method="SOLUTION NMR", models=2)
    return databases


def _protein(databases: Databases, accession: str, length: int, *signal: tuple[int, int]) -> str:
    sequence = drawn_sequence(accession, length)
    databases.add_protein(accession, sequence, signal)
    return sequence


def _offer(
    databases: Databases,
    id: str,
    *chains: Chain,
    resolution: float | None = 2.0,
    method: str = "X-RAY DIFFRACTION",
    models: int = 1,
) -> None:
    """An entry of one or two chains."""
    first, second = chains[0], chains[1] if len(chains) > 1 else None
    made = protein(
        first.sequence,
        first.name,
        name=id.upper(),
        uniprot=first.uniprot,
        author_start=first.author_start,
        second_chain=second,
        method=method,
        resolution=resolution,
        models=models,
    )
    spans: dict[str, Span | None] = {chain.name: None for chain in chains}
    for chain in chains:
        if chain.uniprot is not None:
            accession, start = chain.uniprot
            length, whole = len(chain.sequence), databases.proteins[accession]["sequence"]["length"]
            spans[chain.name] = Span(accession, start, start + length - 1, round(length / whole, 3), chain.author_start)
    databases.add_entry(id, as_cif(made), as_pdb(made), resolution=resolution, method=method.capitalize(), chains=spans)


def _offer_model(databases: Databases, accession: str, *isoforms: str) -> None:
    """A model of a protein, and of isoforms of it that end earlier."""
    sequence = databases.proteins[accession]["sequence"]["value"]
    made = {}
    for name, its in {**dict.fromkeys(isoforms, sequence[:-20]), accession: sequence}.items():
        model = alphafold_model(name, its)
        made[name] = as_cif(model), as_pdb(model), its
    cif, pdb, _ = made.pop(accession)
    databases.add_model(accession, cif, pdb, sequence=sequence, isoforms=made)
