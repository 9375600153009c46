"""Whole files: into the cache, and into a folder of the user's. What has come is kept, and gone on from."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from tqdm.auto import tqdm

from builders.empiar.archive import Archive, ArchiveFile, segments_of
from builders.errors import AccessError, DiskFullError, HttpError, PercError, TruncatedError
from builders.io import location, remote
from builders.io.answers import RemoteFile
from builders.io.cache import Cache
from builders.io.threads import Pool, Stop, check

_JOBS = 4
_STOP_MESSAGE = "what has come is kept: do the same again, and it goes on where it stopped"
_ENOSPC = 28
_PIECE = 1024 * 1024
_LAST_WRITES = 2.0
"""Seconds for what has come to be written; a thread that hangs in a connection is left behind."""

_T = TypeVar("_T")
_R = TypeVar("_R")


def fetch_all(files: Sequence[ArchiveFile], folder: str | os.PathLike[str] | None) -> list[ArchiveFile]:
    """Bring remote files into the cache, several at once, and say where they are now; local ones stay.

    What was there before is not asked for again, beyond its version.

    Raises:
        PercError: one of them fails; those that have come stay.
    """
    cache = Cache(folder)
    total = sum(file.most for file in files)
    progress = tqdm(desc="Downloading", total=total, unit="B", unit_scale=True, disable=None, delay=1, leave=False)

    def fetch(file: ArchiveFile) -> ArchiveFile:
        if not location.is_remote(file.location):
            return file
        version = remote.client().head(file.location)
        label = version.etag or f"{version.modified} {version.size}"

        def pieces(offset: int) -> Iterator[bytes]:
            progress.update(offset)
            for piece in remote.client().stream(file.location, version, offset):
                progress.update(len(piece))
                yield piece

        path = cache.fetch(file.location, label, version.size, pieces)
        return replace(file, location=str(path))

    with progress:
        return _each(fetch, files, _JOBS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be saved, and where."""

    location: str
    target: Path


def plan(archive: Archive, files: Sequence[tuple[str, str]], folder: Path) -> list[Wanted]:
    """Where each file of a list goes: below `folder` by its path inside the entry, with the entry where several are.

    Args:
        archive: where they are.
        files: entry and path of each.
        folder: where to save them.

    Raises:
        OptionError: a path leads out of its entry.
        AccessError: it would lead out of the folder.
    """
    several = len({entry for entry, _ in files}) > 1
    wanted = []
    for entry, path in dict.fromkeys(files):
        target = folder.joinpath(*([entry] if several else []), *segments_of(path))
        if not target.resolve().is_relative_to(folder.resolve()):
            msg = f"{target}: leads out of {folder}, by a link in it"
            raise AccessError(msg)
        wanted.append(Wanted(archive.locate(entry, path), target))
    return wanted


def save_all(wanted: Sequence[Wanted], jobs: int = _JOBS) -> list[tuple[Wanted, PercError]]:
    """Save files, several at once; go on where an earlier run stopped.

    Returns:
        Those that failed, and why. The others are there whole.
    """
    progress = tqdm(desc="Downloading", unit="B", unit_scale=True, disable=None, leave=False)

    def one(item: Wanted) -> tuple[Wanted, PercError] | None:
        try:
            _save(item, progress)
        except PercError as err:
            return item, err
        except OSError as err:
            kind = DiskFullError if err.errno == _ENOSPC else AccessError
            return item, kind(f"{item.target}: cannot be written: {err.strerror}")
        return None

    with progress:
        return [failed for failed in _each(one, wanted, max(1, jobs)) if failed is not None]


def _each(task: Callable[[_T], _R], items: Sequence[_T], jobs: int) -> list[_R]:
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


def _save(item: Wanted, progress: "tqdm[None]") -> None:
    """One file: a part beside its place, named for its version, moved there when it is whole."""
    size, etag = location.size_and_etag(item.location)
    target = item.target
    if size is None:
        msg = f"{item.location}: the server does not tell its size"
        raise HttpError(msg)
    if target.is_file() and target.stat().st_size == size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    version = "".join(c for c in (etag or "") if c.isalnum())[:32]
    part = target.with_name(f".{target.name[:150]}.{size:x}-{version}.part")
    done = part.stat().st_size if part.exists() else 0
    progress.update(done)
    with part.open("ab") as file:
        for piece in _pieces(item.location, RemoteFile(item.location, size, etag), done):
            file.write(piece)
            progress.update(len(piece))
    if part.stat().st_size != size:
        came = part.stat().st_size
        part.unlink()
        msg = f"{item.location}: {came} bytes came, expected {size}"
        raise TruncatedError(msg)
    part.replace(target)


def _pieces(place: str, version: RemoteFile, offset: int) -> Iterator[bytes]:
    if location.is_remote(place):
        yield from remote.client().stream(place, version, offset)
        return
    with location.open_file(place) as file:
        file.seek(offset)
        while piece := file.read(_PIECE):
            check()
            yield piece
