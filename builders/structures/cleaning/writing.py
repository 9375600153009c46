"""Writes a structure as mmCIF or PDB, or says why it does not fit the format."""

import re
from collections import Counter
from pathlib import PurePath

import gemmi
import numpy as np

from builders.errors import FormatError
from builders.structures.cleaning.sequences import part_by_numbers
from builders.structures.reading.annotations import serials
from builders.structures.reading.flat import Flat, flatten
from builders.structures.reading.parse import Loaded

# The columns of PDB records, as far as gemmi does not check them: it cuts what is too long.
_CHAIN, _RESIDUE, _ATOM = 2, 3, 4  # letters
_LEAST_NUMBER = -999
_LEAST, _MOST = -999.9995, 9999.9995  # Å: 8 columns with 3 decimals
_LEAST_VALUE, _MOST_VALUE = -99.995, 999.995  # occupancies and B factors: 6 columns with 2 decimals
_RESOLUTION = ("_refine.ls_d_res_high", "_reflns.d_resolution_high", "_em_3d_reconstruction.resolution")


def write(loaded: Loaded, format: str | None = None) -> bytes:
    """The text of a structure file.

    Args:
        loaded: the structure.
        format: `"cif"` or `"pdb"`; None: the one it was read in.

    Returns:
        The file's bytes. Atoms are numbered anew in PDB format, from 100,000 on in hybrid-36.

    Raises:
        FormatError: PDB format has no room for a name, number or coordinate of the structure; ask for `"cif"`.

    Example:
        >>> from builders.structures.reading.parse import load
        >>> atom = b"ATOM      7  CA  ALA A   1       1.000   2.000   3.000  1.00 10.00           C"
        >>> [line] = [line for line in write(load(atom, "small.pdb")).splitlines() if line.startswith(b"ATOM")]
        >>> line.decode().rstrip()
        'ATOM      1  CA  ALA A   1       1.000   2.000   3.000  1.00 10.00           C'
    """
    try:
        if (format or loaded.format) == "pdb":
            return _pdb(loaded).encode()
        return _cif(loaded).encode()
    except (RuntimeError, UnicodeError) as err:
        msg = f"{loaded.name}: cannot be written as {format or loaded.format}: {err}"
        raise FormatError(msg) from err


def _cif(loaded: Loaded) -> str:
    structure = loaded.structure
    if "_entry.id" not in structure.info:  # without one, gemmi writes a name of its own making
        structure = structure.clone()
        structure.name = re.sub(r"[^A-Za-z0-9_.-]+", "_", PurePath(loaded.name).name.partition(".")[0]) or "structure"
    document = structure.make_mmcif_document()
    block = document.sole_block()
    if structure.resolution > 0 and all(gemmi.cif.is_null(block.find_value(tag) or "?") for tag in _RESOLUTION):
        # gemmi writes the resolution of diffraction only, and that only with the rest of the refinement.
        block.set_pair(_RESOLUTION[-1], f"{structure.resolution:g}")
    options = gemmi.cif.WriteOptions(gemmi.cif.Style.Aligned)
    options.misuse_hash = True
    return document.as_string(options)


def _pdb(loaded: Loaded) -> str:
    problem = _misfit(loaded.structure)
    if problem:
        msg = f"{loaded.name}: {problem}: write it as cif"
        raise FormatError(msg)
    structure = loaded.structure.clone()
    part_by_numbers(structure)
    if not structure.conect_map:
        return structure.make_pdb_string()
    # gemmi writes CONECT records by the serial numbers of the file, and by default the atoms by new ones.
    old = serials(structure[0])
    structure.assign_serial_numbers(numbered_ter=True)
    known = Counter(old)
    new = {before: after for before, after in zip(old, serials(structure[0]), strict=True) if known[before] == 1}
    bonds = structure.conect_map
    structure.clear_conect()
    for one, others in bonds.items():
        for other in sorted(set(others)):
            if one < other and one in new and other in new:
                structure.add_conect(new[one], new[other], others.count(other))
    return structure.make_pdb_string(gemmi.PdbWriteOptions(conect_records=True, preserve_serial=True))


def _misfit(structure: gemmi.Structure) -> str:
    """What of a structure PDB format has no room for; empty when it fits."""
    for model in structure:
        for chain in model:
            if len(chain.name) > _CHAIN:
                return f"the chain name {chain.name!r} is longer than the {_CHAIN} letters of PDB format"
            for residue in chain:
                if len(residue.name) > _RESIDUE:
                    return f"the residue name {residue.name!r} is longer than the {_RESIDUE} letters of PDB format"
                if residue.seqid.num is not None and residue.seqid.num < _LEAST_NUMBER:
                    return f"the residue number {residue.seqid} is below {_LEAST_NUMBER}, the least of PDB format"
    return next(filter(None, (_misfit_of_atoms(flatten(model)) for model in structure)), "")


def _misfit_of_atoms(flat: Flat) -> str:
    too_long = [name for name in np.unique(flat.names).tolist() if len(name) > _ATOM]
    if too_long:
        return (
            f"the atom name {too_long[0].decode(errors='replace')!r} is longer than the {_ATOM} letters of PDB format"
        )
    for what, values, least, most in (
        ("coordinate", flat.positions, _LEAST, _MOST),
        ("occupancy", flat.occupancies, _LEAST_VALUE, _MOST_VALUE),
        ("B factor", flat.b_factors, _LEAST_VALUE, _MOST_VALUE),
    ):
        outside = values[~((values > least) & (values < most))]
        if outside.size:
            return f"the {what} {outside[0]:g} does not fit the columns of PDB format"
    return ""
