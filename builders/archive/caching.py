"""Whole files into the cache. What has come is kept, and gone on from."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from tqdm.auto import tqdm

from builders.archive import arrays
from builders.io.files import location
from builders.io.files.cache import Cache
from builders.io.files.header_store import HeaderStore
from builders.io.net import remote
from builders.io.net.answers import RemoteFile
from builders.io.net.threads import Pool, Stop
from builders.stacks.files import SourceFile

JOBS = 4
"""Files that come at once."""
_STOP_MESSAGE = "what has come is kept: do the same again, and it goes on where it stopped"
_LAST_WRITES = 2.0
"""Seconds for what has come to be written; a thread that hangs in a connection is left behind."""

_T = TypeVar("_T")
_R = TypeVar("_R")


def fetch_all(
    files: Sequence[SourceFile], folder: str | os.PathLike[str] | None, anew: bool = False
) -> tuple[list[SourceFile], bool]:
    """Bring remote files into the cache, several at once; local ones stay where they are.

    Of what was there before, not even the version is asked for again while the listing says the same.

    Args:
        files: which.
        folder: of the cache.
        anew: fetch them again in any case.

    Returns:
        The files where they are now, and whether any was fetched.

    Raises:
        PercError: one of them fails; those that have come stay.
    """
    cache, store = Cache(folder), HeaderStore(folder)
    total = sum(file.most for file in files)
    progress = tqdm(desc="Downloading", total=total, unit="B", unit_scale=True, disable=None, delay=1, leave=False)

    def fetch(file: SourceFile) -> tuple[SourceFile, bool]:
        url = file.location
        if not location.is_remote(url):
            return file, False
        known = None if anew else store.version(url, file.stamp)
        path = known and _found(cache, folder, url, label(known))
        if path is not None:
            return replace(file, location=str(path)), False
        version = remote.client().head(url)
        if arrays.is_array(url):
            there = not anew and arrays.place(url, label(version), folder).exists()
            found = arrays.bring(file, label(version), folder, anew)
            store.put_version(replace(version, url=url), file.stamp)
            return found, not there
        before = None if anew else cache.find(url, label(version))

        def pieces(offset: int) -> Iterator[bytes]:
            progress.update(offset)
            for piece in remote.client().stream(url, version, offset):
                progress.update(len(piece))
                yield piece

        path = before or cache.fetch(url, label(version), version.size, pieces, anew)
        store.put_version(replace(version, url=url), file.stamp)
        return replace(file, location=str(path)), before is None

    with progress:
        fetched = each(fetch, files)
    return [file for file, _ in fetched], any(is_new for _, is_new in fetched)


def _found(cache: Cache, folder: str | os.PathLike[str] | None, url: str, version: str) -> os.PathLike[str] | None:
    """A version of a file, or of an array of Zarr, that is in the cache."""
    if not arrays.is_array(url):
        return cache.find(url, version)
    path = arrays.place(url, version, folder)
    return path if path.exists() else None


def each(task: Callable[[_T], _R], items: Sequence[_T], jobs: int = JOBS) -> list[_R]:
    """Results of a task for each item, several at once; what is under way when one fails is broken off.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C; says what to do next.
    """
    pool, stop = Pool(jobs, "download"), Stop()
    try:
        return [future.result() for future in [pool.submit(task, item, stop=stop) for item in items]]
    except KeyboardInterrupt as err:
        raise KeyboardInterrupt(_STOP_MESSAGE) from err
    finally:
        stop.set()
        pool.close(wait=_LAST_WRITES)


def label(file: RemoteFile) -> str:
    """What tells one version of a file from others."""
    return file.etag or f"{file.modified} {file.size}"
