"""A structure to make images of."""

from pathlib import Path

import gemmi
import numpy as np

_STEP = 1.5
"""Å from an atom to the next."""
_EACH = 5
"""Atoms of a residue."""


def make_structure(path: Path, atoms: int, radius: float) -> Path:
    """An mmCIF file of one chain that wanders in a ball: backbone atoms and CB, B factors of 10 to 80 Å²."""
    rng = np.random.default_rng(0)
    chain = gemmi.Chain("A")
    elements = [gemmi.Element(symbol) for symbol in ("N", "C", "C", "O", "C")]
    for number, places in enumerate(_walk(rng, atoms, radius).reshape(-1, _EACH, 3), 1):
        residue = gemmi.Residue()
        residue.name, residue.seqid = "ALA", gemmi.SeqId(number, " ")
        for name, element, place in zip(("N", "CA", "C", "O", "CB"), elements, places.tolist(), strict=True):
            atom = gemmi.Atom()
            atom.name, atom.element, atom.pos = name, element, gemmi.Position(*place)
            atom.occ, atom.b_iso = 1.0, float(rng.uniform(10, 80))
            residue.add_atom(atom)
        chain.add_residue(residue)
    model, structure = gemmi.Model(1), gemmi.Structure()
    model.add_chain(chain)
    structure.add_model(model)
    structure.name = path.stem
    structure.setup_entities()
    structure.assign_serial_numbers()
    structure.make_mmcif_document().write_file(str(path))
    return path


def _walk(rng: np.random.Generator, count: int, radius: float) -> np.ndarray:
    """Steps of one length; one that would leave the ball is taken back."""
    steps = rng.standard_normal((count, 3))
    steps *= _STEP / np.linalg.norm(steps, axis=1, keepdims=True)
    places, place = np.empty((count, 3)), np.zeros(3)
    for number, step in enumerate(steps):
        place = place + step if np.linalg.norm(place + step) < radius else place - step
        places[number] = place
    return places
