"""Bytes of a structure file -> what the parser makes of them, with whatever it refuses mended or read around."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import gemmi
import numpy as np

from builders.errors import FormatError, PercError
from builders.structures.reading import assembly as assemblies
from builders.structures.reading import cif_atoms, content, pdb_text
from builders.structures.reading.doubts import doubts
from builders.structures.reading.flat import Flat, flatten
from builders.structures.reading.salvage import FAULTS, read_around

logger = logging.getLogger(__name__)

KINDS = {"cif": "mmCIF", "pdb": "PDB"}
_HEAD = 4096  # bytes in which a PDB file says that it is obsolete
_FARTHEST = 1e30  # Å; what float32 has room for
_NO_NUMBER = np.iinfo(np.int32).min  # for no number of a residue
_COORDINATES = ("_atom_site.Cartn_x", "_atom_site.Cartn_y", "_atom_site.Cartn_z")
_OTHER_CIF = {
    "_chem_comp_atom.": "a chemical component",
    "_atom_site_fract_x": "a small-molecule CIF",
    "_refln.": "structure factors",
}


def read(data: bytes, format: str, name: str) -> tuple[gemmi.Structure, gemmi.cif.Block | None]:
    """What the parser makes of a file; of mmCIF, the block that has its atoms, too.

    What its atoms lack is filled in, and annotations that cannot be read are left out: a line in the log says so.

    Raises:
        FormatError: it has no atoms, or a coordinate is none.
        Exception: the parser's own, where the atoms cannot be read.
    """
    if format == "pdb":
        structure, flats = _checked(_read_pdb(data, name), name)
        _tell_doubts(flats, name, _successors_in_pdb(data))
        return structure, None
    block = _read_block(data, name)
    lacking = [tag for tag in _COORDINATES if not len(block.find_values(tag))]
    if lacking:
        msg = f"{name}: no atoms can be read without {', '.join(lacking)}"
        raise FormatError(msg)
    assemblies.complete_assemblies(block)
    is_complete = cif_atoms.is_complete(block)
    filled = [] if is_complete else cif_atoms.fill(block)
    structure, flats = _checked(_make_structure(block, name), name)
    if is_complete and any(map(_has_gaps, flats)):
        filled = cif_atoms.fill(block)
        if filled:
            structure, flats = _checked(_make_structure(block, name), name)
    if filled:
        logger.warning("%s: its atoms lack what was filled in: %s", name, ", ".join(filled))
    _tell_doubts(flats, name, _successors_in_cif(block))
    return structure, block


def _successors_in_pdb(data: bytes) -> list[str] | None:
    """The entries that superseded this one, by its own OBSLTE records; None: it is in use."""
    head = data[:_HEAD].decode("latin-1")
    records = [line for line in head.splitlines() if line.startswith("OBSLTE")]
    return [id.lower() for line in records for id in line[31:].split()] if records else None


def _successors_in_cif(block: gemmi.cif.Block) -> list[str] | None:
    found: list[str] | None = None
    for row in block.find("_pdbx_database_PDB_obs_spr.", ["id", "?pdb_id"]):
        if row.str(0).upper() == "OBSLTE":
            found = (found or []) + ([row.str(1).lower()] if row.has(1) and row.str(1) else [])
    return found


def _tell_doubts(flats: list[Flat], name: str, successors: list[str] | None) -> None:
    by = f", superseded by {_shown(', '.join(successors))}" if successors else ""
    gone = [] if successors is None else [f"it was withdrawn{by}"]
    told = "; ".join([*gone, *doubts(flats)])
    if told:
        logger.warning("%s: %s", name, told)


def _checked(structure: gemmi.Structure, name: str) -> tuple[gemmi.Structure, list[Flat]]:
    _drop_empty_models(structure)
    return structure, check_atoms(structure, name)


@contextmanager
def naming_errors(name: str, format: str) -> Iterator[None]:
    """Errors of the parser, made ours: with the name of the file."""
    try:
        yield
    except PercError:
        raise
    except FAULTS as err:
        reason = _shown(str(err))
        hint = "; it may break off" if reason.endswith("parse error") or "number of values" in reason else ""
        msg = f"{name}: not readable as {KINDS[format]}: {reason}{hint}"
        raise FormatError(msg) from err


def _shown(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]


def _read_block(data: bytes, name: str) -> gemmi.cif.Block:
    """The first block that has atoms."""
    try:
        data.decode()
    except UnicodeDecodeError:
        data = data.decode("latin-1").encode()
    if b"\n" not in data:  # as on the Macintosh of old
        data = data.replace(b"\r", b"\n")
    try:
        document = gemmi.cif.read_string(data)
    except FAULTS as err:
        document = _read_pieces(data, _shown(str(err)), name)
    blocks = [block for block in document if len(block.find_values(_COORDINATES[0]))]
    if not blocks:
        kinds = [kind for tag, kind in _OTHER_CIF.items() if any(_has(block, tag) for block in document)]
        what = kinds[0] if kinds else "a CIF file without atoms"
        msg = f"{name}: {what} (block {document[0].name!r}): expected a structure ({_COORDINATES[0]})"
        raise FormatError(msg)
    if len(blocks) > 1:
        logger.warning("%s: %d blocks have atoms; only %r is read", name, len(blocks), blocks[0].name)
    return blocks[0]


def _read_pieces(data: bytes, reason: str, name: str) -> gemmi.cif.Document:
    """A CIF document without the pieces of its text that are none, where these are not of its atoms."""
    pieces = cif_atoms.pieces(data)
    others = {f"piece {number}": number for number, (_, is_of_atoms) in enumerate(pieces) if not is_of_atoms}

    def read(parts: Collection[str]) -> gemmi.cif.Document:
        left_out = {number for part, number in others.items() if part not in parts}
        return gemmi.cif.read_string(
            b"".join(text for number, (text, _) in enumerate(pieces) if number not in left_out)
        )

    if "duplicate block name" in reason:
        return read(list(others))
    document, faulty = read_around(list(others), read)
    _tell_faulty({content.excerpt(pieces[others[part]][0]): why for part, why in faulty.items()}, name)
    return document


def _has(block: gemmi.cif.Block, tag: str) -> bool:
    return tag in block.get_mmcif_category_names() or len(block.find_values(tag)) > 0


def _make_structure(block: gemmi.cif.Block, name: str) -> gemmi.Structure:
    try:
        return gemmi.make_structure_from_block(block)
    except FAULTS as err:
        reason = _shown(str(err))
    mended = cif_atoms.mend(block)
    if mended:
        logger.warning("%s: values of its atoms were mended (%s): %s", name, reason, ", ".join(mended))

    def read(categories: Collection[str]) -> gemmi.Structure:
        part = gemmi.cif.Document().add_copied_block(block)
        for category in others:
            if category not in categories:
                part.find_mmcif_category(category).erase()
        return gemmi.make_structure_from_block(part)

    others = [category for category in block.get_mmcif_category_names() if category != "_atom_site."]
    structure, faulty = read_around(others, read)
    _tell_faulty({category.strip("."): why for category, why in faulty.items()}, name)
    return structure


def _tell_faulty(faulty: dict[str, str], name: str) -> None:
    if faulty:
        told = "; ".join(f"{part} ({_shown(why)})" for part, why in faulty.items())
        logger.warning("%s: read without what cannot be read of its annotations: %s", name, told)


def _read_pdb(data: bytes, name: str) -> gemmi.Structure:
    data = pdb_text.repair(data, name)
    try:
        structure = gemmi.read_pdb_string(data)
        is_odd = any(model.num == 0 for model in structure) or pdb_text.count_atoms(data) != count_atoms(structure)
        reason = ""
    except FAULTS as err:
        is_odd, reason = True, _shown(str(err))
    if not is_odd:
        return structure
    data = _mended(data, reason, name)
    expected = count_atoms(gemmi.read_pdb_string(pdb_text.with_only(data, ())))

    def read(records: Collection[str]) -> gemmi.Structure:
        structure = gemmi.read_pdb_string(pdb_text.with_only(data, records))
        if count_atoms(structure) < expected:
            msg = "atoms that stand after it would be missed"
            raise ValueError(msg)
        return structure

    structure, faulty = read_around(pdb_text.annotations(data), read)
    _tell_faulty(faulty, name)
    lines, atoms = pdb_text.count_atoms(data), count_atoms(structure)
    if atoms < lines:
        logger.warning("%s: %d of %d atoms stand after the END record and are not read", name, lines - atoms, lines)
    return structure


def _mended(data: bytes, reason: str, name: str) -> bytes:
    for what, mend in (
        ("its MODEL, ENDMDL and END records were put in order", pdb_text.number_models),
        ("charges of its atoms that are none were left out", pdb_text.without_wrong_charges),
    ):
        before, data = data, mend(data)
        if data != before:
            logger.warning("%s: %s%s", name, what, f" ({reason})" if reason else "")
    return data


def count_atoms(structure: gemmi.Structure) -> int:
    """The atoms of all models, every alternative."""
    return sum(model.count_atom_sites() for model in structure)


def _drop_empty_models(structure: gemmi.Structure) -> None:
    for index in reversed(range(len(structure))):
        if not structure[index].count_atom_sites():
            del structure[index]


def check_atoms(structure: gemmi.Structure, name: str) -> list[Flat]:
    """The atoms of each model as columns, once they are sure to have places.

    Raises:
        FormatError: there are none, or a coordinate or a letter of theirs is none.
    """
    if not len(structure):
        msg = f"{name}: no atoms: expected a structure"
        raise FormatError(msg)
    flats = list(map(flatten, structure))
    for model, flat in zip(structure, flats, strict=True):
        wrong = np.flatnonzero(~(np.abs(flat.positions) < _FARTHEST).all(1))
        if len(wrong):
            atom = flat.names[wrong[0]].decode()
            where = f"atom {wrong[0] + 1} of model {model.num} ({atom} of residue {flat.residue_numbers[wrong[0]]})"
            msg = f"{name}: coordinates of {where} are {flat.positions[wrong[0]].tolist()}: expected numbers"
            raise FormatError(msg)
        for what, column in (("alternate location", flat.altlocs), ("insertion code", flat.insertion_codes)):
            if (column.view(np.uint8) > 127).any():
                msg = f"{name}: {what} {column[column.view(np.uint8) > 127][0]!r}: expected an ASCII character"
                raise FormatError(msg)
    return flats


def _has_gaps(flat: Flat) -> bool:
    """Whether atoms seem to lack a value: a number of their residue, an element, an occupancy or a B factor."""
    unknown = (
        (flat.residue_numbers == _NO_NUMBER) | (flat.elements == b"X") | np.isnan(flat.occupancies + flat.b_factors)
    )
    return bool(unknown.any())
