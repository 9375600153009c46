"""The bytes of chunks: whole files of a folder or a server."""

import numpy as np
from numpy.typing import NDArray

from builders.errors import AccessError, FormatError, NotFoundError
from builders.io.files import local, location
from builders.io.net import remote
from builders.io.scattered.grid import Grid

_SLACK = 64 * 1024
"""Bytes that a chunk may take more than it has pixels: what codecs add to what they cannot make smaller."""


def place_of(path: str, file: str) -> str:
    """A file of the folder in which a metadata file lies.

    Example:
        >>> place_of("https://x.org/a/0/zarr.json?key=1", "c/0/0")
        'https://x.org/a/0/c/0/0?key=1'
    """
    stem, mark, query = path.partition("?") if location.is_remote(path) else (path, "", "")
    return f"{stem.rpartition('/')[0]}/{file}{mark}{query}"


def check_version(path: str, etag: str | None) -> None:
    """Refuse a metadata file of this machine that is of another version; one of a server is not asked for again.

    Raises:
        ChangedError: it is.
    """
    if etag and not location.is_remote(path):
        with local.opened(path) as raw:
            local.check_version(raw, path, etag)


def whole(where: str, grid: Grid) -> NDArray[np.uint8] | None:
    """All bytes of a chunk's file; None: there is none.

    Raises:
        AccessError: a server refuses it.
        FormatError: it is longer than a chunk can be.
    """
    most = grid.nbytes + grid.nbytes // 8 + _SLACK
    try:
        if location.is_remote(where):
            return _downloaded(where, most)
        with local.opened(where) as raw:
            size = local.check_version(raw, where, None)
            _check_size(where, size, most)
            return local.read(raw, size)
    except NotFoundError:
        return None


def _downloaded(url: str, most: int) -> NDArray[np.uint8]:
    data = bytearray()
    try:
        for piece in remote.client().stream(url):
            data += piece
            _check_size(url, len(data), most)
    except AccessError as err:
        msg = f"{err}: of a chunk that is missing, stores like S3 say the same to those who may not list them"
        raise AccessError(msg) from err
    return np.frombuffer(data, np.uint8)


def _check_size(where: str, size: int, most: int) -> None:
    if size > most:
        msg = f"{where}: {size} bytes or more: expected a chunk of at most {most}"
        raise FormatError(msg)
