"""Whole files into a folder of the user's. What has come is kept, and gone on from; what was there stays."""

import contextlib
import email.utils
import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from tqdm.auto import tqdm

from builders.archive.archive import Archive, segments_of
from builders.archive.caching import JOBS, each
from builders.archive.listing import is_portable
from builders.empiar.saved import Saves, Wanted, is_saved, refuse_twins, status_there, time_of
from builders.errors import AccessError, HttpError, NotEmptyError, NotFoundError, PercError, TruncatedError
from builders.io.files import location
from builders.io.files.cache import disk_error, require_room, waited_for
from builders.io.net import remote
from builders.io.net.answers import RemoteFile
from builders.io.net.threads import check

_PIECE = 1024 * 1024


def plan(archive: Archive, files: Sequence[tuple[str, str]], folder: Path, by_entry: bool = False) -> list[Wanted]:
    """Where each file of a list goes: below `folder` by its path inside the entry, with the entry where several are.

    Args:
        archive: where they are.
        files: entry and path of each.
        folder: where to save them.
        by_entry: with the entry in any case, and with its metadata: so the folder is a mirror, for `archive=`.

    Raises:
        OptionError: a path leads out of its entry.
        AccessError: it would lead out of the folder.
    """
    entries = dict.fromkeys(entry for entry, _ in files)
    apart = by_entry or len(entries) > 1
    wanted = [_wanted(archive, entry, path, folder, apart) for entry, path in dict.fromkeys(files)]
    if apart:
        extra = [_wanted(archive, entry, f"{entry}.xml", folder, apart, is_extra=True) for entry in entries]
        wanted += [item for item in extra if item.target not in {known.target for known in wanted}]
    return wanted


def _wanted(archive: Archive, entry: str, path: str, folder: Path, apart: bool, is_extra: bool = False) -> Wanted:
    segments = segments_of(path, "path")
    if os.name == "nt" and not all(map(is_portable, segments)):
        msg = f"{path}: not a valid file name on Windows: download this file on another system"
        raise AccessError(msg)
    target = folder.joinpath(*([entry] if apart else []), *segments)
    if not target.resolve().is_relative_to(folder.resolve()):
        msg = f"{target}: leads out of {folder}, by a link in it"
        raise AccessError(msg)
    return Wanted(archive.locate(entry, path), target, f"EMPIAR-{entry}: {path}", is_extra)


def save_all(wanted: Sequence[Wanted], jobs: int = JOBS, overwrite: bool = False) -> list[tuple[Wanted, PercError]]:
    """Save files, several at once; go on where an earlier run stopped.

    Args:
        wanted: which, and where.
        jobs: how many at once.
        overwrite: replace other files that lie there.

    Returns:
        Those that failed, and why. The others are there whole.

    Raises:
        NotEmptyError: something else lies where one is to be saved; nothing was fetched then.
    """
    saver = Saver(jobs, overwrite)
    missing = saver.missing(wanted)
    refuse_twins(wanted)
    return saver.save(missing)


FETCH, KEEP, REPLACE, FAIL = "fetch", "keep", "replace", "fail"
"""What is done with a file: of those that are kept and that fail, nothing is fetched."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done with a file.

    Attributes:
        item: the file.
        action: one of `FETCH`, `KEEP`, `REPLACE`, `FAIL`.
        size: its bytes, where the archive tells.
        error: why it would fail.
    """

    item: Wanted
    action: str
    size: int | None = None
    error: PercError | None = None


@dataclass
class Saver:
    """Saves files, and tells before what it would do.

    Args:
        jobs: files at once.
        overwrite: replace other files that lie where one is to be saved.
    """

    jobs: int = JOBS
    overwrite: bool = False
    saves: Saves = field(default_factory=Saves)

    def missing(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Those that are not there yet. The archive is asked only about those in whose place something lies.

        Raises:
            NotEmptyError: something else does.
        """
        states = each(self._state, wanted, max(1, self.jobs))
        others = [state for state in states if isinstance(state, NotEmptyError)]
        if others:
            more = f"; and {len(others) - 1} more such files" if len(others) > 1 else ""
            ways = "--overwrite replaces files, but no folders" if self.overwrite else "--overwrite replaces"
            msg = f"{others[0]}{more}. Nothing was fetched: {ways}, --by-entry keeps entries apart"
            raise NotEmptyError(msg)
        return [item for item, state in zip(wanted, states, strict=True) if not state]

    def _state(self, item: Wanted) -> bool | NotEmptyError:
        """Whether a file is there, or why something else is."""
        try:
            if status_there(item) is None:
                return False
            if item.is_extra and not self.overwrite:
                return True
            return is_saved(item, _version(item.location), self.saves)
        except NotEmptyError as err:
            return err if not (self.overwrite and _is_replaceable(item.target)) else False
        except (PercError, OSError):
            return False  # saving it will say so

    def foresee(self, wanted: Sequence[Wanted]) -> list[Plan]:
        """What would be done with each file; the archive is asked for every size."""
        plans = each(self._foreseen, wanted, max(1, self.jobs))
        return [plan for plan in plans if not (plan.item.is_extra and isinstance(plan.error, NotFoundError))]

    def _foreseen(self, item: Wanted) -> Plan:
        version: RemoteFile | None = None
        try:
            is_free = status_there(item) is None
            version = _version(item.location)
            is_left = item.is_extra and not self.overwrite
            is_there = not is_free and (is_left or is_saved(item, version, self.saves))
        except PercError as err:
            if isinstance(err, NotEmptyError) and self.overwrite and _is_replaceable(item.target):
                return Plan(item, REPLACE, None if version is None else version.size)
            return Plan(item, FAIL, None if version is None else version.size, err)
        except OSError as err:
            return Plan(item, FAIL, error=disk_error(err, item.target.parent, item.target.name))
        return Plan(item, KEEP if is_there else FETCH, version.size)

    def save(self, wanted: Sequence[Wanted]) -> list[tuple[Wanted, PercError]]:
        """Those that failed, and why."""
        progress = tqdm(desc="Downloading", unit="B", unit_scale=True, disable=None, leave=False)

        def one(item: Wanted) -> tuple[Wanted, PercError] | None:
            try:
                self._save(item, progress)
            except NotFoundError as err:
                return None if item.is_extra else (item, err)
            except PercError as err:
                return item, err
            except OSError as err:
                return item, disk_error(err, item.target.parent, item.target.name)
            return None

        with progress:
            return [failed for failed in each(one, wanted, max(1, self.jobs)) if failed is not None]

    def _save(self, item: Wanted, progress: "tqdm[None]") -> None:
        """One file: a part beside its place, named for its version, moved there when it is whole."""
        version = _version(item.location)
        target = item.target
        if version.size is None:
            msg = f"{item.location}: the server neither tells its size nor sends parts of it"
            raise HttpError(msg)
        if self._is_there(item, version):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = part_of(target, version)
        lock = Path(f"{part}.lock")
        with waited_for(lock, str(target)):
            if not self._is_there(item, version):
                _write(item, version, part, progress)
                self._move(item, version, part)
        with contextlib.suppress(OSError):  # it is of no use any more; another process may hold it
            lock.unlink()

    def _is_there(self, item: Wanted, version: RemoteFile) -> bool:
        try:
            return is_saved(item, version, self.saves)
        except NotEmptyError:
            if self.overwrite and _is_replaceable(item.target):
                return False
            raise

    def _move(self, item: Wanted, version: RemoteFile, part: Path) -> None:
        """Give a file its name. What somebody else saved under it meanwhile stays."""
        if self.overwrite:
            part.replace(item.target)
        elif not _named_anew(part, item.target):
            is_saved(item, version, self.saves)
            part.unlink()
        self.saves.put(item, version)
        for older in part.parent.glob(f"{glob.escape(part.name.rsplit('.', 2)[0])}.*.part*"):
            with contextlib.suppress(OSError):
                older.unlink()


def _is_replaceable(target: Path) -> bool:
    """Whether a file can be put in the place of what is there: of another file or a link, not of a folder."""
    return target.is_symlink() or target.is_file()


def _named_anew(part: Path, target: Path) -> bool:
    """Give a file a name that no other one has; False: one has it."""
    try:
        os.link(part, target)  # unlike a rename, it replaces nothing
    except FileExistsError:
        return False
    except OSError:  # a disk without links
        if os.path.lexists(target):
            return False
        part.replace(target)
        return True
    part.unlink()
    return True


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
    changed = time_of(version)
    if changed is not None:
        with contextlib.suppress(OSError, OverflowError):  # some disks do not let one: then it is of now
            os.utime(part, (changed, changed))


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


def _pieces(place: str, version: RemoteFile, offset: int) -> Iterator[bytes]:
    if location.is_remote(place):
        yield from remote.client().stream(place, version, offset)
        return
    with location.open_file(place) as file:
        file.seek(offset)
        while piece := file.read(_PIECE):
            check()
            yield piece
