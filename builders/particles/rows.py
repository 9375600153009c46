"""A table and the files that it names -> picked rows: where each row's image lies, and the values beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.archive.named.finding import Found
from builders.errors import FormatError, NotFoundError, OptionError
from builders.io.tables.particle_table import SCHEMA, ParticleTable
from builders.stacks.files import SourceFile

Numbers = NDArray[np.int64]

VALUES = (
    *("pixel_size", "ctf", "pose", "micrograph", "coordinate_x", "coordinate_y"),
    *("optics_group", "half_set", "class_number"),
)
"""Columns of a dataset that a table's vocabulary gives, in their order."""


@dataclass(frozen=True)
class Picked:
    """Rows that a table picks from files.

    Attributes:
        files: those that rows are of, in natural order.
        rows: some of `picked.catalogue.PLACES`, and the columns of the dataset, in the table's order.
        numbers: of each row, which one of those of the table it is, from 0; its column `row` is that in the file.
        box: shape `(ny, nx)` of the boxes that rows are; None where they are slices or whole files.
        left_out: paths or names and reasons.
    """

    files: tuple[SourceFile, ...]
    rows: pa.Table
    numbers: Numbers
    box: tuple[int, int] | None = None
    left_out: tuple[tuple[str, object], ...] = ()

    def take(self, wanted: NDArray[np.bool_] | Numbers) -> "Picked":
        """Some of the rows, by their places or by a mask."""
        places = np.flatnonzero(wanted) if wanted.dtype == bool else wanted
        return replace(self, rows=self.rows.take(pa.array(places)), numbers=self.numbers[places])


def of_half_set(table: ParticleTable, half_set: int | None) -> ParticleTable:
    """The rows of one of RELION's half-sets; None: all.

    Raises:
        OptionError: there are none.
    """
    if half_set is None:
        return table
    column = table.rows["half_set"]
    mask = pc.fill_null(pc.equal(column, half_set), False)
    rows = table.rows.filter(mask)
    if not len(rows):
        has = "no row has a half-set" if column.null_count == len(column) else f"none of {len(column)} rows is of it"
        msg = f"{table.name}: half_set={half_set}: {has}"
        raise OptionError(msg)
    extra = table.extra.filter(mask) if table.extra.column_names else table.extra
    stacks = None if table.stacks is None else table.stacks.filter(mask)
    return replace(table, rows=rows, extra=extra, stacks=stacks, chosen=table.numbers[np.asarray(mask)])


def require_rows(table: ParticleTable) -> None:
    """Refuse a table of no rows.

    Raises:
        FormatError: it has none.
    """
    if not len(table.rows):
        msg = f"{table.name}: a table of no rows: expected one for each particle"
        raise FormatError(msg)


def coded(column: pa.ChunkedArray) -> tuple[list[str], Numbers]:
    """The different names in a column, and of each row the number of its own; -1 of a row that has none."""
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of no rows
        return [], np.zeros(0, np.int64)
    numbers = array.indices.fill_null(-1).to_numpy().astype(np.int64)
    used = np.zeros(len(array.dictionary) + 1, bool)
    used[numbers] = True
    places = np.flatnonzero(used[:-1])
    renumbered = np.full(len(used), -1, np.int64)
    renumbered[places] = np.arange(len(places))
    return array.dictionary.take(pa.array(places)).to_pylist(), renumbered[numbers]


def values_of(table: ParticleTable) -> pa.Table:
    """The columns of a dataset that a table gives each of its rows: those of the vocabulary, then the others."""
    columns = {name: table.rows[name] for name in VALUES}
    columns |= {name: table.extra[name] for name in table.extra.column_names}
    return pa.table(columns)


def value_schema(extra: pa.Schema) -> pa.Schema:
    """Names and types of what `values_of` gives, as a dataset has them: names are texts."""
    fields = [SCHEMA.field(name) for name in VALUES] + list(extra)
    return pa.schema([pa.field(field.name, plain(field.type)) for field in fields])


def plain(kind: pa.DataType) -> pa.DataType:
    """A type without numbers for its values."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def particles(table: ParticleTable, names: Sequence[str], found: Found, skip: bool) -> Picked:
    """One row for each particle: a slice of a stack.

    Args:
        table: the rows that are wanted.
        names: of the stacks, those that were looked for.
        found: the files that they mean.
        skip: whether rows without an image are left out.

    Raises:
        NotFoundError: rows have none.
    """
    files, missing = files_of(table.rows["image"], names, found)
    values = values_of(table)
    picked = {"file": pa.array(files, pa.int32()), "slice": table.rows["slice"], "row": pa.array(table.numbers)}
    rows = pa.table(picked | {name: values[name] for name in values.column_names})
    left_out: list[tuple[str, object]] = []
    without = table.rows["image"].null_count
    if without:
        msg = f"{table.name}: {without} of {len(rows)} rows name no image"
        if without == len(rows):
            msg += ": unit='extracted' cuts boxes out of micrographs"
        if not skip or without == len(rows):
            raise NotFoundError(msg)
        left_out.append((table.name, f"{without} rows name no image"))
    made = Picked(found.files, rows, np.arange(len(rows)), left_out=(*left_out, *missing))
    return made.take(files >= 0) if made.left_out else made


def files_of(column: pa.ChunkedArray, names: Sequence[str], found: Found) -> tuple[Numbers, list[tuple[str, object]]]:
    """Of each row, the number of the file that its name means, or -1; and the names that mean none, with the reason.

    Args:
        column: the rows' names.
        names: those that were looked for.
        found: the files that they mean.
    """
    own, which = coded(column)
    number_of = dict(zip(names, found.of, strict=True))
    files = np.array([*(number_of[name] for name in own), -1], np.int64)[which]
    counts = np.bincount(which[which >= 0], minlength=len(own))
    notes = dict(found.missing)
    missing: list[tuple[str, object]] = [
        (name, f"not there{notes[name]}: {count} row{'s' * (count != 1)}")
        for name, count in zip(own, counts.tolist(), strict=True)
        if number_of[name] < 0
    ]
    return files, missing


def group_column(table: ParticleTable, picked: Picked, name: str) -> pa.ChunkedArray:
    """The column of a table by which its rows are divided.

    Args:
        table: the table that rows were picked from.
        picked: the rows.
        name: of the column: of the dataset's, or of the table's own; `"path"` is the files'.

    Raises:
        OptionError: no such column can tell groups.
    """
    if name == "path":
        return picked.rows["file"]
    source = table.rows if name in VALUES else table.extra
    if name not in source.column_names or pa.types.is_nested(source.schema.field(name).type):
        known = [*(other for other in VALUES if other not in ("ctf", "pose")), "path"]
        known += [other for other in table.extra.column_names if other != name]
        msg = f"group_by is {name!r}: expected a column that tells groups: {', '.join(known)}, or one of the table's"
        raise OptionError(msg)
    column = source[name]
    return column if len(picked.numbers) == len(column) else column.take(pa.array(picked.numbers))
