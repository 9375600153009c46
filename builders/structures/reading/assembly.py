"""Biological assemblies: the copies of chains that a file's own instructions make."""

import itertools
import logging
import string
from collections.abc import Collection, Iterable, Iterator

import gemmi

from builders.errors import FormatError, NotFoundError

logger = logging.getLogger(__name__)

_ASSEMBLY = "_pdbx_struct_assembly."
_ASSEMBLY_TAGS = ["id", "details", "method_details", "oligomeric_details", "oligomeric_count"]


def complete_assemblies(block: gemmi.cif.Block) -> None:
    """Add the list of assemblies to a block that only says how they are made; gemmi looks for both."""
    named = list(
        dict.fromkeys(gemmi.cif.as_string(v) for v in block.find_values("_pdbx_struct_assembly_gen.assembly_id"))
    )
    if named and not block.find(_ASSEMBLY, _ASSEMBLY_TAGS):
        loop = block.init_loop(_ASSEMBLY, _ASSEMBLY_TAGS)
        for name in named:
            loop.add_row([gemmi.cif.quote(name), *"????"])


def expand(structure: gemmi.Structure, number: int, name: str) -> dict[str, str]:
    """Replace every model of a structure by one of its biological assemblies.

    The first copy of a chain keeps the names it had (author chain `A`, subchain `A`); another one gets the next author
    name that is free, of one or two characters, and its subchains a number (`A-2`, `A-3`). An atom on an axis comes
    once a copy; the occupancies of such atoms are fractions.

    Args:
        structure: with subchains set up; changed in place.
        number: of the assembly, as in the file.
        name: what errors call the file.

    Returns:
        For each subchain that is now there, the one it is a copy of.

    Raises:
        NotFoundError: the file does not define that assembly.
        FormatError: the assembly is of chains that have no atoms.
    """
    known = [assembly.name for assembly in structure.assemblies]
    if str(number) not in known:
        msg = f"{name}: no assembly {number}: expected {' or '.join(known) or 'None, as the file defines no assembly'}"
        raise NotFoundError(msg)
    owners = {residue.subchain: chain.name for model in structure for chain in model for residue in chain}
    _hide_names(structure)
    # Without somewhere to say it, gemmi takes a chain without atoms for an error.
    said = (lambda text: logger.debug("%s: %s", name, text), 8)
    # Merging takes memory by the volume of the box, GBs for a capsid, and undoes what partial occupancies say.
    structure.transform_to_assembly(str(number), gemmi.HowToNameCopiedChain.Short, logging=said, merge_dist=0)
    structure.assign_serial_numbers()
    if not any(len(model) for model in structure):
        msg = f"{name}: assembly {number} is of chains without atoms: expected some of {', '.join(owners)}"
        raise FormatError(msg)
    copies = _name_copies(structure, owners)
    _part_annotations(structure)
    # The remark says how to make of the file what it now is.
    structure.raw_remarks = [line for line in structure.raw_remarks if line[7:10] != "350"]
    return copies


def _hide_names(structure: gemmi.Structure) -> None:
    """Give chains names that no copy gets, so that what speaks of a chain that is not copied speaks of no copy."""
    names = dict.fromkeys(chain.name for model in structure for chain in model)
    hidden = {name: f"\n{number}" for number, name in enumerate(names)}
    for name, other in hidden.items():
        structure.rename_chain(name, other)
    for assembly in structure.assemblies:
        for generator in assembly.generators:
            generator.chains = [hidden.get(name, name) for name in generator.chains]


def _part_annotations(structure: gemmi.Structure) -> None:
    """Leave one of each helix, sheet and cis peptide, and give sheets and bonds names of their own.

    gemmi copies them by operator, also by those of other chains, with the names they had.
    """
    structure.helices = gemmi.HelixList({f"{h.start} {h.end}": h for h in structure.helices}.values())
    sheets = {" ".join(f"{s.start} {s.end}" for s in sheet.strands): sheet for sheet in structure.sheets}
    structure.sheets = gemmi.SheetList(sheets.values())
    structure.cispeps = list({f"{c.partner_c} {c.partner_n}": c for c in structure.cispeps}.values())
    _name_apart(structure.sheets)
    _name_apart(structure.connections)


def _name_apart(items: Iterable[gemmi.Sheet] | Iterable[gemmi.Connection]) -> None:
    names = {item.name for item in items}
    new = (name for name in map(str, itertools.count(1)) if name not in names)
    seen: set[str] = set()
    for item in items:
        if item.name in seen:
            item.name = next(new)
        seen.add(item.name)


def _name_copies(structure: gemmi.Structure, owners: dict[str, str]) -> dict[str, str]:
    """Give chains and subchains that gemmi named `C` and `C:A` their own names again, as far as they are free."""
    free = _free_names(set(owners.values()))
    chains: dict[str, str] = {}
    originals: dict[str, str] = {}
    for model in structure:
        for chain in model:
            for residue in chain:
                originals.setdefault(residue.subchain, residue.subchain[len(chain.name) + 1 :])
            if chain.name not in chains:
                owner = owners[originals[chain[0].subchain]]
                chains[chain.name] = next(free) if owner in chains.values() else owner
    labels = _label_copies(originals)
    for model in structure:
        for chain in model:
            for residue in chain:
                residue.subchain = labels[residue.subchain]
    for entity in structure.entities:
        copies = set(entity.subchains)
        entity.subchains = [label for copy, label in labels.items() if copy in copies]
    # In two steps, as a name may still be another chain's.
    for number, chain_name in enumerate(chains):
        structure.rename_chain(chain_name, f"\t{number}")
    for number, chain_name in enumerate(chains.values()):
        structure.rename_chain(f"\t{number}", chain_name)
    return {labels[copy]: original for copy, original in originals.items()}


def _label_copies(originals: dict[str, str]) -> dict[str, str]:
    taken = set(originals.values())
    seen: set[str] = set()
    labels = {}
    for copy, original in originals.items():
        label = original
        if original in seen:
            label = next(new for k in itertools.count(2) if (new := f"{original}-{k}") not in taken)
        seen.add(original)
        taken.add(label)
        labels[copy] = label
    return labels


def _free_names(taken: Collection[str]) -> Iterator[str]:
    """Chain names that a PDB file, too, has room for, as long as there are some; then longer ones."""
    characters = string.ascii_uppercase + string.ascii_lowercase + string.digits
    for length in itertools.count(1):
        for name in map("".join, itertools.product(characters, repeat=length)):
            if name not in taken:
                yield name
