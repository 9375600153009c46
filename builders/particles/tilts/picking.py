"""Particles whose images are stacks of tilts as rows: a row a particle, its image the whole file."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from builders.io.reports import report_once
from builders.particles.rows import Picked, coded, particles, value_schema
from builders.particles.source import Source
from builders.particles.tilts.columns import COLUMNS, columns_of
from builders.stacks.picked.groups import WHOLE

_REPLACED = ("ctf", "pose", "micrograph", "coordinate_x", "coordinate_y")
"""Columns of other particles that these do not have, or have as lists."""


@dataclass(frozen=True)
class TiltStacks:
    """A row is a particle, and its image `(tilts, ny, nx)`, of the tilts in which it is seen.

    Attributes:
        source: the table and its files.
    """

    source: Source
    image_shape: None = None

    def schema(self, extra: pa.Schema) -> pa.Schema:
        """See `Unit`."""
        kept = [field for field in value_schema(extra) if field.name not in _REPLACED]
        return pa.schema([*COLUMNS, *kept])

    def pick(self) -> Picked:
        """See `Unit`."""
        source, table = self.source, self.source.table
        picked = particles(table, source.names, source.found, source.skip)
        names, _ = coded(table.rows["micrograph"])
        series = source.tilts.series(names)
        if not series:
            said = "the tilt series of its tomograms are not known: pose, ctf, tilt_angle and pre_exposure are null; "
            report_once(f"{said}star=[particles, tomograms] names the file that lists them", source.name)
        columns = columns_of(table, series).take(pa.array(picked.numbers))
        rows = picked.rows.drop_columns([name for name in _REPLACED if name in picked.rows.column_names])
        whole = pa.array(np.full(len(rows), WHOLE, np.int64))
        rows = rows.set_column(rows.column_names.index("slice"), "slice", whole)
        for name in columns.column_names:
            rows = rows.append_column(name, columns[name])
        return Picked(picked.files, rows, picked.numbers, left_out=picked.left_out)
