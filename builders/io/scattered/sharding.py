"""The index of a shard: where the chunks of one file lie, https://zarr-specs.readthedocs.io, sharding codec 1.0."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.codecs.codec import Part, bytes_of
from builders.io.codecs.known import codec_of
from builders.io.layout import Range
from builders.io.net.threads import fork_safe_lock
from builders.io.scattered.grid import Grid

_NOWHERE = np.iinfo(np.uint64).max
_CHECKSUM = 4
_ENTRY = 16
_MOST_KEPT = 64
_LARGEST_KEPT = 2**18
"""Bytes of an index that is kept; it is asked for again with each read of a larger one."""


@dataclass(frozen=True, slots=True)
class Index:
    """Where chunks lie in a shard.

    Attributes:
        places: `(chunks, 2)`, first byte and number of bytes of each; all ones of one that was left out.
        size: bytes of the file.
        etag: its version.
    """

    places: NDArray[np.uint64]
    size: int
    etag: str | None

    def place(self, number: int, most: int, where: str) -> Range | None:
        """From and to of a chunk in the file; None: its writer left it out.

        Args:
            number: which of the file's chunks, in C order.
            most: bytes that a chunk can have.
            where: the file is, for errors.

        Raises:
            FormatError: it lies elsewhere than in the file, or is longer than a chunk can be.
        """
        start, count = self.places[number].tolist()
        if start == count == _NOWHERE:
            return None
        if start + count > self.size or count > most:
            msg = f"{where}: a chunk of {count} bytes at {start} of {self.size}: expected {most} at most, in the file"
            raise FormatError(msg)
        return start, start + count


def index_range(grid: Grid, size: int, where: str) -> Range:
    """From and to of the index in a shard of so many bytes.

    Raises:
        FormatError: the file is shorter than its index.
    """
    assert grid.shards is not None
    count = _ENTRY * grid.chunks_a_file + (_CHECKSUM if grid.shards.index == "crc32c" else 0)
    if count > size:
        msg = f"{where}: {size} bytes: expected a shard with an index of {count} bytes for {grid.chunks_a_file} chunks"
        raise FormatError(msg)
    return (0, count) if grid.shards.at_start else (size - count, size)


def index_of(raw: NDArray[np.uint8], grid: Grid, size: int, etag: str | None, where: str) -> Index:
    """The index out of its bytes.

    Raises:
        FormatError: its checksum says that they are damaged.
    """
    assert grid.shards is not None
    part = Part((grid.chunks_a_file, 2), (grid.chunks_a_file, 2), "<u8")
    try:
        plain = bytes_of(codec_of(grid.shards.index, where).decode(raw, part))
    except ValueError as err:
        msg = f"{where}: the index of its chunks is damaged: {err}"
        raise FormatError(msg) from err
    return Index(np.frombuffer(plain.tobytes(), "<u8").astype(np.uint64).reshape(part.shape), size, etag)


class Indices:
    """The indices of shards that were read last, by where these are: a tile needs few chunks of each."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Index] = OrderedDict()
        self._alone = fork_safe_lock()

    def get(self, where: str) -> Index | None:
        """The index of a shard, if it is kept."""
        with self._alone:
            return self._kept.get(where)

    def keep(self, where: str, index: Index) -> None:
        """Keep one; the one that was kept first goes where they are many."""
        if index.places.nbytes <= _LARGEST_KEPT:
            with self._alone:
                self._kept[where] = index
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)

    def forget(self, where: str) -> None:
        """Let one go."""
        with self._alone:
            self._kept.pop(where, None)
