"""NumPy `.npy` files: bytes -> layout. Never unpickles."""

import ast
import math
import re
import struct

import numpy as np

from builders.errors import FormatError, TruncatedError
from builders.io.formats.contents import Contents, weigh
from builders.io.formats.protocol import Format, Read
from builders.io.layout import Layout

MAGIC = b"\x93NUMPY"
HEADER_LIMIT = 64 * 1024
"""Bytes that are enough for the header of any array of numbers."""
MAX_AXES = 4
MAX_BYTES = 2**54
"""As many as an MRC header can speak of, and far from where offsets end."""

_LENGTHS = {b"\x01\x00": struct.Struct("<H"), b"\x02\x00": struct.Struct("<I")}
_VERSION_AT, _LENGTH_AT = 6, 8
_TEXT_LIMIT = 1024
"""Characters of a header, padding apart: few, because the parser's stack grows with them."""
_TYPE = re.compile(r"[<>|=]?(?:[?b-zA-Z][0-9]{0,2}|bool|u?int[0-9]{1,2}|float[0-9]{2,3}|complex[0-9]{2,3})")
_LONG = re.compile(r"(?<=[0-9])L\b")
"""What Python 2 wrote behind its long integers."""
_SHOWN = 100


class Npy(Format):
    """NumPy's arrays of numbers."""

    name = "npy"
    suffixes = (".npy",)
    title = "NumPy"
    by_name = True
    notes = (
        "Arrays of numbers of two or three axes, of either byte order, in C's or Fortran's order of axes.",
        "It has no pixel size. Pickled objects and records are refused.",
    )

    def recognises(self, head: bytes) -> bool:
        """Whether a file begins as NumPy's do."""
        return head.startswith(MAGIC)

    def describe(self, read: Read, size: int | None, name: str) -> Contents:
        """The array, as far as the size lets its header stand.

        Raises:
            FormatError: no array of numbers.
            TruncatedError: the file ends within its header.
        """
        length = header_bytes(read(0, _LENGTH_AT + 4), name)
        layout = parse_header(read(0, length), None, name)
        return weigh(layout, size, name, told(layout))


def header_bytes(data: bytes, name: str = "NumPy file") -> int:
    """How many bytes there are before the first pixel, from the first twelve.

    Raises:
        FormatError: no NumPy file, or a header longer than that of numbers can be.
        TruncatedError: fewer than those bytes.
    """
    version = bytes(data[_VERSION_AT:_LENGTH_AT])
    length = _LENGTHS.get(version)
    if not data.startswith(MAGIC):
        msg = f"{name}: begins {bytes(data[:_LENGTH_AT])!r}: expected {MAGIC!r}"
        raise FormatError(msg)
    if length is None and len(version) == 2:
        msg = f"{name}: .npy version {tuple(version)}: expected (1, 0) or (2, 0)"
        raise FormatError(msg)
    if length is None or len(data) < _LENGTH_AT + length.size:
        msg = f"{name}: {len(data)} bytes, which end before the length of the header: the file is truncated"
        raise TruncatedError(msg)
    total: int = _LENGTH_AT + length.size + length.unpack_from(data, _LENGTH_AT)[0]
    if total > HEADER_LIMIT:
        msg = f"{name}: a header of {total} bytes: expected at most {HEADER_LIMIT}"
        raise FormatError(msg)
    return total


def parse_header(data: bytes, size: int | None = None, name: str = "NumPy file") -> Layout:
    """Read the head of a `.npy` file.

    Args:
        data: the file's first bytes, as many as `header_bytes` says or more.
        size: bytes of the whole file when known; the header is then checked against it.
        name: what errors call the file.

    Raises:
        FormatError: no NumPy file, pickled objects, no numbers, or more axes or bytes than an image has.
        TruncatedError: the file ends before the array does.

    Example:
        >>> import io, numpy as np
        >>> file = io.BytesIO()
        >>> np.save(file, np.zeros((3, 4), np.float32))
        >>> parse_header(file.getvalue()).shape
        (3, 4)
    """
    offset = header_bytes(data, name)
    if len(data) < offset and size is not None and size > len(data):
        msg = f"{name}: a header of {offset} bytes: expected at most {len(data)}"
        raise FormatError(msg)
    if len(data) < offset:
        msg = f"{name}: {len(data)} bytes, but its header alone takes {offset}: the file is truncated"
        raise TruncatedError(msg)
    descr, fortran, shape = _fields(data[:offset], name)
    dtype, sides = _dtype(descr, name), _sides(shape, name)
    if not isinstance(fortran, bool):
        msg = f"{name}: fortran_order {_shown(fortran)}: expected True or False"
        raise FormatError(msg)
    if math.prod(max(side, 1) for side in sides) * dtype.itemsize > MAX_BYTES:
        msg = f"{name}: shape {_shown(sides)} of {dtype}: expected at most {MAX_BYTES} bytes"
        raise FormatError(msg)
    axes = tuple(reversed(range(len(sides)))) if fortran and len(sides) > 1 else None
    layout = Layout(sides, dtype.str, offset, axes)
    if size is not None and layout.end > size:
        msg = f"{name}: {size} bytes, but its header says {layout.end} ({told(layout)}): the file is truncated"
        raise TruncatedError(msg)
    return layout


def told(layout: Layout) -> str:
    """What the header of an array says, in words."""
    return f"shape {layout.shape}, {layout.dtype}"


def _fields(header: bytes, name: str) -> tuple[object, object, object]:
    """Type, order and shape as the header spells them, whatever they are."""
    start = _LENGTH_AT + _LENGTHS[bytes(header[_VERSION_AT:_LENGTH_AT])].size
    text = header[start:].decode("latin-1").strip()
    if len(text) > _TEXT_LIMIT:
        msg = f"{name}: a header of {len(text)} characters: expected at most {_TEXT_LIMIT}, as for any array of numbers"
        raise FormatError(msg)
    try:
        fields = _literal(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as err:  # literal_eval has all of these
        msg = f"{name}: not a readable .npy header: {_shown(text)}"
        raise FormatError(msg) from err
    if not isinstance(fields, dict) or fields.keys() != {"descr", "fortran_order", "shape"}:
        msg = f"{name}: .npy header {_shown(text)}: expected descr, fortran_order and shape"
        raise FormatError(msg)
    return fields["descr"], fields["fortran_order"], fields["shape"]


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except SyntaxError:
        return ast.literal_eval(_LONG.sub("", text))


def _dtype(descr: object, name: str) -> np.dtype[np.generic]:
    """The type of an array of numbers; NumPy sees no text that could be anything else than the name of a type."""
    if isinstance(descr, str) and _TYPE.fullmatch(descr):
        try:
            dtype = np.dtype(descr)
        except (TypeError, ValueError) as err:
            msg = f"{name}: holds {_shown(descr)}, which NumPy does not know: expected numbers"
            raise FormatError(msg) from err
        if dtype.hasobject:
            msg = f"{name}: holds pickled Python objects, which are never loaded (allow_pickle=False): expected numbers"
            raise FormatError(msg)
        if dtype.kind in "biufc":
            return dtype
    msg = f"{name}: holds {_shown(descr)}: expected numbers"
    raise FormatError(msg)


def _sides(shape: object, name: str) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or any(type(side) is not int or side < 0 for side in shape):
        msg = f"{name}: shape {_shown(shape)}: expected a tuple of whole numbers, none negative"
        raise FormatError(msg)
    if len(shape) > MAX_AXES:
        msg = f"{name}: {len(shape)} axes: expected at most {MAX_AXES}"
        raise FormatError(msg)
    return shape


def _shown(value: object) -> str:
    """What a header says as it may be printed: no control characters, not without end."""
    return repr(value)[:_SHOWN]
