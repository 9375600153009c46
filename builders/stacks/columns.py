"""Rows of many files as Arrow columns, made of what their headers say by arithmetic: no Python object a row."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.hf.image_storage import STORAGE, reference
from builders.stacks.movies.development import COLUMNS, Movie
from builders.stacks.rows import Images, Reading

Numbers = NDArray[np.int64]

PIECE = 2**16
"""Rows of one table: what reads a batch goes from one to the next, and some 20 MB of memory hold it."""
IRREGULAR = 64
"""As how many rows one counts whose layout is spelled out, which may be as long as a list of its parts."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of some files, in any order.

    Attributes:
        files: the files.
        which: of each row, which of the files it is of.
        numbers: of each row, which of that file's rows it is, from 0.
    """

    files: Sequence[Images]
    which: Numbers
    numbers: Numbers

    def per_file(self, values: Sequence[Any], kind: pa.DataType) -> pa.Array:
        """A column of what is the same in all rows of a file.

        Args:
            values: one for each file.
            kind: the column's type.
        """
        return pa.array(values, kind).take(pa.array(self.which))

    def references(self) -> pa.StructArray:
        """The rows' images, as an `EMImage` column stores them: what `Images.row` has for each.

        Raises:
            FormatError: a file has no such row.
        """
        self._check()
        values: list[dict[str, Any]] = []
        first, step = (np.zeros(len(self.files), np.int64) for _ in range(2))
        for place, images in enumerate(self.files):
            first[place] = len(values)
            if images.is_regular:
                start = images.layout(0)
                values.append(reference(images.image, start))
                step[place] = images.layout(1).offset - start.offset if images.count > 1 else 0
        source, bytes_before = first[self.which], self.numbers * step[self.which]
        for row in np.flatnonzero(~self._regular[self.which]):
            images = self.files[self.which[row]]
            source[row] = len(values)
            values.append(reference(images.image, images.layout(int(self.numbers[row]))))
        taken = pa.array(values, STORAGE).take(pa.array(source))
        columns = {field.name: taken.field(field.name) for field in STORAGE}
        columns["offset"] = pc.add(columns["offset"], pa.array(bytes_before))
        return pa.StructArray.from_arrays(list(columns.values()), fields=list(STORAGE))

    def _check(self) -> None:
        counts = np.array([images.count for images in self.files], np.int64)
        for row in np.flatnonzero((self.numbers < 0) | (self.numbers >= counts[self.which])):
            place = self.which[row]
            msg = f"{self.files[place].file.path}: no row {self.numbers[row]}: expected 0 to {counts[place] - 1}"
            raise FormatError(msg)

    @property
    def _regular(self) -> NDArray[np.bool_]:
        return np.array([images.is_regular for images in self.files], bool)

    def _of_frames(self) -> dict[str, pa.Array]:
        """The columns of rows that are frames, or groups of them: what `Movie.columns` has of each file."""
        movies = [cast(Movie, images.movie) for images in self.files]
        starts, steps = (np.array(side, np.int64) for side in ([m.start for m in movies], [m.step for m in movies]))
        doses = np.array([movie.frame_dose for movie in movies], np.float64)[self.which]
        step, unknown = steps[self.which], np.isnan(doses)
        frames = starts[self.which] + self.numbers * step
        told = {"frame": frames, "dose": doses * step, "pre_exposure": doses * frames}
        columns = {name: np.asarray(told[name], kind) for name, kind in COLUMNS.items()}
        return {name: pa.array(column, mask=unknown & (name != "frame")) for name, column in columns.items()}

    def table(self, reading: Reading, schema: pa.Schema) -> pa.Table:
        """The rows, with the columns that `Images.row` gives each.

        Args:
            reading: how files become rows.
            schema: names and types of the columns.
        """
        by_slice = np.array([images.by_slice for images in self.files], bool)
        sizes = [images.image.pixel_size for images in self.files]
        sizes = [reading.pixel_size if size is None else size for size in sizes]
        paths = [images.file.path for images in self.files]
        columns = {
            "image": self.references(),
            "pixel_size": self.per_file(sizes, schema.field("pixel_size").type),
            "path": self.per_file(paths, schema.field("path").type),
            "index": pa.array(self.numbers, schema.field("index").type, mask=~by_slice[self.which]),
        }
        if reading.development.by_frame:
            columns |= self._of_frames()
        for name, value in reading.columns:
            columns[name] = pa.repeat(pa.scalar(value, schema.field(name).type), len(self.which))
        return pa.table([columns[name] for name in schema.names], schema=schema)


def all_rows(files: Sequence[Images], most: int = PIECE) -> Iterator[Selection]:
    """All rows of files, in order, in pieces that `bounds` makes."""
    counts = np.array([images.count for images in files], np.int64)
    ends = np.cumsum(counts)
    starts = ends - counts
    for start, stop in itertools.pairwise(bounds(counts, [images.is_regular for images in files], most)):
        rows = np.arange(start, stop)
        which = np.searchsorted(ends, rows, side="right")
        first, last = int(which[0]), int(which[-1])
        yield Selection(files[first : last + 1], which - first, rows - starts[which])


def bounds(counts: Sequence[int] | Numbers, regular: Sequence[bool], most: int = PIECE) -> list[int]:
    """Where to part the rows of many files, so that each piece is written at once and fits into memory.

    Args:
        counts: rows of each file.
        regular: whether a row is plain pixels; of others, whose reference may be long, a piece has fewer.
        most: rows of a piece.

    Returns:
        Numbers of rows, from 0 to that of all.

    Example:
        >>> bounds([5, 3], [True, True], 4)
        [0, 4, 8]
    """
    weights = np.where(regular, 1, IRREGULAR)
    ends, loads = np.cumsum(counts), np.cumsum(np.multiply(counts, weights))
    limits = np.arange(most, loads[-1], most) if len(loads) else np.arange(0)
    within = np.searchsorted(loads, limits)
    cuts = ends[within] - (loads[within] - limits) // weights[within]
    return list(map(int, np.unique([0, *cuts, *ends[-1:]])))
