"""AlphaFold DB: predicted structures by UniProt accession; their URLs are those that it tells."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builders.io.files.natural_order import natural_key
from builders.structures.databases.ids import accession_of
from builders.structures.databases.services import Services
from builders.structures.databases.sources import Candidate, register
from builders.structures.reading.content import check_complete

_MODEL = re.compile(r"AF-([A-Z0-9]+(?:-[0-9]+)?)-F([1-9][0-9]{0,3})")
_COMPLEX = re.compile(r"AF-[0-9]{16}")
"""A model of several chains (or of what is no entry of UniProt); the answer has an element for each of them."""
_VERSION = re.compile(r"[-_](?:MODEL_)?V[0-9]{1,3}")
_NOWHERE = (400, 404)
"""Both say that there is no such model, according to whom one believes; an empty list says so, too."""


class AlphaFold:
    """The AlphaFold Protein Structure Database: `AF-P45523-F1`, or the model of a UniProt accession.

    Complexes have ids of their own, such as `AF-0000000066503175`.
    """

    name = "alphafold"
    services: Mapping[str, str] = {"alphafold": "https://alphafold.ebi.ac.uk"}
    formats = ("cif", "pdb")

    def claim(self, text: str) -> str | None:
        """A model's id, or an accession, in capitals.

        `AF-P45523` is its first part, `AF-P45523-F1`; of `AF-P45523-F1-model_v4`, the version is not looked at.
        """
        text = text.upper()
        version = _VERSION.search(text)
        name = text[: version.start()] if version and version.end() == len(text) else text
        if _COMPLEX.fullmatch(name):
            return name
        match = _MODEL.fullmatch(name) or _MODEL.fullmatch(f"{name}-F1")
        if match:
            return match[0] if accession_of(match[1]) else None
        return accession_of(text)

    def candidates(self, id: str, services: Services) -> list[Candidate]:
        """The model of just this accession, never of an isoform of it; of several parts of one, the first."""
        match = _MODEL.fullmatch(id)
        is_complex = _COMPLEX.fullmatch(id) is not None
        accession = match[1] if match else id
        folder = services.local("alphafold")
        path = f"/api/prediction/{id if is_complex else accession.partition('-')[0]}"
        answer = services.ask("alphafold", path, absent=_NOWHERE, is_answer=lambda answer: isinstance(answer, list))
        if answer is None and folder is not None:
            return _in_folder(folder, accession, id if match or is_complex else None)
        models = [item for item in answer if isinstance(item, dict)] if isinstance(answer, list) else []
        if is_complex:  # one element a chain, in no order; all of them tell the same files
            return [_candidate(id, item) for item in models if _name(item) == id][:1]
        fitting = [item for item in models if item.get("uniprotAccession") == accession]
        named = {_name(item): item for item in fitting if _MODEL.fullmatch(_name(item))}
        chosen = [name for name in sorted(named, key=natural_key) if match is None or name == id]
        return [_candidate(name, named[name]) for name in chosen[:1]]

    def places(self, candidate: Candidate, format: str, services: Services) -> list[str]:
        """Where the answer said that its file is."""
        url = candidate.urls.get(format)
        if url is None:
            return []
        return [url] if Path(url).is_absolute() else services.moved(url)

    def check(self, data: bytes, format: str, name: str) -> None:
        """AlphaFold DB marks the end of its files."""
        check_complete(data, format, name)


def _name(model: dict[str, Any]) -> str:
    return str(model.get("entryId") or model.get("modelEntityId") or "")


def _candidate(name: str, model: dict[str, Any]) -> Candidate:
    urls = {format: model.get(f"{format}Url") for format in AlphaFold.formats}
    told = {format: url for format, url in urls.items() if isinstance(url, str) and url.startswith("http")}
    coverage = None if _COMPLEX.fullmatch(name) else _coverage(model)
    return Candidate(AlphaFold.name, name, coverage=coverage, urls=told)


def _coverage(model: dict[str, Any]) -> float | None:
    """How much of its UniProt sequence the model has: all of it but for the parts of the longest ones."""
    sequence = model.get("uniprotSequence") or model.get("sequence")
    first, last = (model.get(f"uniprot{end}", model.get(f"sequence{end}")) for end in ("Start", "End"))
    if not isinstance(sequence, str) or not isinstance(first, int) or not isinstance(last, int):
        return None
    return min(len(sequence), max(0, last - first + 1)) / len(sequence) if sequence else None


def _in_folder(folder: Path, accession: str, id: str | None) -> list[Candidate]:
    """A model whose files lie in a folder, of the newest version there is."""
    name = id or f"AF-{accession}-F1"
    urls = {}
    for format in AlphaFold.formats:
        files = [*folder.glob(f"{name}-model_v*.{format}*"), *folder.glob(f"files/{name}-model_v*.{format}*")]
        files = [file for file in files if file.name.removesuffix(".gz").endswith(format)]
        if files:
            urls[format] = str(max(files, key=lambda file: natural_key(file.name)))
    return [Candidate(AlphaFold.name, name, urls=urls)] if urls else []


register(AlphaFold())
