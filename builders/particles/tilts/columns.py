"""The columns of particles whose images are stacks of tilts: lists, with a value for each tilt that a stack holds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.tables.particle_table import CTF, POSE, ParticleTable
from builders.io.tables.relion.projections import Projections
from builders.io.tables.tilts import Tilt
from builders.particles.rows import coded
from builders.particles.tilts.geometry import Objects

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]

MATRIX = pa.list_(pa.list_(pa.float32(), 3), 3)
COLUMNS = pa.schema(
    {
        "ctf": pa.list_(CTF),
        "pose": pa.list_(POSE),
        "tilt_angle": pa.list_(pa.float32()),
        "pre_exposure": pa.list_(pa.float32()),
        "tilt": pa.list_(pa.int64()),
        "rotation": MATRIX,
        "is_ctf_premultiplied": pa.bool_(),
        "tomogram": pa.string(),
    }
)
"""Columns that take the place of `ctf`, `pose` and `micrograph`."""
_ANGLES, _SHIFTS = ("rot", "tilt", "psi"), ("shift_x", "shift_y")
_NUMBERS = ("tilt_angle", "pre_exposure")


@dataclass(frozen=True, slots=True)
class Series:
    """A tilt series as its tables tell of it.

    Attributes:
        name: of its file, for errors.
        tilts: its images, in the order of its table.
        projections: of each of them; None: it was not aligned.
    """

    name: str
    tilts: tuple[Tilt, ...]
    projections: Projections | None


def columns_of(table: ParticleTable, series: Mapping[str, Series]) -> pa.Table:
    """The columns `COLUMNS` of all rows.

    Args:
        table: the particles, of which `stacks` is there.
        series: the tilt series of their tomograms, as far as they are known; values of others are null.

    Raises:
        FormatError: a row tells of another number of tilts than its series has.
    """
    stacks = table.stacks
    assert stacks is not None
    visible = stacks["visible"].combine_chunks()
    flags = visible.values.to_numpy(zero_copy_only=False)
    starts = visible.offsets.to_numpy().astype(np.int64)
    seen = np.flatnonzero(flags[starts[0] : starts[-1]]) + starts[0]
    rows = np.searchsorted(starts, seen, "right") - 1
    tilts = seen - starts[rows]
    offsets = np.searchsorted(rows, np.arange(len(table.rows) + 1))
    objects = _objects(table)
    values = _Values(len(seen))
    names, which = coded(table.rows["micrograph"])
    counts = np.diff(starts)
    for number, name in enumerate(names):
        if name in series:
            own = np.flatnonzero(which == number)
            _check(table, own, counts[own], name, series[name])
            values.fill(np.flatnonzero(which[rows] == number), rows, tilts, objects, series[name])
    lists = {name: _lists(offsets, values.column(name)) for name in ("ctf", "pose", *_NUMBERS)}
    columns = {
        **lists,
        "tilt": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(tilts)),
        "rotation": _matrices(objects.rotations),
        "is_ctf_premultiplied": stacks["is_ctf_premultiplied"],
        "tomogram": table.rows["micrograph"].cast(pa.string()),
    }
    return pa.table([columns[name] for name in COLUMNS.names], COLUMNS)


def visible_counts(table: ParticleTable) -> Numbers:
    """How many tilts each row's stack holds."""
    assert table.stacks is not None
    visible = table.stacks["visible"].combine_chunks()
    sums = np.append(0, np.cumsum(visible.values.to_numpy(zero_copy_only=False)))
    starts = visible.offsets.to_numpy()
    counts: Numbers = sums[starts[1:]] - sums[starts[:-1]]
    return counts


def _objects(table: ParticleTable) -> Objects:
    assert table.stacks is not None
    pose = table.rows["pose"].combine_chunks()
    angles = np.stack([np.nan_to_num(pose.field(name).to_numpy(zero_copy_only=False)) for name in _ANGLES], 1)
    turns, origins, centres = (
        table.stacks[name].combine_chunks().flatten().to_numpy().reshape(-1, 3) for name in ("turn", "origin", "centre")
    )
    return Objects.of(angles.astype(np.float64), turns, origins, centres)


def _check(table: ParticleTable, rows: Numbers, counts: Numbers, tomogram: str, series: Series) -> None:
    wrong = np.flatnonzero(counts != len(series.tilts))
    if wrong.size:
        row, count = int(table.numbers[rows[wrong[0]]]), int(counts[wrong[0]])
        msg = f"{table.name}: row {row + 1}, counted from 1, tells which of {count} tilts of {tomogram} it is seen in: "
        msg += f"expected {len(series.tilts)}, as {series.name} has"
        raise FormatError(msg)


class _Values:
    """Numbers of every tilt of every row, NaN where they are not known.

    Args:
        count: of tilts of all rows.
    """

    def __init__(self, count: int) -> None:
        names = (*(field.name for field in CTF), *_NUMBERS, *_ANGLES, *_SHIFTS)
        self._of = {name: np.full(count, np.nan, np.float32) for name in names}

    def fill(self, places: Numbers, rows: Numbers, tilts: Numbers, objects: Objects, series: Series) -> None:
        """Fill in those of one series."""
        which, own = tilts[places], objects.take(rows[places])
        for name in _NUMBERS:
            self._put(name, places, _numbers([getattr(tilt, name) for tilt in series.tilts])[which])
        depths = None
        if series.projections is not None:
            angles, shifts, depths = own.seen(series.projections.rotations[which])
            for names, found in ((_ANGLES, angles), (_SHIFTS, shifts)):
                for axis, name in enumerate(names):
                    self._put(name, places, found[:, axis])
        hand = None if series.projections is None else series.projections.hand
        above = np.full(len(places), np.nan) if depths is None or hand is None else depths * hand
        for field in CTF:
            values = _numbers([None if tilt.ctf is None else tilt.ctf.get(field.name) for tilt in series.tilts])[which]
            self._put(field.name, places, values + above if field.name in ("defocus_u", "defocus_v") else values)

    def column(self, name: str) -> pa.Array:
        """One of the columns, null where it is not known."""
        if name in self._of:
            return _nullable(self._of[name])
        kind, deciding = (CTF, "defocus_u") if name == "ctf" else (POSE, "rot")
        fields = [_nullable(self._of[field.name]) for field in kind]
        return pa.StructArray.from_arrays(fields, fields=list(kind), mask=pa.array(np.isnan(self._of[deciding])))

    def _put(self, name: str, places: Numbers, values: Floats) -> None:
        self._of[name][places] = values


def _numbers(values: list[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _nullable(values: NDArray[np.float32]) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


def _lists(offsets: Numbers, values: pa.Array) -> pa.ListArray:
    """A list a row, null where no value of it is known."""
    known = np.append(0, np.cumsum(values.is_valid().to_numpy(zero_copy_only=False)))[offsets]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=pa.array(known[1:] == known[:-1]))


def _matrices(rotations: Floats) -> pa.FixedSizeListArray:
    flat = pa.array(rotations.astype(np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(pa.FixedSizeListArray.from_arrays(flat, 3), 3)
