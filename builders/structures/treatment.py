"""What is done to a structure before it becomes a row or a file: read, numbered by UniProt, chosen from, cleaned."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gemmi

from builders.errors import FormatError, StalledError, UnreachableError
from builders.structures.cleaning.clean import REMOVABLE, remove
from builders.structures.cleaning.signal_peptides import Cut
from builders.structures.databases.ids import accession_of
from builders.structures.databases.resolve import Found, naming, uniprot_entry
from builders.structures.databases.services import Services, read_bytes
from builders.structures.reading.parse import Loaded, load, select
from builders.structures.uniprot.entries import Peptide, peptides_of, successors, told_inactive
from builders.structures.uniprot.references import segments_by_alignment, segments_of_sifts

logger = logging.getLogger(__name__)

WHICH = ("first", "all")
"""Of models, and of alternate locations."""
_PROTEINS = (gemmi.PolymerType.PeptideL, gemmi.PolymerType.PeptideD)


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to structures.

    Attributes:
        remove: what is taken away, of `clean.REMOVABLE`.
        models: `first` or `all`.
        altlocs: of alternate locations, the `first` (highest occupancy, then label) or `all`.
        assembly: the biological assembly of that number, instead of what was deposited.
    """

    remove: tuple[str, ...] = ()
    models: str = "all"
    altlocs: str = "all"
    assembly: int | None = None


@dataclass(slots=True)
class Treated:
    """A structure that is ready.

    Attributes:
        loaded: what is left of it.
        data: the bytes of the file it was read from.
        accession: of UniProt, that was asked for.
        cuts: the signal peptides of its chains, whether or not any residue of them was in the file; None unless they
            were to go.
        peptides: signal peptides by accession, of the chains and of the one asked for; empty unless they were to go.
        is_changed: whether anything of the file was taken away, or added.
    """

    loaded: Loaded
    data: bytes = field(repr=False)
    accession: str | None = None
    cuts: list[Cut] | None = None
    peptides: dict[str, list[Peptide]] = field(default_factory=dict)
    is_changed: bool = False


def treat(found: Found, path: Path, treatment: Treatment, services: Services) -> Treated:
    """Read a structure and do to it what was asked for.

    A file of a server that cannot be read is forgotten, so that it is fetched again next time.

    Raises:
        FormatError: it is no structure, or nothing of it is left.
        ReadError: the file cannot be read.
        PercError: UniProt or PDBe fail where signal peptides are to go.
    """
    data = read_bytes(path, found.name)
    try:
        loaded = load(data, found.name, found.format)
    except FormatError:
        services.drop(found.place)
        raise
    accession = accession_of(found.id) or accession_of(_model_of(found.id))
    treated = Treated(loaded, data, accession)
    if "signal_peptides" in treatment.remove:
        entry = found.candidate.entry_id if found.candidate.source == "pdb" else None
        with naming(found.id), _telling_what_is_asked():
            treated.peptides = _annotated(loaded, accession, entry, services)
    before = _extent(loaded)
    select(loaded, treatment.models, treatment.altlocs, treatment.assembly)
    if treatment.remove:
        cuts = remove(loaded, treatment.remove, treated.peptides)
        treated.cuts = cuts if "signal_peptides" in treatment.remove else None
    # An assembly may have as many atoms as were deposited, at other places.
    treated.is_changed = treatment.assembly is not None or _extent(loaded) != before
    return treated


@contextlib.contextmanager
def _telling_what_is_asked() -> Iterator[None]:
    """Have errors of somebody offline say that it is UniProt who is missed, and what needs nobody."""
    try:
        yield
    except (UnreachableError, StalledError) as err:
        others = " ".join(name for name in REMOVABLE if name != "signal_peptides")
        msg = (
            f"{err}: UniProt is asked for signal peptides; remove={others.split()} (--remove {others}) needs no network"
        )
        raise type(err)(msg) from err


def _extent(loaded: Loaded) -> list[int]:
    """How much there is of a structure: atoms of each model, residues of each sequence."""
    structure = loaded.structure
    atoms = [model.count_atom_sites() for model in structure]
    return [*atoms, *(len(entity.full_sequence) for entity in structure.entities)]


def _model_of(id: str) -> str:
    """The accession in the id of a predicted structure, `AF-P45523-F1`."""
    parts = id.split("-")
    return "-".join(parts[1:-1]) if len(parts) > 2 else ""


def _annotated(
    loaded: Loaded, accession: str | None, entry: str | None, services: Services
) -> dict[str, list[Peptide]]:
    """Signal peptides by accession; the structure's segments are completed where the file does not state them."""
    unmapped = _unmapped_proteins(loaded)
    is_stated = any(segment.accession == accession for segment in loaded.segments)
    if entry is not None and (unmapped or (accession and not is_stated)) and services.is_wanted("pdbe"):
        answer = services.ask("pdbe", f"/pdbe/api/mappings/uniprot/{entry}")
        stated = {(segment.subchain, segment.accession) for segment in loaded.segments}
        told = [] if answer is None else segments_of_sifts(answer, loaded.structure)
        loaded.segments += [segment for segment in told if (segment.subchain, segment.accession) not in stated]
        unmapped = _unmapped_proteins(loaded)
    if not loaded.segments and accession is None and unmapped:
        logger.warning("%s: it does not say which proteins of UniProt it has: no signal peptide is known", loaded.name)
    peptides: dict[str, list[Peptide]] = {}
    for name in dict.fromkeys(
        [*(segment.accession for segment in loaded.segments), *([accession] if accession else [])]
    ):
        facts, peptides[name] = _uniprot(name, loaded.name, services)
        renamed = str(facts.get("primaryAccession", name))
        if renamed != name:  # merged into another entry, which may be numbered otherwise
            chains = [segment.subchain for segment in loaded.segments if segment.accession == name]
            loaded.segments += segments_by_alignment(loaded.structure, renamed, _sequence(facts), chains)
            peptides[renamed], peptides[name] = peptides[name], []
        elif name == accession and unmapped and peptides[name]:
            loaded.segments += segments_by_alignment(loaded.structure, name, _sequence(facts), unmapped)
    return peptides


def _unmapped_proteins(loaded: Loaded) -> list[str]:
    """Subchains of proteins of which no residue is numbered by UniProt."""
    mapped = {segment.subchain for segment in loaded.segments}
    found: dict[str, None] = {}
    for model in loaded.structure:
        for chain in model:
            for span in chain.subchains():
                entity = loaded.structure.get_entity_of(span)
                if entity is not None and entity.polymer_type in _PROTEINS and span.subchain_id() not in mapped:
                    found[span.subchain_id()] = None
    return list(found)


def _uniprot(accession: str, name: str, services: Services) -> tuple[Mapping[str, Any], list[Peptide]]:
    """What UniProt says of a protein, and its signal peptides; what it cannot say is logged."""
    if "-" in accession:
        logger.warning("%s: %s is an isoform: UniProt tells no signal peptide of it", name, accession)
        return {}, []
    facts = uniprot_entry(accession, services)
    if facts is None:
        logger.warning("%s: UniProt has no entry %s: no signal peptide of it is known", name, accession)
        return {}, []
    others = successors(facts)
    target = accession_of(others[0]) if len(others) == 1 else None
    if target is not None and target != accession:
        logger.warning("%s: %s: signal peptides are those of that entry", name, told_inactive(facts, accession))
        facts = uniprot_entry(target, services)
        if facts is None:
            return {}, []
        accession = target
    peptides, notes = peptides_of(facts, accession)
    for note in notes:
        logger.warning("%s: %s", name, note)
    return facts, peptides


def _sequence(facts: Mapping[str, Any]) -> str:
    sequence = facts.get("sequence")
    value = sequence.get("value") if isinstance(sequence, Mapping) else None
    return value if isinstance(value, str) else ""
