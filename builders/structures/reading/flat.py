"""The atoms of a model as columns: gemmi's own where it can, since it fills them without a Python loop."""

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Flat:
    """Columns of one length, in the order of chains, residues and atoms. Text is UTF-8 bytes, empty for none.

    Attributes:
        positions: Å, float64, `(N, 3)`.
        occupancies: float32.
        b_factors: Å², float32.
        elements: symbols, such as `b"Se"`; `b"X"` when unknown.
        names: of the atoms.
        altlocs: of the alternative that an atom belongs to.
        residue_numbers: the author's, int32.
        insertion_codes: the author's.
        chains: the author's names.
    """

    positions: NDArray[np.float64]
    occupancies: NDArray[np.float32]
    b_factors: NDArray[np.float32]
    elements: NDArray[np.bytes_]
    names: NDArray[np.bytes_]
    altlocs: NDArray[np.bytes_]
    residue_numbers: NDArray[np.int32]
    insertion_codes: NDArray[np.bytes_]
    chains: NDArray[np.bytes_]


def flatten(model: gemmi.Model) -> Flat:
    """A model's atoms as columns.

    Example:
        >>> len(flatten(gemmi.Model(1)).positions)
        0
    """
    alone = gemmi.Structure()
    alone.add_model(model)
    names = chains = None
    try:
        table = gemmi.FlatStructure(alone)
    except RuntimeError:
        # It refuses names of eight characters and more, of whatever kind.
        names, chains = _take_names(alone[0])
        table = gemmi.FlatStructure(alone)
    table.strings_as_numbers = False
    return Flat(
        positions=np.array(table.pos),
        occupancies=np.array(table.occ),
        b_factors=np.array(table.b_iso),
        elements=np.array(table.element_names),
        names=np.array(table.atom_names) if names is None else names,
        altlocs=_characters(table.altlocs, 0),
        residue_numbers=np.array(table.resnums),
        insertion_codes=_characters(table.icodes, ord(" ")),
        chains=np.array(table.chain_ids) if chains is None else chains,
    )


def _take_names(model: gemmi.Model) -> tuple[NDArray[np.bytes_], NDArray[np.bytes_]]:
    """The names of a model's atoms and of their chains; all names in it are then blank."""
    chains = [chain.name.encode() for chain in model for _ in range(chain.count_atom_sites())]
    names = [atom.name.encode() for chain in model for residue in chain for atom in residue]
    for chain in model:
        chain.name = ""
        for residue in chain:
            residue.name = residue.subchain = residue.entity_id = ""
            for atom in residue:
                atom.name = ""
    return np.array(names, np.bytes_), np.array(chains, np.bytes_)


def _characters(codes: NDArray[np.int8], none: int) -> NDArray[np.bytes_]:
    return np.where(codes == none, 0, codes).astype(np.int8).view("S1")
