"""The atoms of an mmCIF block made fit for the parser: what is not there filled in, what is no value put right.

gemmi finds no atoms where one of several columns is missing, takes all residues of a name for one where they have no
numbers, and stops at a value that is none.
"""

import math
import re
import string
from collections.abc import Callable, Iterable

import gemmi

from builders.structures.reading.pdb_text import guess_element

_SITE = "_atom_site."
_TAGS = ("id", "type_symbol", "label_alt_id", "label_asym_id", "auth_seq_id")
"""Columns that there have to be."""
_DEFAULTS = {"occupancy": "1", "B_iso_or_equiv": "20"}
"""What the parser takes where there is none."""
# Two letters of a name that are an element's even where one letter would do, as C or N.
_METALS_AND_HALOGENS = frozenset("BR CL CR CU FE IR NI PT SE SI".split())
_AMBIGUOUS = frozenset("BCDFHIKNOPSUVWY")

Column = list[str]


def pieces(data: bytes) -> list[tuple[bytes, bool]]:
    r"""The text of a CIF file in pieces: its loops, what stands between them line by line.

    Returns:
        Each piece, and whether it is of the atoms, or begins a block.

    Example:
        >>> pieces(b"data_x\n_a.b 1\n_a.c 2\nloop_\n_atom_site.id\n1\n")
        [(b'data_x\n', True), (b'_a.b 1\n', False), (b'_a.c 2\n', False), (b'loop_\n_atom_site.id\n1\n', True)]
    """
    parted: list[list[bytes]] = [[]]
    is_heading = False
    for line in data.splitlines(keepends=True):
        begins_loop = line[:5].lower() == b"loop_"
        if begins_loop or line[:1] == b"#" or line[:5].lower() == b"data_" or (line[:1] == b"_" and not is_heading):
            parted.append([])
        is_heading = begins_loop or (is_heading and line[:1] == b"_")
        parted[-1].append(line)
    texts = [b"".join(lines) for lines in parted if lines]
    return [(text, text[:5].lower() == b"data_" or b"_atom_site." in text) for text in texts]


def is_complete(block: gemmi.cif.Block) -> bool:
    """Whether a block has all columns of atoms that are asked for or else filled in.

    Example:
        >>> is_complete(gemmi.cif.read_string("data_x _atom_site.id 1").sole_block())
        False
    """
    return all(len(block.find_values(_SITE + tag)) for tag in (*_TAGS, *_DEFAULTS))


def fill(block: gemmi.cif.Block) -> list[str]:
    """Fill in what a block's atoms lack, as columns or as single values.

    Alternate locations become `.`; elements follow from the names of atoms; label asym ids stay unknown, so that chains
    are parted as in a PDB file; author numbers are the label's or, where residues would be mixed up without one, the
    next free ones of the chain; ids count; models are the one before, or 1.

    Args:
        block: changed in place.

    Returns:
        What was filled in, in words; nothing where nothing had to be.

    Example:
        >>> text = "data_x loop_ _atom_site.label_atom_id _atom_site.label_comp_id _atom_site.Cartn_x CA GLY 1.0"
        >>> fill(gemmi.cif.read_string(text).sole_block())[:2]
        ['id (counted)', "label_alt_id ('.')"]
    """
    count = len(_values(block, "Cartn_x"))
    said = []
    for tag, how, column in (
        ("id", "counted", map(str, range(1, count + 1))),
        ("label_alt_id", "'.'", ["."] * count),
        ("label_asym_id", "by the author's chains", ["."] * count),
    ):
        if not _values(block, tag):
            _put(block, tag, column)
            said.append(f"{tag} ({how})")
    for tag, how, make in (
        ("type_symbol", "by the atoms' names", _elements),
        ("auth_seq_id", "by label_seq_id, or counted", _numbers),
        ("pdbx_PDB_model_num", "that of the atom before, or 1", _models),
    ):
        values = _values(block, tag)
        made = make(block) if not values or any(map(_is_null, values)) else values
        filled = [new if _is_null(old) else old for old, new in zip(values or ["?"] * len(made), made, strict=True)]
        if filled != values:
            _put(block, tag, filled)
            said.append(f"{tag} ({how})")
    for tag, value in _DEFAULTS.items():
        values = _values(block, tag)
        numbers = [old if _is_number_or_null(old) else value for old in values]
        if numbers != values:
            _put(block, tag, numbers)
        if numbers != values or not values:
            said.append(f"{tag} ({value})")
    return said


def mend(block: gemmi.cif.Block) -> list[str]:
    """Put right, or leave open, values that are none of their column's, at which the parser stops.

    Args:
        block: changed in place.

    Returns:
        The columns that were changed, with a value of them.
    """
    said = []
    ways: dict[str, Callable[[Column], Column]] = {
        "label_alt_id": _as_letters,
        "pdbx_PDB_ins_code": _as_letters,
        "label_seq_id": lambda values: [v if _is_integer(v) else "." for v in values],
        "auth_seq_id": lambda values: [v if re.fullmatch(r"[+-]?[0-9]{1,9}[A-Za-z]?", v) else "?" for v in values],
        "pdbx_formal_charge": lambda values: list(map(_charge, values)),
        "pdbx_PDB_model_num": _as_numbers,
    }
    for tag, way in ways.items():
        values = [gemmi.cif.as_string(value) or "?" for value in _values(block, tag)]
        mended = way(values)
        wrong = [old for old, new in zip(values, mended, strict=True) if old != new and not _is_null(old)]
        if wrong:
            _put(block, tag, mended)
            said.append(f"{tag} ({wrong[0][:20]!r})")
    return said


def _values(block: gemmi.cif.Block, tag: str) -> Column:
    return list(block.find_values(_SITE + tag))


def _length(block: gemmi.cif.Block) -> int:
    return len(block.find_values(f"{_SITE}Cartn_x"))


def _texts(block: gemmi.cif.Block, *tags: str) -> Column:
    """The values of the first of these columns that is there, without quotes; empty ones where none is."""
    values = next(filter(None, (_values(block, tag) for tag in tags)), [])
    return list(map(gemmi.cif.as_string, values)) or [""] * _length(block)


def _is_null(value: str) -> bool:
    return gemmi.cif.is_null(value)


def _is_number_or_null(value: str) -> bool:
    return _is_null(value) or not math.isnan(gemmi.cif.as_number(value))


def _is_integer(value: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]{1,9}", value) is not None


def _put(block: gemmi.cif.Block, tag: str, values: Iterable[str]) -> None:
    table = block.find_mmcif_category(_SITE)
    table.ensure_loop()
    if not len(block.find_values(_SITE + tag)):
        table.loop.add_columns([_SITE + tag], value="?")
    column = block.find_values(_SITE + tag)
    for row, value in enumerate(values):
        column[row] = value


def _elements(block: gemmi.cif.Block) -> Column:
    names, residues = _texts(block, "auth_atom_id", "label_atom_id"), _texts(block, "auth_comp_id", "label_comp_id")
    hetero = [group.upper() != "ATOM" for group in _texts(block, "group_PDB")]
    known: dict[tuple[str, str, bool], str] = {}
    return [
        known.get(key) or known.setdefault(key, guess_element(_aligned(key[0]), *key[1:]))
        for key in zip(names, residues, hetero, strict=True)
    ]


def _aligned(name: str) -> str:
    """A name as the columns of a PDB file would hold it: there, what begins in the first is an element of two letters.

    Of names that can be read either way (CA, CD1, NB, PB), most are carbon's, nitrogen's or phosphorus's.
    """
    two = name[:2].upper()
    is_one = two not in _METALS_AND_HALOGENS and two[:1] in _AMBIGUOUS
    return (f" {name}" if is_one else name).ljust(4)


def _numbers(block: gemmi.cif.Block) -> Column:
    """Author numbers of the atoms that have none: the label's; else counted, where residues would be mixed up."""
    given, labels = _texts(block, "auth_seq_id"), _texts(block, "label_seq_id")
    numbers = [own or label for own, label in zip(given, labels, strict=True)]
    chains = list(zip(_texts(block, "pdbx_PDB_model_num"), _texts(block, "auth_asym_id", "label_asym_id"), strict=True))
    last: dict[tuple[str, str], int] = {}
    for chain, number in zip(chains, numbers, strict=True):
        digits = re.match(r"-?[0-9]{1,9}", number)
        last[chain] = max(last.get(chain, 0), int(digits[0]) if digits else 0)
    atoms = list(zip(_texts(block, "auth_atom_id", "label_atom_id"), _texts(block, "label_alt_id"), strict=True))
    comps, asyms = _texts(block, "auth_comp_id", "label_comp_id"), _texts(block, "label_asym_id")
    residues: dict[tuple[str, str], list[list[int]]] = {}  # rows of each, by chain
    previous, seen = None, set[tuple[str, str]]()
    for row in (row for row, number in enumerate(numbers) if not number):
        residue = (chains[row], comps[row], asyms[row])
        alike = residues.setdefault(chains[row], [])
        if residue != previous or atoms[row] in seen:
            alike.append([])
            previous, seen = residue, set()
        alike[-1].append(row)
        seen.add(atoms[row])
    for chain, alike in residues.items():
        for rows in alike:
            last[chain] += 1
            for row in rows:
                numbers[row] = str(last[chain]) if len(alike) > 1 else "?"
    return numbers


def _models(block: gemmi.cif.Block) -> Column:
    numbers, current = [], "1"
    for value in _values(block, "pdbx_PDB_model_num"):
        current = current if _is_null(value) else value
        numbers.append(current)
    return numbers


def _as_letters(values: Column) -> Column:
    """Labels of one letter each; longer ones get letters that are free, as long as there are some."""
    labels = dict.fromkeys(value for value in values if not _is_null(value))
    free = (c for c in string.ascii_uppercase + string.ascii_lowercase + string.digits if c not in labels)
    short = {label: label if len(label) == 1 and label.isascii() else next(free, "?") for label in labels}
    return [short.get(value, value) for value in values]


def _as_numbers(values: Column) -> Column:
    """Numbers of models; where one of them is none, they are counted."""
    names = dict.fromkeys(value for value in values if not _is_null(value))
    if all(map(_is_integer, names)):
        return values
    counted = {name: str(number) for number, name in enumerate(names, 1)}
    return [counted.get(value, value) for value in values]


def _charge(value: str) -> str:
    """A charge as a number, also where its sign comes last (`2+`) or it has decimals (`1.0`)."""
    found = re.fullmatch(r"([+-]?)([0-9]{1,2})(?:\.0*)?([+-]?)", value)
    if found is None or (found[1] and found[3]):
        return "?"
    return ("-" if "-" in (found[1], found[3]) else "") + found[2]
