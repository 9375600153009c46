"""A catalogue: which rows somebody picked from which files, as an Arrow file that all processes map."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from builders.stacks.files import SourceFile

PLACES = {"file": pa.int32(), "slice": pa.int64(), "top": pa.int64(), "left": pa.int64()}
"""Columns that say where a row's image lies: the file by its number; the slice of it, from 0, or -1 for all of it; of
boxes, besides, the first row and column of pixels, which may be negative."""
_FILES = b"perc.files"
_BOX = b"perc.box"


@dataclass(frozen=True)
class Catalogue:
    """Picked rows; pickled, it is its path.

    Attributes:
        path: of the Arrow file.
    """

    path: str

    @cached_property
    def rows(self) -> pa.Table:
        """The rows, mapped from the file: some of `PLACES` first, then other columns of the dataset."""
        with pa.memory_map(self.path) as source:
            return pa.ipc.open_file(source).read_all()

    @cached_property
    def files(self) -> tuple[SourceFile, ...]:
        """What the numbers in `file` stand for."""
        return tuple(SourceFile(**file) for file in json.loads(self.rows.schema.metadata[_FILES]))

    @cached_property
    def box(self) -> tuple[int, int] | None:
        """Shape `(ny, nx)` of the boxes that rows are; None where rows are slices or whole files."""
        sides = json.loads(self.rows.schema.metadata[_BOX])
        return None if sides is None else (sides[0], sides[1])

    @property
    def values(self) -> pa.Table:
        """The rows' columns that do not say where images lie."""
        return self.rows.drop_columns([name for name in PLACES if name in self.rows.column_names])

    def __reduce__(self) -> "tuple[type[Catalogue], tuple[str]]":
        return type(self), (self.path,)


def write(path: Path, files: list[SourceFile], rows: pa.Table, box: tuple[int, int] | None = None) -> Catalogue:
    """Write picked rows to a file, which is there whole or not at all.

    Args:
        path: of the file; its folder is made.
        files: those that rows are of.
        rows: `PLACES` and other columns.
        box: shape of the rows' boxes, if they are such.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {_FILES: json.dumps([asdict(file) for file in files]), _BOX: json.dumps(box)}
    rows = rows.replace_schema_metadata(told)
    part = path.with_name(f"{path.name}.part")
    with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    part.replace(path)
    return Catalogue(str(path))
