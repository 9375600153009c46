"""`unit="micrograph"`: one row for each micrograph that a table names, with all of its particles.

`picks` are these, `(N, 2)`: x and y in pixels of the micrograph, from 0. The particles' other columns are lists, in the
order of the picks; `coordinate_x` and `coordinate_y` are not among them.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.io.tables.particle_table import ParticleTable
from builders.particles.micrographs.coordinates import Coordinates, Numbers, floats
from builders.particles.rows import Picked, plain, values_of
from builders.stacks.files import SourceFile

PICKS = pa.list_(pa.list_(pa.float32(), 2))
"""Of one micrograph."""
_ONE = ("pixel_size", "micrograph")
"""Columns with one value for a micrograph."""
_IN_PICKS = ("coordinate_x", "coordinate_y")


def micrograph_schema(particles: pa.Schema) -> pa.Schema:
    """Names and types of the columns of micrographs, by those of their particles."""
    fields = [pa.field("pixel_size", pa.float32()), pa.field("picks", PICKS)]
    fields += [
        pa.field(field.name, plain(field.type) if field.name in _ONE else pa.list_(plain(field.type)))
        for field in particles
        if field.name not in ("pixel_size", *_IN_PICKS)
    ]
    return pa.schema(fields)


def micrographs(
    table: ParticleTable, which: Numbers, files: Sequence[SourceFile], times: int, found: Coordinates
) -> Picked:
    """One row for each micrograph, in the order in which the table first names them.

    Args:
        table: the particles.
        which: the file of each one's micrograph, by number; -1: it is not there.
        files: these.
        times: how many pixels of the table's micrographs are one of those that are there.
        found: where particles are.
    """
    rows = np.flatnonzero((which >= 0) & found.known)
    _, firsts, inverse = np.unique(which[rows], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(firsts))  # of each file, by its first row
    places = rank[inverse]
    order = rows[np.argsort(places, kind="stable")]
    counts = np.bincount(places, minlength=len(firsts))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    leading = order[np.cumsum(counts) - counts]
    values = values_of(table)
    columns = {
        "file": pa.array(which[leading], pa.int32()),
        "slice": pa.array(np.full(len(leading), -1)),
        "pixel_size": _pixel_sizes(table, leading, times),
        "picks": _picks(offsets, found, order),
    }
    for name in values.column_names:
        if name == "micrograph":
            columns[name] = values[name].take(pa.array(leading))
        elif name not in (*columns, *_IN_PICKS):
            taken = values[name].take(pa.array(order)).combine_chunks()
            columns[name] = pa.ListArray.from_arrays(offsets, _one_array(taken))
    return Picked(tuple(files), pa.table(columns), leading)


def _pixel_sizes(table: ParticleTable, rows: NDArray[np.int64], times: int) -> pa.Array:
    """Of micrographs, as the table has them: never those of the particles, which may be binned."""
    sizes = floats(table.rows["micrograph_pixel_size"])[rows] * times
    return pa.array(sizes, pa.float32(), mask=~np.isfinite(sizes))


def _picks(offsets: pa.Array, found: Coordinates, order: NDArray[np.int64]) -> pa.ListArray:
    pairs = np.stack([found.x[order], found.y[order]], 1).astype(np.float32).reshape(-1)
    return pa.ListArray.from_arrays(offsets, pa.FixedSizeListArray.from_arrays(pa.array(pairs), 2))


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Values as one array, without numbers for them."""
    if isinstance(column, pa.ChunkedArray):  # of no rows
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return column.cast(plain(column.type)) if pa.types.is_dictionary(column.type) else column
