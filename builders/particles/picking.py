"""From a table and the files of its images to picked rows, for each kind of row that there is."""

import contextlib
import logging
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import FormatError, NotFoundError, PercError
from builders.io.files.header_store import HeaderStore
from builders.io.tables.particle_table import ParticleTable
from builders.options import BoxSize, with_advice
from builders.particles.micrographs.coordinates import Coordinates, binning, coordinates, require_known, told_height
from builders.particles.micrographs.extraction import Boxes, extracted, held_against, plan
from builders.particles.micrographs.picks import micrograph_schema, micrographs
from builders.particles.rows import Numbers, Picked, coded, files_of, particles, value_schema
from builders.particles.source import Source
from builders.particles.tilts.columns import visible_counts
from builders.stacks.files import SourceFile
from builders.stacks.picked.boxes import layout_of
from builders.stacks.picked.catalogue import Side
from builders.stacks.rows import Images, Reading, look_at_all

logger = logging.getLogger(__name__)

Looked = Images | PercError


class Unit(Protocol):
    """A kind of row."""

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """What images are Fourier-cropped to when they are decoded; None: they are not."""
        ...

    def schema(self, extra: pa.Schema) -> pa.Schema:
        """Names and types of the columns besides `image`, `path` and `index`.

        Args:
            extra: the table's own ones that are wanted.
        """
        ...

    def pick(self) -> Picked:
        """The rows, in the table's order.

        Raises:
            PercError: rows have no image, and are not to be left out.
        """
        ...


@dataclass(frozen=True)
class Slices:
    """A row is a particle, and its image a slice of a stack, of which nothing is looked at yet.

    Attributes:
        source: the table and its files.
    """

    source: Source
    image_shape: None = None

    def schema(self, extra: pa.Schema) -> pa.Schema:
        """See `Unit`."""
        return value_schema(extra)

    def pick(self) -> Picked:
        """See `Unit`."""
        return particles(self.source.table, self.source.names, self.source.found, self.source.skip)


class Micrographs:
    """A row is a micrograph with its picks, or a box cut out of one. All headers of micrographs are read.

    Args:
        source: the table and its files.
        reading: how these become rows.
        cache: folder of the cache, for headers.
        flip_y: whether coordinates count from the other end of y.
        box: how large boxes are; None: rows are micrographs.
        pixel_size: Å that boxes are to have.
        edge: what a box that reaches beyond its micrograph does.
    """

    def __init__(
        self,
        source: Source,
        reading: Reading,
        cache: str | None,
        *,
        flip_y: bool,
        box: BoxSize | None,
        pixel_size: float | None,
        edge: str,
    ) -> None:
        self._source, self._reading, self._cache = source, reading, cache
        self._flip_y, self._box, self._pixel_size, self._edge = flip_y, box, pixel_size, edge
        self._seen: _Seen | None = None

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """See `Unit`."""
        return None if self._box is None else self._plan(self._box).shape

    def schema(self, extra: pa.Schema) -> pa.Schema:
        """See `Unit`."""
        return value_schema(extra) if self._box is not None else micrograph_schema(value_schema(extra))

    def pick(self) -> Picked:
        """See `Unit`."""
        source, seen = self._source, self._look()
        heights = np.append(seen.shapes[:, 0], 0)[seen.which].astype(np.float64) if self._flip_y else None
        found = coordinates(source.table, seen.times, heights)
        left_out = seen.left_out + require_known(found, seen.named, source.name, source.skip, source.table.chosen)
        if self._box is None:
            picked = micrographs(source.table, seen.which, seen.files, seen.times, found)
        else:
            picked = self._boxes(self._plan(self._box), seen, found)
        if not len(picked.numbers):
            msg = f"{source.name}: no row is left of {len(seen.which)}"
            raise NotFoundError(msg)
        return replace(picked, left_out=(*left_out, *picked.left_out))

    def _boxes(self, boxes: Boxes, seen: "_Seen", found: Coordinates) -> Picked:
        picked = extracted(self._source.table, seen.which, seen.files, boxes, found)
        return held_against(picked, seen.shapes, self._edge, self._source.skip)

    def _plan(self, box: BoxSize) -> Boxes:
        seen = self._look()
        return plan(self._source.table, box, self._pixel_size, seen.times, seen.pixel_size)

    def _look(self) -> "_Seen":
        if self._seen is None:
            self._seen = _seen(self._source, self._reading, HeaderStore(self._cache))
        return self._seen


@dataclass(frozen=True)
class _Seen:
    """The micrographs that a table names.

    Attributes:
        files: these.
        named: which name each row has, by number; -1: none.
        which: the file of each row, by number; -1: it is not there.
        shapes: `(ny, nx)` of each file; 0 of one that cannot be read.
        times: how many pixels of the table's micrographs are one of those that are there.
        pixel_size: Å, as the header of the first one has it.
        left_out: names or paths and reasons.
    """

    files: tuple[SourceFile, ...]
    named: Numbers
    which: Numbers
    shapes: Numbers
    times: int
    pixel_size: float | None
    left_out: tuple[tuple[str, object], ...]


def _seen(source: Source, reading: Reading, store: HeaderStore) -> _Seen:
    table, found = source.table, source.found
    named = coded(table.rows["micrograph"])[1]
    which, left_out = files_of(table.rows["micrograph"], source.names, found)
    shapes = np.zeros((len(found.files), 2), np.int64)
    sizes: list[float | None] = [None] * len(found.files)
    with contextlib.closing(look_at_all(found.files, reading, store)) as looked_at:
        for number, looked in enumerate(looked_at):
            try:
                if isinstance(looked, PercError):
                    raise looked
                shapes[number] = layout_of(looked).shape
                sizes[number] = looked.image.pixel_size
            except PercError as err:
                if not source.skip:
                    raise with_advice(err) from None
                logger.warning("particles: leaving out %s", err)
                left_out.append((found.files[number].path, err))
                which = np.where(which == number, -1, which)
    there = np.flatnonzero(which >= 0)
    if not found.files and not found.missing:
        msg = f"{source.name}: none of its {len(which)} rows names a micrograph: expected rlnMicrographName, or "
        msg += "location/micrograph_path of a passthrough file"
        raise NotFoundError(msg)
    if not len(there):
        msg = f"{source.name}: none of its {len(which)} rows has a micrograph that can be read"
        msg += f": {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise NotFoundError(msg)
    first = int(which[there[0]])
    times = _times(table, which == first, int(shapes[first][0]), found.files[first].path, source.name)
    return _Seen(found.files, named, which, shapes, times, sizes[first], tuple(left_out))


def _times(table: ParticleTable, of_first: NDArray[np.bool_], there: int, path: str, source: str) -> int:
    return binning(told_height(table, of_first), there, path, source)


def sides_of(table: ParticleTable, picked: Picked) -> list[Side | None]:
    """Of each file, how many pixels a side of its images has as the table says, and who says it there.

    Raises:
        FormatError: rows of one file say different things.
    """
    told: list[Side | None] = [None] * len(picked.files)
    files = picked.rows["file"].to_numpy()
    said = pc.fill_null(table.rows["image_size"].take(pa.array(picked.numbers)), -1).to_numpy()
    known = np.flatnonzero(said >= 0)
    different, firsts = np.unique(np.stack([files[known], said[known]], 1), axis=0, return_index=True)
    for (file, side), row in zip(different.tolist(), known[firsts].tolist(), strict=True):
        group = picked.rows["optics_group"][row].as_py()
        whose = "the table" if group is None else f"optics group {group}"
        other = told[file]
        if other is not None:
            msg = f"{table.name}: {picked.files[file].path} has images of {other[0]} pixels ({other[1]}) and of {side} "
            msg += f"({whose}): expected one size in a stack"
            raise FormatError(msg)
        told[file] = side, whose
    if table.stacks is not None:
        counts = dict(zip(files.tolist(), visible_counts(table)[picked.numbers].tolist(), strict=True))
        told = [side and (side[0], side[1], counts[file]) for file, side in enumerate(told)]
    return told


def in_file_order(picked: Picked) -> Picked:
    """The rows file by file, slice by slice, or box by box from the top of a micrograph."""
    inner = "top" if "top" in picked.rows.column_names else "slice"
    return picked.take(np.lexsort((picked.rows[inner].to_numpy(), picked.rows["file"].to_numpy())))
