"""All that is needed to write the shards of a dataset, in any process: pickled, it goes to workers."""

import base64
import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from datasets import ClassLabel
from datasets.table import embed_table_storage

from builders.io.net import threads
from builders.publishing.parts import Finished, Task
from builders.publishing.writing import encoding
from builders.publishing.writing.fitting import Fitting
from builders.publishing.writing.pixels import as_array
from builders.publishing.writing.rows import table_of
from builders.publishing.writing.schema import Row, Schema
from builders.publishing.writing.shard import Behind, ShardFile, part_name, recognised
from builders.publishing.writing.source import Batch, Source

VERSION = 1
"""Of the rows that are published of a dataset: bump it when they change."""
SHEET_PICTURES = 16
SOURCE_COLUMNS = ("entry", "imageset", "source", "entry_id")
_MOST_SOURCES = 1000
"""Distinct values of a column of sources that are kept of a shard."""
MARGIN = 1.1
"""How much larger than in memory rows may become in a file: pixels that do not compress have their lengths, too."""


@dataclass(frozen=True)
class Job:
    """Write shards.

    Attributes:
        sources: the rows of each split, divided.
        schema: of the published rows.
        group: rows of a row group.
        most: bytes of a shard.
        fitting: cuts and pads images.
        work: the folder that shards are written to.
    """

    sources: Mapping[str, Source]
    schema: Schema
    group: int
    most: int
    fitting: Fitting
    work: Path

    def tasks(self) -> list[Task]:
        """One for each part of each split, in order."""
        wanted = [(split, part) for split, source in self.sources.items() for part in range(source.parts)]
        shown = set(np.linspace(0, len(wanted) - 1, min(SHEET_PICTURES, len(wanted))).astype(int).tolist())
        pictures = -(-SHEET_PICTURES // max(1, len(shown)))
        said = (VERSION, encoding.VERSION, self.schema.as_json(), self.group, self.most, self.fitting)
        recipes = [repr((said, split, self.sources[split].identity(part))).encode() for split, part in wanted]
        return [
            Task(
                f"data/{split}-{part:05d}-of-{self.sources[split].parts:05d}.parquet",
                *(split, part, xxhash.xxh3_128_hexdigest(recipe), pictures if place in shown else 0),
            )
            for place, ((split, part), recipe) in enumerate(zip(wanted, recipes, strict=True))
        ]

    def write(self, task: Task) -> list[Finished]:
        """Write the shards of a task: one, or several where one would be too large.

        Those that are there already, whole, are not made again, and their rows are passed over.

        Raises:
            WiderError: the schema has to be widened.
            PercError: a row cannot be read or published, or the shard not be written.
        """
        done = self.finished(task)
        if done and done[-1].last:
            return done
        shards = _Shards(self, task, done)
        try:
            for batch in self._batches(task, sum(shard.rows for shard in done)):
                threads.check()  # whether the run has been broken off
                shards.add(batch)
            return shards.close()
        finally:
            shards.stop()

    def finished(self, task: Task) -> list[Finished]:
        """The shards of a task that are there, from its first one on."""
        done: list[Finished] = []
        while not done or not done[-1].last:
            name = part_name(task, len(done))
            shard = recognised(self.work / name, name)
            if shard is None or shard.recipe != task.recipe:
                break
            done.append(shard)
        return done

    def _batches(self, task: Task, skip: int) -> Iterator[Batch]:
        """The rows of row groups, without the first `skip` rows."""
        for batch in self.sources[task.split].batches(task.part, self.group):
            if skip >= len(batch):
                skip -= len(batch)
                continue
            yield batch.slice(skip) if isinstance(batch, pa.Table) else batch[skip:]
            skip = 0

    def table(self, batch: Batch) -> tuple[pa.Table, Sequence[Row]]:
        """A row group, with its rows where those were decoded."""
        if isinstance(batch, pa.Table) and not self.fitting:
            return embed_table_storage(batch.cast(self.schema.features.arrow_schema)), ()
        rows = batch.to_pylist() if isinstance(batch, pa.Table) else batch
        rows = [self.fitting(row) for row in rows] if self.fitting else rows
        return table_of(rows, self.schema), rows


class _Shards:
    """The files of a task, one after another.

    While rows are read, those before them are made a table, and those before these are written.
    """

    def __init__(self, job: Job, task: Task, done: list[Finished]) -> None:
        self._job, self._task, self._done = job, task, list(done)
        self._facts = _Facts(job.schema, task.thumbnails)
        self._file: ShardFile | None = None
        self._making, self._writing = Behind(), Behind()

    def add(self, batch: Batch) -> None:
        """Add rows; what is wrong with earlier ones is raised here, or by `close`."""
        self._making.do(self._add, batch)

    def _add(self, batch: Batch) -> None:
        """Add a row group, or several where images are larger than those that were looked at."""
        table, rows = self._job.table(batch)
        most = min(encoding.LARGEST_ROW_GROUP, int(self._job.most / MARGIN))
        start = 0
        for group in _groups(table, most):
            self._add_group(group, rows[start : start + len(group)])
            start += len(group)

    def _add_group(self, table: pa.Table, rows: Sequence[Row]) -> None:
        """Add a row group, to a new file where the present one has no room for it."""
        self._writing.wait()
        if self._file is not None and self._file.file_bytes + MARGIN * table.nbytes > self._job.most:
            self._commit(last=False)
        if self._file is None:
            self._file = ShardFile(self._job.work / part_name(self._task, len(self._done)), self._job.schema)
            self._facts = _Facts(self._job.schema, 0 if self._done else self._task.thumbnails)
        self._writing.do(self._file.write, table)
        self._facts.note(table, rows)

    def close(self) -> list[Finished]:
        """Finish the last file; one without rows, where there is none."""
        self._making.wait()
        self._writing.wait()
        if self._file is None:
            self._file = ShardFile(self._job.work / part_name(self._task, len(self._done)), self._job.schema)
        self._commit(last=True)
        return self._done

    def _commit(self, last: bool) -> None:
        assert self._file is not None
        name = part_name(self._task, len(self._done))
        shard = Finished(
            *(name, self._task.split, self._task.recipe, self._file.rows, 0, self._file.data_bytes),
            *(self._facts.sources(), self._facts.pictures(), last),
        )
        self._done.append(self._file.commit(shard))
        self._file = None

    def stop(self) -> None:
        """Leave nothing unfinished behind."""
        with self._writing, self._making:
            pass
        if self._file is not None:
            self._file.discard()


def _groups(table: pa.Table, most: int) -> Iterator[pa.Table]:
    """The first rows of a table that are no more than so many bytes, or the first one; then the next; and so on.

    Whoever goes on with a table after some of them finds the others again.
    """
    while table.nbytes > most and len(table) > 1:
        count = bisect.bisect_right(range(2, len(table)), most, key=lambda rows: table.slice(0, rows).nbytes) + 1
        yield table.slice(0, count)
        table = table.slice(count)
    yield table


@dataclass
class _Facts:
    """What is to be told of a shard's rows: where they are from, and pictures of some, evenly spread."""

    schema: Schema
    wanted: int
    seen: int = 0
    every: int = 1
    found: dict[str, dict[str, None]] = field(default_factory=dict)
    kept: list[tuple[str, Any]] = field(default_factory=list)

    def note(self, table: pa.Table, rows: Sequence[Row]) -> None:
        """Look at a row group."""
        for column in SOURCE_COLUMNS:
            if column in table.column_names and pa.types.is_string(table.schema.field(column).type):
                values = self.found.setdefault(column, {})
                new = [value for value in table[column].unique().to_pylist() if value is not None]
                values.update(dict.fromkeys(new[: _MOST_SOURCES - len(values)]))
        if not self.wanted or not self.schema.pixels:
            return
        images = next(iter(self.schema.pixels))
        for row in rows:
            if self.seen % self.every == 0 and row[images] is not None:
                self._keep(row, images)
            self.seen += 1

    def _keep(self, row: Row, column: str) -> None:
        from builders.publishing.writing.preview import preview_png

        picture = base64.b64encode(preview_png(as_array(row[column], column), 192)).decode()
        self.kept.append((self._caption(row), picture))
        if len(self.kept) >= 2 * self.wanted:
            self.kept, self.every = self.kept[::2], 2 * self.every

    def _caption(self, row: Row) -> str:
        from builders.publishing.writing.preview import class_caption

        for name, feature in self.schema.features.items():
            if isinstance(feature, ClassLabel) and isinstance(row[name], int) and row[name] >= 0:
                return class_caption(str(feature.int2str(row[name])), row[name])
        index = row.get("index")
        place = str(row.get("path") or "").rpartition("/")[2]
        return place if index is None else f"{place} {index}"

    def sources(self) -> dict[str, list[str]]:
        """Distinct values of the columns that say where rows are from."""
        return {column: list(values) for column, values in self.found.items() if values}

    def pictures(self) -> tuple[tuple[str, str], ...]:
        """As many as were asked for, evenly spread."""
        places = np.linspace(0, len(self.kept) - 1, min(self.wanted, len(self.kept))).astype(int)
        return tuple(self.kept[place] for place in places)
