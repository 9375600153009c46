"""Picks as Arrow has them: the columns of tomograms, whether they are read or made."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]


def points(values: NDArray[Any], kind: pa.DataType | None = None) -> pa.FixedSizeListArray:
    """Triples as Arrow has them.

    Args:
        values: `(N, 3)`.
        kind: of a number; float32 by default.
    """
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1), kind or pa.float32()), 3)


def rotations(matrices: Floats | None, count: int) -> pa.FixedSizeListArray:
    """Matrices as Arrow has them; null where one is NaN, or where there are none.

    Args:
        matrices: `(N, 3, 3)`, or None.
        count: N.
    """
    if matrices is None:
        return pa.nulls(count, pa.list_(pa.list_(pa.float32(), 3), 3))
    missing = np.isnan(matrices[:, 0, 0])
    rows = points(np.where(missing[:, None, None], 0, matrices).reshape(-1, 3))
    return pa.FixedSizeListArray.from_arrays(rows, 3, mask=pa.array(missing))


def lists_of_picks(
    counts: Numbers, coordinates: Floats, pixels: Floats, labels: Numbers, matrices: Floats | None
) -> pa.StructArray:
    """`picks` of rows.

    Args:
        counts: of each row, how many it has; those of the first one stand first in the other arguments.
        coordinates: `(N, 3)`, x, y, z, Å.
        pixels: `(N, 3)`, x, y, z, counted in the row's image.
        labels: `(N,)`.
        matrices: `(N, 3, 3)`, object -> tomogram, NaN where one is not known; None where none is: then the row has
            null in place of a list of them.
    """
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    values = {"coordinates": points(coordinates), "pixels": points(pixels), "label": pa.array(labels, pa.int64())}
    columns = {name: pa.ListArray.from_arrays(offsets, column) for name, column in values.items()}
    matrix = pa.list_(pa.list_(pa.list_(pa.float32(), 3), 3))
    if matrices is None:
        columns["rotation"] = pa.nulls(len(counts), matrix)
    else:
        columns["rotation"] = pa.ListArray.from_arrays(offsets, rotations(matrices, len(labels)))
    return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
