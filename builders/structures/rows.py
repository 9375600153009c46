"""Structures as rows of Arrow tables, one a model."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa
from datasets import Array2D, Features, List, Value

from builders.structures.arrays import atoms_of, chains_of, table_columns
from builders.structures.cleaning.signal_peptides import Cut
from builders.structures.cleaning.writing import write
from builders.structures.databases.resolve import Found
from builders.structures.reading import content
from builders.structures.reading.annotations import Places, prune
from builders.structures.reading.parse import Loaded
from builders.structures.treatment import Treated

_CHAIN = ("name", "label", "entity", "sequence", "uniprot")


def features(include_file: bool) -> Features:
    """The columns: of the structure, of its chains, of its atoms; with `include_file` the bytes of a file, too."""
    chain = {
        **dict.fromkeys(("name", "label", "entity", "sequence"), Value("string")),
        "uniprot": List(Value("string")),
        "signal_peptides": List({"start": Value("int32"), "end": Value("int32")}),
    }
    columns: dict[str, Any] = {
        "id": Value("string"),
        "source": Value("string"),
        "entry_id": Value("string"),
        "format": Value("string"),
        "uniprot": List(Value("string")),
        "coverage": Value("float32"),
        "title": Value("string"),
        "method": Value("string"),
        "resolution": Value("float32"),
        "model": Value("int32"),
        "chains": List(chain),
        "coordinates": Array2D((None, 3), "float32"),
        "element": List(Value("string")),
        "atom_name": List(Value("string")),
        "residue_name": List(Value("string")),
        "residue_number": List(Value("int32")),
        "insertion_code": List(Value("string")),
        "sequence_position": List(Value("int32")),
        "uniprot_position": List(Value("int32")),
        "chain": List(Value("string")),
        "altloc": List(Value("string")),
        "occupancy": List(Value("float32")),
        "b_factor": List(Value("float32")),
        "hetero": List(Value("bool")),
    }
    return Features(columns | ({"file": Value("binary")} if include_file else {}))


def tables_of(treated: Treated, found: Found, include_file: bool) -> list[pa.Table]:
    """The rows of a structure, a table of one row for each of its models.

    Args:
        treated: the structure, after everything was done to it.
        found: what it answers to.
        include_file: whether each row holds the bytes of a file with just its atoms.
    """
    schema = features(include_file).arrow_schema
    loaded = treated.loaded
    shared = _facts(treated, found)
    tables = []
    for place in range(len(loaded.structure)):
        columns = {name: _listed(values) for name, values in table_columns(atoms_of(loaded, place)).items()}
        single = shared | {"model": loaded.structure[place].num, "chains": _chains(loaded, place, treated.cuts)}
        if include_file:
            single["file"] = _file(treated, place)
        columns |= {name: pa.array([value], schema.field(name).type) for name, value in single.items()}
        columns["coordinates"] = pa.ExtensionArray.from_storage(
            schema.field("coordinates").type, columns["coordinates"].cast(schema.field("coordinates").type.storage_type)
        )
        tables.append(pa.table([columns[name] for name in schema.names], schema=schema))
    return tables


def _listed(values: pa.Array) -> pa.Array:
    """A column of one row, which is a list of these values."""
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


def _facts(treated: Treated, found: Found) -> dict[str, Any]:
    loaded, candidate = treated.loaded, found.candidate
    accessions = [segment.accession for segment in loaded.segments]
    accessions += [treated.accession] if treated.accession else []
    info = loaded.structure.info
    resolution = loaded.structure.resolution or candidate.resolution
    return {
        "id": found.id,
        "source": candidate.source,
        "entry_id": candidate.entry_id,
        "format": found.format,
        "uniprot": list(dict.fromkeys(accessions)),
        "coverage": candidate.coverage,
        "title": _text(info, "_struct.title"),
        "method": _text(info, "_exptl.method"),
        "resolution": resolution,
    }


def _text(info: Any, tag: str) -> str | None:
    return info[tag].strip() or None if tag in info else None


def _chains(loaded: Loaded, place: int, cuts: Iterable[Cut] | None) -> list[dict[str, Any]]:
    """What is said of each chain; of signal peptides nothing, unless they were asked for."""
    known: dict[str, list[dict[str, int]]] = {}
    for cut in cuts or []:
        known.setdefault(cut.subchain, []).extend(asdict(peptide) for peptide in cut.peptides)
    told = []
    for chain in chains_of(loaded, place):
        facts = asdict(chain)
        peptides = None if cuts is None else known.get(chain.subchain, [])
        told.append({name: facts[name] for name in _CHAIN} | {"signal_peptides": peptides})
    return told


def _file(treated: Treated, place: int) -> bytes:
    """The bytes of a file with the atoms of one model: what was read, where that is all it has."""
    structure = treated.loaded.structure
    if len(structure) == 1 and not treated.is_changed:
        return content.plain(treated.data, treated.loaded.name)
    if len(structure) == 1:
        return write(treated.loaded)
    alone = structure.clone()
    for other in reversed(range(len(alone))):
        if other != place:
            del alone[other]
    prune(alone, Places(structure))
    return write(replace(treated.loaded, structure=alone))
