"""What an entry of UniProt says: signal peptides, and what became of it. JSON in, positions and sentences out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builders.errors import FormatError
from builders.io.net.answers import shown

ACCESSION = re.compile(r"([OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9]([A-Z][A-Z0-9]{2}[0-9]){1,2})(-[1-9][0-9]{0,3})?")
"""https://www.uniprot.org/help/accession_numbers, and the number of an isoform."""
LONGEST = 100_000
"""Residues; the longest protein of UniProt has some 45,000."""


@dataclass(frozen=True, slots=True)
class Peptide:
    """A stretch of a UniProt sequence.

    Attributes:
        start: UniProt position of its first residue, from 1.
        end: of its last residue.
    """

    start: int
    end: int


def peptides_of(entry: Any, accession: str) -> tuple[list[Peptide], list[str]]:
    """The signal peptides of a UniProt entry.

    Args:
        entry: the decoded JSON of `https://rest.uniprot.org/uniprotkb/{accession}.json`.
        accession: what was asked for; messages name it.

    Returns:
        The peptides by position, and sentences about what cannot be known of them: an unknown end (then nothing is
        cut), an unsure one (the peptide is taken as given), an entry that is deleted, merged or demerged.

    Raises:
        FormatError: the JSON is no such entry, or a position is none.

    Example:
        >>> ends = {"start": {"value": 1, "modifier": "EXACT"}, "end": {"value": 17, "modifier": "EXACT"}}
        >>> entry = {"entryType": "UniProtKB reviewed (Swiss-Prot)", "primaryAccession": "P05067"}
        >>> peptides_of({**entry, "features": [{"type": "Signal", "location": ends}]}, "P05067")
        ([Peptide(start=1, end=17)], [])
    """
    if not is_entry(entry):
        msg = f"{accession}: the answer is no UniProt entry: {_shown(entry)}"
        raise FormatError(msg)
    gone = told_inactive(entry, accession)
    if gone is not None:
        return [], [f"{gone}: no signal peptide of it is known"]
    _check_subject(entry, accession)
    features = entry.get("features", [])
    if not isinstance(features, list) or not all(isinstance(feature, Mapping) for feature in features):
        msg = f"{accession}: the features are {_shown(features)}: expected a list of objects"
        raise FormatError(msg)
    found: set[Peptide] = set()
    said: list[str] = []
    for feature in features:
        if feature.get("type") == "Signal":
            peptide, unsure = _peptide(feature.get("location"), accession)
            found.update([peptide] if peptide else [])
            said += [unsure] if unsure else []
    return sorted(found, key=lambda peptide: (peptide.start, peptide.end)), said


def is_entry(answer: Any) -> bool:
    """Whether decoded JSON is an entry of UniProt, by what all of them have."""
    return isinstance(answer, Mapping) and all(
        isinstance(answer.get(name), str) for name in ("entryType", "primaryAccession")
    )


def successors(entry: Any) -> list[str]:
    """The accessions that an entry which is not in use any more was merged or split into."""
    targets = _inactive_reason(entry).get("mergeDemergeTo")
    return [target for target in targets if isinstance(target, str)] if isinstance(targets, list) else []


def told_inactive(entry: Any, accession: str) -> str | None:
    """What became of an accession that is not in use any more; None: it is.

    Args:
        entry: as for `peptides_of`.
        accession: what was asked for.

    Example:
        >>> reason = {"inactiveReasonType": "MERGED", "mergeDemergeTo": ["A6QL63"]}
        >>> told_inactive({"entryType": "Inactive", "inactiveReason": reason}, "A4FU41")
        'A4FU41 was merged into A6QL63'
    """
    if not isinstance(entry, Mapping) or entry.get("entryType") != "Inactive":
        return None
    reason = _inactive_reason(entry)
    kind = str(reason.get("inactiveReasonType", "")).upper()
    if kind in ("MERGED", "DEMERGED"):
        into = ", ".join(map(_clean, successors(entry)[:20])) or "other entries"
        return f"{accession} was {'merged' if kind == 'MERGED' else 'split'} into {into}"
    return f"{accession} was withdrawn ({_clean(str(reason.get('deletedReason') or kind.lower() or 'no reason told'))})"


def _inactive_reason(entry: Any) -> Mapping[str, Any]:
    reason = entry.get("inactiveReason") if isinstance(entry, Mapping) else None
    return reason if isinstance(reason, Mapping) else {}


def _check_subject(entry: Mapping[str, Any], accession: str) -> None:
    """Refuses the entry of another protein; a secondary accession is one that was merged into the entry."""
    secondary = entry.get("secondaryAccessions")
    names = [entry.get("primaryAccession"), *(secondary if isinstance(secondary, list) else [])]
    if accession.partition("-")[0].upper() not in names:
        msg = f"{accession}: the answer is the UniProt entry of {_shown(names[0])}"
        raise FormatError(msg)


def _peptide(location: Any, accession: str) -> tuple[Peptide | None, str]:
    if not isinstance(location, Mapping):
        msg = f"{accession}: a signal peptide's location is {_shown(location)}: expected an object"
        raise FormatError(msg)
    (start, start_is), (end, end_is) = (_end(location.get(name), name, accession) for name in ("start", "end"))
    if start is None or end is None:
        unknown = " and ".join(name for name, value in (("start", start), ("end", end)) if value is None)
        return None, f"{accession}: the {unknown} of a signal peptide is unknown: it cannot be cut"
    if start > end:
        msg = f"{accession}: a signal peptide goes from {start} to {end}"
        raise FormatError(msg)
    # "<1": it begins before what was sequenced, all of which, from there, is signal peptide.
    sure = start_is in ("EXACT", "OUTSIDE") and end_is == "EXACT"
    said = (
        "" if sure else f"{accession}: UniProt is unsure where a signal peptide begins or ends: taken as {start}-{end}"
    )
    return Peptide(start, end), said


def _end(value: Any, name: str, accession: str) -> tuple[int | None, str]:
    """A position, None where it is not known, and how well it is known."""
    modifier = value.get("modifier", "EXACT") if isinstance(value, Mapping) else None
    position = value.get("value") if isinstance(value, Mapping) else None
    if not isinstance(modifier, str):
        msg = f"{accession}: a signal peptide's {name} is {_shown(value)}: expected a value and its modifier"
        raise FormatError(msg)
    if position is None or modifier == "UNKNOWN":
        return None, modifier
    if isinstance(position, bool) or not isinstance(position, int) or not 1 <= position <= LONGEST:
        msg = f"{accession}: a signal peptide's {name} is {_shown(position)}: expected a position from 1 to {LONGEST}"
        raise FormatError(msg)
    return position, modifier


def _shown(value: Any) -> str:
    return _clean(repr(value))


def _clean(text: str) -> str:
    return shown(text[:60])
