"""Whole arrays of Zarr into the cache: a folder with the metadata file and all chunks that there are.

The metadata file is written last, so that an array whose metadata are there is there whole, and what has come of
another one is gone on from. A chunk that the server does not have is none in the cache, either.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import numpy as np

from builders.errors import FormatError, NotFoundError
from builders.io import image_file
from builders.io.files.cache import default_folder
from builders.io.files.whole_file import write_whole
from builders.io.net import remote
from builders.io.scattered.base import of
from builders.io.scattered.chunks import Chunked
from builders.io.scattered.fetching import place_of
from builders.io.scattered.grid import Grid
from builders.stacks.files import SourceFile

METADATA = (".zarray", "zarr.json")
_FOLDER = "arrays"
_SLACK = 2**20
"""Bytes that a file may have besides twice the pixels that it holds."""


def is_array(url: str) -> bool:
    """Whether a URL names the metadata file of an array.

    Example:
        >>> is_array("https://x.org/TS_1.zarr/0/.zarray?key=1"), is_array("https://x.org/TS_1.mrc")
        (True, False)
    """
    return PurePosixPath(urlsplit(url).path).name in METADATA


def place(url: str, version: str, folder: str | os.PathLike[str] | None) -> Path:
    """The metadata file of a version of an array in the cache, whether it is there or not."""
    name = hashlib.sha256(f"{url}\0{version}".encode("utf-8", "surrogateescape")).hexdigest()
    return Path(folder or default_folder()).expanduser() / _FOLDER / name / PurePosixPath(urlsplit(url).path).name


def bring(file: SourceFile, version: str, folder: str | os.PathLike[str] | None, anew: bool) -> SourceFile:
    """Bring an array into the cache, several chunks at once.

    Args:
        file: its metadata file on a server.
        version: of that.
        folder: of the cache.
        anew: fetch what is there, too.

    Raises:
        PercError: a chunk cannot be fetched or stored; those that have come stay.
    """
    url, target = file.location, place(file.location, version, folder)
    if anew:
        shutil.rmtree(target.parent, ignore_errors=True)
    if not target.exists():
        data = b"".join(remote.client().stream(url))
        image = of(image_file.describe(url).layout)
        if not isinstance(image, Chunked):
            msg = f"{url}: not an array of Zarr: expected its metadata"
            raise FormatError(msg)
        most = _most(image.grid)

        def fetch(name: str) -> None:
            chunk = target.parent / name
            if not chunk.exists():
                _fetch(place_of(url, name), chunk, most)

        with closing(remote.each(fetch, _files(image.grid), pool="chunks")) as done:
            for _ in done:
                pass
        write_whole(target, data)
    return replace(file, location=str(target))


def _files(grid: Grid) -> Iterator[str]:
    """The files of all chunks, below the folder of the array."""
    counts = [-(-count // each) for count, each in zip(grid.counts, grid.chunks_of_file, strict=True)]
    for number in np.ndindex(*counts):
        yield grid.file_of([at * each for at, each in zip(number, grid.chunks_of_file, strict=True)])


def _fetch(url: str, target: Path, most: int) -> None:
    """Fetch the file of a chunk, if there is one.

    Raises:
        FormatError: it is longer than its chunks can be.
    """
    data = bytearray()
    try:
        for piece in remote.client().stream(url):
            data += piece
            if len(data) > most:
                msg = f"{url}: {len(data)} bytes or more: expected at most {most} for its chunks"
                raise FormatError(msg)
    except NotFoundError:
        return
    write_whole(target, bytes(data))


def _most(grid: Grid) -> int:
    return 2 * grid.nbytes * grid.chunks_a_file + _SLACK
