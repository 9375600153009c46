"""NumPy `.npy` files: bytes -> layout. Never unpickles."""

import io

import numpy as np

from builders.errors import FormatError, TruncatedError
from builders.io.layout import Layout

MAGIC = b"\x93NUMPY"
HEADER_LIMIT = 64 * 1024
"""Bytes that are enough for the header of any array of numbers."""

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def parse_header(data: bytes, size: int | None = None, name: str = "NumPy file") -> Layout:
    """Read the head of a `.npy` file.

    Args:
        data: the file's first bytes, `HEADER_LIMIT` or all.
        size: bytes of the whole file when known; the header is then checked against it.
        name: what errors call the file.

    Raises:
        FormatError: no NumPy file, pickled objects, or no numbers.
        TruncatedError: the file ends before the array does.

    Example:
        >>> import io, numpy as np
        >>> file = io.BytesIO()
        >>> np.save(file, np.zeros((3, 4), np.float32))
        >>> parse_header(file.getvalue()).shape
        (3, 4)
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _READERS:
            msg = f"{name}: .npy version {version}: expected (1, 0) or (2, 0)"
            raise FormatError(msg)
        shape, fortran, dtype = _READERS[version](stream)
    except FormatError:
        raise
    except (ValueError, SyntaxError, TypeError, UnicodeDecodeError) as err:
        msg = f"{name}: not a readable .npy header: {err}"
        raise FormatError(msg) from err
    if dtype.hasobject:
        msg = f"{name}: holds pickled Python objects, which are never loaded (allow_pickle=False): expected numbers"
        raise FormatError(msg)
    if dtype.kind not in "biufc":
        msg = f"{name}: holds {dtype}: expected numbers"
        raise FormatError(msg)
    if any(n < 0 for n in shape):
        msg = f"{name}: shape {shape}: expected no negative side"
        raise FormatError(msg)
    layout = Layout(tuple(shape), dtype.str, stream.tell(), bool(fortran) and len(shape) > 1)
    if size is not None and layout.offset + layout.nbytes > size:
        msg = (
            f"{name}: {size} bytes, but its header says {layout.offset + layout.nbytes} "
            f"(shape {shape}, {dtype}): the file is truncated"
        )
        raise TruncatedError(msg)
    return layout
