"""Cleaning: takes signal peptides, hydrogens, water or hetero atoms out of a structure.

What is what is decided by UniProt position, by element, and by entity and residue type: never by matching text. A
modified residue of a polymer (MSE, SEP ...) is no hetero atom, however its record is written.
"""

import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import gemmi

from builders.errors import FormatError, OptionError
from builders.structures.cleaning.signal_peptides import Cut, cut_out, known
from builders.structures.reading.annotations import Places, prune
from builders.structures.reading.kinds import is_hetero, is_water, waters_in_doubt
from builders.structures.reading.parse import Loaded
from builders.structures.uniprot.entries import Peptide

logger = logging.getLogger(__name__)

REMOVABLE = ("signal_peptides", "hydrogens", "water", "hetatms")
_WORDS = {"signal_peptides": "nosignal", "hydrogens": "nohydrogens", "water": "nowater", "hetatms": "nohetatm"}
_TOLD = re.compile(r"(.+?)((?:_(?:nosignal\d+to\d+(?:_\d+to\d+)*|nohydrogens|nowater|nohetatm))+)", re.ASCII)
"""A stem that tells what was removed, and where it begins to."""


def check_removable(remove: object) -> tuple[str, ...]:
    """What is to be taken away, each once and in the order in which file names tell it.

    Raises:
        OptionError: lists what can be.

    Example:
        >>> check_removable(["water", "hydrogens", "water"]), check_removable("water"), check_removable(None)
        (('hydrogens', 'water'), ('water',), ())
    """
    if remove is None:
        return ()
    given = [remove] if isinstance(remove, str) else list(remove) if isinstance(remove, Iterable) else [remove]
    if not all(isinstance(name, str) and name in REMOVABLE for name in given):
        msg = f"remove is {remove!r}: expected some of {', '.join(map(repr, REMOVABLE))}"
        raise OptionError(msg)
    return tuple(name for name in REMOVABLE if name in given)


def remove(loaded: Loaded, what: Collection[str], peptides: Mapping[str, Sequence[Peptide]] | None = None) -> list[Cut]:
    r"""Removes parts of a structure, in every model, and all that speaks of them.

    Label positions are counted anew where a signal peptide was cut; author numbers stay.

    Args:
        loaded: edited in place; of no use after an error.
        what: some of `REMOVABLE`. `"hydrogens"` are H and D; `"hetatms"` are ligands, ions, sugars and water.
        peptides: the signal peptides by accession, as the segments of `loaded` name it. An isoform is numbered in its
            own way, so those of `"P05067"` are not those of `"P05067-2"`.

    Returns:
        What is known of each chain's signal peptides, when these were to be removed.

    Raises:
        FormatError: nothing is left.
        OptionError: `what` holds something else.

    Example:
        >>> from builders.structures.reading.parse import load
        >>> protein = b"ATOM      1  CA  ALA A   1       1.000   2.000   3.000  1.00 10.00           C\n"
        >>> water = b"HETATM    2  O   HOH A   2       4.000   5.000   6.000  1.00 10.00           O\n"
        >>> loaded = load(protein + water, "small.pdb")
        >>> remove(loaded, ["water"])
        []
        >>> [residue.name for chain in loaded.structure[0] for residue in chain]
        ['ALA']
    """
    what = check_removable(what)
    if not what:
        return []
    structure = loaded.structure
    before = Places(structure)
    has_polymer = any(not is_hetero(residue) for model in structure for chain in model for residue in chain)
    cuts = known(loaded, peptides or {}) if "signal_peptides" in what else []
    cut_out(loaded, cuts)
    if "hydrogens" in what:
        structure.remove_hydrogens()
    for model in structure:
        for chain in model:
            _remove_residues(chain, water="water" in what, hetero="hetatms" in what)
    structure.remove_empty_chains()
    for index in reversed(range(len(structure))):
        if not len(structure[index]):
            del structure[index]
    if not len(structure):
        reason = ": it has no polymer" if not has_polymer else ""
        msg = f"{loaded.name}: no atom is left after removing {_listed(what)}{reason}"
        raise FormatError(msg)
    prune(structure, before)
    for said in waters_in_doubt(structure) if "water" in what and "hetatms" not in what else ():
        logger.warning("%s: %s", loaded.name, said)
    there = {subchain for entity in structure.entities for subchain in entity.subchains}
    loaded.segments = [segment for segment in loaded.segments if segment.subchain in there]
    return cuts


def cleaned_name(stem: str, what: Collection[str], peptides: Sequence[Peptide], format: str) -> str:
    """The name of a cleaned file, which tells what was removed, in one order and once.

    Args:
        stem: of the file it was made from, in lower case by convention; what it tells was removed before is told on.
        what: some of `REMOVABLE`, in any order.
        peptides: the signal peptides that were cut; with none, the name does not speak of them.
        format: `"cif"` or `"pdb"`.

    Example:
        >>> cleaned_name("p45523_1q6u", REMOVABLE, [Peptide(1, 25)], "pdb")
        'p45523_1q6u_nosignal1to25_nohydrogens_nowater_nohetatm.pdb'
        >>> cleaned_name("4v1w_nowater", ["hydrogens", "water"], [], "cif")
        '4v1w_nohydrogens_nowater.cif'
    """
    before = _TOLD.fullmatch(stem)
    stem, told = (before[1], before[2]) if before else (stem, "")
    spans = {(int(start), int(end)) for start, end in re.findall(r"(\d+)to(\d+)", told)}
    if "signal_peptides" in what:
        spans |= {(peptide.start, peptide.end) for peptide in peptides}
    gone = {name for name in REMOVABLE[1:] if name in what or f"_{_WORDS[name]}" in told}
    signal = _WORDS["signal_peptides"] + "_".join(f"{start}to{end}" for start, end in sorted(spans)) if spans else ""
    parts = [stem, signal, *(_WORDS[name] for name in REMOVABLE if name in gone)]
    return "_".join(part for part in parts if part) + f".{format}"


def _remove_residues(chain: gemmi.Chain, *, water: bool, hetero: bool) -> None:
    """Removes water or hetero residues, and those that have no atom left."""
    for index in reversed(range(len(chain))):
        residue = chain[index]
        if not len(residue) or (water and is_water(residue)) or (hetero and is_hetero(residue)):
            del chain[index]


def _listed(what: Collection[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in REMOVABLE if name in what)
