"""Is this a structure file, which kind, and is it whole: asked of the bytes, before any parser sees them."""

import contextlib
import logging
import re
import zlib

from builders.errors import FormatError, TruncatedError

logger = logging.getLogger(__name__)

FORMATS = ("cif", "pdb")
LARGEST = 2**30
HEAD = 2**16
"""Bytes that tell what a file is."""
_HARMLESS, _PACKED = 2**26, 100
"""Bytes that any file may inflate to; and how many times its own size: structures are packed to a fifth."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"
_BLANKS_AND_COMMENTS = re.compile(rb"(?:\s|#[^\r\n]*+)*+")
_BLOCK = re.compile(rb"data_\S*+(?:[ \t]*+\r?\n[ \t]*+(#)[ \t]*+\r?\n)?", re.IGNORECASE)
_BINARY_CIF = re.compile(rb"[\x80-\x8f\xde].{0,200}(?:encoder|dataBlocks)", re.DOTALL)
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_RECORDS = frozenset(
    b"ANISOU ATOM AUTHOR CAVEAT CISPEP COMPND CONECT CRYST1 DBREF DBREF1 DBREF2 END ENDMDL EXPDTA FORMUL FTNOTE HEADER "
    b"HELIX HET HETATM HETNAM HETSYN HYDBND JRNL KEYWDS LINK LINKR MASTER MDLTYP MODEL MODRES MTRIX1 MTRIX2 MTRIX3 "
    b"NUMMDL OBSLTE ORIGX1 ORIGX2 ORIGX3 REMARK REVDAT SCALE1 SCALE2 SCALE3 SEQADV SEQRES SHEET SIGATM SIGUIJ SITE "
    b"SLTBRG SOURCE SPLIT SPRSDE SSBOND TER TITLE TURN TVECT USER".split()
)
_ATOM = re.compile(rb"^(?:ATOM  |HETATM)", re.MULTILINE)
# What a line has to be that stands for a PDB file below lines that are no records; in capitals or small letters.
_PLACED = re.compile(rb"(^|[\r\n])(?:ATOM  |HETATM)[^\r\n]{24}(?: *+-?[0-9]++\.[0-9]++){3}", re.IGNORECASE)
_MODEL_LINE = re.compile(rb"MODEL +[0-9]+ *", re.IGNORECASE)
_ATOM_TAG = re.compile(rb"^[ \t]*+_atom_site\.", re.MULTILINE | re.IGNORECASE)
_LATER_BLOCK = re.compile(rb"^data_\S++[ \t]*+\r?$(?=[\s\S]*^[ \t]*+_atom_site\.)", re.MULTILINE | re.IGNORECASE)
_MODEL = re.compile(rb"^MODEL\b", re.MULTILINE)
_END_OF_MODEL = re.compile(rb"^ENDMDL", re.MULTILINE)


def plain(data: bytes, name: str, most: int = LARGEST) -> bytes:
    """The bytes as they are or, where they begin as gzip or as UTF-16 (as PowerShell writes text), what they hold.

    Args:
        data: a whole file.
        name: what errors call it.
        most: bytes to accept; no more is ever inflated.

    Raises:
        FormatError: more than `most`, or damaged gzip.
        TruncatedError: the gzip breaks off.

    Example:
        >>> import gzip
        >>> plain(gzip.compress(b"data_1ABC") + gzip.compress(b" #"), "1abc.cif.gz")
        b'data_1ABC #'
    """
    if data.startswith(_GZIP):
        data = _inflated(data, name, most)
    if len(data) > most:
        msg = f"{name}: {len(data)} bytes: expected {most} at most"
        raise FormatError(msg)
    if data.startswith(_UTF_16):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("utf-16").encode()
    return data


def _inflated(data: bytes, name: str, most: int) -> bytes:
    parts: list[bytes] = []
    room = most = min(most, max(_HARMLESS, _PACKED * len(data)))
    while data.startswith(_GZIP):
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(data, room + 1)
        except zlib.error as err:
            msg = f"{name}: damaged gzip: {err}"
            raise FormatError(msg) from err
        room -= len(part)
        if room < 0:
            msg = f"{name}: inflates to more than {most} bytes, which is the most that is accepted"
            raise FormatError(msg)
        if not member.eof:
            msg = f"{name}: its gzip breaks off after {most - room} bytes of content"
            raise TruncatedError(msg)
        parts.append(part)
        # Padding by zeros is allowed after a member.
        data = member.unused_data.lstrip(b"\0")
    if data:
        msg = f"{name}: damaged gzip: followed by {excerpt(data)}"
        raise FormatError(msg)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def sniff(data: bytes, name: str) -> str:
    r"""The format of a structure file, `"cif"` or `"pdb"`, by its first words.

    Args:
        data: the file, not compressed; its beginning is enough if that holds more than comments.
        name: what errors call it.

    Raises:
        FormatError: neither: a web page, JSON, BinaryCIF, nothing at all, something else. Says what it begins with.

    Example:
        >>> sniff(b"# by hand\ndata_1ABC", "1abc"), sniff(b"HEADER    HYDROLASE", "1abc")
        ('cif', 'pdb')
    """
    text = data.removeprefix(BYTE_ORDER_MARK)
    blanks = _BLANKS_AND_COMMENTS.match(text)
    start = blanks.end() if blanks else 0
    if not _is_binary(text, start):
        if _BLOCK.match(text, start):
            return "cif"
        if _is_record(text[start : start + 6].split(b"\n")[0]):
            return "pdb"
        if text[start : start + 1] not in (b"<", b"{", b"["):  # titles, and other lines of people
            if _LATER_BLOCK.search(text, start) or _is_headless(text, start):
                return "cif"
            if _PLACED.search(text, start):
                return "pdb"
    msg = f"{name}: {_describe(text, start)}: expected mmCIF (data_...) or PDB records"
    raise FormatError(msg)


def _is_record(line: bytes) -> bool:
    word = line[:6].rstrip()
    return word in _RECORDS or word.startswith(b"ATOM  ")


def _is_headless(data: bytes, start: int) -> bool:
    """Whether it is an mmCIF file whose line `data_...` was cut off."""
    begins = data[start : start + 1] == b"_" or data[start : start + 5].lower() == b"loop_"
    return begins and _ATOM_TAG.search(data, start) is not None


def without_titles(data: bytes, format: str, name: str) -> bytes:
    r"""A structure file from its first record or block on; a line in the log says what stood before it.

    Args:
        data: the file, not compressed, of which `sniff` knew the format.
        format: `"cif"` or `"pdb"`.
        name: what the log calls it.

    Example:
        >>> without_titles(b"by hand\ndata_1ABC\n_atom_site.id 1", "cif", "1abc")
        b'data_1ABC\n_atom_site.id 1'
    """
    blanks = _BLANKS_AND_COMMENTS.match(data)
    start = blanks.end() if blanks else 0
    if _BLOCK.match(data, start) if format == "cif" else _is_record(data[start : start + 6].split(b"\n")[0]):
        return data
    if format == "cif" and _is_headless(data, start):
        logger.warning("%s: it does not begin with data_, as if something had been cut off", name)
        return b"data_\n" + data
    first = _LATER_BLOCK.search(data) if format == "cif" else None
    place = first.start() if first else _first_record(data)
    if place > start:
        logger.warning("%s: what stands before its first record was passed over: %s", name, excerpt(data[start:place]))
    return data[place:]


def _first_record(data: bytes) -> int:
    """Where the first line begins that is a record of a PDB file."""
    placed = _PLACED.search(data)
    last = placed.end(1) if placed else 0
    place = 0
    for line in data[:last].splitlines(keepends=True):
        text = line.rstrip(b"\r\n")
        if _is_record(text) or _MODEL_LINE.fullmatch(text):
            return place
        place += len(line)
    return last


def _describe(text: bytes, start: int) -> str:
    """What stands in place of a structure."""
    if start == len(text):
        return "empty" if not text else "nothing but blanks and comments"
    found = f"beginning {excerpt(text[start:])}"
    if _BINARY_CIF.match(text):
        return f"BinaryCIF, which is not read (ask for cif), {found}"
    if _is_binary(text, start):
        return f"binary data in place of a structure, {found}"
    if text[start : start + 1] == b"<":
        kind = "an HTML page" if _HTML.search(text, start, start + 1000) else "XML"
        return f"{kind} in place of a structure, {found}"
    if text[start : start + 1] in (b"{", b"["):
        return f"JSON in place of a structure, {found}"
    return f"not a structure file, {found}"


def _is_binary(text: bytes, start: int) -> bool:
    """Null bytes among the first characters; at the end, some programs pad with them."""
    return b"\0" in text[: start + 1000].rstrip(b"\0")


def excerpt(data: bytes) -> str:
    """The first characters, printable whatever they are."""
    return repr("".join(c if c.isprintable() else "?" for c in data[:40].decode("latin-1")))


def check_complete(data: bytes, format: str, name: str) -> None:
    r"""Refuse a file of the wwPDB or of AlphaFold DB that breaks off.

    Their mmCIF files end with the `#` that ends every category, their PDB files with END, after as many atoms as
    MASTER says. An mmCIF file that happens to break off between two categories, after the atoms, goes unnoticed.

    Args:
        data: the file, not compressed.
        format: `"cif"` or `"pdb"`.
        name: what errors call it.

    Raises:
        TruncatedError: says what is missing.

    Example:
        >>> check_complete(b"HEADER    HYDROLASE\nEND\n", "pdb", "1abc.pdb")
    """
    last = data.rstrip().rpartition(b"\n")[2]
    missing = _missing_of_cif(data, last) if format == "cif" else _missing_of_pdb(data, last)
    if missing:
        msg = f"{name}: breaks off at {excerpt(last)}: {missing}"
        raise TruncatedError(msg)


def _missing_of_cif(data: bytes, last: bytes) -> str:
    blanks = _BLANKS_AND_COMMENTS.match(data)
    block = _BLOCK.match(data, blanks.end() if blanks else 0)
    separated = block is not None and bool(block[1])
    return "expected a final '#'" if separated and last != b"#" else ""


def _missing_of_pdb(data: bytes, last: bytes) -> str:
    if last[:6].rstrip() != b"END":
        return "expected a final END record"
    models, ended = len(_MODEL.findall(data)), len(_END_OF_MODEL.findall(data))
    if models > ended:
        return f"expected ENDMDL after each of {models} MODEL records, found {ended}"
    place = data.rfind(b"\nMASTER")
    claim = data[place + 51 : place + 56].strip() if place >= 0 else b""
    if claim.isdigit():
        # More than MASTER claims is no fault: its field has five digits, and files of assemblies hold copies.
        found = len(_ATOM.findall(data))
        if found < int(claim):
            return f"expected the {int(claim)} atoms of its MASTER record, found {found}"
    return ""
