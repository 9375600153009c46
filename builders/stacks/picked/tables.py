"""Picked rows as Arrow tables, for a map-style dataset: references to their images, and the catalogue's columns."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import PercError
from builders.options import with_advice
from builders.stacks.columns import IRREGULAR, PIECE, Selection
from builders.stacks.picked.boxes import references
from builders.stacks.picked.catalogue import Catalogue, Numbers
from builders.stacks.picked.groups import WHOLE, beyond, usable, whole
from builders.stacks.rows import Images, Reading

Looked = Images | PercError
"""What `look_at_all` gives of a file."""


class LeftOut(NamedTuple):
    """Rows of a file that cannot be read.

    Attributes:
        path: the file's.
        error: what is wrong.
        rows: how many.
    """

    path: str
    error: PercError
    rows: int


def left_out(catalogue: Catalogue, files: Sequence[Looked], source: str) -> list[LeftOut]:
    """What of a catalogue cannot be read, file by file: files that cannot be, and rows that a file does not have.

    Args:
        catalogue: of which rows.
        files: what is known of each of its files.
        source: where its rows are from, a table.
    """
    which, slices, numbers = (catalogue.numbers(name) for name in ("file", "slice", "row"))
    rows = np.flatnonzero(~_there(catalogue, files))
    found = []
    for place in np.unique(which[rows]).tolist():
        own, looked = rows[which[rows] == place], files[place]
        error = looked if isinstance(looked, PercError) else beyond(looked, slices[own], numbers[own], source)
        found.append(LeftOut(catalogue.files[place].path, error, len(own)))
    return found


def _there(catalogue: Catalogue, files: Sequence[Looked]) -> NDArray[np.bool_]:
    """Which rows of a catalogue can be read."""
    which, slices = catalogue.numbers("file"), catalogue.numbers("slice")
    can_be = np.array([isinstance(looked, Images) for looked in files], bool)
    counts = np.array([looked.count if isinstance(looked, Images) else 0 for looked in files], np.int64)
    there: NDArray[np.bool_] = can_be[which] & usable(counts[which], slices)
    return there


def picked_tables(
    catalogue: Catalogue, files: Sequence[Looked], reading: Reading, schema: pa.Schema
) -> Iterator[pa.Table]:
    """The rows of a catalogue as tables, in order, piece by piece; no Python object a row is made.

    Args:
        catalogue: which rows.
        files: what is known of each of its files.
        reading: how files become rows; with `on_error="skip"`, rows that `left_out` tells of are left out.
        schema: names and types of the columns.

    Raises:
        PercError: what the first of these rows is missing, unless they are to be left out.
    """
    there = _there(catalogue, files)
    if not there.all() and reading.on_error == "raise":
        raise with_advice(left_out(catalogue, files, reading.source)[0].error)
    rows = np.flatnonzero(there)
    regular = np.array([isinstance(looked, Images) and looked.is_regular for looked in files], bool)
    loads = np.cumsum(np.where(regular, 1, IRREGULAR)[catalogue.numbers("file")[rows]])
    cuts = np.searchsorted(loads, np.arange(PIECE, loads[-1], PIECE) if len(rows) else [], "right")
    for first, stop in pairwise(np.unique([0, *cuts, len(rows)]).tolist()):
        yield _table(catalogue, files, rows[first:stop], reading, schema)


def _table(
    catalogue: Catalogue, files: Sequence[Looked], rows: Numbers, reading: Reading, schema: pa.Schema
) -> pa.Table:
    """Some rows of a catalogue, by their numbers in it."""
    values = catalogue.values
    values = values.slice(rows[0], len(rows)) if len(rows) == rows[-1] - rows[0] + 1 else values.take(pa.array(rows))
    names = [*_OF_FILES, *(name for name, _ in reading.columns)]
    selection = _selection(catalogue, files, rows)
    columns = dict(zip(names, selection.table(reading, _part(schema, names)), strict=True))
    if catalogue.box is not None:
        tops, lefts = (catalogue.numbers(name)[rows] for name in ("top", "left"))
        columns["image"] = references(selection.files, selection.which, tops, lefts, catalogue.box)
    for name in values.column_names:
        if name in schema.names:
            told = values.column(name).cast(schema.field(name).type)
            columns[name] = pc.coalesce(told, columns[name]) if name in columns else told
    return pa.table([columns[name] for name in schema.names], schema=schema)


_OF_FILES = ("image", "pixel_size", "path", "index")


def _part(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names])


def _selection(catalogue: Catalogue, files: Sequence[Looked], rows: Numbers) -> Selection:
    """Rows of a catalogue as those of its files that they are of; one that is a whole file, as such."""
    slices = catalogue.numbers("slice")[rows]
    kinds = catalogue.numbers("file")[rows].astype(np.int64) * 2 + (slices == WHOLE)
    different, which = np.unique(kinds, return_inverse=True)
    own = []
    for kind in different.tolist():
        images = files[kind // 2]
        assert isinstance(images, Images)
        own.append(whole(images) if kind % 2 else images)
    return Selection(own, which, np.where(slices == WHOLE, 0, slices))
