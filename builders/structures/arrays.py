"""A model as arrays: one value an atom, and what its chains are."""

from dataclasses import dataclass, field, fields
from typing import Any

import gemmi
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.structures.reading.flat import flatten
from builders.structures.reading.kinds import is_hetero
from builders.structures.reading.parse import Loaded

# Residues that force fields name otherwise than the PDB does.
_PARENTS = {
    **dict.fromkeys(("HID", "HIE", "HIP", "HSD", "HSE", "HSP"), "H"),
    **dict.fromkeys(("CYX", "CYM"), "C"),
    **{"ASH": "D", "GLH": "E", "LYN": "K"},
}


_NONE = {"sequence_position": 0, "uniprot_position": 0, "residue_number": np.iinfo(np.int32).min}
"""What stands for no number."""


@dataclass(slots=True)
class Atoms:
    """The N atoms of a model, in its order. Text is UTF-8 bytes, empty for none.

    Attributes:
        coordinates: Å, float32, `(N, 3)`.
        element: as in the periodic table (`b"Se"`), `b"D"` for deuterium, `b"X"` when unknown.
        atom_name: such as `b"CA"`.
        residue_name: such as `b"ALA"`.
        residue_number: the author's, int32; the least int32 for none.
        insertion_code: the author's.
        sequence_position: label position in the sequence of the polymer, from 1, int32; 0 for none.
        uniprot_position: position in the UniProt sequence of the chain, int32; 0 for none.
        chain: the author's id.
        altloc: the alternative it belongs to.
        occupancy: float32.
        b_factor: Å², float32; the confidence (pLDDT) in a model of AlphaFold.
        hetero: not of a polymer: ligands, ions, sugars, water. A modified residue of a polymer is none.
    """

    coordinates: NDArray[np.float32]
    element: NDArray[np.bytes_]
    atom_name: NDArray[np.bytes_]
    residue_name: NDArray[np.bytes_]
    residue_number: NDArray[np.int32]
    insertion_code: NDArray[np.bytes_]
    sequence_position: NDArray[np.int32]
    uniprot_position: NDArray[np.int32]
    chain: NDArray[np.bytes_]
    altloc: NDArray[np.bytes_]
    occupancy: NDArray[np.float32]
    b_factor: NDArray[np.float32]
    hetero: NDArray[np.bool_]


def atoms_of(loaded: Loaded, model: int) -> Atoms:
    r"""The atoms of one model.

    Args:
        loaded: the structure.
        model: its index, from 0.

    Example:
        >>> from builders.structures.reading.parse import load
        >>> text = b"ATOM      1  CA  GLY A   7       1.000   2.000   3.000  1.00  9.00           C\nEND\n"
        >>> atoms = atoms_of(load(text, "a.pdb"), 0)
        >>> atoms.coordinates.tolist(), atoms.residue_number.tolist(), atoms.hetero.tolist()
        ([[1.0, 2.0, 3.0]], [7], [False])
    """
    chosen = loaded.structure[model]
    flat = flatten(chosen)
    names, subchains, positions, hetero, counts = [], [], [], [], []
    for chain in chosen:
        for residue in chain:
            name = residue.name
            names.append(name.encode())
            subchains.append(residue.subchain)
            positions.append(residue.label_seq or 0)
            hetero.append(is_hetero(residue))
            counts.append(len(residue))
    chain_names = [chain.name.encode() for chain in chosen]
    chain_atoms = [chain.count_atom_sites() for chain in chosen]
    sequence_positions = np.array(positions, np.int32)
    return Atoms(
        coordinates=flat.positions.astype(np.float32),
        element=flat.elements,
        atom_name=flat.names,
        residue_name=np.repeat(np.array(names, np.bytes_), counts),
        residue_number=flat.residue_numbers,
        insertion_code=flat.insertion_codes,
        sequence_position=np.repeat(sequence_positions, counts),
        uniprot_position=np.repeat(_uniprot_positions(loaded, subchains, sequence_positions), counts),
        chain=np.repeat(np.array(chain_names, np.bytes_), chain_atoms),
        altloc=flat.altlocs,
        occupancy=flat.occupancies,
        b_factor=flat.b_factors,
        hetero=np.repeat(np.array(hetero, np.bool_), counts),
    )


def _uniprot_positions(loaded: Loaded, subchains: list[str], positions: NDArray[np.int32]) -> NDArray[np.int32]:
    """UniProt positions of residues, 0 for none; where segments overlap, the first counts."""
    found = np.zeros(len(positions), np.int32)
    labels = np.array(subchains)
    for segment in reversed(loaded.segments):
        inside = (labels == segment.subchain) & (positions >= segment.first) & (positions <= segment.last)
        found[inside] = positions[inside] + (segment.uniprot_first - segment.first)
    return found


def table_columns(atoms: Atoms) -> dict[str, pa.Array]:
    """The same as Arrow arrays: text as strings, null for no number, coordinates as lists of three.

    Example:
        >>> import numpy as np
        >>> none = np.zeros(0, "S1")
        >>> empty = Atoms(np.zeros((0, 3), "f4"), *[none] * 12)
        >>> table_columns(empty)["coordinates"].type
        FixedSizeListType(fixed_size_list<item: float>[3])
    """
    columns = {}
    for column in fields(atoms):
        values: NDArray[Any] = getattr(atoms, column.name)
        if values.ndim == 2:
            columns[column.name] = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 3)
        elif values.dtype.kind == "S":
            columns[column.name] = _strings(values)
        elif column.name in _NONE:
            columns[column.name] = pa.array(values, mask=values == _NONE[column.name])
        else:
            columns[column.name] = pa.array(values)
    return columns


def _strings(values: NDArray[np.bytes_]) -> pa.StringArray:
    """Arrow strings of padded text; pyarrow itself would keep the padding."""
    width = values.dtype.itemsize
    letters = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), width)
    lengths = np.char.str_len(values)
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    text = letters[np.arange(width) < lengths[:, None]]
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets), pa.py_buffer(text))


@dataclass(slots=True)
class Chain:
    """A polymer of an author chain, or an author chain without one.

    Attributes:
        name: the author's id.
        label: label asym id of the polymer; None where the file has none, as in PDB format.
        entity: its entity id in the file, likewise.
        sequence: one letter a residue, of the full sequence if the file gives it, otherwise of the observed residues.
            A modified residue is its parent, an unknown one X. Empty without a polymer.
        uniprot: accessions that parts of it are numbered by.
        subchain: the polymer as the structure names it, in whatever format.
    """

    name: str
    label: str | None = None
    entity: str | None = None
    sequence: str = ""
    uniprot: list[str] = field(default_factory=list)
    subchain: str = ""


def chains_of(loaded: Loaded, model: int) -> list[Chain]:
    r"""The chains of one model, in the order in which the author's ids first occur.

    Args:
        loaded: the structure.
        model: its index, from 0.

    Example:
        >>> from builders.structures.reading.parse import load
        >>> text = b"ATOM      1  CA  GLY A   7       1.000   2.000   3.000  1.00  9.00           C\nEND\n"
        >>> chains_of(load(text, "a.pdb"), 0)
        [Chain(name='A', label=None, entity=None, sequence='G', uniprot=[], subchain='Axp')]
    """
    polymers: dict[str, dict[str, list[gemmi.Residue]]] = {}
    for chain in loaded.structure[model]:
        of_chain = polymers.setdefault(chain.name, {})
        for residue in chain:
            if residue.entity_type == gemmi.EntityType.Polymer:
                of_chain.setdefault(residue.subchain, []).append(residue)
    full = {subchain: e.full_sequence for e in loaded.structure.entities for subchain in e.subchains}
    return [
        _describe(loaded, name, subchain, residues, full.get(subchain, []))
        for name, of_chain in polymers.items()
        for subchain, residues in (of_chain or {"": []}).items()
    ]


def _describe(
    loaded: Loaded, name: str, subchain: str, residues: list[gemmi.Residue], full_sequence: list[str]
) -> Chain:
    if not residues:
        return Chain(name)
    # Residues of several names at one position count once.
    observed = {str(residue.seqid): residue.name for residue in reversed(residues)}
    names = [gemmi.Entity.first_mon(name) for name in full_sequence] or list(observed.values())[::-1]
    return Chain(
        name=name,
        label=subchain if loaded.labelled else None,
        entity=residues[0].entity_id or None,
        sequence="".join(map(_one_letter, names)),
        uniprot=list(dict.fromkeys(s.accession for s in loaded.segments if s.subchain == subchain)),
        subchain=subchain,
    )


def _one_letter(residue_name: str) -> str:
    letter = gemmi.find_tabulated_residue(residue_name).one_letter_code.strip()
    return letter.upper() or _PARENTS.get(residue_name.upper(), "X")
