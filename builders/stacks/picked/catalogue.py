"""A catalogue: which rows somebody picked from which files, as an Arrow file that all processes map.

What a builder puts into one, column by column (`table_of`):

- `file`: the number of the row's file, of those that are given beside the rows;
- `slice`: which slice of it the row is, or -1: all of the file, or a box of it;
- of boxes, where they begin, in pixels of the file, which may lie before its image: `top` and `left` of images, with
  `box=(ny, nx)`; `front`, `top` and `left` of volumes, with `box=(nz, ny, nx)`. All rows have boxes of one shape;
- `file:NAME`: of a further column of images called `NAME`, such as `segmentation`, the number of its file, one of those
  of the same list; the row has the same box of it, or all of it where rows are no boxes. Every row has one. Those that
  are named as `masks` are 0 beyond their edges, where other images are filled with the background's mean;
- `cube:at` and `cube:turn`, of cubes of volumes that are cut upright (`boxes.Cubes`); `front`, `top` and `left` are
  those of the cube about the same voxel that is not;
- `row`: the row's number in the table it is from, for messages, where that is not its place;
- all others are columns of the dataset, of the types that it has. A `pixel_size` among them is the row's own where it
  is not null, whatever the file's header says.

Rows of one file that stand side by side are read together, what they share once: tiles are best put in by rising
`front`, then `top`, then `left`, and so are subtomograms of volumes that lie in rows; those of volumes in chunks, so
that the ones that share a chunk are near each other.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.stacks.files import SourceFile

PLACES = {
    **{"file": pa.int32(), "slice": pa.int64()},
    **{"front": pa.int64(), "top": pa.int64(), "left": pa.int64()},
    "row": pa.int64(),
}
"""Columns that say where a row's image lies: the file by its number; the slice of it, from 0, or -1 for all of it; of
boxes, besides, the first section (of volumes alone), row and column of pixels, which may be negative. `row`, which need
not be there, is the number that the row has in its table, from 0, where rows stand in another order than there: errors
name it."""
CORNER = ("front", "top", "left")
"""Those that say where a box begins, by axis: of images the last two."""
AT, TURN = "cube:at", "cube:turn"
"""Those of cubes that are cut upright: the voxel (x, y, z) in their middle, and the rotation, cube -> volume, row by
row: lists of 3 and of 9 numbers."""
COMPANION = "file:"
"""What the names of columns begin with that say of which file another image of the row is."""
Numbers = NDArray[np.int64]
_FILES = b"perc.files"
_BOX = b"perc.box"
_SIDES = b"perc.sides"
_MASKS = b"perc.masks"
Side = tuple[int, str] | tuple[int, str, int]
"""Pixels of a side of an image, and who says so; of files that are wholes, how many images each has, too."""


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
        return tuple(SourceFile.revived(file) for file in json.loads(self.rows.schema.metadata[_FILES]))

    @cached_property
    def box(self) -> tuple[int, ...] | None:
        """Shape `(ny, nx)` or `(nz, ny, nx)` of the boxes that rows are; None where they are slices or whole files."""
        sides = json.loads(self.rows.schema.metadata[_BOX])
        return None if sides is None else tuple(sides)

    def corners(self, rows: slice | Numbers) -> Numbers:
        """Where the boxes of some rows begin, `(count, 2)` or `(count, 3)`; catalogues of boxes alone have such."""
        axes = CORNER[len(CORNER) - len(self.box or ()) :]
        return np.stack([self.numbers(name)[rows] for name in axes], 1)

    def upright(self, rows: slice | Numbers) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Middles and rotations of cubes that are cut upright, `(count, 3)` and `(count, 3, 3)`; None: they are not."""
        if TURN not in self.rows.column_names:
            return None
        at, turns = (self._flat(name) for name in (AT, TURN))
        return at.reshape(-1, 3)[rows], turns.reshape(-1, 3, 3)[rows]

    def _flat(self, name: str) -> NDArray[np.float64]:
        """The numbers of a column of lists, one after another."""
        column = self.rows.column(name).combine_chunks()
        flat: NDArray[np.float64] = column.flatten().to_numpy()
        return flat

    @cached_property
    def companions(self) -> tuple[str, ...]:
        """Columns of further images, whose files stand in columns of their own."""
        return tuple(name.removeprefix(COMPANION) for name in self.rows.column_names if name.startswith(COMPANION))

    @cached_property
    def masks(self) -> frozenset[str]:
        """Those of `companions` whose values are names of things."""
        return frozenset(json.loads(self.rows.schema.metadata.get(_MASKS, b"[]")))

    def numbers(self, name: str) -> Numbers:
        """One of `PLACES` of all rows, mapped; of a column that is not there, the number of each row."""
        if name not in self._numbers:
            column = self.rows.column(name) if name in self.rows.column_names else None
            if column is None:
                self._numbers[name] = np.arange(self.rows.num_rows)
            else:
                self._numbers[name] = (column.chunk(0) if column.num_chunks == 1 else column).to_numpy()
        return self._numbers[name]

    @cached_property
    def _numbers(self) -> dict[str, Numbers]:
        return {}

    @cached_property
    def sides(self) -> tuple[Side | None, ...]:
        """Of each file, how large its images are as the table says; None: it does not."""
        told = json.loads(self.rows.schema.metadata[_SIDES])
        return (None,) * len(self.files) if told is None else tuple(side and tuple(side) for side in told)

    def files_of(self, companion: str = "") -> Numbers:
        """Of each row, the number of the file of its image, or of a further one of it."""
        return self.numbers(COMPANION + companion if companion else "file")

    @property
    def values(self) -> pa.Table:
        """The rows' columns that do not say where images lie."""
        return self.rows.drop_columns([name for name in self.rows.column_names if is_place(name)])

    def __reduce__(self) -> "tuple[type[Catalogue], tuple[object, ...]]":
        return type(self), (self.path,)


class HeldCatalogue(Catalogue):
    """Picked rows that are in no file, for a process that needs them once.

    Args:
        rows: as `table_of` gives them.
    """

    def __init__(self, rows: pa.Table) -> None:
        super().__init__("")
        vars(self)["rows"] = rows

    def __reduce__(self) -> "tuple[type[Catalogue], tuple[object, ...]]":
        return type(self), (self.rows,)


def is_place(name: str) -> bool:
    """Whether a column of a catalogue says where an image of the row lies."""
    return name in PLACES or name in (AT, TURN) or name.startswith(COMPANION)


def table_of(
    files: Sequence[SourceFile],
    rows: pa.Table,
    box: tuple[int, ...] | None = None,
    sides: Sequence[Side | None] | None = None,
    masks: Sequence[str] = (),
) -> pa.Table:
    """The rows of a catalogue with all that is to be known of them.

    Args:
        files: those that rows are of.
        rows: columns as the head of this module has them.
        box: shape of the rows' boxes, `(ny, nx)` or `(nz, ny, nx)`, if they are such.
        sides: of each file, how large its images are, and who says so; files are held against it.
        masks: columns of further images whose values are names of things.
    """
    told = {_FILES: json.dumps([asdict(file) for file in files]), _BOX: json.dumps(box), _SIDES: json.dumps(sides)}
    told[_MASKS] = json.dumps(list(masks))
    return rows.combine_chunks().replace_schema_metadata(told)  # so that a column is one array, where it is mapped


def write(path: Path, table: pa.Table) -> Catalogue:
    """Write picked rows to a file, which is there whole or not at all.

    Args:
        path: of the file; its folder is made.
        table: as `table_of` gives it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # each node and process may make it
    with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    part.replace(path)
    return Catalogue(str(path))
