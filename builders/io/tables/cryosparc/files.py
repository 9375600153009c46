"""`.cs` files -> fields: a NumPy array each, of the rows in the file's order."""

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import FormatError, ReadError
from builders.io.tables.cryosparc import arrays, csdat
from builders.io.tables.cryosparc.header import PREFIX, Header, header_bytes, parse_header
from builders.io.tables.opening import CSDAT, HEAD, NUMPY, opened, refuse_others
from builders.io.tables.particle_table import NAME

Fields = dict[str, NDArray[Any] | pa.DictionaryArray]
"""By their names, such as `"blob/idx"`: numbers as `(rows,)`, vectors as `(rows, n)`; texts as Arrow's `NAME`, of which
an empty one is null."""
Wanted = Callable[[tuple[str, ...]], Sequence[str]]
"""Says which fields are read, of those that there are."""

_PIECE = 16 * 1024 * 1024
"""Bytes of rows that are held beside the fields that are taken from them."""


def everything(names: tuple[str, ...]) -> Sequence[str]:
    """All fields."""
    return names


def read_fields(path: Path, name: str, wanted: Wanted = everything) -> Fields:
    """Read fields of a `.cs` file, in NumPy's format or CryoSPARC's own (CSDAT). Nothing is ever unpickled.

    Args:
        path: of the file on this machine.
        name: of the file, for errors.
        wanted: says which fields, of those that there are.

    Raises:
        FormatError: no such file, pickled objects in it, or a size that its header contradicts.
        TruncatedError: the file ends before its rows do.
        PercError: it cannot be read.
    """
    with opened(path, name) as file:
        try:
            head = file.read(HEAD)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if head.startswith(CSDAT):
                told = csdat.read_header(file, size, name)
                return csdat.read_columns(file, told, frozenset(wanted(tuple(told.fields))), name)
            if not head.startswith(NUMPY):
                refuse_others(head, name, "a .cs file of CryoSPARC")
            header = parse_header(file.read(header_bytes(head[:PREFIX], name)), size, name)
            return _rows(file, header, wanted(header.dtype.names or ()), name)
        except OSError as err:
            if isinstance(err, FormatError):
                raise
            msg = f"{name}: cannot be read: {err}"
            raise ReadError(msg) from err


def _rows(file: io.FileIO, header: Header, wanted: Sequence[str], name: str) -> Fields:
    """Fields of rows in NumPy's format, which are read some at a time."""
    kinds = {field: (header.dtype[field].subdtype or (header.dtype[field], ())) for field in wanted}
    is_text = {field: base.kind in "SU" and not shape for field, (base, shape) in kinds.items()}
    numbers = {
        field: np.empty((header.rows, *shape), base.newbyteorder("="))
        for field, (base, shape) in kinds.items()
        if not is_text[field]
    }
    texts: dict[str, list[pa.Array]] = {field: [pa.nulls(0, NAME)] for field in wanted if is_text[field]}
    step = max(1, _PIECE // header.dtype.itemsize)
    for at in range(0, header.rows, step):
        rows = np.empty(min(step, header.rows - at), header.dtype)
        _fill(file.readinto, memoryview(rows.view(np.uint8).data), name)
        for field, values in numbers.items():
            values[at : at + len(rows)] = rows[field]
        for field, parts in texts.items():
            parts.append(arrays.names(rows[field], f"{name}: {field}"))
    return {
        field: pa.chunked_array(texts[field], NAME).unify_dictionaries().combine_chunks()
        if is_text[field]
        else numbers[field]
        for field in wanted
    }


def _fill(readinto: Callable[["memoryview[int]"], int | None], place: "memoryview[int]", name: str) -> None:
    while len(place):
        got = readinto(place)
        if not got:
            msg = f"{name}: became shorter while it was read"
            raise ReadError(msg)
        place = place[got:]
