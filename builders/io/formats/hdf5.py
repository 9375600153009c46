"""HDF5 files as NeXus' NXtomo lays them out (Parakeet's): h5py says where pixels lie, which are read as all others."""

import contextlib
import io
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from builders.errors import FormatError, MissingPackageError, PercError, TruncatedError
from builders.io.coded import Coded
from builders.io.formats.contents import Contents, weigh
from builders.io.formats.protocol import Format, Read
from builders.io.layout import Layout, encoded_size

MAGIC = b"\x89HDF\r\n\x1a\n"
DATA = "entry/data/data"
"""Where NXtomo has its images."""
PIXEL_SIZE = "entry/data/pixel_size_x"
_DEFLATE = 1
_FILTERS = {2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
_MOST_CHUNKS = 2**22


def package(name: str) -> Any:
    """The package h5py.

    Args:
        name: of the file that needs it.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import h5py
    except ImportError as err:
        msg = f"{name}: HDF5 is read by the package h5py, which is not installed: pip install 'perc-cryoem[hdf5]'"
        raise MissingPackageError(msg) from err
    return h5py


class _Bytes(io.RawIOBase):
    """Bytes that somebody gives, as h5py asks for them. What goes wrong with them is kept: h5py tells less of it."""

    def __init__(self, read: Read, size: int) -> None:
        self._read, self._size, self._place = read, size, 0
        self.fault: PercError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._read(self._place, min(len(buffer), max(0, self._size - self._place)))
        except PercError as err:
            self.fault = err
            raise
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


@contextlib.contextmanager
def opened(read: Read, size: int, name: str) -> "Iterator[Any]":
    """A file as h5py has it, open.

    Args:
        read: gives bytes of it.
        size: its bytes.
        name: of it, for errors.

    Raises:
        FormatError: damaged, also where that shows while it is open.
        TruncatedError: it is shorter than it says.
        MissingPackageError: h5py is not installed.
    """
    h5py = package(name)
    source = _Bytes(read, size)
    try:
        with h5py.File(source, "r") as file:
            yield file
    except PercError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError) as err:
        if source.fault is not None:
            raise source.fault from None
        if "truncated file" in str(err) or "eof" in str(err).lower():
            msg = f"{name}: {size} bytes, fewer than it says: the file is truncated, or still being written"
            raise TruncatedError(msg) from err
        msg = f"{name}: damaged HDF5: {str(err)[:200] or type(err).__name__}"
        raise FormatError(msg) from err


def member(file: Any, path: str, name: str) -> Any:
    """A group or a dataset of a file by its path; None where there is none.

    Raises:
        FormatError: the path leads out of the file.
    """
    h5py = package(name)
    place = file
    for part in path.split("/"):
        if not isinstance(place, h5py.Group) or place.get(part, getlink=True) is None:
            return None
        if not isinstance(place.get(part, getlink=True), h5py.HardLink):
            msg = f"{name}: {path} is a link, to a place that may be in another file: expected it in this one"
            raise FormatError(msg)
        place = place[part]
    return place


def dataset(file: Any, path: str, name: str) -> Any:
    """A dataset of a file by its path; None where there is none.

    Raises:
        FormatError: the path leads out of the file.
    """
    found = member(file, path, name)
    return found if isinstance(found, package(name).Dataset) else None


class Hdf5(Format):
    """HDF5 files of images at `entry/data/data`."""

    name = "hdf5"
    suffixes = (".h5", ".hdf5", ".nxs")
    title = "HDF5 (NXtomo)"
    items = ("file", "slice")
    extra = "hdf5"
    by_name = True
    notes = (
        "The images at `entry/data/data`, as Parakeet and NeXus' NXtomo write them: (images, y, x), as stored.",
        "Contiguous, or in chunks that are stored as they are or by deflate. Other filters, links to other files and",
        "virtual datasets are refused. The pixel size is `entry/data/pixel_size_x`, Å.",
    )

    def recognises(self, head: bytes) -> bool:
        """Whether a file begins as HDF5 does, at byte 0 or behind 512 of a user's own."""
        return head.startswith(MAGIC) or head[512:].startswith(MAGIC)

    def describe(self, read: Read, size: int | None, name: str) -> Contents:
        """The images at `entry/data/data`.

        Raises:
            FormatError: damaged, or no file of such images, or they are stored in a way that is not read.
            TruncatedError: it is shorter than it says.
            MissingPackageError: h5py is not installed.
        """
        if size is None:
            msg = f"{name}: HDF5 that is compressed as a whole: unpack it first"
            raise FormatError(msg)
        with opened(read, size, name) as file:
            stored = dataset(file, DATA, name)
            if stored is None:
                msg = f"{name}: HDF5 without a dataset {DATA}: expected images as NXtomo, such as Parakeet's, has them"
                raise FormatError(msg)
            layout = _layout(stored, name)
            pixel_size = _pixel_size(file, name)
        told = f"shape {layout.shape}, {layout.encoding}"
        return replace(weigh(layout, size, name, told, more_follows=True), pixel_size=pixel_size)


def _pixel_size(file: Any, name: str) -> float | None:
    stored = dataset(file, PIXEL_SIZE, name)
    if stored is None or stored.shape is None or not 0 < math.prod(stored.shape) <= _MOST_CHUNKS:
        return None
    if stored.dtype.kind not in "fiu":
        return None
    size = float(stored[(0,) * len(stored.shape)])
    return size if math.isfinite(size) and size > 0 else None


def _layout(stored: Any, name: str) -> Layout:
    """Where pixels lie."""
    shape, kind = stored.shape, stored.dtype
    if shape is None or not 2 <= len(shape) <= 3 or min(shape) < 1:
        msg = f"{name}: {DATA} has shape {shape}: expected (y, x) or (images, y, x)"
        raise FormatError(msg)
    if kind.kind not in "fiuc" or kind.itemsize > 16 or kind.subdtype is not None:
        msg = f"{name}: {DATA} is of type {kind}: expected real or complex numbers"
        raise FormatError(msg)
    h5d = package(name).h5d
    how = stored.id.get_create_plist().get_layout()
    if how == h5d.CONTIGUOUS:
        return _contiguous(stored, shape, kind.str, name)
    if how == h5d.CHUNKED:
        return _chunked(stored, shape, kind.str, name)
    msg = f"{name}: {DATA} is {'virtual' if how == h5d.VIRTUAL else 'compact'}: expected it contiguous or in chunks"
    raise FormatError(msg)


def _contiguous(stored: Any, shape: tuple[int, ...], encoding: str, name: str) -> Layout:
    offset = stored.id.get_offset()
    if stored.external:
        msg = f"{name}: the pixels of {DATA} are in another file ({stored.external[0][0]!r}): expected them in this one"
        raise FormatError(msg)
    if offset is None or stored.id.get_storage_size() < encoded_size(encoding, shape):
        msg = f"{name}: no pixels of {DATA} were written, of shape {shape}"
        raise FormatError(msg)
    return Layout(shape, encoding, int(offset))


def _chunked(stored: Any, shape: tuple[int, ...], encoding: str, name: str) -> Layout:
    """The parts of an image in chunks; those that were never written are zeros."""
    codec = _codec(stored, name)
    grid = tuple(-(-side // length) for side, length in zip(shape, stored.chunks, strict=True))
    if math.prod(grid) > _MOST_CHUNKS:
        msg = f"{name}: {math.prod(grid)} chunks: expected at most {_MOST_CHUNKS}"
        raise FormatError(msg)
    starts, stops = np.zeros(grid, np.int64), np.zeros(grid, np.int64)

    def note(chunk: Any) -> None:
        if chunk.filter_mask:
            msg = f"{name}: {DATA}: the chunk at {chunk.chunk_offset} skips filters: expected the same of all"
            raise FormatError(msg)
        place = tuple(offset // length for offset, length in zip(chunk.chunk_offset, stored.chunks, strict=True))
        starts[place], stops[place] = chunk.byte_offset, chunk.byte_offset + chunk.size

    stored.id.chunk_iter(note)
    if not (stops > starts).all() and stored.fillvalue != 0:
        msg = f"{name}: {DATA}: chunks were never written, for which {stored.fillvalue} stands: expected 0"
        raise FormatError(msg)
    ones = sum(1 for _ in itertools.takewhile(lambda length: length == 1, stored.chunks[:-2]))
    part = stored.chunks[ones:]
    return Coded.of(shape, encoding, codec, part, starts.ravel(), stops.ravel(), name)


def _codec(stored: Any, name: str) -> str:
    plist = stored.id.get_create_plist()
    filters = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]
    if not filters:
        return "raw"
    if filters == [_DEFLATE]:
        return "zlib"
    told = " and ".join(_FILTERS.get(one, "deflate" if one == _DEFLATE else f"filter {one}") for one in filters)
    msg = f"{name}: {DATA} is coded by {told}: expected no filter, or deflate (gzip)"
    raise FormatError(msg)
