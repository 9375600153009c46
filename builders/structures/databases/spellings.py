"""Ids in the ways that people write them: with prefixes and suffixes, in file names and URLs; what is none of ours."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

_ENTRY = r"(?:pdb_[0-9][a-z0-9]{7}|[0-9][a-z0-9]{3})"
_AROUND = " \t\r\n'\"`,;<>()[]{}\ufeff\u200b\u00a0"
"""What stands around an id, out of lists, spreadsheets and code."""
_PREFIX = re.compile(
    r"(?:pdb[ _-]?id|pdbe?|rcsb|sp|tr|up|(?:uniprot|uniprotkb)(?:/swiss-prot|/trembl)?|swiss-?prot|trembl|af|afdb"
    r"|alphafold(?: ?db)?|cath)(?:\s*[:|=]\s*|\s+)",
    re.IGNORECASE,
)
_PACKED = r"\.(?:gz|bz2|xz|zst|zip)"
_FILE = re.compile(
    r"\.(?:cif|mmcif|bcif|pdb[0-9]*|pdbx|pdbqt|pqr|ent|xml|fasta|fa|json|txt|csv|tsv|html?|mtz|map|mrc|ccp4|sdf|mol2?"
    rf"|xyz|gro|tar|tgz|pse|cxs|png|jpe?g)(?:{_PACKED}|\.Z)?$|{_PACKED}$",
    re.IGNORECASE,
)
_PDB_FILE = re.compile(rf"pdb({_ENTRY})", re.IGNORECASE)
_PART = re.compile(rf"({_ENTRY})\s?[:_.|](?:[a-z0-9]{{1,4}})(?:[,/][a-z0-9]{{1,4}})*", re.IGNORECASE)
_NAMED = re.compile(r"([A-Z][A-Z0-9]{5,9})_(?:([0-9][A-Z0-9]*[A-Z][A-Z0-9]*)|[A-Z0-9]{3,5})", re.IGNORECASE)
"""A name of our files, `p45523_1q6h`, or of an entry of TrEMBL, `A0A023FDY8_RHIPU`."""
_ASSEMBLY = re.compile(rf"({_ENTRY})-(?:assembly)?([0-9]{{1,3}})", re.IGNORECASE)

PART = (
    "a chain or an entity of an entry (4v1w:A, 4v1w_1) stands for the whole entry: choose its atoms by the column chain"
)
FILE = (
    "the name of a file (4v1w.cif) stands for what it is named for, as the databases have it: the file itself is not"
    " read (builders.structures.clean takes files)"
)
VERSION = (
    "a model of AlphaFold DB is had in its present version, whichever an id or the name of a file tells (-model_v4)"
)

_OTHERS = (
    (re.compile(r"[0-9][a-z0-9]{3}[a-z0-9]", re.I), "has five characters, a PDB id four; a chain is written 4v1w:A"),
    (
        re.compile(r"EMD[-_]?[0-9]{4,5}", re.I),
        "is a map of the EMDB: expected the PDB id of a structure fitted into it",
    ),
    (
        re.compile(r"EMPIAR[-_]?[0-9]{5}", re.I),
        "is an entry of EMPIAR: its images are had by load_dataset('empiar', ...)",
    ),
    (re.compile(r"UPI[0-9A-F]{10}", re.I), "is an id of UniParc: expected a UniProt accession, such as P45523"),
    (re.compile(r"UniRef[0-9]+_\S+", re.I), "is a cluster of UniRef: expected the UniProt accession of a member"),
    (re.compile(r"ENS[A-Z]{0,6}[GTPE][0-9]{11}(\.[0-9]+)?", re.I), "is an id of Ensembl: expected a UniProt accession"),
    (re.compile(r"[NXYW]P_[0-9]{6,9}(\.[0-9]+)?", re.I), "is an id of RefSeq: expected a UniProt accession"),
    (re.compile(r"MGYP[0-9]{12}", re.I), "is a protein of MGnify, of which no database here has a structure"),
    (
        re.compile(r"[A-Z0-9]{1,11}_[A-Z0-9]{3,5}", re.I),
        "is the name of a UniProt entry, which may change: expected its accession, such as P45523",
    ),
)


class Reading(NamedTuple):
    """An id that a text may stand for.

    Attributes:
        text: to be given to the databases.
        note: what is to be said of it, in words that hold for all ids written so; empty: nothing.
    """

    text: str
    note: str = ""


def readings(text: str) -> Iterator[Reading]:
    """The ids that a text may stand for, the likeliest one first.

    Example:
        >>> [reading.text for reading in readings("PDB:4V1W")], next(readings("https://www.rcsb.org/structure/4V1W")).text
        (['PDB:4V1W', '4V1W'], '4V1W')
    """
    seen: set[str] = set()
    for reading in _readings(text.strip(_AROUND)):
        if reading.text not in seen:
            seen.add(reading.text)
            yield reading


def _readings(text: str) -> Iterator[Reading]:
    is_url = "://" in text
    for piece in _pieces_of_url(text) if is_url else [text]:
        note = FILE if _FILE.search(piece) and not is_url else ""
        wholes = (piece, *_without_prefix(piece))
        for form in dict.fromkeys(form for whole in wholes for form in (whole, *_without_file(whole))):
            yield Reading(form, VERSION if re.search(r"[-_](?:model_)?v[0-9]+$", form, re.IGNORECASE) else note)
            part = None if _FILE.search(form) else _PART.fullmatch(form)
            if part and not part[1].isdigit():
                yield Reading(part[1], PART)
            named = _NAMED.fullmatch(form)
            if named:
                yield Reading(named[2] or named[1], note)
            if re.search("-F[0-9]", form, re.IGNORECASE):
                yield Reading(f"AF-{form}", note)
            yield Reading(re.sub(r"\.[0-9]{1,3}$", "", form), note)  # the version of a sequence: P45523.2


def why_not(text: str) -> str:
    """Why a text is no id of a structure, where it is known what it is; empty otherwise.

    Example:
        >>> why_not("EMD-1234")
        'is a map of the EMDB: expected the PDB id of a structure fitted into it'
    """
    text = text.strip(_AROUND)
    stem = _FILE.sub("", text)
    assembly = _ASSEMBLY.fullmatch(stem)
    if assembly:
        return f"is an assembly of {assembly[1].lower()}: expected that id, and the option assembly={assembly[2]}"
    return next((why for pattern, why in _OTHERS if pattern.fullmatch(stem)), "")


def _without_file(text: str) -> Iterator[str]:
    """What a file is named for: `4v1w.cif.gz`, `pdb4v1w.ent`."""
    stem = _FILE.sub("", text)
    name = stem.replace("\\", "/").rpartition("/")[2] if stem != text else text
    match = _PDB_FILE.fullmatch(name)
    if stem != text or match:
        yield match[1] if match else name


def _without_prefix(text: str) -> Iterator[str]:
    """What follows the name of a database; of `sp|P45523|FKBA_ECOLI` the second part."""
    prefix = _PREFIX.match(text.lstrip(">"))
    if prefix:
        rest = text.lstrip(">")[prefix.end() :]
        yield rest
        yield rest.split("|")[0].split()[0] if rest.split("|")[0].split() else rest


def _pieces_of_url(text: str) -> Iterator[str]:
    """The parts of a URL in which an id may stand, the last ones first."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return
    yield from (value for _, value in parse_qsl(parts.query))
    yield from filter(None, map(unquote, reversed(parts.path.split("/"))))
