"""What RELION 5 tells of particles whose images are stacks: of each, the tilts in which it is seen."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.io.tables.particle_table import STACKS
from builders.io.tables.relion import labels
from builders.io.tables.relion.optics import Rows, first
from builders.io.tables.star import Block

_SHOWN = 60


def stacks_of(rows: Rows, blocks: Sequence[Block]) -> pa.Table | None:
    """What `ParticleTable.stacks` is; None of a table whose images are none.

    Args:
        rows: of the table.
        blocks: of its file, of which `general` says what its images are.

    Raises:
        FormatError: a row does not tell its visible frames as RELION does: with the line's number.
    """
    if not _are_stacks(rows, blocks):
        return None
    premultiplied = rows.numbers(labels.PREMULTIPLIED)
    known = pa.nulls(rows.count, pa.bool_()) if premultiplied is None else pc.not_equal(premultiplied, 0)
    columns = {
        "visible": _visible(rows),
        "centre": _vectors(rows, labels.CENTRED, None),
        "origin": _vectors(rows, labels.ORIGINS, 0.0),
        "turn": _vectors(rows, labels.TURNS, 0.0),
        "is_ctf_premultiplied": known,
    }
    return pa.table([columns[name] for name in STACKS.names], STACKS)


def _are_stacks(rows: Rows, blocks: Sequence[Block]) -> bool:
    general = next((block for block in blocks if block.name == "general" and labels.ARE_STACKS in block.labels), None)
    if general is not None and general.rows:
        return bool(general.columns[labels.ARE_STACKS][0].as_py())
    flags = rows.numbers(labels.ARE_STACKS)
    return flags is not None and bool(pc.any(pc.not_equal(flags, 0)).as_py())


def _visible(rows: Rows) -> pa.ListArray:
    """Of each tilt of its series, whether a row's particle is seen in it: `[1,0,1]`."""
    texts = rows.texts(labels.VISIBLE).combine_chunks()
    is_list = pc.match_substring_regex(texts, r"^\[[01](,[01])*\]$")
    if (row := first(pc.invert(pc.fill_null(is_list, False)))) is not None:
        given = texts[row].as_py()
        said = f"{labels.VISIBLE} is {given[:_SHOWN]!r}" if given else f"no {labels.VISIBLE}"
        raise rows.error(row, f"{said}: expected a 1 or a 0 for each tilt of its series, as in [1,0,1]")
    flags = pc.split_pattern(pc.utf8_trim(texts, "[]"), ",")
    found = pa.ListArray.from_arrays(flags.offsets, pc.equal(flags.values, "1"))
    row = first(pc.equal(_counts(found), 0))
    if row is not None:
        raise rows.error(row, f"{labels.VISIBLE} has no 1: expected a particle that is seen")
    return found


def _counts(visible: pa.ListArray) -> pa.Array:
    flags = visible.values.to_numpy(zero_copy_only=False)
    sums = np.append(0, np.cumsum(flags))
    offsets = visible.offsets.to_numpy()
    return pa.array(sums[offsets[1:]] - sums[offsets[:-1]])


def _vectors(rows: Rows, names: Sequence[str], absent: float | None) -> pa.FixedSizeListArray:
    """Three columns of numbers together, with NaN or a number of one's own for what is absent."""
    fill = np.nan if absent is None else absent
    columns: list[NDArray[np.float64]] = []
    for name in names:
        numbers = rows.numbers(name)
        if numbers is None:
            columns.append(np.full(rows.count, fill))
        else:
            columns.append(pc.fill_null(numbers, fill).to_numpy(zero_copy_only=False))
    return pa.FixedSizeListArray.from_arrays(pa.array(np.stack(columns, 1).reshape(-1)), 3)
