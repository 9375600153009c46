"""Which residues are which of a UniProt sequence: by the file itself, by SIFTS, or by alignment.

Author numbers are not UniProt numbers (2BEG numbers residues 672-713 of P05067 from 1), so every mapping here goes by
label positions: the place of a residue in the sequence of its polymer, observed or not, from 1.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import gemmi

from builders.errors import FormatError
from builders.structures.uniprot.alignment import stretches
from builders.structures.uniprot.entries import ACCESSION, LONGEST

_UNIPROT = {"UNP", "UNIPROT", "UNIPROTKB", "SWS", "SWISSPROT", "SWISS-PROT", "TREMBL"}

# An alignment says that a chain is a protein when this share of what is aligned is identical ...
_IDENTITY = 0.9
# ... and this many residues are aligned, or this share of the chain: a short peptide has no more to show.
_RESIDUES, _SHARE = 30, 0.8


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a polymer that is numbered as a stretch of a UniProt sequence.

    Attributes:
        subchain: the polymer: its label asym id in mmCIF, gemmi's own name (such as `"Axp"`) in PDB format.
        accession: in UniProt; the suffix of an isoform is kept.
        first: label position of its first residue, from 1.
        last: label position of its last residue.
        uniprot_first: UniProt position of `first`; that of position `p` is `uniprot_first + p - first`.
        origin: `"file"`, `"sifts"` or `"alignment"`.
    """

    subchain: str
    accession: str
    first: int
    last: int
    uniprot_first: int
    origin: str


@dataclass(frozen=True, slots=True)
class _Polymer:
    subchain: str
    chain: str
    entity: str
    sequence: list[str]  # residue names by label position; "" where none is known


def segments_in_file(structure: gemmi.Structure, block: gemmi.cif.Block | None) -> list[Segment]:
    """The segments that a file states.

    They come from `_struct_ref_seq` or DBREF; where these say nothing of a residue, from the SIFTS annotations that
    mmCIF files of the wwPDB's "next generation" archive and of AlphaFold carry. A row whose two spans are not of one
    length (the chain has insertions or deletions) gives no segment, as it does not say where they are.

    Args:
        structure: with its entities set up and label positions assigned.
        block: the mmCIF block it was made from; None for a file in PDB format.

    Example:
        >>> segments_in_file(gemmi.Structure(), None)
        []
    """
    polymers = _polymers(structure)
    if block is None:
        # gemmi offers DBREF records in its mmCIF output only, there with label positions.
        block = structure.make_mmcif_block(gemmi.MmcifOutputGroups(False, struct_ref=True))
        return _sorted(_by_struct_ref(block, polymers), polymers)
    found = list(_by_struct_ref(block, polymers))
    for segment in _by_sifts_of_file(block, polymers):
        if not any(_overlap(segment, other) for other in found):
            found.append(segment)
    return _sorted(found, polymers)


def segments_of_sifts(answer: Any, structure: gemmi.Structure) -> list[Segment]:
    """The segments by an answer of PDBe's `mappings/uniprot/{pdb}`.

    Args:
        answer: the decoded JSON, `{pdb: {"UniProt": {accession: {"mappings": [...]}}}}`.
        structure: of that entry. What does not fit it (a chain it does not have, positions beyond the sequence, spans
            of two lengths) is dropped.

    Raises:
        FormatError: the answer is not of that form.

    Example:
        >>> segments_of_sifts({"1cbs": {"UniProt": {}}}, gemmi.Structure())
        []
    """
    polymers = _polymers(structure)
    found: list[Segment] = []
    for accession, mapping in _mappings(answer):
        first, last = _position(mapping, "start"), _position(mapping, "end")
        uniprot_first, uniprot_last = _integer(mapping, "unp_start"), _integer(mapping, "unp_end")
        candidates = [p for p in polymers if p.chain == mapping.get("chain_id")]
        if len(candidates) > 1:
            candidates = [p for p in candidates if p.subchain == mapping.get("struct_asym_id")]
        for polymer in candidates:
            found += _segment(polymer, accession, (first, last), (uniprot_first, uniprot_last), "sifts")
    return _sorted(found, polymers)


def segments_by_alignment(
    structure: gemmi.Structure, accession: str, sequence: str, subchains: Collection[str] | None = None
) -> list[Segment]:
    """The segments by comparing each protein of a structure with a UniProt sequence: the last resort.

    A polymer gives segments only where at least 90 % of what is aligned is identical, and at least 30 residues or 80 %
    of the polymer are aligned. A gap ends a segment. Of several equal repeats, the first is taken.

    Args:
        structure: with its entities set up and label positions assigned. A polymer's full sequence is compared; where
            the file does not give it, its observed residues.
        accession: of the sequence.
        sequence: one letter a residue.
        subchains: which polymers to compare; None: all proteins.

    Example:
        >>> segments_by_alignment(gemmi.Structure(), "P00698", "MRSLLILVLCFLPLAALG")
        []
    """
    found: list[Segment] = []
    for polymer in _polymers(structure):
        if subchains is not None and polymer.subchain not in subchains:
            continue
        letters = "".join(_letter(name) for name in polymer.sequence)
        aligned = stretches(letters, sequence)
        pairs = [(letters[a + i], sequence[b + i]) for a, b, length in aligned for i in range(length)]
        known = [a == b for a, b in pairs if a != "X" and b != "X"]
        residues = sum(letter != "X" for letter in letters)
        if not known or sum(known) < _IDENTITY * len(known) or len(known) < min(_RESIDUES, _SHARE * residues):
            continue
        for a, b, length in aligned:
            found += _segment(polymer, accession, (a + 1, a + length), (b + 1, b + length), "alignment")
    return found


def _polymers(structure: gemmi.Structure) -> list[_Polymer]:
    """Every polymer of any model, once."""
    found: dict[str, _Polymer] = {}
    for model in structure:
        for chain in model:
            for span in chain.subchains():
                name = span.subchain_id()
                if name in found or span[0].entity_type != gemmi.EntityType.Polymer:
                    continue
                entity = structure.get_entity_of(span)
                sequence = list(entity.full_sequence) if entity else []
                found[name] = _Polymer(
                    name, chain.name, entity.name if entity else "", sequence or _observed_sequence(span)
                )
    return list(found.values())


def _observed_sequence(span: gemmi.ResidueSpan) -> list[str]:
    at = {residue.label_seq: residue.name for residue in reversed(list(span)) if residue.label_seq}
    return [at.get(position, "") for position in range(1, min(max(at, default=0), LONGEST) + 1)]


def _letter(name: str) -> str:
    """One letter of a residue, that of its parent where it is modified; X where none is known."""
    info = gemmi.find_tabulated_residue(gemmi.Entity.first_mon(name).upper())
    return info.one_letter_code.upper() if info is not None and info.is_amino_acid() else "X"


def _segment(
    polymer: _Polymer,
    accession: str,
    label: tuple[int | None, int | None],
    uniprot: tuple[int | None, int | None],
    origin: str,
) -> Iterator[Segment]:
    """The segment of these spans, if they are of one length and inside the polymer's sequence."""
    first, last = label
    uniprot_first, uniprot_last = uniprot
    if first is None or last is None or uniprot_first is None or uniprot_last is None:
        return
    if not 1 <= first <= last <= len(polymer.sequence) or not 1 <= uniprot_first <= uniprot_last <= LONGEST:
        return
    if last - first == uniprot_last - uniprot_first:
        yield Segment(polymer.subchain, accession, first, last, uniprot_first, origin)


def _sorted(segments: Iterable[Segment], polymers: list[_Polymer]) -> list[Segment]:
    """Each segment once, in the order of the structure."""
    places = {polymer.subchain: place for place, polymer in enumerate(polymers)}
    return sorted(dict.fromkeys(segments), key=lambda segment: (places[segment.subchain], segment.first))


def _overlap(one: Segment, other: Segment) -> bool:
    return one.subchain == other.subchain and one.first <= other.last and other.first <= one.last


def _by_struct_ref(block: gemmi.cif.Block, polymers: list[_Polymer]) -> Iterator[Segment]:
    tags = ["id", "db_name", "?entity_id", "?pdbx_db_isoform", "?pdbx_db_accession", "?db_code"]
    references = {_text(row, 0): row for row in block.find("_struct_ref.", tags)}
    tags = ["ref_id", "seq_align_beg", "seq_align_end", "db_align_beg", "db_align_end", "?pdbx_strand_id"]
    for row in block.find("_struct_ref_seq.", [*tags, "?pdbx_db_accession"]):
        reference = references.get(_text(row, 0))
        if reference is None or _text(reference, 1).upper() not in _UNIPROT:
            continue
        named = [_text(reference, 3), _text(reference, 4), _text(row, 6), _text(reference, 5)]
        accession = next((name for name in named if ACCESSION.fullmatch(name)), None)
        strands = {strand.strip() for strand in _text(row, 5).split(",") if strand.strip()}
        first, last, uniprot_first, uniprot_last = (_number(_text(row, column)) for column in (1, 2, 3, 4))
        for polymer in polymers if accession else []:
            same_entity = _text(reference, 2) in ("", polymer.entity)
            if same_entity and (not strands or polymer.chain in strands):
                yield from _segment(polymer, str(accession), (first, last), (uniprot_first, uniprot_last), "file")


def _by_sifts_of_file(block: gemmi.cif.Block, polymers: list[_Polymer]) -> Iterator[Segment]:
    of_name = {polymer.subchain: polymer for polymer in polymers}
    tags = ["asym_id", "unp_acc", "seq_id_start", "seq_id_end", "unp_start", "unp_end", "?best_mapping"]
    for row in block.find("_pdbx_sifts_unp_segments.", tags):
        polymer, accession = of_name.get(_text(row, 0)), _text(row, 1)
        if polymer and ACCESSION.fullmatch(accession) and _text(row, 6).upper() in ("", "Y", "YES"):
            first, last, uniprot_first, uniprot_last = (_number(_text(row, column)) for column in (2, 3, 4, 5))
            yield from _segment(polymer, accession, (first, last), (uniprot_first, uniprot_last), "file")
    tags = ["asym_id", "seq_id", "unp_acc", "unp_num"]
    yield from _runs(map(tuple, block.find("_pdbx_sifts_xref_db.", tags)), of_name)
    tags = ["label_asym_id", "label_seq_id", "pdbx_sifts_xref_db_acc", "pdbx_sifts_xref_db_num"]
    columns = [block.find_values(f"_atom_site.{tag}") for tag in tags]
    yield from _runs(dict.fromkeys(zip(*columns, strict=False)), of_name)


def _runs(residues: Iterable[tuple[str, ...]], polymers: dict[str, _Polymer]) -> Iterator[Segment]:
    """Segments of residues given one by one (subchain, position, accession, UniProt position), as text of a CIF file.

    A run goes on over residues that are not there, as long as both numberings do.
    """
    run: Segment | None = None
    for subchain, position, accession, number in (map(gemmi.cif.as_string, residue) for residue in residues):
        label, uniprot = _number(position), _number(number)
        if subchain not in polymers or not ACCESSION.fullmatch(accession) or label is None or uniprot is None:
            continue
        if run and (run.subchain, run.accession) == (subchain, accession) and label > run.last:
            if uniprot - run.uniprot_first == label - run.first:
                run = Segment(subchain, accession, run.first, label, run.uniprot_first, "file")
                continue
        if run:
            yield from _checked(run, polymers)
        run = Segment(subchain, accession, label, label, uniprot, "file")
    if run:
        yield from _checked(run, polymers)


def _checked(run: Segment, polymers: dict[str, _Polymer]) -> Iterator[Segment]:
    uniprot_last = run.uniprot_first + run.last - run.first
    yield from _segment(
        polymers[run.subchain], run.accession, (run.first, run.last), (run.uniprot_first, uniprot_last), run.origin
    )


def _mappings(answer: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in _object(answer, "the answer").values():
        for accession, facts in _object(_object(entry, "an entry").get("UniProt"), "its UniProt part").items():
            mappings = _object(facts, "an accession").get("mappings")
            if not ACCESSION.fullmatch(accession) or not isinstance(mappings, list):
                msg = f"SIFTS: {accession[:40]!r} has no list of mappings, or is no UniProt accession"
                raise FormatError(msg)
            for mapping in mappings:
                yield accession, _object(mapping, "a mapping")


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        msg = f"SIFTS: {what} is {str(value)[:40]!r}: expected a JSON object"
        raise FormatError(msg)
    return value


def _position(mapping: dict[str, Any], end: str) -> int:
    return _integer(_object(mapping.get(end), end), "residue_number")


def _integer(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"SIFTS: {name} is {str(value)[:40]!r}: expected an integer"
        raise FormatError(msg)
    return value


def _text(row: gemmi.cif.Table.Row, column: int) -> str:
    """A value of a row, without quotes; empty where there is none."""
    return row.str(column).strip() if row.has(column) else ""


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None
