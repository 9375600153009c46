"""CSDAT, CryoSPARC's compressed format: a header in JSON, a column for each field, and the bytes of all texts.

As cryosparc-tools 5.0.3 writes it (`cryosparc/dataset/__init__.py`): each column has its length in bytes before it, and
is raw LZ4 where the header says so; a text is the place of its first byte among those bytes, which a NUL ends. That
package is not asked, since it crashes (a segmentation fault) where such a place is wrong.
"""

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import FormatError, TruncatedError
from builders.io.tables.cryosparc.arrays import names_of
from builders.io.tables.cryosparc.header import MAX_BYTES, MAX_HEADER
from builders.io.tables.opening import CSDAT

_LENGTH = struct.Struct("<I")
_TEXT = "|O"
_KIND = re.compile(r"[<|]?[biuf][1-8]|\|b1")
_MAX_AXES = 8
_LZ4 = 255
"""Bytes that one byte of LZ4 stands for at the most."""
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class CsdatHeader:
    """What a CSDAT file says of itself.

    Attributes:
        rows: how many there are.
        fields: the type of each, in order; of texts, that of their places.
        texts: the fields that are texts.
        packed: those whose columns are LZ4.
    """

    rows: int
    fields: Mapping[str, "np.dtype[Any]"]
    texts: frozenset[str]
    packed: frozenset[str]


def read_header(file: BinaryIO, size: int, name: str) -> CsdatHeader:
    """Read the header of a file of `size` bytes, from its first byte; the first column comes next.

    Raises:
        FormatError: it is none, or the file cannot hold the rows that it tells.
        TruncatedError: the file ends within it.
    """
    head = file.read(len(CSDAT) + _LENGTH.size)
    length = _LENGTH.unpack(head[len(CSDAT) :])[0] if len(head) == len(CSDAT) + _LENGTH.size else 0
    if not 0 < length <= MAX_HEADER:
        msg = f"{name}: a CSDAT header of {length} bytes: expected some, at most {MAX_HEADER}"
        raise FormatError(msg)
    text = _exactly(file, length, name)
    try:
        header = json.loads(text)
        rows, packed = header["length"], frozenset(header["compressed_fields"])
        fields = {field[0]: _type(field, name) for field in header["dtype"]}
        texts = frozenset(field[0] for field in header["dtype"] if field[1] == _TEXT)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as err:
        if isinstance(err, FormatError):
            raise
        msg = f"{name}: a CSDAT header that cannot be read: {text[:_SHOWN]!r}"
        raise FormatError(msg) from err
    width = sum(dtype.itemsize for dtype in fields.values())
    if type(rows) is not int or rows < 0 or rows * width > _LZ4 * size:
        msg = f"{name}: {size} bytes, which cannot hold the {rows!r} rows of {width} bytes that its header tells"
        raise FormatError(msg)
    return CsdatHeader(rows, fields, texts, packed)


def read_columns(
    file: BinaryIO, header: CsdatHeader, wanted: frozenset[str], name: str
) -> dict[str, NDArray[Any] | pa.DictionaryArray]:
    """Read the columns that follow the header, those of numbers as arrays, texts as `NAME`.

    Raises:
        FormatError: a column is not of the length that it must have, or a text lies nowhere.
        TruncatedError: the file ends before them.
    """
    columns: dict[str, NDArray[Any]] = {}
    for field, dtype in header.fields.items():
        if not header.rows:
            columns[field] = np.empty(0, dtype)
            continue
        data = _exactly(file, _LENGTH.unpack(_exactly(file, _LENGTH.size, name))[0], name)
        if field in wanted:
            plain = (
                _unpacked(data, header.rows * dtype.itemsize, f"{name}: {field}") if field in header.packed else data
            )
            if len(plain) != header.rows * dtype.itemsize:
                msg = f"{name}: {field} has {len(plain)} bytes: expected {header.rows} times {dtype.itemsize}"
                raise FormatError(msg)
            columns[field] = np.frombuffer(plain, dtype)
    heap = file.read()
    found: dict[str, NDArray[Any] | pa.DictionaryArray] = {}
    for field in (field for field in columns if field in wanted):
        base, shape = header.fields[field].subdtype or (header.fields[field], ())
        values = columns[field].view(base).reshape(-1, *shape) if shape else columns[field]
        found[field] = _texts(values, heap, f"{name}: {field}") if field in header.texts else values
    return found


def _type(field: list[Any], name: str) -> "np.dtype[Any]":
    """The type of a row of a field, which the header tells as name, type and shape."""
    kind, sides = field[1], field[2] if len(field) > 2 else []
    dtype = np.dtype("<u8") if kind == _TEXT else np.dtype(kind) if _KIND.fullmatch(kind) else None
    is_shape = len(sides) <= _MAX_AXES and all(type(side) is int and 0 < side <= MAX_BYTES for side in sides)
    if dtype is None or not is_shape or dtype.itemsize * math.prod(sides) > MAX_BYTES:
        msg = f"{name}: field {field[0]!r} is of type {kind!r} and shape {sides!r}: expected numbers or text"
        raise FormatError(msg)
    return np.dtype((dtype, tuple(sides))) if sides else dtype


def _unpacked(data: bytes, size: int, said: str) -> bytes:
    if size > _LZ4 * len(data):
        msg = f"{said} has {len(data)} bytes of LZ4: expected enough of them for {size}"
        raise FormatError(msg)
    try:
        return bytes(pa.Codec("lz4_raw").decompress(data, decompressed_size=size, asbytes=True))
    except (OSError, ValueError) as err:
        msg = f"{said} is damaged: {err}: expected {size} bytes in LZ4"
        raise FormatError(msg) from err


def _texts(places: NDArray[np.uint64], heap: bytes, said: str) -> pa.DictionaryArray:
    """Texts by the places of their first bytes; an empty one is null."""
    known, which = np.unique(places, return_inverse=True)
    ends = np.flatnonzero(np.frombuffer(heap, np.uint8) == 0)
    last = int(ends[-1]) if len(ends) else -1
    if len(known) and int(known[-1]) > last:
        msg = f"{said} lies at byte {known[-1]} of the texts: expected at most {last}"
        raise FormatError(msg)
    starts = known.astype(np.int64)
    stops = ends[np.searchsorted(ends, starts)] if len(known) else starts
    if int((stops - starts).sum()) > len(heap):
        msg = f"{said}: texts lie over one another: expected one after the other"
        raise FormatError(msg)
    pairs = zip(starts.tolist(), stops.tolist(), strict=True)
    return names_of([heap[start:stop] for start, stop in pairs], which.reshape(-1), said)


def _exactly(file: BinaryIO, count: int, name: str) -> bytes:
    data = file.read(count)
    if len(data) < count:
        msg = f"{name}: ends {count - len(data)} bytes too early: the file is truncated"
        raise TruncatedError(msg)
    return data
