"""Zarr: an array by its metadata file."""

from builders.errors import FormatError
from builders.io.formats.contents import Contents
from builders.io.formats.protocol import HEAD, Format, Read
from builders.io.formats.zarr import v2, v3
from builders.io.formats.zarr.fields import MOST_BYTES, parsed, shown
from builders.io.scattered.chunks import Chunked

_MARKS = (b'"zarr_format"', b'"node_type"', b'"chunk_grid"', b'"chunks"')


class Zarr(Format):
    """Arrays of Zarr 2 and 3, each by its metadata file."""

    name = "zarr"
    names = (".zarray", "zarr.json")
    title = "Zarr"
    extra = "tomo"
    by_name = True
    notes = (
        "An array is named by its metadata file, `.zarray` (Zarr 2) or `zarr.json` (Zarr 3), beside which chunks lie.",
        "Blosc, Zstandard, gzip, zlib, LZ4, transposed axes and shards are read; other filters are refused.",
        "A chunk that is not there is read as the fill value, with a warning.",
    )

    def recognises(self, head: bytes) -> bool:
        """Whether a file begins as JSON that speaks of arrays."""
        return head.lstrip().startswith(b"{") and any(mark in head for mark in _MARKS)

    def describe(self, read: Read, size: int | None, name: str) -> Contents:
        """The array, without leading axes of length 1 where it has more than three.

        Raises:
            FormatError: no array, or one that cannot be read.
        """
        data = read(0, HEAD if size is None else min(size, MOST_BYTES + 1))
        if size is None or size > MOST_BYTES:
            msg = f"{name}: metadata of {size} bytes: expected at most {MOST_BYTES}"
            raise FormatError(msg)
        return Contents(layout_of(data, name), size=size)


def layout_of(data: bytes, name: str) -> Chunked:
    """The array that the content of a metadata file speaks of.

    Raises:
        FormatError: no array, or one that cannot be read.
    """
    told = parsed(data, name)
    version, kind = told.get("zarr_format"), told.get("node_type")
    if version == 2 and "chunks" in told:
        return Chunked.of(v2.grid_of(told, name))
    if version == 3 and kind == "array":
        return Chunked.of(v3.grid_of(told, name))
    what = "a group of Zarr" if version == 2 or kind == "group" else f"Zarr version {shown(version)}"
    msg = f"{name}: {what}: expected an array of version 2 or 3"
    raise FormatError(msg)
