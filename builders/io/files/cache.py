"""A folder of files that exist whole or not at all.

Names are hashes, so that no remote name can become a path. A file is written beside its place and moved there when its
size is right; a process that is killed leaves a part, from which the next one goes on. Of several processes that want
one file, one writes it and the others wait.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from builders.errors import AccessError, DiskFullError, FormatError, PercError, ReadError, TruncatedError
from builders.io.net.threads import check

logger = logging.getLogger(__name__)

_SPARE = 64 * 1024 * 1024
"""Bytes that are left free on the disk."""
_BETWEEN_TRIES = 0.5
"""Seconds after which somebody who waits for a lock looks whether anybody waits for him."""
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)

Pieces = Callable[[int], Iterator[bytes]]
"""Gives a file's bytes from an offset on."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a cached file.

    Attributes:
        key: what it was asked for by, such as its URL.
        version: of the file, such as its ETag.
        size: bytes.
        sha256: of its content, hexadecimal.
    """

    key: str
    version: str
    size: int
    sha256: str


class Cache:
    """Files by key and version, in one folder that many processes share.

    Args:
        folder: where they are kept; None: `perc` in the folder of Hugging Face's caches (`HF_HOME`).

    Example:
        >>> cache = Cache("cache")
        >>> path = cache.fetch("https://host/x", "1", 3, lambda offset: iter([b"abc"[offset:]]))
        >>> path.read_bytes(), cache.verify("https://host/x", "1").size
        (b'abc', 3)
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder).expanduser() if folder is not None else default_folder()

    def find(self, key: str, version: str) -> Path | None:
        """The path of a file that is there whole; None when it is not, such as one of the wrong size."""
        path = self._path(key, version)
        entry = _read_entry(path)
        return path if entry is not None and _size(path) == entry.size else None

    def fetch(
        self,
        key: str,
        version: str,
        size: int | None,
        pieces: Pieces,
        anew: bool | Callable[[], bool] = False,
        resume: bool = True,
    ) -> Path:
        """The path of a file, written first if it is not there.

        Args:
            key: what it is asked for by.
            version: which version of it.
            size: its bytes, when known: the disk must have room for them, and the file must come out so.
            pieces: gives its bytes from an offset on, which is 0 or where an earlier writer got to.
            anew: write it in any case, from its first byte on; what is there of it is taken away before. Or what tells
                whether to, asked once nobody else writes it.
            resume: go on from where an earlier writer got to; else from the first byte, as for a file whose version
                nobody tells, and what is there stays for its readers until it is replaced.

        Raises:
            AccessError: it is not there, and the folder cannot be written.
            DiskFullError: the disk has no room for it, or has none left; what was written is kept to go on from.
            ReadError: the disk, or where the pieces come from, fails otherwise.
            StoppedError: it was broken off while another process had it.
            TruncatedError: it came out shorter or longer than `size`.
        """
        found = None if anew else self.find(key, version)
        if found is not None:
            return found
        path = self._path(key, version)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with waited_for(Path(f"{path}.lock"), key):
                is_anew = anew() if callable(anew) else anew
                found = None if is_anew else self.find(key, version)
                if found is not None:
                    return found
                if not resume:
                    _part(path).unlink(missing_ok=True)
                elif is_anew:
                    self._forget(path)
                else:
                    self._drop(path)
                return self._write(path, key, version, size, pieces)
        except PercError:
            raise
        except OSError as err:
            raise self._named(err, key) from err

    def verify(self, key: str, version: str) -> Entry:
        """Read a cached file whole and compare it with what was written.

        Raises:
            FormatError: it is another one now, or not there; it is taken away if it can be, to be fetched anew.
            AccessError: it may not be read.
            ReadError: the disk fails.
        """
        path = self._path(key, version)
        entry = _read_entry(path) if self.find(key, version) is not None else None
        if entry is None:
            msg = f"{key}: not in the cache {self.folder}"
            raise FormatError(msg)
        copy = f"{key}: its copy in the cache {self.folder}"
        try:
            is_whole = _sha256(path) == entry.sha256
        except OSError as err:
            kind = AccessError if err.errno in _DENIED else ReadError
            msg = f"{copy} cannot be read: {err.strerror}"
            raise kind(msg) from err
        if is_whole:
            return entry
        try:
            self._drop(path)
        except OSError as err:
            msg = f"{copy} is damaged, and cannot be taken away: {err.strerror}"
            raise FormatError(msg) from err
        msg = f"{copy} is damaged: it was taken away, fetch it again"
        raise FormatError(msg)

    def remove(self, key: str, version: str) -> None:
        """Forget a file, and what there is of it.

        Raises:
            AccessError: the folder cannot be written.
        """
        try:
            self._forget(self._path(key, version))
        except OSError as err:
            raise self._named(err, key) from err

    def _path(self, key: str, version: str) -> Path:
        name = hashlib.sha256(f"{key}\0{version}".encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / name[:2] / name

    def _write(self, path: Path, key: str, version: str, size: int | None, pieces: Pieces) -> Path:
        part = _part(path)
        self._require_room(key, size, _size(part) or 0)
        with part.open("ab") as file:
            done = file.tell()
            if size is not None and done > size:
                done = file.seek(0)
                file.truncate()
            for piece in pieces(done):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            written = file.tell()
        if size is not None and written != size:
            part.unlink()
            msg = f"{key}: {written} bytes came, expected {size}"
            raise TruncatedError(msg)
        entry = json.dumps(asdict(Entry(key, version, written, _sha256(part))))
        note = path.with_suffix(".json.part")
        note.write_text(entry, encoding="utf-8", errors="surrogateescape")
        note.replace(path.with_suffix(".json"))
        part.replace(path)
        return path

    def _require_room(self, key: str, size: int | None, done: int) -> None:
        if size is not None:
            require_room(self.folder, size - done if done <= size else size, key)

    def _drop(self, path: Path) -> None:
        """Take a file away, its note last: without its file, the note means nothing."""
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)

    def _forget(self, path: Path) -> None:
        self._drop(path)
        _part(path).unlink(missing_ok=True)

    def _named(self, err: OSError, key: str) -> PercError:
        return disk_error(err, self.folder, key)


@contextlib.contextmanager
def waited_for(lock_file: Path, what: str) -> Iterator[None]:
    """Hold a lock; as long as another process holds it, wait, and say so once. A disk without locks goes without.

    Args:
        lock_file: beside the file that one of them writes.
        what: what the log calls it.

    Raises:
        StoppedError: this thread's reads are broken off while it waits.
        OSError: the lock's own file cannot be written.
    """
    lock, is_said = FileLock(lock_file), False
    while True:
        try:
            lock.acquire(timeout=_BETWEEN_TRIES)
            break
        except Timeout:
            check()
            if not is_said:
                logger.info("%s: waits for another process that writes it", what)
            is_said = True
        except (OSError, NotImplementedError) as err:
            if isinstance(err, OSError) and err.errno not in _NO_LOCKS:
                raise
            logger.info("%s: %s has no locks (%s): no other process may write it now", what, lock_file.parent, err)
            break
    try:
        yield
    finally:
        lock.release()


def require_room(folder: Path, needed: int, what: str) -> None:
    """Let a file be written only where the disk has room for it, and some more.

    Args:
        folder: where it is to be; it is there.
        needed: bytes of it that are still to come.
        what: what errors call it.

    Raises:
        DiskFullError: there is no room.
        AccessError: the folder may not be looked at.
        ReadError: the disk fails.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as err:
        raise disk_error(err, folder, what) from err
    if needed + _SPARE > free:
        msg = f"{what}: needs {needed} bytes in {folder}, beside {_SPARE} that stay free, and {free} are free"
        raise DiskFullError(msg)


def disk_error(err: OSError, folder: Path, what: str) -> PercError:
    """What an error of writing a file into a folder is for the user: no permission, no room, or a fault.

    Args:
        err: what the system says.
        folder: where the file was to be.
        what: what errors call it.

    Example:
        >>> import errno
        >>> disk_error(OSError(errno.EROFS, "Read-only file system"), Path("cache"), "x")
        AccessError('x: cache cannot be written: Read-only file system')
    """
    if err.errno in _FULL:
        return DiskFullError(f"{what}: no room left in {folder}: make some, and it goes on where it stopped")
    if err.errno in _DENIED:
        return AccessError(f"{what}: {folder} cannot be written: {err.strerror}")
    return ReadError(f"{what}: cannot be stored in {folder}: {err.strerror or err}")


def default_folder() -> Path:
    """`perc`, beside the caches of Hugging Face."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    return Path(home).expanduser() / "perc"


def _part(path: Path) -> Path:
    return path.with_suffix(".part")


def _size(path: Path) -> int | None:
    """Bytes of a file; None when there is none that can be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _read_entry(path: Path) -> Entry | None:
    """A file's note; None when there is none that can be read."""
    try:
        return Entry(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8", errors="surrogateescape")))
    except (OSError, ValueError, TypeError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
