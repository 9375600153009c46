"""What formats ask of remote files, remembered beside the file cache, so that an entry is looked over only once."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from builders.io.files.cache import default_folder
from builders.io.files.head import Head
from builders.io.net.answers import RemoteFile
from builders.io.net.threads import fork_safe_lock

_alone = fork_safe_lock()
"""Held while the database is open: a child that is forked then would wait for a lock of SQLite's that nobody holds."""
_is_open = False
_HEADS = "heads (url TEXT PRIMARY KEY, stamp, head BLOB, size INTEGER, etag)"
_PIECES = "pieces (url TEXT, offset INTEGER, etag, data BLOB, PRIMARY KEY (url, offset))"
"""Bytes besides the first ones that a format asked for, of the version that the head is of."""


class HeaderStore:
    """Heads of files by URL, valid while the listing says the same of the file.

    A store that cannot be read or written is as good as an empty one.

    Args:
        folder: where it is kept; None: the cache's default.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(folder if folder is not None else default_folder()) / "headers.sqlite"

    def get(self, stamps: dict[str, str]) -> dict[str, Head]:
        """What is known of files, by URL, of those whose stamp is still the same."""
        found: dict[str, Head] = {}
        with contextlib.suppress(sqlite3.Error, OSError), database(self.path, _HEADS, _PIECES) as store:
            for url, stamp in stamps.items():
                row = store.execute("SELECT stamp, head, size, etag FROM heads WHERE url = ?", (url,)).fetchone()
                if row is not None and stamp and row[0] == stamp and row[1] is not None:
                    pieces = store.execute("SELECT offset, data FROM pieces WHERE url = ? AND etag = ?", (url, row[3]))
                    found[url] = Head(row[1], row[2], row[3], dict(pieces))
        return found

    def last(self, url: str) -> Head | None:
        """What was known of a file when it was asked for last, whatever a listing says: a read has to tell if it holds.

        That is told by the version, with which all bytes of the file are asked for from then on.
        """
        with contextlib.suppress(sqlite3.Error, OSError), database(self.path, _HEADS, _PIECES) as store:
            row = store.execute("SELECT head, size, etag FROM heads WHERE url = ?", (url,)).fetchone()
            if row is not None and row[0] is not None and row[2]:
                pieces = store.execute("SELECT offset, data FROM pieces WHERE url = ? AND etag = ?", (url, row[2]))
                return Head(row[0], row[1], row[2], dict(pieces))
        return None

    def version(self, url: str, stamp: str) -> RemoteFile | None:
        """Size and ETag of a file, if they are known and its stamp is still the same."""
        with contextlib.suppress(sqlite3.Error, OSError), database(self.path, _HEADS, _PIECES) as store:
            row = store.execute("SELECT stamp, size, etag FROM heads WHERE url = ?", (url,)).fetchone()
            if row is not None and stamp and row[0] == stamp and row[1] is not None and row[2]:
                return RemoteFile(url, row[1], row[2])
        return None

    def put_version(self, file: RemoteFile, stamp: str) -> None:
        """Remember size and ETag of a file; its first bytes, where they are known, if they are of the same version."""
        if not (stamp and file.etag and file.size is not None):
            return
        with contextlib.suppress(sqlite3.Error, OSError), database(self.path, _HEADS, _PIECES) as store:
            row = store.execute("SELECT head, etag FROM heads WHERE url = ?", (file.url,)).fetchone()
            head = row[0] if row is not None and row[1] == file.etag else None
            values = file.url, stamp, head, file.size, file.etag
            store.execute("INSERT OR REPLACE INTO heads (url, stamp, head, size, etag) VALUES (?,?,?,?,?)", values)
            store.commit()

    def put(self, heads: dict[str, tuple[str, Head]]) -> None:
        """Remember heads: URL -> stamp and head."""
        told = {url: (stamp, head) for url, (stamp, head) in heads.items() if stamp}
        rows = [(url, stamp, head.data, head.size, head.etag) for url, (stamp, head) in told.items()]
        if not rows:
            return
        with contextlib.suppress(sqlite3.Error, OSError), database(self.path, _HEADS, _PIECES) as store:
            store.executemany("INSERT OR REPLACE INTO heads (url, stamp, head, size, etag) VALUES (?,?,?,?,?)", rows)
            _put_pieces(store, [(url, head) for url, (_, head) in told.items()])
            store.commit()

    def keep(self, url: str, head: Head) -> None:
        """Remember the head of a file for `last`; what a listing told of this version stays with it.

        A URL that holds a password or a signature is not written anywhere.
        """
        parts = urlsplit(url)
        if not head.etag or parts.query or "@" in parts.netloc:
            return
        with contextlib.suppress(sqlite3.Error, OSError), database(self.path, _HEADS, _PIECES) as store:
            row = store.execute("SELECT stamp FROM heads WHERE url = ? AND etag = ?", (url, head.etag)).fetchone()
            values = url, "" if row is None else row[0], head.data, head.size, head.etag
            store.execute("INSERT OR REPLACE INTO heads (url, stamp, head, size, etag) VALUES (?,?,?,?,?)", values)
            _put_pieces(store, [(url, head)])
            store.commit()

    def forget(self, urls: Iterable[str]) -> None:
        """Drop what is known of files that turned out to have changed, though their listing says the same."""
        with contextlib.suppress(sqlite3.Error, OSError), database(self.path, _HEADS, _PIECES) as store:
            told = [(url,) for url in urls]
            store.executemany("DELETE FROM heads WHERE url = ?", told)
            store.executemany("DELETE FROM pieces WHERE url = ?", told)
            store.commit()


def _put_pieces(store: sqlite3.Connection, heads: Iterable[tuple[str, Head]]) -> None:
    """Remember what formats asked for besides; what is there of other versions goes."""
    heads = list(heads)
    pieces = [(url, place, head.etag, data) for url, head in heads for place, data in head.more.items()]
    store.executemany("DELETE FROM pieces WHERE url = ? AND etag != ?", [(url, head.etag) for url, head in heads])
    store.executemany("INSERT OR REPLACE INTO pieces (url, offset, etag, data) VALUES (?,?,?,?)", pieces)


@contextlib.contextmanager
def database(path: Path, *tables: str) -> Iterator[sqlite3.Connection]:
    """A store's database, made if need be; one at a time in this process.

    Args:
        path: its file.
        tables: name and columns of each table in it.

    Raises:
        sqlite3.Error: it cannot be read or written.
        OSError: its folder cannot be made.
    """
    global _is_open
    with _alone:
        if _is_open:
            msg = "open in this thread: somebody who reads was collected as garbage"
            raise sqlite3.OperationalError(msg)
        path.parent.mkdir(parents=True, exist_ok=True)
        _is_open = True
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=10)) as opened:
                for table in tables:
                    opened.execute(f"CREATE TABLE IF NOT EXISTS {table}")
                yield opened
        finally:
            _is_open = False
