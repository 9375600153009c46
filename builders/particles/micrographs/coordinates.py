"""Where a table says that particles are, in pixels of the micrographs that are there.

**Which way y runs.** Rows of an array are counted as they are stored, from 0, and a coordinate is the number of a
pixel: the centre of the first one is at 0. RELION's coordinates are such numbers. CryoSPARC's `location/center_y_frac`
is a fraction of the micrograph's height with its origin at the bottom left, where an MRC file's first row is: times the
height, it is a row as it is stored, too. But the micrographs at hand may be upside down beside those that CryoSPARC
worked on: RELION, AreTomo3 and Warp, for one, flip TIFF movies in y as they read them, and which program wrote a
micrograph, neither table nor file tells. `flip_y=True` is for these: what was in row y of h is in row h - 1 - y of the
mirror image (h - y would be the place of an edge between pixels, one row too far). Nothing else changes: images are as
they are stored, mirror images of the others, and so are their hand and the angle of their astigmatism, beside what a
table says.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import FormatError, NotFoundError
from builders.io.tables.particle_table import ParticleTable

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where particles are, in pixels of the micrographs that are there.

    Attributes:
        x: of each row of a table; NaN where it does not tell.
        y: the same along y, a row of the micrograph as it is stored.
    """

    x: Floats
    y: Floats

    @property
    def known(self) -> NDArray[np.bool_]:
        """Of which rows the table tells where they are."""
        known: NDArray[np.bool_] = np.isfinite(self.x) & np.isfinite(self.y)
        return known


def floats(column: pa.ChunkedArray) -> Floats:
    """Numbers of a column; NaN where there are none."""
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), np.float64)


def told_height(table: ParticleTable, of_first: NDArray[np.bool_]) -> int | None:
    """The height of a micrograph as a table has it; None where it does not say.

    Args:
        table: the table.
        of_first: which of its rows are of that micrograph.
    """
    heights = floats(table.rows["micrograph_height"])[of_first]
    known = heights[np.isfinite(heights)]
    return int(known[0]) if known.size else None


def binning(told: int | None, there: int, path: str, source: str) -> int:
    """How many pixels of the micrographs that a table was made of are one of those that are there.

    Args:
        told: height of a micrograph as the table has it; None: it does not say.
        there: height of the file.
        path: of the file.
        source: the table, for messages.

    Raises:
        FormatError: the file is no binned micrograph of that height.

    Example:
        >>> binning(4092, 4092, "x.mrc", "x.cs"), binning(3710, 1236, "x.mrc", "x.cs")
        (1, 3)
    """
    if told is None:
        return 1
    times = max(1, round(told / there))
    if not told // times <= there <= -(-told // times):
        msg = f"{source}: coordinates are of micrographs {told} pixels high, {path} has {there}: expected as many, or "
        msg += "that many binned by a whole number"
        raise FormatError(msg)
    return times


def coordinates(table: ParticleTable, times: int, heights: Floats | None) -> Coordinates:
    """Where a table's particles are.

    Args:
        table: the table.
        times: how many of its pixels are one of the micrographs that are there.
        heights: of the micrograph of each row, pixels, where y is to be flipped; None: it is not.
    """
    x, y = (floats(table.rows[name]) / times for name in ("coordinate_x", "coordinate_y"))
    return Coordinates(x, y if heights is None else heights - 1 - y)


def require_known(
    found: Coordinates, which: Numbers, source: str, skip: bool, numbers: Numbers | None = None
) -> tuple[tuple[str, object], ...]:
    """Refuse rows of which a table does not tell where they are.

    Args:
        found: where rows are.
        which: the micrograph of each, by number; -1: the table names none.
        source: the table, for messages.
        skip: whether such rows are left out.
        numbers: of rows that are some of the table's, which ones, from 0.

    Returns:
        What is left out, for the quarantine.

    Raises:
        NotFoundError: there are such rows, and they are not to be left out, or there are no others.
    """
    left_out: list[tuple[str, object]] = []
    for what, lacking in (("micrograph", which < 0), ("coordinates", (which >= 0) & ~found.known)):
        count = int(np.count_nonzero(lacking))
        if not count:
            continue
        first = int((np.arange(len(which)) if numbers is None else numbers)[lacking][0]) + 1
        told = f"{count} of {len(which)} rows, row {first} first, counted from 1, have no {what}"
        if not skip or count == len(which):
            msg = f"{source}: {told}: expected rlnMicrographName, rlnCoordinateX and rlnCoordinateY, or location/*"
            raise NotFoundError(msg)
        left_out.append((source, told))
    return tuple(left_out)
