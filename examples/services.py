"""Four made-up structures of two proteins, in folders that stand for the services of the PDB, AlphaFold and UniProt."""

import json
from collections.abc import Sequence
from pathlib import Path

import gemmi

from examples.proteins import Part, Protein, assemble

SECRETED = Protein(
    "Z9DEM1",
    "MKKLLLALALLLALSSAAGGAAQAGVIYVISKVNGKFVFTIKNKNELEREALLKQKMDKLQMSDTEAMAKERKEEALQAKILIGIGVYVIFFVNGTTVTKIVF",
    "BBAAAAAAAAAAAAAAAAGEPABBBBBBBBBBPGTQBBBBBBPAPAAAAAAAAAAAAAAAAAPBBAAAAAAAAAAAAAAAAAAEAEBBBBBBPGTQBBBBBBB",
    signal=24,
)
PARTNER = Protein(
    "Z9DEM2",
    "YGKIYVTIYSYKNGTTKTIYKGTYDAIQEMLEEMIEKQELGKAKT",
    "ABABBBBBBBBPGTQBBBBBBBEEAAAAAAAAAAAAAAAAEBABB",
    first=201,
)
IDS = ["Z9DEM1", "AF-Z9DEM1-F1", "0duo", "0nmr"]
_COVERAGE = {"0dem": (0.77, 1.9), "0duo": (0.74, 3.1)}
"""Of the secreted protein by each entry of the PDB with it, and the entry's resolution (Å), as PDBe tells them."""


def generate(root: Path) -> dict[str, str]:
    """Write the files of the structures and what the services answer.

    Returns:
        The folder that stands for each service: `load_dataset`'s `endpoints`.
    """
    names = ("rcsb_files", "rcsb_search", "rcsb_data", "pdbe", "alphafold", "uniprot")
    folders = {name: root / name for name in names}
    for folder in folders.values():
        folder.mkdir(parents=True)
    _write_predicted(folders["alphafold"])
    for name, (structure, parts, facts) in _entries().items():
        block = _with_references(structure, parts, facts)
        _write(folders["rcsb_files"] / "download" / f"{name.upper()}.cif", block.as_string())
        text = gemmi.make_structure_from_block(block).make_pdb_string()
        _write(folders["rcsb_files"] / "download" / f"{name.upper()}.pdb", text)
    hits = [{"identifier": f"{name.upper()}_1"} for name in _COVERAGE]
    ranks = [{"pdb_id": name, "coverage": share, "resolution": best} for name, (share, best) in _COVERAGE.items()]
    answer = {"total_count": len(hits), "result_set": hits}
    _tell(folders["rcsb_search"] / f"rcsbsearch/v2/query/{SECRETED.accession}", answer)
    _tell(folders["pdbe"] / f"pdbe/api/v2/uniprot/best_structures/{SECRETED.accession}", {SECRETED.accession: ranks})
    for protein in (SECRETED, PARTNER):
        _tell(folders["uniprot"] / f"uniprotkb/{protein.accession}", _annotation(protein))
    return {name: str(folder) for name, folder in folders.items()}


def _entries() -> dict[str, tuple[gemmi.Structure, list[Part], dict[str, str]]]:
    """The PDB's entries by id: atoms, chains, and what else their files say."""
    last = SECRETED.first + len(SECRETED.sequence) - 1
    gap = frozenset(range(43, 47))
    mature = Part(SECRETED, SECRETED.signal + 1, last, author=1, missing=gap | {25, 26}, modified=True)
    precursor = Part(SECRETED, 1, 76, author=1, b_factors=(55.0, 130.0))
    partner = Part(PARTNER, 201, 245, author=1, b_factors=(50.0, 120.0))
    free = Part(PARTNER, 201, 245, author=1, b_factors=(0.0, 0.0))
    return {
        "0dem": (
            assemble("0DEM", [mature], others=12),
            [mature],
            {
                "_struct.title": "Mature protein, made up",
                "_exptl.method": "X-RAY DIFFRACTION",
                "_refine.ls_d_res_high": "1.9",
            },
        ),
        "0duo": (
            assemble("0DUO", [precursor, partner]),
            [precursor, partner],
            {
                "_struct.title": "Precursor with its partner, made up",
                "_exptl.method": "ELECTRON MICROSCOPY",
                "_em_3d_reconstruction.resolution": "3.1",
            },
        ),
        "0nmr": (
            assemble("0NMR", [free], models=8),
            [free],
            {"_struct.title": "Partner alone, made up", "_exptl.method": "SOLUTION NMR"},
        ),
    }


def _write_predicted(folder: Path) -> None:
    """The predicted model of the secreted protein; pLDDT, 0 to 100, stands in place of B factors."""
    accession, length = SECRETED.accession, len(SECRETED.sequence)
    whole = Part(SECRETED, 1, length, author=1, b_factors=(99.0, 38.0))
    name = f"AF-{accession}-F1"
    block = _with_references(
        assemble(name, [whole]), [whole], {"_struct.title": f"Prediction for {accession}, made up"}
    )
    _write(folder / "files" / f"{name}-model_v6.cif", block.as_string())
    model = {"entryId": name, "uniprotAccession": accession, "uniprotSequence": SECRETED.sequence}
    model |= {"cifUrl": f"https://alphafold.ebi.ac.uk/files/{name}-model_v6.cif"}
    _tell(folder / "api/prediction" / accession, [{**model, "uniprotStart": 1, "uniprotEnd": length}])


def _with_references(structure: gemmi.Structure, parts: Sequence[Part], facts: dict[str, str]) -> gemmi.cif.Block:
    """A structure as mmCIF that says which UniProt residues its chains are: their numbers do not tell."""
    block = structure.make_mmcif_document().sole_block()
    for tag, value in {"_entry.id": structure.name, **facts}.items():
        block.set_pair(tag, gemmi.cif.quote(value))
    references = block.init_loop("_struct_ref.", ["id", "entity_id", "db_name", "db_code", "pdbx_db_accession"])
    tags = ["align_id", "ref_id", "pdbx_strand_id", "seq_align_beg", "seq_align_end", "pdbx_db_accession"]
    tags += ["db_align_beg", "db_align_end", "pdbx_auth_seq_align_beg", "pdbx_auth_seq_align_end"]
    spans = block.init_loop("_struct_ref_seq.", tags)
    for number, part in enumerate(parts, 1):
        accession, length = part.protein.accession, part.last - part.first + 1
        references.add_row([str(number), str(number), "UNP", f"{accession}_DEMO", accession])
        row = [number, number, "ABCD"[number - 1], 1, length, accession, part.first, part.last]
        spans.add_row([str(value) for value in [*row, part.author, part.author + length - 1]])
    return block


def _annotation(protein: Protein) -> dict[str, object]:
    """What UniProt says of a protein."""
    ends = {"start": {"value": 1, "modifier": "EXACT"}, "end": {"value": protein.signal, "modifier": "EXACT"}}
    features = [{"type": "Signal", "location": ends}] if protein.signal else []
    entry = {"entryType": "UniProtKB reviewed (Swiss-Prot)", "primaryAccession": protein.accession}
    return {**entry, "features": features, "sequence": {"value": protein.sequence}}


def _tell(path: Path, answer: object) -> None:
    _write(path.with_name(f"{path.name}.json"), json.dumps(answer, indent=1))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
