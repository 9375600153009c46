"""Whole files: into the cache, and into a folder of the user's. What has come is kept, and gone on from."""

import contextlib
import email.utils
import glob
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

from tqdm.auto import tqdm

from builders.empiar.archive import Archive, ArchiveFile, segments_of
from builders.empiar.listing import is_portable
from builders.errors import AccessError, HttpError, PercError, TruncatedError
from builders.io import location, remote
from builders.io.answers import RemoteFile
from builders.io.cache import Cache, disk_error, require_room, waited_for
from builders.io.header_store import HeaderStore
from builders.io.threads import Pool, Stop, check

_JOBS = 4
_STOP_MESSAGE = "what has come is kept: do the same again, and it goes on where it stopped"
_PIECE = 1024 * 1024
_COARSE = 2.0
"""Seconds that a disk may round times to."""
_LAST_WRITES = 2.0
"""Seconds for what has come to be written; a thread that hangs in a connection is left behind."""

_T = TypeVar("_T")
_R = TypeVar("_R")


def fetch_all(
    files: Sequence[ArchiveFile], folder: str | os.PathLike[str] | None, anew: bool = False
) -> tuple[list[ArchiveFile], bool]:
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

    def fetch(file: ArchiveFile) -> tuple[ArchiveFile, bool]:
        url = file.location
        if not location.is_remote(url):
            return file, False
        known = None if anew else store.version(url, file.stamp)
        path = known and cache.find(url, _label(known))
        if path is not None:
            return replace(file, location=str(path)), False
        version = remote.client().head(url)
        before = None if anew else cache.find(url, _label(version))

        def pieces(offset: int) -> Iterator[bytes]:
            progress.update(offset)
            for piece in remote.client().stream(url, version, offset):
                progress.update(len(piece))
                yield piece

        path = before or cache.fetch(url, _label(version), version.size, pieces, anew)
        store.put_version(replace(version, url=url), file.stamp)
        return replace(file, location=str(path)), before is None

    with progress:
        fetched = _each(fetch, files, _JOBS)
    return [file for file, _ in fetched], any(is_new for _, is_new in fetched)


def _label(file: RemoteFile) -> str:
    """What tells one version of a file from others."""
    return file.etag or f"{file.modified} {file.size}"


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
        segments = segments_of(path, "path")
        if os.name == "nt" and not all(map(is_portable, segments)):
            msg = f"{path}: a name in it is none on Windows: download the file by itself, elsewhere"
            raise AccessError(msg)
        target = folder.joinpath(*([entry] if several else []), *segments)
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
            return item, disk_error(err, item.target.parent, item.target.name)
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
    version = _version(item.location)
    target = item.target
    if version.size is None:
        msg = f"{item.location}: the server neither tells its size nor sends parts of it"
        raise HttpError(msg)
    if _is_there(target, version):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target, version)
    lock = Path(f"{part}.lock")
    with waited_for(lock, str(target)):
        if not _is_there(target, version):
            _write(item, version, part, progress)
    with contextlib.suppress(OSError):  # it is of no use any more; another process may hold it
        lock.unlink()


def _write(item: Wanted, version: RemoteFile, part: Path, progress: "tqdm[None]") -> None:
    size = cast(int, version.size)
    done = part.stat().st_size if part.exists() else 0
    if done > size or not (version.etag or version.modified):
        part.unlink(missing_ok=True)
        done = 0
    require_room(part.parent, size - done, item.target.name)
    progress.update(done)
    with part.open("ab") as file:
        for piece in _pieces(item.location, version, done):
            file.write(piece)
            progress.update(len(piece))
        came = file.tell()
    if came != size:
        part.unlink()
        msg = f"{item.location}: {came} bytes came, expected {size}"
        raise TruncatedError(msg)
    changed = _time_of(version)
    if changed is not None:
        with contextlib.suppress(OSError, OverflowError):  # some disks do not let one: then it is of now
            os.utime(part, (changed, changed))
    part.replace(item.target)
    for older in part.parent.glob(f"{glob.escape(part.name.rsplit('.', 2)[0])}.*.part*"):
        with contextlib.suppress(OSError):
            older.unlink()


def part_of(target: Path, version: RemoteFile) -> Path:
    """Where a version of a file is written before it is whole: a name that no other file or version has."""
    name, label = _digest(target.name), _digest(f"{version.size} {version.etag or version.modified}")
    return target.with_name(f".{target.name[:30]}.{name}.{label}.part")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _version(place: str) -> RemoteFile:
    if location.is_remote(place):
        return remote.client().head(place)
    size, etag = location.size_and_etag(place)
    return RemoteFile(place, size, etag, email.utils.formatdate(Path(place).stat().st_mtime, usegmt=True))


def _is_there(target: Path, version: RemoteFile) -> bool:
    """Whether a file was saved before: it has the size, and is no older than what the archive holds."""
    if not target.is_file() or target.stat().st_size != version.size:
        return False
    changed = _time_of(version)
    return changed is None or target.stat().st_mtime + _COARSE >= changed


def _time_of(version: RemoteFile) -> int | None:
    """Seconds of the last change, as far as the server tells it."""
    try:
        return int(email.utils.parsedate_to_datetime(version.modified or "").timestamp())
    except (ValueError, OverflowError):
        return None


def _pieces(place: str, version: RemoteFile, offset: int) -> Iterator[bytes]:
    if location.is_remote(place):
        yield from remote.client().stream(place, version, offset)
        return
    with location.open_file(place) as file:
        file.seek(offset)
        while piece := file.read(_PIECE):
            check()
            yield piece
