"""A folder of files that exist whole or not at all.

Names are hashes, so that no remote name can become a path. A file is written beside its place and moved there when its
size is right; a process that is killed leaves a part, from which the next one goes on. Of several processes that want
one file, one writes it and the others wait.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from builders.errors import AccessError, DiskFullError, FormatError, TruncatedError

_SPARE = 64 * 1024 * 1024
"""Bytes that are left free on the disk."""

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
        """The path of a file that is there whole; None when it is not. One of the wrong size is taken away."""
        path = self._path(key, version)
        entry = _read_entry(path)
        if entry is None or not path.is_file():
            return None
        if path.stat().st_size != entry.size:
            self._drop(path)
            return None
        return path

    def fetch(self, key: str, version: str, size: int | None, pieces: Pieces) -> Path:
        """The path of a file, written first if it is not there.

        Args:
            key: what it is asked for by.
            version: which version of it.
            size: its bytes, when known: the disk must have room for them, and the file must come out so.
            pieces: gives its bytes from an offset on, which is 0 or where an earlier writer got to.

        Raises:
            AccessError: it is not there, and the folder cannot be written.
            DiskFullError: the disk has no room for it, or has none left; what was written is kept to go on from.
            TruncatedError: it came out shorter or longer than `size`.
        """
        found = self.find(key, version)
        if found is not None:
            return found
        path = self._path(key, version)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{path}.lock")
            lock.acquire()
        except OSError as err:
            raise self._named(err, key) from err
        try:
            return self.find(key, version) or self._write(path, key, version, size, pieces)
        except OSError as err:
            if err.errno is None:
                raise
            raise self._named(err, key) from err
        finally:
            lock.release()

    def verify(self, key: str, version: str) -> Entry:
        """Read a cached file whole and compare it with what was written.

        Raises:
            FormatError: it is another one now, or not there; it is taken away, to be fetched anew.
        """
        path = self._path(key, version)
        entry = _read_entry(path) if self.find(key, version) is not None else None
        if entry is None:
            msg = f"{key}: not in the cache {self.folder}"
            raise FormatError(msg)
        if _sha256(path) != entry.sha256:
            self._drop(path)
            msg = f"{key}: its copy in the cache {self.folder} is damaged: it was taken away, fetch it again"
            raise FormatError(msg)
        return entry

    def remove(self, key: str, version: str) -> None:
        """Forget a file, and what there is of it."""
        path = self._path(key, version)
        self._drop(path)
        _part(path).unlink(missing_ok=True)

    def _path(self, key: str, version: str) -> Path:
        name = hashlib.sha256(f"{key}\0{version}".encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / name[:2] / name

    def _write(self, path: Path, key: str, version: str, size: int | None, pieces: Pieces) -> Path:
        part = _part(path)
        done = part.stat().st_size if part.exists() else 0
        if size is not None and done > size:
            part.unlink()
            done = 0
        self._require_room(key, size, done)
        with part.open("ab") as file:
            for piece in pieces(done):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        written = part.stat().st_size
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
        free = shutil.disk_usage(self.folder).free
        if size is not None and size - done + _SPARE > free:
            msg = f"{key}: needs {size - done} bytes in {self.folder}, and {free} are free"
            raise DiskFullError(msg)

    def _drop(self, path: Path) -> None:
        """Take a file away, its note last: without its file, the note means nothing."""
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)

    def _named(self, err: OSError, key: str) -> AccessError | DiskFullError:
        """An error of the disk that names the folder."""
        if err.errno in (errno.ENOSPC, errno.EDQUOT):
            return DiskFullError(f"{key}: no room left in {self.folder}: make some, and it goes on where it stopped")
        return AccessError(f"{key}: not in the cache, and {self.folder} cannot be written: {err.strerror}")


def default_folder() -> Path:
    """`perc`, beside the caches of Hugging Face."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    return Path(home).expanduser() / "perc"


def _part(path: Path) -> Path:
    return path.with_suffix(".part")


def _read_entry(path: Path) -> Entry | None:
    """A file's note; None when there is none that can be read."""
    try:
        return Entry(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8", errors="surrogateescape")))
    except (OSError, ValueError, TypeError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
