"""`.cs` files -> fields: a NumPy array each, of the rows in the file's order."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, ReadError
from builders.io.tables.cryosparc.csdat import read_csdat
from builders.io.tables.cryosparc.header import PREFIX, header_bytes, parse_header
from builders.io.tables.opening import CSDAT, HEAD, opened, refuse_others

Fields = dict[str, NDArray[Any]]
"""By their names, such as `"blob/path"`: `(rows,)`, or of vectors `(rows, n)`; text as bytes (`S`) or `U`."""
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
        FormatError: no such file, pickled objects in it, or a size that its header contradicts; or it is CSDAT, and
            cryosparc-tools is not installed.
        TruncatedError: the file ends before its rows do.
        PercError: it cannot be read.
    """
    with opened(path, name) as file:
        try:
            head = file.read(HEAD)
            if head.startswith(CSDAT):
                return read_csdat(path, name, wanted)
            if not head.startswith(b"\x93NUMPY"):
                refuse_others(head, name, "a .cs file of CryoSPARC")
            length = header_bytes(head[:PREFIX], name)
            size = file.seek(0, 2)
            file.seek(0)
            header = parse_header(file.read(length), size, name)
            names = header.dtype.names or ()
            fields = {field: _room(header.dtype[field], header.rows) for field in wanted(names)}
            at, step = 0, max(1, _PIECE // header.dtype.itemsize)
            while at < header.rows:
                count = min(step, header.rows - at)
                rows = np.empty(count, header.dtype)
                _fill(file.readinto, memoryview(rows.view(np.uint8).data), name)
                for field, values in fields.items():
                    values[at : at + count] = rows[field]
                at += count
        except (OSError, struct.error) as err:
            if isinstance(err, FormatError):
                raise
            msg = f"{name}: cannot be read: {err}"
            raise ReadError(msg) from err
    return fields


def _room(dtype: "np.dtype[Any]", rows: int) -> NDArray[Any]:
    base, shape = dtype.subdtype or (dtype, ())
    return np.empty((rows, *shape), base.newbyteorder("="))


def _fill(readinto: Callable[["memoryview[int]"], int | None], place: "memoryview[int]", name: str) -> None:
    while len(place):
        got = readinto(place)
        if not got:
            msg = f"{name}: became shorter while it was read"
            raise ReadError(msg)
        place = place[got:]
