"""CSDAT, CryoSPARC's compressed format, through CryoSPARC's own package."""

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.tables.opening import CSDAT

_LENGTH = struct.Struct("<I")
_MAX_HEADER = 1024 * 1024
_LZ4 = 255
"""Bytes that one byte of LZ4 stands for at the most."""


def read_csdat(path: Path, name: str, wanted: Callable[[tuple[str, ...]], Sequence[str]]) -> dict[str, NDArray[Any]]:
    """Read fields of a CSDAT file.

    Raises:
        FormatError: the file is damaged, or cryosparc-tools is not installed.
    """
    names = _check_header(path, name)
    try:
        from cryosparc.dataset import Dataset
    except ImportError as err:
        said = "in CSDAT format, which cryosparc-tools reads"
        msg = f"{name}: {said}: pip install 'perc-cryoem[cryosparc]' (or save it in NumPy's format)"
        raise FormatError(msg) from err
    chosen = list(wanted(names))
    try:
        table = Dataset.load(path, fields=chosen)
        return {field: _plain(np.asarray(table[field])) for field in chosen}
    except Exception as err:  # whatever theirs makes of a damaged file: it has no errors of its own for each
        reason = err.__cause__ or err
        msg = f"{name}: cryosparc-tools cannot read it: {type(reason).__name__}: {reason}"
        raise FormatError(msg) from err


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Python's texts as NumPy's."""
    return values.astype(np.str_) if values.dtype == object else values


def _check_header(path: Path, name: str) -> tuple[str, ...]:
    """The names of the fields; a file whose size cannot hold its rows is refused, before room is made for them."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(len(CSDAT) + _LENGTH.size)
        length = _LENGTH.unpack(head[len(CSDAT) :])[0] if len(head) == len(CSDAT) + _LENGTH.size else 0
        if not 0 < length <= min(_MAX_HEADER, size):
            msg = f"{name}: a CSDAT header of {length} bytes: expected some, at most {_MAX_HEADER}"
            raise FormatError(msg)
        text = file.read(length)
    try:
        header = json.loads(text)
        rows, fields = header["length"], header["dtype"]
        names = tuple(str(field[0]) for field in fields)
        types = [np.dtype((str(field[1]), tuple(field[2]) if len(field) > 2 else ())) for field in fields]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, SyntaxError) as err:
        msg = f"{name}: a CSDAT header that cannot be read: {text[:80]!r}"
        raise FormatError(msg) from err
    width = sum(dtype.itemsize for dtype in types)
    if type(rows) is not int or rows < 0 or rows * width > _LZ4 * size:
        msg = f"{name}: {size} bytes, which cannot hold the {rows!r} rows of {width} bytes that its header tells"
        raise FormatError(msg)
    return names
