"""The bytes of chunks, out of files of a folder or a server: whole files, and parts of shards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.errors import AccessError, ChangedError, FormatError, NotFoundError
from builders.io.files import local, location
from builders.io.layout import Range
from builders.io.net import remote
from builders.io.net.answers import RemoteFile
from builders.io.scattered.grid import Grid
from builders.io.scattered.sharding import Index, Indices, index_of, index_range

_SLACK = 64 * 1024
"""Bytes that a chunk may take more than it has pixels: what codecs add to what they cannot make smaller."""
_indices = Indices()
"""Of shards on servers."""

Bytes = NDArray[np.uint8]
Chunk = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for at once: the file of a chunk, or chunks that lie side by side in a shard.

    Attributes:
        where: the file.
        parts: chunks, and where each lies in the file; None: it is all of it.
        index: of the shard; None: it is none.
    """

    where: str
    parts: tuple[tuple[Chunk, Range | None], ...]
    index: Index | None = None


def place_of(path: str, file: str) -> str:
    """A file of the folder in which a metadata file lies.

    Example:
        >>> place_of("https://x.org/a/0/zarr.json?key=1", "c/0/0")
        'https://x.org/a/0/c/0/0?key=1'
    """
    stem, mark, query = path.partition("?") if location.is_remote(path) else (path, "", "")
    folder, slash, _ = stem.rpartition("/")
    return f"{folder}{slash}{file}{mark}{query}"


def check_version(path: str, etag: str | None) -> None:
    """Refuse a metadata file of this machine that is of another version; one of a server is not asked for again.

    Raises:
        ChangedError: it is.
    """
    if etag and not location.is_remote(path):
        with local.opened(path) as raw:
            local.check_version(raw, path, etag)


def requests_for(path: str, grid: Grid, chunks: Sequence[Chunk]) -> tuple[list[Request], list[Chunk], list[Chunk]]:
    """What has to be asked for to have some chunks, those of whose shards there is none, and those left out of theirs.

    The indices of shards are read, several at once.

    Raises:
        FormatError: an index is damaged.
    """
    if grid.shards is None:
        return [Request(place_of(path, grid.file_of(chunk)), ((chunk, None),)) for chunk in chunks], [], []
    files: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        files.setdefault(place_of(path, grid.file_of(chunk)), []).append(chunk)
    found: list[Request] = []
    missing: list[Chunk] = []
    left_out: list[Chunk] = []

    def look(where: str) -> Index | None:
        return _index(where, grid)

    indices: Iterable[Index | None] = (
        remote.each(look, files, pool="indexes") if location.is_remote(path) else map(look, files)
    )
    for (where, own), index in zip(files.items(), indices, strict=True):
        if index is None:
            missing += own
            continue
        places = [(chunk, index.place(grid.place_in_file(chunk), _most(grid), where)) for chunk in own]
        left_out += [chunk for chunk, place in places if place is None]
        found += _side_by_side(where, [(chunk, place) for chunk, place in places if place is not None], index)
    return found, missing, left_out


def _side_by_side(where: str, places: list[tuple[Chunk, Range]], index: Index) -> list[Request]:
    """Chunks of a shard, those together that follow one another, as far as one request of ours brings them."""
    groups: list[list[tuple[Chunk, Range]]] = []
    for chunk, (start, stop) in sorted(places, key=lambda each: each[1]):
        first = groups[-1][0][1][0] if groups else 0
        if groups and groups[-1][-1][1][1] == start and stop - first <= remote.PIECE:
            groups[-1].append((chunk, (start, stop)))
        else:
            groups.append([(chunk, (start, stop))])
    return [Request(where, tuple(group), index) for group in groups]


def _index(where: str, grid: Grid) -> Index | None:
    """The index of a shard; None: there is no such file."""
    kept = _indices.get(where) if location.is_remote(where) else None
    if kept is not None:
        return kept
    try:
        size, etag = location.size_and_etag(where)
    except NotFoundError:
        return None
    except AccessError as err:
        raise _refused(err) from err
    if size is None:
        msg = f"{where}: the server does not tell the size of a shard, behind whose chunks their index is"
        raise FormatError(msg)
    raw = location.read(where, *index_range(grid, size, where), etag)
    index = index_of(raw, grid, size, etag, where)
    if location.is_remote(where):
        _indices.keep(where, index)
    return index


def codes(request: Request, grid: Grid) -> list[tuple[Chunk, Bytes | None]]:
    """The bytes of chunks that are asked for at once; None of one that is missing.

    Raises:
        AccessError: a server refuses it.
        ChangedError: a shard is of another version than its index.
        FormatError: a file is longer than a chunk can be.
    """
    where, index = request.where, request.index
    if index is None:
        return [(chunk, _whole(where, _most(grid))) for chunk, _ in request.parts]
    ranges = [place for _, place in request.parts if place is not None]
    start, stop = ranges[0][0], ranges[-1][1]
    try:
        if location.is_remote(where):
            raw = remote.read(RemoteFile(where, index.size, index.etag), start, stop)
        else:
            raw = location.read_ranges(where, ((start, stop),), index.etag)
    except (ChangedError, NotFoundError):
        _indices.forget(where)
        raise
    return [(chunk, raw[a - start : b - start]) for (chunk, _), (a, b) in zip(request.parts, ranges, strict=True)]


def _whole(where: str, most: int) -> Bytes | None:
    try:
        if location.is_remote(where):
            return _downloaded(where, most)
        with local.opened(where) as raw:
            size = local.check_version(raw, where, None)
            _check_size(where, size, most)
            return local.read(raw, size)
    except NotFoundError:
        return None


def _downloaded(url: str, most: int) -> Bytes:
    data = bytearray()
    try:
        for piece in remote.client().stream(url):
            data += piece
            _check_size(url, len(data), most)
    except AccessError as err:
        raise _refused(err) from err
    return np.frombuffer(data, np.uint8)


def _refused(err: AccessError) -> AccessError:
    msg = f"{err}: refused, or missing: stores like S3 say so of what is not there, too, to those who may not list them"
    return AccessError(msg)


def _most(grid: Grid) -> int:
    """Bytes that a chunk can have before it is decoded."""
    return grid.nbytes + grid.nbytes // 8 + _SLACK


def _check_size(where: str, size: int, most: int) -> None:
    if size > most:
        msg = f"{where}: {size} bytes or more: expected a chunk of at most {most}"
        raise FormatError(msg)
