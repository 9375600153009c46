"""The header of a `.cs` file in NumPy's format: its fields and rows, by a grammar of our own, evaluating nothing."""

import re
from dataclasses import dataclass

import numpy as np

from builders.errors import FormatError, TruncatedError
from builders.io.tables.opening import NUMPY

MAX_HEADER = 1024 * 1024
"""Bytes: 20,000 fields. A table has some 20 for each class, in headers of 64 KiB and more for 100 of them, where
NumPy's own limit is 10,000."""
MAX_BYTES = 1024 * 1024
"""Of a row: the longest path, and any vector, are far shorter."""
PREFIX = 12

_LENGTHS = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}
_FIELD = re.compile(
    r"\s*\(\s*u?(?P<quote>['\"])(?P<name>[^'\"\\\x00-\x1f]+)(?P=quote)\s*,"
    r"\s*u?['\"](?P<type>[<>|=]?[a-zA-Z?][0-9]{0,9})['\"]\s*"
    r"(?:,\s*\((?P<shape>\s*[0-9]{1,9}\s*(?:,\s*[0-9]{1,9}\s*)*,?)\s*\)\s*)?,?\s*\)\s*(?:,|(?=\]))"
)
_BEFORE = re.compile(r"\s*\{\s*['\"]descr['\"]\s*:\s*\[")
_AFTER = re.compile(
    r"\s*\]\s*,\s*['\"]fortran_order['\"]\s*:\s*(?:True|False)\s*,"
    r"\s*['\"]shape['\"]\s*:\s*\(\s*(?P<rows>[0-9]{1,18})L?\s*,\s*\)\s*,?\s*\}\s*"
)
_KINDS = "biufSU?"
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Header:
    """What a `.cs` file says of itself.

    Attributes:
        dtype: of a row.
        rows: how many there are.
        offset: of the first one.
    """

    dtype: np.dtype[np.void]
    rows: int
    offset: int


def header_bytes(data: bytes, name: str) -> int:
    """How many bytes there are before the first row, from the first `PREFIX`.

    Raises:
        FormatError: no file of NumPy's, or a header longer than that of a table can be.
    """
    version = bytes(data[6:8])
    if not data.startswith(NUMPY) or len(data) < PREFIX:
        msg = f"{name}: {len(data)} bytes, which begin {data[:6]!r}: expected a .cs file, in NumPy's format"
        raise FormatError(msg)
    if version not in _LENGTHS:
        msg = f"{name}: NumPy's format in version {tuple(version)}: expected (1, 0), (2, 0) or (3, 0)"
        raise FormatError(msg)
    size = _LENGTHS[version]
    total = 8 + size + int.from_bytes(data[8 : 8 + size], "little")
    if total > MAX_HEADER:
        msg = f"{name}: a header of {total} bytes: expected at most {MAX_HEADER}"
        raise FormatError(msg)
    return total


def parse_header(data: bytes, size: int, name: str) -> Header:
    """Read the header of a file of `size` bytes.

    Args:
        data: the first bytes, as many as `header_bytes` says.
        size: of the file.
        name: of the file, for errors.

    Raises:
        FormatError: no table of fields, pickled objects, or more bytes than its rows have.
        TruncatedError: the file ends before its rows do.
    """
    offset = header_bytes(data, name)
    if len(data) < offset:
        msg = f"{name}: {len(data)} bytes, but its header alone takes {offset}: the file is truncated"
        raise TruncatedError(msg)
    text = data[8 + _LENGTHS[bytes(data[6:8])] : offset].decode("utf-8", "replace")
    fields, at = _fields(text, name)
    after = _AFTER.fullmatch(text, at)
    if after is None:
        msg = f"{name}: header ends {text[at:].strip()[:_SHOWN]!r}: expected fields, and rows in one dimension"
        raise FormatError(msg)
    dtype = np.dtype(fields)
    header = Header(dtype, int(after["rows"]), offset)
    end = offset + header.rows * dtype.itemsize
    if not 0 < dtype.itemsize <= MAX_BYTES:
        msg = f"{name}: {dtype.itemsize} bytes a row: expected some, and at most {MAX_BYTES}"
        raise FormatError(msg)
    if size < end:
        whole = (size - offset) // dtype.itemsize
        msg = f"{name}: {size} bytes, which end in row {whole} of {header.rows}: expected {end}: the file is truncated"
        raise TruncatedError(msg)
    if size > end:
        msg = f"{name}: {size} bytes: expected {end}, as the header has it ({header.rows} rows)"
        raise FormatError(msg)
    return header


def _fields(text: str, name: str) -> tuple[list[tuple[str, str, tuple[int, ...]]], int]:
    """Names, types and shapes of the fields, and where in the header they end."""
    before = _BEFORE.match(text)
    if before is None:
        msg = f"{name}: header {text[:_SHOWN]!r}: expected a table of fields, as CryoSPARC writes it"
        raise FormatError(msg)
    fields: dict[str, tuple[str, tuple[int, ...]]] = {}
    at = before.end()
    while match := _FIELD.match(text, at):
        field, kind, at = match["name"], match["type"], match.end()
        if kind.lstrip("<>|=")[0] == "O":
            msg = f"{name}: field {field!r} holds pickled Python objects, which are never loaded: save them as text"
            raise FormatError(msg)
        sides = tuple(int(side) for side in (match["shape"] or "").split(",") if side.strip())
        if field in fields:
            msg = f"{name}: two fields {field!r}: expected names of their own"
            raise FormatError(msg)
        fields[field] = _checked(field, kind, name), sides
        if _bytes(*fields[field]) > MAX_BYTES:
            msg = f"{name}: field {field!r} of type {kind} and shape {sides}: expected at most {MAX_BYTES} bytes"
            raise FormatError(msg)
    if not fields:
        msg = f"{name}: header {text[:_SHOWN]!r}: expected fields with names, types and shapes"
        raise FormatError(msg)
    return [(field, kind, sides) for field, (kind, sides) in fields.items()], at


def _checked(field: str, kind: str, name: str) -> str:
    """A type that a table may have."""
    try:
        dtype = np.dtype(kind)
    except (TypeError, ValueError):
        dtype = np.dtype(object)
    if dtype.kind not in _KINDS or not dtype.itemsize:
        msg = f"{name}: field {field!r} is of type {kind!r}: expected numbers or text"
        raise FormatError(msg)
    return kind


def _bytes(kind: str, sides: tuple[int, ...]) -> int:
    total = np.dtype(kind).itemsize
    for side in sides:
        total *= side
    return total
