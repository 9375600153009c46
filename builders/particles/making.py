"""Rows that a table of particles picks, as the table of a catalogue."""

from collections.abc import Sequence

import pyarrow as pa

from builders.particles.rows import Picked
from builders.stacks.picked.catalogue import PLACES, Side, table_of


def table_for(picked: Picked, columns: Sequence[str], sides: Sequence[Side | None] | None) -> pa.Table:
    """The table of a catalogue of rows.

    Args:
        picked: the rows.
        columns: those that the dataset has, besides places.
        sides: of each file, how large its images are as the table says.
    """
    names = [name for name in (*PLACES, *columns) if name in picked.rows.column_names]
    return table_of(picked.files, picked.rows.select(names), picked.box, sides)
