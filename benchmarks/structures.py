"""Structures: from the bytes of an mmCIF file to rows."""

from collections.abc import Iterator

import gemmi
import numpy as np

from benchmarks.row import Row
from benchmarks.timing import medians
from builders.structures.databases.resolve import Found
from builders.structures.databases.sources import Candidate
from builders.structures.reading.parse import load, select
from builders.structures.rows import tables_of
from builders.structures.treatment import Treated

RATE = 200_000  # atoms a second on one core
_ATOMS = {
    "ALA": "N CA C O CB",
    "GLY": "N CA C O",
    "HIS": "N CA C O CB CG ND1 CD2 CE1 NE2",
    "LEU": "N CA C O CB CG CD1 CD2",
    "PHE": "N CA C O CB CG CD1 CD2 CE1 CE2 CZ",
    "SER": "N CA C O CB OG",
}


def make_mmcif(chains: int = 12, residues: int = 325, waters: int = 1500) -> bytes:
    """A seeded mmCIF file of chains of protein, some of their residues with alternatives, and water."""
    rng = np.random.default_rng(0)
    structure = gemmi.Structure()
    structure.name = "1XYZ"
    model = gemmi.Model(1)
    sequence = rng.choice(list(_ATOMS), residues).tolist()
    for number in range(chains):
        chain = gemmi.Chain("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number])
        for place, name in enumerate(sequence, 1):
            labels = "AB" if place % 50 == 0 else "\0"
            chain.add_residue(_make_residue(name, place, _ATOMS[name].split(), labels, rng))
        model.add_chain(chain)
    water = gemmi.Chain("A")
    for place in range(waters):
        water.add_residue(_make_residue("HOH", 1001 + place, ["O"], "\0", rng))
    model.add_chain(water)
    structure.add_model(model)
    structure.setup_entities()
    for entity in structure.entities:
        if entity.entity_type == gemmi.EntityType.Polymer:
            entity.full_sequence = sequence
    structure.deduplicate_entities()
    structure.assign_label_seq_id()
    structure.assign_serial_numbers()
    return structure.make_mmcif_document().as_string().encode()


def _make_residue(name: str, place: int, atoms: list[str], labels: str, rng: np.random.Generator) -> gemmi.Residue:
    residue = gemmi.Residue()
    residue.name, residue.seqid = name, gemmi.SeqId(place, " ")
    residue.het_flag = "H" if name == "HOH" else "A"
    for label in labels:
        for atom_name in atoms:
            atom = gemmi.Atom()
            atom.name, atom.element, atom.altloc = atom_name, gemmi.Element(atom_name[0]), label
            atom.pos = gemmi.Position(*rng.uniform(-99, 99, 3).round(3))
            atom.occ, atom.b_iso = 1 / len(labels), round(rng.uniform(5, 90), 2)
            residue.add_atom(atom)
    return residue


def structure_rows(rounds: int) -> Iterator[Row]:
    """A file of some 30,000 atoms in memory, parsed, its alternatives chosen, turned into the row of a dataset."""
    data = make_mmcif()
    found = Found("1xyz", Candidate("pdb", "1xyz"), "cif", "1xyz.cif")
    atoms = sum(model.count_atom_sites() for model in load(data, "1xyz.cif").structure)

    def read() -> None:
        loaded = load(data, "1xyz.cif")
        select(loaded)
        assert tables_of(Treated(loaded, data), found, include_file=False)[0].num_rows == 1

    rate = atoms / medians({"read": read}, rounds)["read"]
    columns = f"{rate / 1e3:.0f} k/s", f"{RATE / 1e3:.0f} k/s"
    yield Row("structures: atoms a second, bytes to row", *columns, rate / RATE, 1)
