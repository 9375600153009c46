"""What lies where a file of the archive is to be saved: that file already, or another one, which nobody may lose."""

import contextlib
import email.utils
import os
import sqlite3
import stat
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builders.archive.caching import label
from builders.errors import NotEmptyError
from builders.io.files import location
from builders.io.files.cache import default_folder
from builders.io.files.header_store import database
from builders.io.net.answers import RemoteFile

_COARSE = 2.0
"""Seconds that a disk may round times to."""
_SAMPLE = 256 * 1024
"""Bytes at each end by which large files are compared."""
_TABLE = "saves (target BLOB PRIMARY KEY, name BLOB, place BLOB, version BLOB, size INTEGER, time INTEGER)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be saved, and where.

    Attributes:
        location: its URL, or its path in a mirror.
        target: where to save it.
        name: what it is, for people: entry and path.
        is_extra: nobody asked for it, but the folder is of more use with it; it need not be there.
    """

    location: str
    target: Path
    name: str
    is_extra: bool = False


@dataclass(frozen=True, slots=True)
class Save:
    """What was once saved at a place.

    Attributes:
        name: of which file, as `Wanted.name`.
        place: where it came from.
        version: of it, as `label`.
        size: bytes on this disk.
        time: of the last change on this disk, in nanoseconds.
    """

    name: str
    place: str
    version: str
    size: int
    time: int


class Saves:
    """What was saved where, remembered beside the cache: two entries' files may be of one size and one time.

    A store that cannot be read or written is as good as an empty one: then files are compared.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(folder if folder is not None else default_folder()) / "saves.sqlite"

    def get(self, target: Path) -> Save | None:
        """What was saved there last, if anything was."""
        with contextlib.suppress(sqlite3.Error, OSError), database(self.path, _TABLE) as store:
            query = "SELECT name, place, version, size, time FROM saves WHERE target = ?"
            row = store.execute(query, (_bytes(os.path.realpath(target)),)).fetchone()
            return None if row is None else Save(_text(row[0]), _text(row[1]), _text(row[2]), row[3], row[4])
        return None

    def put(self, item: Wanted, version: RemoteFile) -> None:
        """Remember a file that is there now."""
        with contextlib.suppress(sqlite3.Error, OSError), database(self.path, _TABLE) as store:
            status = item.target.stat()
            texts = map(_bytes, (os.path.realpath(item.target), item.name, item.location, label(version)))
            row = (*texts, status.st_size, status.st_mtime_ns)
            store.execute("INSERT OR REPLACE INTO saves VALUES (?,?,?,?,?,?)", row)
            store.commit()


def _bytes(text: str) -> bytes:
    """As the store keeps it: a name need not be text."""
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def is_saved(item: Wanted, version: RemoteFile, saves: Saves) -> bool:
    """Whether a file lies at its place already, in this version.

    What was saved there is remembered. What came in another way is the same file where it has its size, is no older
    than the archive's, and has the same bytes: all of them, or, of large ones, the first and the last.

    Raises:
        NotEmptyError: something else lies there; the message names both.
        PercError: the archive's bytes cannot be compared.
    """
    status = status_there(item)
    if status is None:
        return False
    before = saves.get(item.target)
    if before is not None and (before.size, before.time) != (status.st_size, status.st_mtime_ns):
        before = None  # somebody has been at it since
    if before is not None and before.name != item.name:
        raise _other(item, f"is {before.name}, not {item.name}")
    if before is not None and before.version == label(version):
        return True
    changed = time_of(version)
    is_of_now = status.st_size == version.size and changed is not None and abs(status.st_mtime - changed) < _COARSE
    if before is not None and before.place == item.location and not is_of_now:  # two servers may have two ETags
        raise _other(item, f"is another version of {item.name}")
    if status.st_size != version.size:
        raise _other(item, f"has {status.st_size:,} bytes, {item.name} has {version.size:,}")
    if changed is not None and status.st_mtime + _COARSE < changed:
        raise _other(item, f"is older than {item.name}, which changed on {version.modified}")
    if not _is_alike(item, version):
        raise _other(item, f"has other bytes than {item.name}")
    saves.put(item, version)
    return True


def status_there(item: Wanted) -> os.stat_result | None:
    """Of the file that lies where one is to be saved; None: nothing does.

    Raises:
        NotEmptyError: what lies there, or on the way there, is no file.
    """
    try:
        status = item.target.lstat()
        if stat.S_ISLNK(status.st_mode):
            status = item.target.stat()
    except FileNotFoundError as err:
        if item.target.is_symlink():
            raise _other(item, f"is a link to nothing, not {item.name}") from err
        return None
    except NotADirectoryError as err:
        file = next(parent for parent in item.target.parents if parent.exists())
        msg = f"{file}: a file, but a folder is needed here for {item.name}"
        raise NotEmptyError(msg) from err
    if stat.S_ISREG(status.st_mode):
        return status
    what = "a folder" if stat.S_ISDIR(status.st_mode) else "no file"
    msg = f"{item.target}: {what}, but {item.name} is to be saved here"
    raise NotEmptyError(msg)


def _other(item: Wanted, what: str) -> NotEmptyError:
    return NotEmptyError(f"{item.target}: what is there {what}")


def _is_alike(item: Wanted, version: RemoteFile) -> bool:
    """Whether a file has the bytes of the archive's, which is of the same size."""
    for start, stop in _places(version.size or 0):
        theirs = location.read(item.location, start, stop, version.etag)
        if theirs.tobytes() != location.read(str(item.target), start, stop).tobytes():
            return False
    return True


def _places(size: int) -> Iterator[tuple[int, int]]:
    """Where to look into a file: everywhere, or where headers and statistics are, and where broken copies end."""
    if size > 2 * _SAMPLE:
        yield 0, _SAMPLE
        yield size - _SAMPLE, size
    elif size:
        yield 0, size


def time_of(version: RemoteFile) -> int | None:
    """Seconds of the last change, as far as the server tells it."""
    try:
        return int(email.utils.parsedate_to_datetime(version.modified or "").timestamp())
    except (ValueError, OverflowError):
        return None


def refuse_twins(wanted: Sequence[Wanted]) -> None:
    """Refuse names that differ only in what this disk makes no difference of, such as capitals.

    Raises:
        NotEmptyError: one of the files would take the place of the other.
    """
    first: dict[str, Wanted] = {}
    for item in wanted:
        twin = first.setdefault(unicodedata.normalize("NFC", str(item.target)).casefold(), item)
        if twin is not item and _are_one(twin.target, item.target):
            msg = f"{item.target}: {item.name} and {twin.name} would have one name on this disk: save them apart"
            raise NotEmptyError(msg)


def _are_one(first: Path, second: Path) -> bool:
    """Whether two names that look alike are of one file on this disk."""
    common = Path(os.path.commonpath([first.absolute(), second.absolute()]))
    folder = next(parent for parent in (common, *common.parents) if parent.is_dir())
    with tempfile.TemporaryDirectory(prefix=".perc-", dir=folder) as probe:
        names = [Path(probe, path.absolute().relative_to(folder)) for path in (first, second)]
        names[0].parent.mkdir(parents=True, exist_ok=True)
        names[0].touch()
        return names[1].exists()
