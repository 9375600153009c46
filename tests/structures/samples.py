"""Structures that tests read and make, and how they compare them."""

from collections import Counter
from pathlib import Path

from builders.structures.reading.parse import load

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def read(name):
    return load((SHARED / "struct" / name).read_bytes(), name)


def words(column):
    return [value.decode() for value in column]


def pdb(*atoms, end="END\n"):
    """PDB text of atoms given as "name altloc residue chain number+code x occupancy element"."""
    lines = []
    for number, atom in enumerate(atoms, 1):
        name, altloc, residue, chain, place, x, occupancy, element = atom.split()
        digits = place.rstrip("ABC")
        lines.append(
            f"ATOM  {number:5}  {name:<3}{altloc.replace('_', ' ')}{residue:>3} {chain.replace('_', ' ')}{digits:>4}"
            f"{place[len(digits) :]:1}   {float(x):8.3f}{0:8.3f}{0:8.3f}{float(occupancy):6.2f}{1:6.2f}"
            f"          {element.replace('_', ''):>2}\n"
        )
    return "".join([*lines, end]).encode()


def places_of(atoms):
    columns = words(atoms.chain), atoms.residue_number, words(atoms.insertion_code), words(atoms.atom_name)
    return list(zip(*columns, strict=True))


def rows_of(atoms):
    values = *atoms.coordinates.T.tolist(), atoms.occupancy.tolist(), words(atoms.altloc)
    return list(zip(places_of(atoms), *values, strict=True))


def residues_of(atoms):
    return Counter(
        zip(*map(words, (atoms.chain, atoms.residue_name, atoms.insertion_code)), atoms.residue_number, strict=True)
    )


CIF = """data_x
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_entity_id
_atom_site.label_seq_id
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.auth_seq_id
_atom_site.auth_asym_id
ATOM 1 C CA . GLY P 1 1 1.0 2.0 3.0 11 A
ATOM 2 C CA . ALA P 1 2 1.0 2.0 4.0 12 A
ATOM 3 C CA . GLY Q 2 1 1.0 2.0 5.0 21 A
ATOM 4 C CA . ALA Q 2 2 1.0 2.0 6.0 22 A
"""
