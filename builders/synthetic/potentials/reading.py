"""Files of structures, read by gemmi: the atoms of each model."""

import os
from pathlib import Path

import gemmi
import numpy as np

from builders.errors import FolderError, FormatError, NotFoundError, ReadError
from builders.synthetic.potentials.atoms import Atoms

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
    is_predicted |= path.name.upper().startswith("AF-")
    return [_atoms(model, str(path), is_predicted) for model in structure if model.count_atom_sites()]


def _read(path: Path) -> tuple[gemmi.Structure, bool]:
    """A structure, and whether the file says that it is predicted."""
    if ".cif" in path.name.lower() or ".mmcif" in path.name.lower():
        document = gemmi.cif.read(os.fspath(path))
        blocks = [block for block in document if block.find_values("_atom_site.Cartn_x")]
        structure = gemmi.make_structure_from_block(blocks[0]) if blocks else gemmi.Structure()
        return structure, any(
            name.startswith(_PREDICTED) for name in (blocks[0].get_mmcif_category_names() if blocks else [])
        )
    structure = gemmi.read_structure(os.fspath(path))
    title = structure.info["_struct.title"] if "_struct.title" in structure.info else ""
    return structure, "ALPHAFOLD" in title.upper()


def _atoms(model: gemmi.Model, name: str, is_predicted: bool) -> Atoms:
    sites = [(chain.name, residue, atom) for chain in model for residue in chain for atom in residue]
    return Atoms(
        name=name,
        coordinates=np.array([atom.pos.tolist() for _, _, atom in sites]),
        element=np.array([atom.element.name for _, _, atom in sites]),
        occupancy=np.array([atom.occ for _, _, atom in sites]),
        b_factor=np.array([atom.b_iso for _, _, atom in sites]),
        atom_name=np.array([atom.name for _, _, atom in sites]),
        residue_name=np.array([residue.name for _, residue, _ in sites]),
        residue=np.array([f"{chain}/{residue.seqid}" for chain, residue, _ in sites]),
        altloc=np.array([atom.altloc.strip("\0") for _, _, atom in sites]),
        is_predicted=is_predicted,
    )
