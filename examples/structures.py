"""Part three of the demo: structures of the PDB and AlphaFold DB, cleaned, as rows of atoms, drawn, made particles."""

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Features, List

from builders import load_dataset
from builders.structures import available, fetch
from examples import poses
from examples.services import IDS, generate
from examples.tracks import Panel, Track, write_tracks

_REMOVE = ["signal_peptides", "water"]
_EVERYTHING = ["signal_peptides", "hydrogens", "water", "hetatms"]
_MEANING = {
    "id": "what was asked for",
    "source": "database that had it",
    "entry_id": "its entry there",
    "format": "of the file: cif or pdb",
    "uniprot": "proteins, by UniProt accession",
    "coverage": "fraction of the UniProt sequence",
    "title": "of the entry",
    "method": "of the experiment",
    "resolution": "Å",
    "model": "number; a row for each",
    "chains": "name, sequence, uniprot, peptides cut",
    "coordinates": "Å",
    "element": "of each atom, and so on below",
    "atom_name": "CA is the alpha carbon",
    "residue_name": "amino acid, ligand or water",
    "residue_number": "the author's, not UniProt's",
    "insertion_code": "that goes with it",
    "sequence_position": "in the chain's sequence, from 1",
    "uniprot_position": "in the UniProt sequence, from 1",
    "chain": "name of the chain",
    "altloc": "label of an alternate location",
    "occupancy": "0 to 1",
    "b_factor": "Å²; of a prediction pLDDT, 0 to 100",
    "hetero": "ligand or water",
}


def run(out: Path, batches: int) -> poses.Learned:
    """Generate structures, load them whole and cleaned, stream them, tell and draw what they hold, save one.

    Args:
        out: folder of the demo.
        batches: of particles of some of them, from which a network then learns classes and poses.

    Returns:
        How well it did.
    """
    start = time.perf_counter()
    places: dict[str, Any] = {"endpoints": generate(out / "services"), "cache_dir": str(out / "cache")}
    asked: dict[str, Any] = {"ids": IDS, "models": "all", "split": "train", **places}
    print(f"{', '.join(IDS)}, from folders that stand for the databases: {out / 'services'}")
    where = ", ".join(f"{id} in {' and '.join(names)}" for id, names in available(IDS, **places).items())
    print(f"there is {where}")

    whole = load_dataset("structures", **asked)
    rows = load_dataset("structures", remove=_REMOVE, **asked)
    print(f"\nthe columns, and the first row, without {' and '.join(_REMOVE)}:")
    _print_table(("column", "type", "first row", "meaning, unit"), (17, 15, 28, 37), _columns(rows))
    print("\nthe structures:")
    heads = ("id", "source", "entry", "method", "Å", "chains", "residues", "atoms", "removed")
    _print_table(heads, (12, 9, 12, 19, 3, 6, 8, 7, 11), _summaries(whole, rows))

    stream = load_dataset("structures", remove=_REMOVE, streaming=True, **{**asked, "models": "first"})
    shapes = [f"{row['entry_id']} {tuple(row['coordinates'].shape)}" for row in stream.with_format("torch")]
    print(f"\nstreamed as torch tensors, coordinates: {', '.join(shapes)}")
    saved = fetch("Z9DEM1", format="pdb", remove=_EVERYTHING, save_dir=out / "saved", overwrite=True, **places)
    print(f"a file without {', '.join(_EVERYTHING)}: {saved.path.resolve()}")
    plot = out / "structures.png"
    write_tracks(plot, [_panel(before, after) for before, after in zip(_entries(whole), _entries(rows), strict=True)])
    print(f"plot along the chains: {plot.resolve()}")

    print(f"\n{batches} batches of particles of {', '.join(poses.IDS)}, made as they are read")
    learned = poses.learn(out, places, batches)
    print(f"{learned.accuracy:.1%} of others named right, by chance {learned.chance:.1%};")
    print(f"half of their poses within {learned.error:.0f} degrees, by chance {learned.error_by_chance:.0f}")
    print(f"{time.perf_counter() - start:.0f} s")
    return learned


def _entries(rows: Dataset) -> list[list[dict[str, Any]]]:
    """The rows of each structure, one a model."""
    return [list(models) for _, models in groupby(rows, key=lambda row: row["id"])]


def _print_table(heads: Sequence[str], widths: Sequence[int], lines: Iterable[Sequence[str]]) -> None:
    for line in [heads, ["-" * width for width in widths], *lines]:
        cells = [
            text if len(text) <= width else f"{text[: width - 1]}…" for text, width in zip(line, widths, strict=True)
        ]
        print(" ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())


def _columns(rows: Dataset) -> list[tuple[str, str, str, str]]:
    first = rows[0]
    return [(name, _type(rows.features, name), _shown(first[name]), _MEANING[name]) for name in rows.features]


def _type(features: Features, name: str) -> str:
    feature = features[name]
    if isinstance(feature, List):
        return f"list of {getattr(feature.feature, 'dtype', 'dict')}"
    return f"(n, 3) {feature.dtype}" if name == "coordinates" else str(feature.dtype)


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return f"{len(value)}: {value[0]['name']}, {value[0]['sequence']}"
    if isinstance(value, list) and value and isinstance(value[0], list):
        return f"{len(value)}: ({', '.join(f'{x:.1f}' for x in value[0])}), ..."
    if isinstance(value, list):
        start = ", ".join(repr(x) if x == "" else _shown(x) for x in value[:2])
        return f"{len(value)}: {start}, ..." if len(value) > 2 else start
    return "null" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _summaries(whole: Dataset, rows: Dataset) -> list[list[str]]:
    """A line for each structure."""
    lines = []
    for before, after in zip(_entries(whole), _entries(rows), strict=True):
        row = after[0]
        cut = len(_residues(before[0])) - len(_residues(row))
        waters = before[0]["residue_name"].count("HOH") - row["residue_name"].count("HOH")
        removed = [f"{count} {what}" for count, what in ((cut, "residues"), (waters, "waters")) if count]
        atoms = f"{len(after)} x {len(row['element'])}" if len(after) > 1 else str(len(row["element"]))
        line = [row["id"], row["source"], row["entry_id"], row["method"] or "prediction"]
        line += ["" if row["resolution"] is None else f"{row['resolution']:.1f}"]
        line += [
            ", ".join(chain["name"] for chain in row["chains"]),
            str(len(_residues(row))),
            atoms,
            ", ".join(removed),
        ]
        lines.append(line)
    return lines


def _residues(row: Mapping[str, Any], chain: str | None = None) -> dict[tuple[str, int], list[int]]:
    """The atoms (places in the row) of each residue that is in UniProt, by chain and UniProt position."""
    found: dict[tuple[str, int], list[int]] = {}
    for at, (name, position) in enumerate(zip(row["chain"], row["uniprot_position"], strict=True)):
        if position is not None and chain in (None, name):
            found.setdefault((name, position), []).append(at)
    return found


def _panel(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Panel:
    """What is drawn of a structure: B factors, pLDDT or, of several models, how far these are from their mean."""
    row = after[0]
    kind = "spread" if len(after) > 1 else "pLDDT" if row["source"] == "alphafold" else "B factor"
    note = row["method"] or "PREDICTION"
    note += f", {row['resolution']:.1f} Angstrom" if row["resolution"] else ""
    note += f", {len(after)} models" if len(after) > 1 else ""
    tracks = [_track(chain, before[0], after) for chain in row["chains"]]
    return Panel(f"{row['entry_id']}: {row['title']}", note, kind, tracks)


def _track(chain: Mapping[str, Any], before: Mapping[str, Any], after: list[dict[str, Any]]) -> Track:
    """A chain's residues, and those that were cut from it."""
    row, name = after[0], chain["name"]
    residues, all_residues = _residues(row, name), _residues(before, name)
    carbons = [next(at for at in atoms if row["atom_name"][at] == "CA") for atoms in residues.values()]
    places = np.array([np.array(model["coordinates"])[carbons] for model in after])
    if len(after) > 1:
        values = np.sqrt(((places - places.mean(0)) ** 2).sum(-1).mean(0)).tolist()
    else:
        values = [_mean_b(row, atoms) for atoms in residues.values()]
    return Track(
        name,
        ", ".join(chain["uniprot"]),
        f"{row['residue_number'][carbons[0]]} to {row['residue_number'][carbons[-1]]}",
        dict(zip((position for _, position in residues), values, strict=True)),
        places[0],
        [(peptide["start"], peptide["end"]) for peptide in chain["signal_peptides"]],
        {place[1]: _mean_b(before, atoms) for place, atoms in all_residues.items() if place not in residues},
    )


def _mean_b(row: Mapping[str, Any], atoms: Sequence[int]) -> float:
    return float(np.mean([row["b_factor"][at] for at in atoms]))
