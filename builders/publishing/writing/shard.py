"""Shards as Parquet files: written whole or not at all, and recognised by what is in them."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from builders.errors import FormatError
from builders.io.files.cache import disk_error
from builders.publishing.parts import Finished, Task
from builders.publishing.writing import encoding
from builders.publishing.writing.schema import Schema

_FACTS = b"perc"
_DIGEST = b"perc:xxh3"
_PIECE = 8 * 1024 * 1024
_UNSYNCED = 32 * 1024 * 1024
"""Bytes that are written before the disk is asked to have them."""


class ShardFile:
    """One Parquet file on its way: `commit` puts it in its place, leaving it otherwise removes it.

    Args:
        path: its place.
        schema: of its rows.

    Raises:
        FormatError: Parquet has none of a column's kind.
        DiskFullError: there is no room.
        PercError: the disk fails.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        self.rows = self.data_bytes = 0
        arrow = schema.features.arrow_schema
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = _Digesting(self._temporary)
        except OSError as err:
            raise disk_error(err, path.parent, path.name) from err
        options = encoding.writer_options(arrow, schema.images, schema.compressed)
        try:
            self._writer = pq.ParquetWriter(pa.PythonFile(self._sink, mode="w"), arrow, **options)
        except pa.ArrowException as err:
            self._sink.close()
            self._temporary.unlink()
            msg = f"{path.name}: Parquet cannot hold these columns: {err}"
            raise FormatError(msg) from err

    @property
    def file_bytes(self) -> int:
        """Bytes written so far."""
        return self._sink.written

    def write(self, table: pa.Table) -> None:
        """Add a row group.

        Raises:
            DiskFullError: there is no room.
            PercError: the disk fails.
        """
        with self._disk():
            self._writer.write_table(table, row_group_size=max(1, len(table)))
        self.rows += len(table)
        self.data_bytes += table.nbytes

    def commit(self, facts: Finished) -> Finished:
        """Put the file in its place, with facts about it and a digest inside.

        Raises:
            DiskFullError: there is no room.
            PercError: the disk fails.
        """
        with self._disk():
            digest = f"{self._sink.digest.hexdigest()} {self._sink.written}"
            self._writer.add_key_value_metadata({_FACTS.decode(): facts.as_json(), _DIGEST.decode(): digest})
            self._writer.close()
            self._sink.close()
            self._temporary.replace(self.path)
        return replace(facts, file_bytes=self.path.stat().st_size)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as err:
            self.discard()
            raise disk_error(err, self.path.parent, self.path.name) from err

    def discard(self) -> None:
        """Remove what is there of it, unless it is in its place."""
        with contextlib.suppress(OSError, pa.ArrowException):
            self._writer.close()
        with contextlib.suppress(OSError):
            self._sink.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()


class _Digesting:
    """A file that is written from its beginning to its end, with a digest of what was.

    What is written goes to the disk all along, so that little is left to wait for at the end.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._syncing = Behind()
        self._synced = 0
        self.digest = xxhash.xxh3_128()
        self.written = 0

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: Any) -> int:
        self._file.write(data)
        self.digest.update(data)
        self.written += len(data)
        if self.written - self._synced >= _UNSYNCED:
            self._file.flush()
            self._syncing.do(os.fsync, self._file.fileno())
            self._synced = self.written
        return len(data)

    def tell(self) -> int:
        return self.written

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        if not self._file.closed:
            try:
                with self._syncing:
                    self._file.flush()
                    self._syncing.do(os.fsync, self._file.fileno())
                    self._syncing.wait()
            finally:
                self._file.close()


class Behind:
    """Does one thing at a time in a thread of its own, while what comes next is prepared."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "perc-shard")
        self._last: Future[Any] | None = None

    def __enter__(self) -> "Behind":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    def wait(self) -> None:
        """Wait for what is under way; what went wrong is raised here."""
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def do(self, task: Any, *arguments: Any) -> None:
        """Begin a task, once the one before it is done."""
        self.wait()
        self._last = self._pool.submit(task, *arguments)


def recognised(path: Path, name: str) -> Finished | None:
    """The facts of a shard that was published, if the file is one and not damaged.

    Args:
        path: the file.
        name: its path in the repository.
    """
    try:
        with path.open("rb") as file:
            metadata = pq.read_metadata(file).metadata or {}
            expected, length = metadata[_DIGEST].decode().split()
            if _digest(file, int(length)) != expected:
                return None
            facts = Finished.from_json(metadata[_FACTS])
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None
    return replace(facts, name=name, file_bytes=path.stat().st_size)


def _digest(file: Any, length: int) -> str:
    digest = xxhash.xxh3_128()
    file.seek(0)
    left = length
    while left and (piece := file.read(min(_PIECE, left))):
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()


def part_name(task: Task, number: int) -> str:
    """The name of the first, second, ... file of a task: files are read in the order of their names.

    Example:
        >>> task = Task("data/train-00003-of-00012.parquet", "train", 3, "")
        >>> part_name(task, 0), part_name(task, 1)
        ('data/train-00003-of-00012.parquet', 'data/train-00003-of-00012_00001.parquet')
    """
    stem = task.name.removesuffix(".parquet")
    return f"{stem}_{number:05d}.parquet" if number else task.name
