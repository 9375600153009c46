"""Structures that tests make: rows, files, and what they hold."""

import numpy as np


def row(coordinates, element, **columns):
    """Atoms as a row of `structures`."""
    return {"id": "made", "coordinates": np.array(coordinates, np.float32), "element": list(element), **columns}


def scattered(count, radius, seed=0):
    """Atoms within a ball about the origin."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(count, 3))
    places *= radius * rng.uniform(size=(count, 1)) ** (1 / 3) / np.linalg.norm(places, axis=1, keepdims=True)
    columns = {"occupancy": rng.uniform(0.3, 1.0, count), "b_factor": rng.uniform(15, 90, count)}
    return row(places, rng.choice(list("HCNOPS"), count), **columns)


COLUMNS = "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_entity_id label_seq_id"
COLUMNS += " Cartn_x Cartn_y Cartn_z occupancy B_iso_or_equiv auth_seq_id auth_asym_id pdbx_PDB_model_num"


def cif(*atoms, more="", model=1):
    """MmCIF text of atoms given as `(element, name, altloc, residue, number, (x, y, z), occupancy, b)`.

    The model's number may come ninth.
    """
    lines = ["data_made", "_entry.id made", more, "loop_", *(f"_atom_site.{name}" for name in COLUMNS.split())]
    for serial, (element, name, altloc, residue, number, place, occupancy, b, *of) in enumerate(atoms, 1):
        x, y, z = place
        lines.append(
            f"ATOM {serial} {element} {name} {altloc or '.'} {residue} A 1 {number} {x:.3f} {y:.3f} {z:.3f} "
            f"{occupancy:.2f} {b:.2f} {number} A {of[0] if of else model}"
        )
    return "\n".join([*lines, "#\n"])


CRYSTAL = """_cell.length_a 12
_cell.length_b 14
_cell.length_c 16
_cell.angle_alpha 90
_cell.angle_beta 100
_cell.angle_gamma 90
_symmetry.space_group_name_H-M 'P 1 21 1'"""
