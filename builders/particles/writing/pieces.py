"""Pieces of a dataset that is written: stacks, and beside them the rows that say what is in them.

A part of the dataset becomes one piece or several, each of so many bytes at the most. The rows of a piece lie in a
hidden file, which is written after its stacks: where it is, they are. A run that goes on reads these files.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from builders.errors import ReadError
from builders.io.files.whole_file import write_whole
from builders.io.net import threads
from builders.particles.writing.rows import Columns, image_of, name_of, table_of, values_of
from builders.particles.writing.stack_file import StackFile, WrittenStack
from builders.publishing.parts import Finished, Task
from builders.publishing.writing.schema import Row
from builders.publishing.writing.source import Batch, Source

STACKS = "particles"
"""The folder of the stacks."""
NOTES = ".perc"
"""The hidden folder of the rows."""
_FACTS = b"perc"
_MOST_OPEN = 64
"""Stacks that are written at once: one for each size of image and of pixel."""
_ROWS = 1000
"""Rows that are kept as Python objects, before they become Arrow's."""


@dataclass(frozen=True)
class Piece:
    """Stacks that are there whole, and the rows that are in them.

    Attributes:
        rows: in the dataset's order.
        stacks: by their number in the rows' column `stack`.
        recipe: of the task that made it.
        last: no other piece of the task comes after it.
    """

    rows: pa.Table
    stacks: tuple[WrittenStack, ...]
    recipe: str
    last: bool

    def save(self, path: Path) -> None:
        """Write it to a file, which is there whole or not at all."""
        facts = {"stacks": [asdict(stack) for stack in self.stacks], "recipe": self.recipe, "last": self.last}
        rows = self.rows.replace_schema_metadata({_FACTS: json.dumps(facts)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, rows.schema) as writer:
            writer.write_table(rows)
        write_whole(path, sink.getvalue().to_pybytes())

    @classmethod
    def load(cls, path: Path) -> "Piece | None":
        """It out of a file; None where that is none."""
        try:
            with pa.memory_map(str(path)) as file:
                rows = pa.ipc.open_file(file).read_all()
            facts = json.loads(rows.schema.metadata[_FACTS])
            stacks = tuple(WrittenStack(**stack) for stack in facts["stacks"])
            return cls(rows, stacks, facts["recipe"], facts["last"])
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
            return None

    def is_whole(self, folder: Path) -> bool:
        """Whether its stacks are there as they were written."""
        return all(stack.is_in(folder) for stack in self.stacks)


@dataclass(frozen=True)
class Job:
    """All that is needed to write the pieces of a dataset, in any process.

    Attributes:
        source: its rows, divided.
        columns: what is written of them.
        batch: rows that are read at once.
        most: bytes of a piece.
        folder: where to.
        dataset: digest of what is written and how.
    """

    source: Source
    columns: Columns
    batch: int
    most: int
    folder: Path
    dataset: str

    def tasks(self) -> list[Task]:
        """One for each part."""
        parts = self.source.parts
        return [Task(f"{STACKS}/{part:05d}", "", part, f"{self.dataset} {part}/{parts}") for part in range(parts)]

    def place(self, task: Task, number: int) -> Path:
        """Where the rows of a task's first, second, ... piece are."""
        return self.folder / NOTES / f"{task.part:05d}_{number:05d}.arrow"

    def finished(self, task: Task) -> list[Piece]:
        """The pieces of a task that are there whole, from its first one on."""
        done: list[Piece] = []
        while not done or not done[-1].last:
            piece = Piece.load(self.place(task, len(done)))
            if piece is None or piece.recipe != task.recipe or not piece.is_whole(self.folder):
                break
            done.append(piece)
        return done

    def write(self, task: Task) -> list[Finished]:
        """Write the pieces of a task that are not there.

        Raises:
            PercError: a row cannot be read, or not be written as a particle, or the disk fails.
        """
        done = self.finished(task)
        if not done or not done[-1].last:
            self._write(task, len(done), sum(len(piece.rows) for piece in done))
        return [Finished(task.name, "", task.recipe, 0, 0, 0)]

    def _write(self, task: Task, number: int, skip: int) -> None:
        """Write those from a number on; the rows of the ones before it are passed over."""
        piece = _Open(self, task, number)
        place = 0
        try:
            for batch in self.source.batches(task.part, self.batch):
                threads.check()  # whether the run has been broken off
                rows = _rows(batch) if place + len(batch) > skip else ()
                for row in rows[max(0, skip - place) :]:
                    name = name_of(row, place)
                    image = image_of(row, name)
                    if not piece.has_room(image):
                        piece.commit(last=False)
                        number += 1
                        piece = _Open(self, task, number)
                    piece.add(image, values_of(row, self.columns, name))
                place += len(batch)
            piece.commit(last=True)
        finally:
            piece.discard()


class _Open:
    """A piece on its way."""

    def __init__(self, job: Job, task: Task, number: int) -> None:
        self._job, self._task, self._number = job, task, number
        self._stacks: dict[tuple[int, float], StackFile] = {}
        self._bytes = 0
        self._rows: list[Mapping[str, Any]] = []
        self._tables: list[pa.Table] = [job.columns.schema.empty_table()]

    def has_room(self, image: Any) -> bool:
        """Whether an image still goes into it; the first one does, however large."""
        return not self._bytes or (self._bytes + image.nbytes <= self._job.most and len(self._stacks) < _MOST_OPEN)

    def add(self, image: Any, values: Mapping[str, Any]) -> None:
        """Add a row."""
        kind = len(image), values["pixel_size"]
        if kind not in self._stacks:
            self._stacks[kind] = StackFile(self._job.folder, self._name(len(self._stacks)), *kind)
        stack = self._stacks[kind]
        place = {"stack": list(self._stacks).index(kind), "slice": stack.images, "size": len(image)}
        stack.add(image)
        self._bytes += image.nbytes
        self._rows.append({**place, **values})
        if len(self._rows) == _ROWS:
            self._pack()

    def _name(self, stack: int) -> str:
        number = f"_{self._number:05d}" if self._number else ""
        return f"{self._task.name}{number}{f'-{stack}' if stack else ''}.mrcs"

    def _pack(self) -> None:
        self._tables.append(table_of(self._rows, self._job.columns))
        self._rows = []

    def commit(self, last: bool) -> None:
        """Put its stacks in their places, and then the rows."""
        self._pack()
        written = tuple(stack.commit() for stack in self._stacks.values())
        piece = Piece(pa.concat_tables(self._tables), written, self._task.recipe, last)
        piece.save(self._job.place(self._task, self._number))

    def discard(self) -> None:
        """Leave nothing half-written behind; what is in its place stays."""
        for stack in self._stacks.values():
            stack.discard()


def _rows(batch: Batch) -> Sequence[Row]:
    """The rows of a batch, which is a table where its images are no `EMImage`."""
    if not isinstance(batch, pa.Table):
        return batch
    names = [name for name in batch.column_names if name != "image"]
    rows: list[Row] = batch.select(names).to_pylist() if names else [{} for _ in range(len(batch))]
    images = _images(batch["image"]) if "image" in batch.column_names else [None] * len(batch)
    return [{**row, "image": image} for row, image in zip(rows, images, strict=True)]


def _images(column: pa.ChunkedArray) -> Sequence[Any]:
    """Images of nested lists; those of `Array2D` without a Python object for every pixel."""
    shape = getattr(column.type, "shape", None)
    if shape is None or column.null_count:
        return list(column.to_pylist())
    images: list[Any] = []
    for chunk in column.chunks:
        flat = chunk.storage
        while pa.types.is_list(flat.type):
            flat = flat.flatten()
        images.extend(np.asarray(flat).reshape(len(chunk), *shape))
    return images


def pieces(job: Job) -> Iterator[Piece]:
    """All pieces of a dataset that is there, in the order of its rows.

    Raises:
        ReadError: one has gone since.
    """
    for task in job.tasks():
        number, is_last = 0, False
        while not is_last:
            path = job.place(task, number)
            piece = Piece.load(path)
            if piece is None:
                msg = f"{path}: it was there a moment ago: expected nobody else to change {job.folder}"
                raise ReadError(msg)
            yield piece
            number, is_last = number + 1, piece.last
