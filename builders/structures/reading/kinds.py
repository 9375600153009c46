"""What a residue is: of a polymer, water, or something else; by its entity, name and atoms, never by its record."""

import functools
import re
from collections import Counter
from collections.abc import Iterator

import gemmi

WATER = frozenset({"HOH", "WAT", "DOD", "H2O"})
"""Names that are water's in the PDB."""
OTHER_WATER = frozenset(
    # GROMACS, OPLS, GROMOS; CHARMM and NAMD; Amber; Desmond and Maestro; PDB files of old and slips of the pen
    "SOL SOLV W SPC SPCE SPE SPF SPG QSP F3C FLX TIP TIP2 TIP3 TIP4 TIP5 TIP7 TIPS TIPP TIP3P TIP4P TIP5P TIP4E TIP4EW "
    "SWM SWM4 SWM6 TP2 TP3 TP4 TP5 TP7 TPF TP3F TP4E T3P T4P T5P T3H T4E T4H OPC OPC3 OP3 PL3 DC4 FB3 FB4 WTR WATR "
    "WATE WATER HO2 HHO OHH OH2 HH0 H20 D2O HDO HOD MTO DIS LWT WT WT3 WT4".split()
)
"""Names that other programs give to water, and other people to ligands: the atoms decide."""
_IONS = frozenset({"O", "OH", "O2", "OXO"})
"""Of the PDB's components, those that have just the atoms of water and are none."""
_SUGARS = (gemmi.ResidueKind.PYR, gemmi.ResidueKind.KET)
VIRTUAL = re.compile(r"M|M?W[0-9]?|MW[0-9]|EP[W0-9]*|[EL]P?[0-9]*|OM|DOH?[0-9]*|IW", re.IGNORECASE)
"""Names of sites without an atom: of TIP4P and TIP5P (GROMACS, Amber, CHARMM), and Drude's particles."""


def is_water(residue: gemmi.Residue) -> bool:
    """Whether a residue is water: by its name, or by its entity or another program's name for water, and its atoms.

    Example:
        >>> residue = gemmi.Residue()
        >>> residue.name = "HOH"
        >>> is_water(residue)
        True
    """
    if _is_named_water(residue):
        return True
    return residue.entity_type == gemmi.EntityType.Water and has_atoms_of_water(residue)


def _is_named_water(residue: gemmi.Residue) -> bool:
    name = residue.name.upper()
    return name in WATER or (name in OTHER_WATER and has_atoms_of_water(residue))


def has_atoms_of_water(residue: gemmi.Residue) -> bool:
    """Whether a residue has one oxygen, at most two hydrogens, and nothing else but sites without an atom.

    Alternatives of an atom count once, and so do atoms of several waters that a file gives one number.
    """
    elements = {atom.name: atom.element.name for atom in residue}
    kinds = Counter(
        "virtual" if element not in ("H", "O") and VIRTUAL.fullmatch(name) else "H" if element == "D" else element
        for name, element in elements.items()
    )
    return kinds["O"] == 1 and kinds["H"] <= 2 and set(kinds) <= {"O", "H", "virtual"}


def waters_in_doubt(structure: gemmi.Structure) -> Iterator[str]:
    """What of a structure could be taken for water, and is not: a sentence for each kind.

    Args:
        structure: after its water was removed.
    """
    named: Counter[str] = Counter()
    alike: Counter[str] = Counter()
    for model in structure:
        for chain in model:
            for residue in chain:
                if residue.entity_type == gemmi.EntityType.Polymer:
                    continue
                name = residue.name.upper()
                if name in OTHER_WATER:
                    named[residue.name] += 1
                elif len(residue) < 6 and name not in _IONS and has_atoms_of_water(residue):
                    alike[residue.name] += 1
    for names, why in (
        (named, "named as water, but have other atoms"),
        (alike, "of the atoms of water, but not named so"),
    ):
        if names:
            told = ", ".join(f"{name} ({count})" for name, count in names.items())
            yield f"{sum(names.values())} residues are {why}, and were kept: {told}"


def is_hetero(residue: gemmi.Residue) -> bool:
    """Whether a residue is none of a polymer: a ligand, an ion, a sugar, water.

    What is a polymer was decided when the file was read: by its entities where it states them, else by backbones. A
    modified residue of a polymer (MSE, SEP ...) is no hetero atom, however its record is written.
    """
    return residue.entity_type != gemmi.EntityType.Polymer or _is_named_water(residue) or is_sugar(residue.name)


@functools.lru_cache(maxsize=4096)
def is_sugar(name: str) -> bool:
    """Whether residues of this name are sugars outside of nucleotides."""
    return gemmi.find_tabulated_residue(name).kind in _SUGARS
