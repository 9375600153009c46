"""`unit="extracted"`: boxes cut out of micrographs where a table says that particles are.

A box of n pixels has the pixel at the rounded coordinate (halves to even) as its pixel `n // 2`. In another pixel size
than the micrograph's, a larger box is cut, of as many pixels as bring its Fourier crop nearest to that size, and the
row says the exact one. Pixels are as they are stored: contrast is not inverted.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import OptionError
from builders.io.tables.particle_table import ParticleTable
from builders.options import BoxSize
from builders.particles.micrographs.coordinates import Coordinates, Floats, Numbers, floats
from builders.particles.rows import Picked, values_of
from builders.stacks.files import SourceFile
from builders.stacks.picked.boxes import BEYOND, OUTSIDE, lie, outside

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Boxes:
    """How boxes are cut out of micrographs.

    Attributes:
        size: pixels of a side of a row's image.
        cut: pixels of the micrograph that it is made of, along a side: as many, or more, which are Fourier-cropped.
        pixel_sizes: Å of each row's image; NaN where nobody but the micrograph's file may know.
    """

    size: int
    cut: int
    pixel_sizes: Floats

    @property
    def step(self) -> float:
        """Pixels of the micrograph that are one of the image."""
        return self.cut / self.size

    @property
    def shape(self) -> tuple[int, int] | None:
        """What images are cropped to when they are decoded, an option of `EMImage`; None: they are not."""
        return None if self.cut == self.size else (self.size, self.size)


def plan(table: ParticleTable, box: BoxSize, pixel_size: float | None, times: int, told: float | None) -> Boxes:
    """Decide how large boxes are.

    They have the particles' pixel size where a table tells that beside the micrographs' and it is the larger one, as
    one of binned particles does; else the micrographs' own.

    Args:
        table: the rows.
        box: how large their images are to be.
        pixel_size: Å that these are to have; None: see above.
        times: how many pixels of the table's micrographs are one of those that are there.
        told: Å per pixel of the micrographs as the header of the first one has it; None: it does not say.

    Raises:
        OptionError: the pixel size is needed and not known, is smaller than the micrographs', or differs from row to
            row so that boxes would.
    """
    particles = floats(table.rows["pixel_size"])
    micrographs = floats(table.rows["micrograph_pixel_size"]) * times
    wanted = np.where(np.isfinite(micrographs), particles, np.nan)
    if pixel_size is not None:
        wanted = np.full(len(particles), pixel_size)
    known = np.where(np.isfinite(micrographs), micrographs, np.nan if told is None else told)
    if told is None:
        known = np.where(np.isfinite(known), known, particles)
    final = np.where(np.isfinite(wanted), wanted, known)
    if pixel_size is None:
        final = np.fmax(final, known)  # particles of a finer size were cut out of other micrographs
    if (box.pixels is None or pixel_size is not None) and not np.isfinite(known).all():
        asked = f"pixel_size={pixel_size:g}" if pixel_size is not None else f"box_size='{box.angstrom:g} Å'"
        msg = f"{table.name}: {asked} needs the micrographs' pixel size, which neither the table nor their files tell"
        raise OptionError(msg)
    sizes = np.unique([box.at(size) for size in np.unique(final)])
    size = int(sizes[0])
    ratios = np.where(np.isfinite(known), final / known, 1.0)
    cuts = np.unique(np.rint(size * ratios))
    if len(sizes) > 1 or len(cuts) > 1:
        shown = ", ".join(f"{one:.5g}" for one in np.unique(known)[:3])
        msg = f"{table.name}: its micrographs have pixels of {shown} Å, of which boxes of one size would need other "
        msg += "numbers: give box_size in pixels without pixel_size, or load them by a table for each size"
        raise OptionError(msg)
    cut = int(cuts[0])
    if cut < size:
        msg = f"{table.name}: boxes with pixels of {np.nanmin(final):g} Å, out of micrographs with pixels of "
        msg += f"{np.nanmin(known):g} Å: expected pixel_size to be no smaller (FourierPad makes images larger)"
        raise OptionError(msg)
    return Boxes(size, cut, known * cut / size)


def extracted(
    table: ParticleTable, which: Numbers, files: Sequence[SourceFile], boxes: Boxes, found: Coordinates
) -> Picked:
    """One row for each particle: a box of a micrograph. Which of them have all of their pixels is not known yet.

    `coordinate_x` and `coordinate_y` become pixels of the row's own size, as they are after a `FourierCrop`.

    Args:
        table: the rows.
        which: the file of each row's micrograph, by number; -1: it is not there.
        files: these.
        boxes: how they are cut.
        found: where particles are.
    """
    keep = (which >= 0) & found.known
    x, y = (np.where(keep, side, 0.0) for side in (found.x, found.y))
    sizes = boxes.pixel_sizes
    values = values_of(table)
    columns = {
        "file": pa.array(which, pa.int32()),
        "slice": pa.array(np.full(len(which), -1)),
        "top": pa.array(np.rint(y).astype(np.int64) - boxes.cut // 2),
        "left": pa.array(np.rint(x).astype(np.int64) - boxes.cut // 2),
        "row": pa.array(table.numbers),
        **{name: values[name] for name in values.column_names},
        "pixel_size": pa.array(sizes, pa.float32(), mask=~np.isfinite(sizes)),
        "coordinate_x": pa.array(x / boxes.step, pa.float32(), mask=~keep),
        "coordinate_y": pa.array(y / boxes.step, pa.float32(), mask=~keep),
    }
    picked = Picked(tuple(files), pa.table(columns), np.arange(len(which)), (boxes.cut, boxes.cut))
    return picked if keep.all() else picked.take(keep)


def held_against(picked: Picked, shapes: NDArray[np.int64], edge: str, skip: bool) -> Picked:
    """Hold boxes against the micrographs that they are cut out of, whose headers were read.

    Args:
        picked: the rows.
        shapes: `(ny, nx)` of each file.
        edge: `"fill"`, or `"drop"` to leave out boxes that reach beyond their micrograph.
        skip: whether rows that lie outside of it are left out, and told of.

    Raises:
        FormatError: a box has no pixel of its micrograph.
    """
    assert picked.box is not None
    files, tops, lefts = (picked.rows[name].to_numpy() for name in ("file", "top", "left"))
    corners = np.stack([tops, lefts], 1)
    how = lie(corners, picked.box, shapes[files].T)
    left_out = list(picked.left_out)
    rows = np.flatnonzero(how == OUTSIDE)
    for number in np.unique(files[rows]).tolist():
        some = rows[files[rows] == number]
        centres = corners[some] + np.array(picked.box) // 2
        told = outside(picked.files[number].path, shapes[number].tolist(), centres, picked.rows["row"].to_numpy()[some])
        if not skip:
            raise told
        left_out.append((picked.files[number].path, told))
    dropped = (how == BEYOND) & (edge == "drop")
    if dropped.any():
        count = int(np.count_nonzero(dropped))
        logger.warning("particles: %d of %d boxes reach beyond their micrographs and are dropped", count, len(dropped))
    return replace(picked.take((how != OUTSIDE) & ~dropped), left_out=tuple(left_out))
