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
from builders.stacks.picked.boxes import Cubes, references, upright
from builders.stacks.picked.catalogue import Catalogue, Numbers
from builders.stacks.picked.groups import WHOLE, as_mask, beyond, misfit, usable, whole
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
    there = _there(catalogue, files)
    rows = np.flatnonzero(~there)
    found = []
    for place in np.unique(which[rows]).tolist():
        own, looked = rows[which[rows] == place], files[place]
        error = looked if isinstance(looked, PercError) else beyond(looked, slices[own], numbers[own], source)
        found.append(LeftOut(catalogue.files[place].path, error, len(own)))
    for name in catalogue.companions:
        for beside, error, lost in _unlike(catalogue, files, name):
            count = int(np.count_nonzero(lost & there))
            there &= ~lost
            found += [LeftOut(catalogue.files[beside].path, error, count)] * (count > 0)
    return found


def _there(catalogue: Catalogue, files: Sequence[Looked]) -> NDArray[np.bool_]:
    """Of which rows of a catalogue the image can be read."""
    which, slices = catalogue.numbers("file"), catalogue.numbers("slice")
    can_be = np.array([isinstance(looked, Images) for looked in files], bool)
    counts = np.array([looked.count if isinstance(looked, Images) else 0 for looked in files], np.int64)
    there: NDArray[np.bool_] = can_be[which] & usable(counts[which], slices)
    return there


def _unlike(
    catalogue: Catalogue, files: Sequence[Looked], companion: str
) -> Iterator[tuple[int, PercError, NDArray[np.bool_]]]:
    """Files of further images that cannot be read, or do not fit those beside them: what is wrong, and their rows."""
    which, beside = catalogue.files_of(), catalogue.files_of(companion)
    pairs = which.astype(np.int64) * len(files) + beside
    for pair in np.unique(pairs).tolist():
        main, other = files[pair // len(files)], files[pair % len(files)]
        error = other if isinstance(other, PercError) else misfit(main, other, companion)
        if error is not None:
            yield pair % len(files), error, pairs == pair


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
    for name in catalogue.companions:
        for _, _, lost in _unlike(catalogue, files, name):
            there &= ~lost
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
    for name in ("image", *catalogue.companions):
        of_images = selection if name == "image" else _selection(catalogue, files, rows, name)
        told = catalogue.upright(rows)
        if told is not None and catalogue.box is not None:
            columns[name] = upright(of_images.files, of_images.which, Cubes(*told), catalogue.box[0])
        elif catalogue.box is not None:
            columns[name] = references(of_images.files, of_images.which, catalogue.corners(rows), catalogue.box)
        elif name != "image":
            columns[name] = of_images.references()
    for name in values.column_names:
        if name in schema.names:
            told = values.column(name).cast(schema.field(name).type)
            columns[name] = pc.coalesce(told, columns[name]) if name in columns else told
    return pa.table([columns[name] for name in schema.names], schema=schema)


_OF_FILES = ("image", "pixel_size", "path", "index")


def _part(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names])


def _selection(catalogue: Catalogue, files: Sequence[Looked], rows: Numbers, companion: str = "") -> Selection:
    """Rows of a catalogue as those of its files that they are of; one that is a whole file, as such."""
    slices = catalogue.numbers("slice")[rows]
    kinds = catalogue.files_of(companion)[rows].astype(np.int64) * 2 + (slices == WHOLE)
    different, which = np.unique(kinds, return_inverse=True)
    own = []
    for kind in different.tolist():
        images = files[kind // 2]
        assert isinstance(images, Images)
        images = as_mask(images) if companion in catalogue.masks else images
        own.append(whole(images) if kind % 2 else images)
    return Selection(own, which, np.where(slices == WHOLE, 0, slices))
