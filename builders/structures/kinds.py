"""What a residue is: of a polymer, water, or something else; by its entity and its name, never by its record."""

import functools

import gemmi

WATER = frozenset({"HOH", "WAT", "DOD", "H2O"})
_SUGARS = (gemmi.ResidueKind.PYR, gemmi.ResidueKind.KET)


def is_water(residue: gemmi.Residue) -> bool:
    """Whether a residue is water, by its name."""
    return residue.name.upper() in WATER


def is_hetero(residue: gemmi.Residue) -> bool:
    """Whether a residue is none of a polymer: a ligand, an ion, a sugar, water.

    What is a polymer was decided when the file was read: by its entities where it states them, else by backbones. A
    modified residue of a polymer (MSE, SEP ...) is no hetero atom, however its record is written.
    """
    return residue.entity_type != gemmi.EntityType.Polymer or is_water(residue) or is_sugar(residue.name)


@functools.lru_cache(maxsize=4096)
def is_sugar(name: str) -> bool:
    """Whether residues of this name are sugars outside of nucleotides."""
    return gemmi.find_tabulated_residue(name).kind in _SUGARS
