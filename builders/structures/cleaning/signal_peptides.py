"""The signal peptides of a structure's chains: which are known, and their cut.

They are numbered by UniProt, so they are cut by the segments that map a chain to its sequence, never by author numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from builders.structures.cleaning.sequences import cut, cut_segments
from builders.structures.reading.parse import Loaded
from builders.structures.uniprot.entries import Peptide


@dataclass(slots=True)
class Cut:
    """The signal peptides that are known for a chain, whether or not any of their residues is in the file.

    Attributes:
        subchain: the chain, as in `Segment`.
        accession: the protein that these are peptides of.
        peptides: by UniProt position.
    """

    subchain: str
    accession: str
    peptides: list[Peptide]


def known(loaded: Loaded, peptides: Mapping[str, Sequence[Peptide]]) -> list[Cut]:
    """What is known of the chains of a structure, by the signal peptides of each accession."""
    pairs = dict.fromkeys((segment.subchain, segment.accession) for segment in loaded.segments)
    return [
        Cut(subchain, accession, list(peptides[accession])) for subchain, accession in pairs if peptides.get(accession)
    ]


def cut_out(loaded: Loaded, cuts: list[Cut]) -> None:
    """Cut signal peptides out of a structure, where its segments number them, observed or not."""
    peptides = {(found.subchain, found.accession): found.peptides for found in cuts}
    places: dict[str, set[int]] = {}
    for segment in loaded.segments:
        offset = segment.uniprot_first - segment.first
        for peptide in peptides.get((segment.subchain, segment.accession), []):
            first, last = max(segment.first, peptide.start - offset), min(segment.last, peptide.end - offset)
            places.setdefault(segment.subchain, set()).update(range(first, last + 1))
    positions = {subchain: frozenset(found) for subchain, found in places.items()}
    cut(loaded.structure, positions)
    loaded.segments = cut_segments(loaded.segments, positions)
