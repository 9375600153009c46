"""PDB text made fit for the parser: what is broken refused, what is old or left out put right.

gemmi reads a number that is not there as 0 and guesses elements by the alignment of atom names alone; files by programs
that leave the element columns blank rarely align them.
"""

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, TruncatedError

logger = logging.getLogger(__name__)

Bytes = NDArray[np.uint8]

_ASCII = bytes(range(128)) + b"?" * 128
# Files of before 1996 end their lines with the entry's id and the number of the line: "1GDR  90".
_NUMBERED_LINE = re.compile(rb".{72}[0-9][0-9A-Z]{3}[ 0-9]{3}[0-9] *$")
_PAST_COLUMN_72 = re.compile(rb"^([^\n]{72})[^\n]+", re.MULTILINE)
# Names of four letters, of which three are read, and the last for the chain's: of CHARMM's and others' water only.
_LONG_WATER = re.compile(
    rb"^((?:ATOM  |HETATM).{6}(?= {0,2}(?:OH2|OW|O|HW?[1-3]|MW?|EP[W12]?|LP[12]?|OM) )....[ 0-9A-Z](?:TIP|SPC|OPC|SWM))"
    rb"[2-7PSE]",
    re.MULTILINE | re.IGNORECASE,
)
_WRONG_CHARGE = re.compile(rb"^((?:ATOM  |HETATM)[^\n]{72})(?!  |[0-9][-+ ]|[-+ ][0-9])[^\n]{2}", re.M | re.I)
_SINGLE = frozenset("BCDFHIKNOPSUVWY")
_HYDROGEN_LIKE = frozenset({"HE", "HF", "HG", "HO", "HS"})


@dataclass(slots=True)
class _Atoms:
    """The ATOM and HETATM lines of a file: the text as bytes, padded, and where lines begin and end."""

    data: bytes
    text: Bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def columns(self, first: int, last: int) -> Bytes:
        """Columns `first` to `last`, counted from 1, blank beyond the end of a line: `(lines, columns)`."""
        places = self.starts[:, None] + np.arange(first - 1, last)
        return np.where(places < self.ends[:, None], self.text[places], 32).astype(np.uint8)

    def line(self, index: int) -> bytes:
        return self.data[self.starts[index] : self.ends[index]]


def repair(data: bytes, name: str) -> bytes:
    r"""A PDB file as gemmi reads it right.

    Line ends become `\n`, characters beyond ASCII `?`. Line numbers of before 1996 (columns 73-80) go. Element columns
    left blank are filled, by the name of the atom and the kind of its residue, and occupancies by 1.

    Args:
        data: the file, not compressed.
        name: what errors call it.

    Raises:
        TruncatedError: an atom's line ends before its coordinates do.
        FormatError: coordinates that are no finite numbers.

    Example:
        >>> repair(b"ATOM      1 HE21 GLN A   1       1.000   2.000   3.000\n", "a.pdb")[-5:-3]
        b' H'
    """
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\0", b" ")
    if not data.isascii():
        data = data.translate(_ASCII)
    atoms = _find_atoms(data)
    if not len(atoms.starts):
        return data
    _check_coordinates(atoms, name)
    if _NUMBERED_LINE.match(atoms.line(0)):
        data = _PAST_COLUMN_72.sub(rb"\1", data)
        atoms = _find_atoms(data)
    if (atoms.columns(21, 21) != ord(" ")).any():
        data = _LONG_WATER.sub(rb"\1 ", data)
        atoms = _find_atoms(data)
    return _fill(atoms, name)


_COORDINATES = frozenset({b"ATOM", b"HETA", b"MODE", b"ENDM", b"END", b"TER"})


def _record(line: bytes) -> bytes:
    """What a line is, as gemmi knows it: by four letters, of either case."""
    return line[:4].upper().rstrip()


def annotations(data: bytes) -> list[str]:
    r"""The names of the records of a file that are no part of its coordinates, in their order.

    Example:
        >>> annotations(b"CRYST1   10\nATOM      1\nCONECT    1\n")
        ['CRYS', 'CONE']
    """
    records = dict.fromkeys(map(_record, data.split(b"\n")))
    return [record.decode("ascii") for record in records if record and record not in _COORDINATES]


def with_only(data: bytes, records: Collection[str]) -> bytes:
    """A file's coordinates, and of its annotations those that are named as `annotations` names them."""
    kept = _COORDINATES | {record.encode("ascii") for record in records}
    return b"\n".join(line for line in data.split(b"\n") if _record(line) in kept)


def without_wrong_charges(data: bytes) -> bytes:
    """A file whose columns 79 and 80 are blank where they hold no charge."""
    return _WRONG_CHARGE.sub(rb"\1  ", data)


def number_models(data: bytes) -> bytes:
    r"""A file whose models each begin and end, and have numbers of their own.

    Atoms before the first MODEL and after an ENDMDL are models, too; an END does not stop a file that goes on with
    another MODEL. Where numbers repeat, or are left out, models are counted.

    Example:
        >>> number_models(b"MODEL\nATOM      1\nMODEL\nATOM      1").decode().splitlines()
        ['MODEL        1', 'ATOM      1', 'ENDMDL', 'MODEL        2', 'ATOM      1']
    """
    old = data.split(b"\n")
    last = max((place for place, line in enumerate(old) if _record(line) == b"MODE"), default=None)
    if last is None:
        return data
    lines: list[bytes] = []
    places: list[int] = []  # of the MODEL records among the lines
    numbers: list[int | None] = []
    is_open = has_atoms = False
    for place, line in enumerate(old):
        record = _record(line)
        is_atom = record in (b"ATOM", b"HETA")
        if record == b"MODE" or (is_atom and not is_open):
            if is_open and not has_atoms:
                del lines[places.pop() :], numbers[-1]
            elif is_open:
                lines.append(b"ENDMDL")
            number = line[6:].strip() if record == b"MODE" else b""
            numbers.append(int(number) if number.isdigit() and len(number) < 9 else None)
            places.append(len(lines))
            lines.append(b"MODEL")
            is_open, has_atoms = True, False
        elif (record == b"ENDM" and not is_open) or (record == b"END" and place < last):
            continue
        is_open &= record != b"ENDM"
        has_atoms |= is_atom
        lines += [line] if record != b"MODE" else []
    given = {number for number in numbers if number is not None}
    for counted, (at, own) in enumerate(zip(places, numbers, strict=True), 1):
        lines[at] = b"MODEL %8d" % (own if own is not None and len(given) == len(numbers) else counted)
    return b"\n".join(lines)


def count_atoms(data: bytes) -> int:
    """The ATOM and HETATM records of a file."""
    return len(_find_atoms(data).starts)


def _find_atoms(data: bytes) -> _Atoms:
    text = np.frombuffer(data + b"\n" + b" " * 80, np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate(([0], ends[:-1] + 1))
    # Records are known by four letters of either case, as in gemmi.
    words = text[starts[:, None] + np.arange(4)] & 0xDF
    chosen = (words == np.frombuffer(b"ATOM", np.uint8)).all(1) | (words == np.frombuffer(b"HETA", np.uint8)).all(1)
    return _Atoms(data, text, starts[chosen], ends[chosen])


def _check_coordinates(atoms: _Atoms, name: str) -> None:
    short = np.flatnonzero(atoms.ends - atoms.starts < 54)
    if len(short):
        msg = f"{name}: breaks off in {_quote(atoms.line(short[0]))}: expected coordinates up to column 54"
        raise TruncatedError(msg)
    fields = np.ascontiguousarray(atoms.columns(31, 54)).view("S8")
    try:
        finite = np.isfinite(fields.astype(np.float64)).all(1)
    except ValueError:
        finite = np.array([all(map(_is_finite, row)) for row in fields.tolist()])
    if not finite.all():
        line = atoms.line(int(np.flatnonzero(~finite)[0]))
        msg = f"{name}: {_quote(line)}: expected three numbers in columns 31 to 54"
        raise FormatError(msg)


def _is_finite(field: bytes) -> bool:
    try:
        return bool(np.isfinite(float(field)))
    except ValueError:
        return False


def _quote(line: bytes) -> str:
    return repr(line[:54].decode("ascii"))


def _fill(atoms: _Atoms, name: str) -> bytes:
    """The text with an element in columns 77-78 of every atom line, and an occupancy in columns 55-60."""
    letters, digits = atoms.columns(77, 78) & 0xDF, atoms.columns(55, 60)
    blank = np.logical_not(np.any((letters >= ord("A")) & (letters <= ord("Z")), axis=1))
    empty = np.logical_not(np.any((digits >= ord("0")) & (digits <= ord("9")), axis=1))
    if empty.any():
        logger.warning("%s: %d of its atoms do not say their occupancy: taken as 1", name, int(empty.sum()))
    pieces, done = [], 0
    for index in np.flatnonzero(blank | empty):
        start, end = int(atoms.starts[index]), int(atoms.ends[index])
        line = atoms.data[start:end]
        if empty[index]:
            line = line[:54] + b"  1.00" + line[60:]
        if not blank[index]:
            pieces += [atoms.data[done:start], line]
            done = end
            continue
        record, atom, residue = (line[a:b].decode("ascii") for a, b in ((0, 6), (12, 16), (17, 20)))
        element = guess_element(atom, residue.strip(), record.upper() == "HETATM")
        pieces += [atoms.data[done:start], line[:76].ljust(76), element.rjust(2).encode(), line[78:80].ljust(2)]
        done = end
    return b"".join([*pieces, atoms.data[done:]])


def guess_element(atom: str, residue: str, hetero: bool) -> str:
    """The element of an atom that does not say.

    An atom of an amino acid, a nucleotide or water is of one of their elements, however its name is aligned; so is an
    atom of an unknown residue in an ATOM record, since that is a polymer's. An ion is named for its element.
    Otherwise the alignment decides, as the format has it, but a name that may be hydrogen's is hydrogen's.

    Args:
        atom: its name, the four columns 13 to 16 as they are.
        residue: name of its residue.
        hetero: it stands in a HETATM record.

    Returns:
        The symbol in capitals; `"X"` when there is no telling.

    Example:
        >>> guess_element("HG11", "VAL", False), guess_element("HG  ", "HG", True), guess_element("CA  ", "CYX", False)
        ('H', 'HG', 'C')
    """
    letters = atom.strip().lstrip("0123456789'\"*").upper()
    one, two = letters[:1], letters[:2]
    single = one if one in _SINGLE else "X"
    if len(two) < 2 or not two.isalpha() or not gemmi.Element(two).atomic_number:
        return single
    info = gemmi.find_tabulated_residue(residue)
    if info.is_amino_acid() or info.is_nucleic_acid() or info.is_water():
        return two if two == "SE" else single
    if re.sub("[^A-Z]", "", residue.upper()).startswith(two):
        return two
    aligned_as_one = not atom[:2].isalpha()
    if aligned_as_one or not hetero or two in _HYDROGEN_LIKE or (one in "HD" and len(atom.strip()) == 4):
        return single
    return two
