"""Bytes of a structure file -> a gemmi structure whose entities, chains and label positions are right."""

from collections import Counter
from dataclasses import dataclass, replace

import gemmi

from builders.errors import FormatError
from builders.structures.reading import assembly as assemblies
from builders.structures.reading import content
from builders.structures.reading.alternatives import keep_best
from builders.structures.reading.annotations import Places, prune
from builders.structures.reading.kinds import is_sugar, is_water
from builders.structures.reading.reading import KINDS, check_atoms, count_atoms, naming_errors, read
from builders.structures.uniprot.references import Segment, segments_in_file


@dataclass(slots=True)
class Loaded:
    """A structure file that was read.

    Atoms keep the order of the file, so an author chain whose ligands or waters stand after other chains has several
    chain objects of one name; each polymer is whole within one of them. (The atoms of a residue stand together, as
    gemmi has it, also where the file interleaves alternatives.)

    Attributes:
        name: what errors call it.
        format: `"cif"` or `"pdb"`.
        structure: with entities, subchains and label positions set up; every model has atoms.
        segments: which stretches are numbered as which of UniProt, as the file says.
        labelled: the subchains are label asym ids of the file, not names of gemmi's making; or, where an mmCIF file
            has none, those of polymers are the author's chains.
    """

    name: str
    format: str
    structure: gemmi.Structure
    segments: list[Segment]
    labelled: bool = False


def load(data: bytes, name: str, format: str | None = None) -> Loaded:
    r"""Read a structure file.

    Args:
        data: mmCIF or PDB, plain or gzip.
        name: what errors call it.
        format: `"cif"` or `"pdb"` when only that will do; None takes what comes.

    Raises:
        FormatError: no structure, or a damaged one; names the file and says why.
        TruncatedError: it breaks off.

    Example:
        >>> text = b"ATOM      1  CA  GLY A   7       1.000   2.000   3.000  1.00  9.00           C\nEND\n"
        >>> load(text, "a.pdb").structure[0]["A"][0]
        <gemmi.Residue 7(GLY) with 1 atoms>
    """
    data = content.plain(data, name).removeprefix(content.BYTE_ORDER_MARK)
    found = content.sniff(data, name)
    if format not in (None, found):
        msg = f"{name}: {KINDS[found]} where {KINDS.get(str(format), format)} was expected"
        raise FormatError(msg)
    with naming_errors(name, found):
        structure, block = read(content.without_titles(data, found, name), found, name)
        labelled = bool(structure[0][0][0].subchain) and block is not None
        _set_up_entities(structure, stated=block is not None and len(structure.entities) > 0)
        if block is not None and not labelled:
            labelled = _label_as_author(structure)
        segments = segments_in_file(structure, block)
    return Loaded(name, found, structure, segments, labelled)


def _set_up_entities(structure: gemmi.Structure, stated: bool) -> None:
    """Decide what is polymer, ligand and water, where the file does not, and name subchains and entities.

    Args:
        structure: changed in place.
        stated: the file has a table of entities. It is kept as it is, also where two are of one sequence.
    """
    structure.add_entity_types()
    if not stated:
        for model in structure:
            _find_missed_polymers(model)
            _part_with_sugars(model)
    if any(_has_parted_polymers(model) for model in structure):
        structure.merge_chain_parts()
    structure.assign_subchains()
    structure.ensure_entities()
    if not stated:
        structure.deduplicate_entities()
    structure.assign_label_seq_id()
    if not stated:
        for model in structure:
            _number_observed(structure, model)
            _number_as_author(structure, model)


def _label_as_author(structure: gemmi.Structure) -> bool:
    """Name each polymer for its chain, if that is the only one of it and the name is free; whether it was done."""
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for model in structure:
        for chain in model:
            for span in chain.subchains():
                if span[0].entity_type == gemmi.EntityType.Polymer:
                    labels[span.subchain_id()] = chain.name
                else:
                    taken.add(span.subchain_id())
    names = set(labels.values())
    if not labels or len(names) < len(labels) or "" in names or names & taken:
        return False
    for model in structure:
        for chain in model:
            for residue in chain:
                residue.subchain = labels.get(residue.subchain, residue.subchain)
    for entity in structure.entities:
        entity.subchains = [labels.get(subchain, subchain) for subchain in entity.subchains]
    return True


def _part_with_sugars(model: gemmi.Model) -> None:
    """A chain of sugars that ends with TER is none of the polymers that this is about; gemmi takes it for one."""
    for chain in model:
        for residue in chain:
            if residue.entity_type == gemmi.EntityType.Polymer and is_sugar(residue.name):
                residue.entity_type = gemmi.EntityType.Branched


def _number_observed(structure: gemmi.Structure, model: gemmi.Model) -> None:
    """Positions in the sequence of a polymer, where its only sequence is that of the residues that are there."""
    full = {subchain for entity in structure.entities if entity.full_sequence for subchain in entity.subchains}
    for chain in model:
        place, previous = 0, None
        for residue in chain:
            if residue.entity_type != gemmi.EntityType.Polymer or residue.subchain in full or residue.label_seq:
                continue
            if (residue.subchain, residue.seqid) != previous:  # residues of several names at one place count once
                place = place + 1 if previous is not None and previous[0] == residue.subchain else 1
            residue.label_seq, previous = place, (residue.subchain, residue.seqid)


def _number_as_author(structure: gemmi.Structure, model: gemmi.Model) -> None:
    """Positions by the author's numbers, where these run along the full sequence.

    The parser aligns what is observed with that sequence; a residue or two between gaps may then fit in several places.
    """
    for chain in model:
        for span in chain.subchains():
            entity = structure.get_entity_of(span)
            sequence = entity.full_sequence if entity is not None else []
            offsets = Counter(r.label_seq - r.seqid.num for r in span if r.label_seq and r.seqid.num is not None)
            if not sequence or not offsets:
                continue
            offset = offsets.most_common(1)[0][0]
            places = [(r.seqid.num or 0) + offset for r in span]
            fitting = {p for p, r in zip(places, span, strict=True) if p > 0 and sequence[p - 1 : p] == [r.name]}
            if fitting.issuperset(places) and not any(residue.seqid.icode.strip() for residue in span):
                for place, residue in zip(places, span, strict=True):
                    residue.label_seq = place


def _find_missed_polymers(model: gemmi.Model) -> None:
    """Chains written as ATOM and with a backbone are polymers, also if gemmi knows none of their residues' names."""
    polymer = gemmi.EntityType.Polymer
    found = {chain.name for chain in model for residue in chain if residue.entity_type == polymer}
    for chain in model:
        rest = [r for r in chain if r.het_flag == "A" and not is_water(r)]
        if chain.name not in found and any(_has_backbone(residue) for residue in rest):
            for residue in rest:
                residue.entity_type = polymer


def _has_backbone(residue: gemmi.Residue) -> bool:
    names = {atom.name for atom in residue}
    return {"N", "CA", "C"} <= names or {"P", "C4'", "C3'"} <= names


def _has_parted_polymers(model: gemmi.Model) -> bool:
    """A chain whose polymer other chains interrupt."""
    polymer = gemmi.EntityType.Polymer
    parts = [(c.name, s) for c in model for s in {r.subchain for r in c if r.entity_type == polymer}]
    return len(parts) > len(set(parts))


def select(loaded: Loaded, models: str = "first", altlocs: str = "first", assembly: int | None = None) -> None:
    """Keep some of a structure, in place, and of what speaks of residues and atoms that of what is kept.

    Args:
        loaded: the structure; the segments follow.
        models: `"first"` or `"all"`.
        altlocs: `"first"` keeps one alternative of each atom, that of the highest occupancy, then of the first label
            (`builders.structures.reading.alternatives.keep_best`); `"all"` keeps every one.
        assembly: number of a biological assembly to make (`builders.structures.reading.assembly.expand` says how
            copies are named); None leaves the chains as deposited.

    Raises:
        NotFoundError: the file does not define that assembly; names those it does.
    """
    structure = loaded.structure
    before, atoms = Places(structure), count_atoms(structure)
    if models == "first":
        del structure[1:]
    if altlocs == "first":
        for model in structure:
            keep_best(model)
    if assembly is not None:
        with naming_errors(loaded.name, loaded.format):
            copies = assemblies.expand(structure, assembly, loaded.name)
        check_atoms(structure, loaded.name)
        loaded.segments = [
            replace(segment, subchain=copy)
            for segment in loaded.segments
            for copy, original in copies.items()
            if segment.subchain == original
        ]
    if assembly is not None or count_atoms(structure) < atoms:
        prune(structure, before)
