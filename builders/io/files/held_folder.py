"""A folder that one process writes to at a time."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from builders.errors import AccessError
from builders.io.files.cache import disk_error


@contextlib.contextmanager
def held(folder: Path, lock: str, doing: str, what: str, tidy: Callable[[], None]) -> Iterator[None]:
    """Keep other processes from writing to a folder meanwhile; it is made where there is none.

    It is removed again where this made it and nothing came into it.

    Args:
        folder: which.
        lock: name of the file that says so.
        doing: what another process does that has it, for messages: `"publishing"`.
        what: what is written, for messages.
        tidy: removes what was left half-written; called at the beginning and at the end.

    Raises:
        AccessError: another process has it.
        PercError: the folder cannot be made or written to.
    """
    with _taken_back_if_empty(folder), _locked(folder, lock, doing, what):
        try:
            tidy()
            yield
        finally:
            tidy()  # after processes that were killed


@contextlib.contextmanager
def _locked(folder: Path, name: str, doing: str, what: str) -> Iterator[None]:
    lock = FileLock(folder / name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as err:
        msg = f"{folder}: another process is {doing} there: wait until it has finished"
        raise AccessError(msg) from err
    except OSError as err:
        raise disk_error(err, folder, what) from err
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # before it is released: after that, it may be another one's
            (folder / name).unlink()
        lock.release()


@contextlib.contextmanager
def _taken_back_if_empty(folder: Path) -> Iterator[None]:
    """Remove afterwards what was made of a folder and of those above it, where nothing came into them."""
    missing = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):  # it is not empty, or was not made
                path.rmdir()
