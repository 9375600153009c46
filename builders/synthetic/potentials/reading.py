"""Files of structures, read by gemmi: the atoms of each model."""

import os
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from builders.errors import FolderError, FormatError, NotFoundError, ReadError
from builders.synthetic.potentials.atoms import Atoms

_LONG = 8
"""Characters of names that gemmi has no tables of."""
SUFFIXES = (".cif", ".mmcif", ".pdb", ".ent")
_PREDICTED = "_ma_qa_metric."
"""Begins the names of a category that models of AlphaFold and others have, whose B factors are confidences."""


def read_atoms(path: Path) -> list[Atoms]:
    """The atoms of each model of a file, mmCIF or PDB, also packed by gzip.

    The cell and its symmetry are passed over: what is deposited is drawn, once.

    Raises:
        NotFoundError: no such file.
        FormatError: it is no structure.
        ReadError: it cannot be read.
    """
    if path.is_dir():
        msg = f"{path}: a folder: expected a file of a structure"
        raise FolderError(msg)
    if not path.exists():
        msg = f"{path}: no such file"
        raise NotFoundError(msg)
    try:
        structure, is_predicted = _read(path)
    except OSError as err:
        msg = f"{path}: {err.strerror or err}"
        raise ReadError(msg) from err
    except (ValueError, RuntimeError, IndexError, UnicodeDecodeError) as err:
        msg = f"{path}: {err}: expected mmCIF or PDB format"
        raise FormatError(msg) from err
    if not any(model.count_atom_sites() for model in structure):
        msg = f"{path}: no atoms: expected a structure with at least one"
        raise FormatError(msg)
    return _models(structure, str(path), is_predicted or path.name.upper().startswith("AF-"))


def _read(path: Path) -> tuple[gemmi.Structure, bool]:
    """A structure, and whether the file says that it is predicted."""
    plain = path.name.lower().removesuffix(".gz")
    if not plain.endswith((".cif", ".mmcif")):
        is_pdb = plain.endswith((".pdb", ".ent"))
        format = gemmi.CoorFormat.Pdb if is_pdb else gemmi.CoorFormat.Detect
        structure = gemmi.read_structure(os.fspath(path), format=format)
        if structure.input_format != gemmi.CoorFormat.Mmcif:
            title = structure.info["_struct.title"] if "_struct.title" in structure.info else ""
            return structure, "ALPHAFOLD" in title.upper()
    blocks = [block for block in gemmi.cif.read(os.fspath(path)) if block.find_values("_atom_site.Cartn_x")]
    if not blocks:
        return gemmi.Structure(), False
    categories = blocks[0].get_mmcif_category_names()
    return gemmi.make_structure_from_block(blocks[0]), _PREDICTED in categories


def _models(structure: gemmi.Structure, name: str, is_predicted: bool) -> list[Atoms]:
    try:
        table = gemmi.FlatStructure(structure)
    except RuntimeError:  # it takes no names of eight characters or more
        _shorten_names(structure)
        table = gemmi.FlatStructure(structure)
    table.strings_as_numbers = False
    places = zip(_texts(np.array(table.chain_ids)), table.resnums.tolist(), _letters(table.icodes), strict=True)
    whole = Atoms(
        name=name,
        coordinates=np.array(table.pos),
        element=np.array(table.element_names).astype(np.str_),
        occupancy=np.array(table.occ, np.float64),
        b_factor=np.array(table.b_iso, np.float64),
        atom_name=np.array(table.atom_names).astype(np.str_),
        residue_name=np.array(table.residue_names).astype(np.str_),
        residue=np.array([f"{chain}/{number}{code}" for chain, number, code in places]),
        altloc=np.array(_letters(table.altlocs)),
        is_predicted=is_predicted,
    )
    ends = np.cumsum([model.count_atom_sites() for model in structure]).tolist()
    models = [np.arange(start, end) for start, end in zip([0, *ends], ends, strict=False) if end > start]
    return [whole.taken(places, whole.occupancy[places]) for places in models]


def _texts(names: NDArray[np.bytes_]) -> list[str]:
    texts: list[str] = names.astype(np.str_).tolist()
    return texts


def _letters(codes: NDArray[np.int8]) -> list[str]:
    """Letters of their codes; nothing for those that are none."""
    letters = {code: chr(code).strip("\0 ") for code in set(codes.tolist())}
    return [letters[code] for code in codes.tolist()]


def _shorten_names(structure: gemmi.Structure) -> None:
    """Give what has a long name one that no other has."""
    known: dict[str, str] = {}

    def short(name: str) -> str:
        return name if len(name) < _LONG else known.setdefault(name, f"{name[:3]}~{len(known)}")

    for chain in (chain for model in structure for chain in model):
        chain.name = short(chain.name)
        for residue in chain:
            residue.name, residue.subchain, residue.entity_id = short(residue.name), "", ""
            for atom in residue:
                atom.name = short(atom.name)
