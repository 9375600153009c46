"""Cuts residues out of polymers, and out of all that speaks of their sequence.

A cut residue leaves its atoms' place in every model and its place in the sequence record, so what remains is numbered
anew: label positions, segments and database references all follow. Author numbers never change.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count

import gemmi

from builders.structures.uniprot.references import Segment

_Row = tuple[str, ...]


def cut(structure: gemmi.Structure, positions: Mapping[str, frozenset[int]]) -> None:
    """Cuts residues, whether they are observed or not, out of polymers.

    Args:
        structure: edited in place. Residues, chains and entities that become empty are left to the caller.
        positions: the label positions to cut, by subchain.
    """
    wanted = {subchain: places for subchain, places in positions.items() if places}
    if not wanted:
        return
    groups = _groups(structure, wanted)
    references = _references(structure)
    authors = _author_numbers(structure)
    entities = gemmi.EntityList()
    names = {entity.name for entity in structure.entities}
    renamed: dict[str, str] = {}
    for entity in structure.entities:
        for number, (places, subchains) in enumerate(groups[entity.name].items()):
            name = entity.name if number == 0 else _new_name(entity.name, names)
            renamed |= dict.fromkeys(subchains, name)
            if places:
                rows = [row for row in references if row[0] == entity.name]
                numbers = authors.get(subchains[0], {})
                kept = list(_cut_references(rows, len(entity.full_sequence), sorted(places), numbers))
                entities.append(_entity(entity, name, subchains, places, kept))
            else:
                entities.append(_part(entity, name, subchains))
    structure.entities = entities
    for model in structure:
        for chain in model:
            _cut_chain(chain, wanted, renamed)


def part_by_numbers(structure: gemmi.Structure) -> None:
    """Makes chains of one entity that have different author numbers entities apart.

    DBREF records go by author numbers, and gemmi writes those of an entity for all its chains alike.
    """
    authors = _author_numbers(structure)
    entities = gemmi.EntityList()
    names = {entity.name for entity in structure.entities}
    references = _references(structure)
    for entity in structure.entities:
        numbers = [authors.get(subchain, {}) for subchain in entity.subchains]
        agreed = {position: number for one in numbers for position, number in one.items()}
        if entity.entity_type != gemmi.EntityType.Polymer or all(one.items() <= agreed.items() for one in numbers):
            entities.append(entity)
            continue
        rows = [row for row in references if row[0] == entity.name]
        for subchain, known in zip(entity.subchains, numbers, strict=True):
            name = _new_name(entity.name, names)
            kept = list(_cut_references(rows, len(entity.full_sequence), [], known))
            entities.append(_entity(entity, name, [subchain], frozenset(), kept))
    structure.entities = entities


def cut_segments(segments: list[Segment], positions: Mapping[str, frozenset[int]]) -> list[Segment]:
    """The segments of what remains, by its new label positions.

    Example:
        >>> cut_segments([Segment("A", "P05067", 1, 770, 1, "file")], {"A": frozenset(range(1, 18))})
        [Segment(subchain='A', accession='P05067', first=1, last=753, uniprot_first=18, origin='file')]
    """
    found = []
    for segment in segments:
        places = sorted(positions.get(segment.subchain, ()))
        for first, last in remaining(segment.first, segment.last, places):
            found.append(
                replace(
                    segment,
                    first=renumbered(first, places),
                    last=renumbered(last, places),
                    uniprot_first=segment.uniprot_first + first - segment.first,
                )
            )
    return found


def remaining(first: int, last: int, places: list[int]) -> Iterator[tuple[int, int]]:
    """The stretches of `first` to `last`, both included, that ascending cut places leave.

    Example:
        >>> list(remaining(1, 10, [1, 2, 5, 11]))
        [(3, 4), (6, 10)]
    """
    start = first
    for place in places[bisect_left(places, first) :]:
        if place > last:
            break
        if place > start:
            yield start, place - 1
        start = place + 1
    if start <= last:
        yield start, last


def renumbered(position: int, places: list[int]) -> int:
    """The new label position of one that stays, after ascending cut places.

    Example:
        >>> renumbered(20, [1, 2, 3])
        17
    """
    return position - bisect_left(places, position)


def _groups(
    structure: gemmi.Structure, wanted: Mapping[str, frozenset[int]]
) -> dict[str, dict[frozenset[int], list[str]]]:
    """By entity: its subchains by what is cut of them. Chains of one entity that are cut apart are entities apart."""
    groups: dict[str, dict[frozenset[int], list[str]]] = {}
    for entity in structure.entities:
        parts = groups.setdefault(entity.name, {})
        for subchain in entity.subchains:
            parts.setdefault(wanted.get(subchain, frozenset()), []).append(subchain)
        if not parts:
            parts[frozenset()] = []
    return groups


def _new_name(name: str, names: set[str]) -> str:
    numbers = (str(number) for number in count(len(names) + 1))
    new = next(new for new in (n if name.isdigit() else f"{name}.{n}" for n in numbers) if new not in names)
    names.add(new)
    return new


def _author_numbers(structure: gemmi.Structure) -> dict[str, dict[int, str]]:
    """By subchain: author numbers by label position."""
    found: dict[str, dict[int, str]] = {}
    for model in structure:
        for chain in model:
            for residue in chain:
                if residue.label_seq is not None:
                    found.setdefault(residue.subchain, {}).setdefault(residue.label_seq, str(residue.seqid))
    return found


def _references(structure: gemmi.Structure) -> list[_Row]:
    """Database references: entity, db name, code, accession, isoform, label span, db span, entry.

    Chains that are numbered otherwise repeat those of their entity; they are given once.
    """
    block = structure.make_mmcif_block(gemmi.MmcifOutputGroups(False, struct_ref=True))
    tags = ["id", "entity_id", "db_name", "db_code", "pdbx_db_accession", "pdbx_db_isoform"]
    heads = {row.str(0): tuple(row.str(i) for i in range(1, 6)) for row in block.find("_struct_ref.", tags)}
    tags = ["ref_id", "seq_align_beg", "seq_align_end", "db_align_beg", "db_align_end", "pdbx_PDB_id_code"]
    rows: dict[_Row, _Row] = {}
    for row in block.find("_struct_ref_seq.", tags):
        found = heads[row.str(0)] + tuple(row.str(i) for i in range(1, 6))
        rows.setdefault(found[:9], found)
    return list(rows.values())


def _cut_references(rows: list[_Row], length: int, places: list[int], authors: Mapping[int, str]) -> Iterator[_Row]:
    for row in rows:
        try:
            first, last, db_first, db_last = (int(value) for value in row[5:9])
        except ValueError:
            continue  # it does not say which residues it means
        if length and not 1 <= first <= last <= length:
            continue
        stretches = list(remaining(first, last, places))
        if stretches != [(first, last)] and last - first != db_last - db_first:
            continue  # nor what the part of it that remains would be
        for start, stop in stretches:
            spans = [renumbered(start, places), renumbered(stop, places), db_first + start - first]
            spans.append(db_last + stop - last)
            ends = [_author_number(position, authors) for position in (start, stop)]
            yield (*row[:5], *map(str, spans), *ends, row[9])


def _author_number(position: int, authors: Mapping[int, str]) -> str:
    """The author number of a label position; of one that is not observed, by the nearest that is."""
    if position in authors or not authors:
        return authors.get(position, str(position))
    nearest = min(authors, key=lambda known: abs(known - position))
    return str((gemmi.SeqId(authors[nearest]).num or 0) + position - nearest)


def _part(entity: gemmi.Entity, name: str, subchains: list[str]) -> gemmi.Entity:
    """The entity, of these subchains only."""
    part = gemmi.EntityList([entity])[0]
    part.name = name
    part.subchains = subchains
    return part


def _entity(
    entity: gemmi.Entity, name: str, subchains: list[str], places: frozenset[int], references: list[_Row]
) -> gemmi.Entity:
    """The entity of a cut sequence. gemmi takes database references from an mmCIF block only."""
    block = gemmi.cif.Block("entity")
    loop = block.init_loop("_entity.", ["id", "type"])
    loop.add_row([gemmi.cif.quote(name), "polymer"])
    tags = ["id", "entity_id", "db_name", "db_code", "pdbx_db_accession", "pdbx_db_isoform"]
    loop = block.init_loop("_struct_ref.", tags)
    for number, row in enumerate(references, 1):
        loop.add_row([str(number), gemmi.cif.quote(name), *map(_quoted, row[1:5])])
    tags = ["align_id", "ref_id", "seq_align_beg", "seq_align_end", "db_align_beg", "db_align_end"]
    tags += ["pdbx_auth_seq_align_beg", "pdbx_seq_align_beg_ins_code", "pdbx_auth_seq_align_end"]
    loop = block.init_loop("_struct_ref_seq.", [*tags, "pdbx_seq_align_end_ins_code", "pdbx_PDB_id_code"])
    for number, row in enumerate(references, 1):
        first, last = (gemmi.SeqId(author) for author in row[9:11])
        codes = [seqid.icode.strip() or "?" for seqid in (first, last)]
        span = [*row[5:9], str(first.num), codes[0], str(last.num), codes[1]]
        loop.add_row([str(number), str(number), *span, _quoted(row[11])])
    new = gemmi.make_structure_from_block(block).entities[0]
    new.entity_type, new.polymer_type = entity.entity_type, entity.polymer_type
    new.subchains, new.sifts_unp_acc = subchains, entity.sifts_unp_acc
    new.full_sequence = [residue for place, residue in enumerate(entity.full_sequence, 1) if place not in places]
    return new


def _quoted(value: str) -> str:
    return gemmi.cif.quote(value) if value else "?"


def _cut_chain(chain: gemmi.Chain, wanted: Mapping[str, frozenset[int]], renamed: Mapping[str, str]) -> None:
    places = {subchain: sorted(cut_out) for subchain, cut_out in wanted.items()}
    for index in reversed(range(len(chain))):
        residue = chain[index]
        if residue.entity_id and residue.subchain in renamed:
            residue.entity_id = renamed[residue.subchain]
        if residue.subchain not in wanted or residue.label_seq is None:
            continue
        if residue.label_seq in wanted[residue.subchain]:
            del chain[index]
        else:
            residue.label_seq = renumbered(residue.label_seq, places[residue.subchain])
