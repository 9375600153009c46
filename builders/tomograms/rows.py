"""From tomograms that were looked at to picked rows, for each kind of row that there is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import OptionError
from builders.io.boxes.turned import enclosing
from builders.io.tables.picks.arrow import lists_of_picks, points, rotations
from builders.tomograms import background as backgrounds
from builders.tomograms.columns import poses
from builders.tomograms.subtomograms import corners_of, lie_inside, nearest, reading_order, voxels_of, within
from builders.tomograms.tiles import Sides, grid

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Placed:
    """Picks in a volume.

    Attributes:
        coordinates: `(N, 3)`, x, y, z, Å in the tomogram.
        pixels: `(N, 3)`, x, y, z, voxels of the volume, from 0.
        labels: `(N,)`; -1 of a class that is not among those that rows are of.
        rotations: `(N, 3, 3)`, object -> tomogram; NaN where one is not known.
    """

    coordinates: Floats
    pixels: Floats
    labels: Numbers
    rotations: Floats

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, wanted: Any) -> "Placed":
        """Some of them, by their places or by a mask."""
        return Placed(*(side[wanted] for side in (self.coordinates, self.pixels, self.labels, self.rotations)))


@dataclass(frozen=True)
class Seen:
    """A tomogram whose header was read.

    Attributes:
        name: of the tomogram.
        shape: `(nz, ny, nx)` of its volume.
        pixel_size: Å; None where it is not known.
        offset: Å from voxel 0 of the finest level to that of this one: x, y, z.
        picks: in it.
        files: by column, such as `"file"` and `"file:target"`, the number of a file.
        chunk: shape of the volume's chunks; None: it lies in rows.
    """

    name: str
    shape: Sides
    pixel_size: float | None
    offset: tuple[float, float, float]
    picks: Placed
    files: dict[str, int]
    chunk: Sides | None = None


@dataclass(frozen=True)
class Piece:
    """Rows of one tomogram.

    Attributes:
        values: columns of the dataset and of `picked.catalogue.PLACES`.
        left_out: what there is to say of rows that are wanted and missing, each with the tomogram's name.
        dropped: boxes that reached beyond.
    """

    values: dict[str, Any]
    left_out: tuple[tuple[str, str], ...] = ()
    dropped: int = 0


class Unit(Protocol):
    """A kind of row."""

    def rows(self, seen: Seen, has_picks: bool, has_rotations: bool) -> Piece:
        """The rows of a tomogram.

        Args:
            seen: the tomogram.
            has_picks: whether picks were asked for.
            has_rotations: whether any pick of the dataset has a rotation.
        """
        ...


def _shared(seen: Seen, count: int) -> dict[str, Any]:
    """The columns that are the same in all rows of a tomogram."""
    same = {name: pa.array(np.full(count, number, np.int32)) for name, number in seen.files.items()}
    same["slice"] = pa.array(np.full(count, -1, np.int64))
    same["tomogram"] = pa.repeat(pa.scalar(seen.name, pa.string()), count)
    same["pixel_size"] = pa.repeat(pa.scalar(seen.pixel_size, pa.float32()), count)
    return same


def _boxes(corners: Numbers) -> dict[str, Any]:
    """The columns that say where boxes lie."""
    places = {name: pa.array(corners[:, axis]) for axis, name in enumerate(("front", "top", "left"))}
    return {**places, "origin": points(corners, pa.int64())}


class Whole:
    """A row is a tomogram."""

    def rows(self, seen: Seen, has_picks: bool, has_rotations: bool) -> Piece:
        """See `Unit`."""
        values = _shared(seen, 1)
        if has_picks:
            picks = seen.picks.take(seen.picks.labels >= 0)
            matrices = picks.rotations if has_rotations else None
            count = np.array([len(picks)])
            values["picks"] = lists_of_picks(count, picks.coordinates, picks.pixels, picks.labels, matrices)
        return Piece(values)


@dataclass(frozen=True)
class Tiles:
    """A row is a tile of a tomogram.

    Attributes:
        tile: `(nz, ny, nx)` of all of them.
        overlap: voxels that neighbours have in common.
        edge: what a tile does that would reach beyond.
    """

    tile: Sides
    overlap: Sides
    edge: str

    def rows(self, seen: Seen, has_picks: bool, has_rotations: bool) -> Piece:
        """See `Unit`."""
        made = grid(seen.shape, self.tile, self.overlap, self.edge, f"tomogram {seen.name}")
        corners = made.corners
        values = _shared(seen, len(corners)) | _boxes(corners)
        if has_picks:
            picks = seen.picks.take(seen.picks.labels >= 0)
            tiles, which = made.holding(nearest(voxels_of(picks.pixels), seen.shape))
            own = picks.take(which)
            matrices = own.rotations if has_rotations else None
            counts = np.bincount(tiles, minlength=len(corners))
            pixels = within(own.pixels, corners[tiles])
            values["picks"] = lists_of_picks(counts, own.coordinates, pixels, own.labels, matrices)
        return Piece(values)


@dataclass(frozen=True)
class Background:
    """How cubes without a pick are drawn.

    Attributes:
        count: of them in a tomogram.
        distance: Å that their centres are from every pick at the least; None: a side of the cube.
        seed: decides where.
        label: their class.
        skip: whether fewer will do where there is no room.
    """

    count: int
    distance: float | None
    seed: int
    label: int
    skip: bool


@dataclass(frozen=True)
class Subtomograms:
    """A row is a cube around a pick, or one without.

    Attributes:
        side: of the cubes, in voxels.
        edge: what a cube does that reaches beyond its tomogram.
        align: cut upright, with the object's centre at voxel `n // 2` to a part of a voxel.
        background: those without a pick; None: there are none.
        skip: whether picks that cannot be cut upright are left out.
    """

    side: int
    edge: str
    align: bool = False
    background: Background | None = None
    skip: bool = False

    def rows(self, seen: Seen, has_picks: bool, has_rotations: bool) -> Piece:
        """See `Unit`; rows stand as `reading_order` has them."""
        assert seen.pixel_size is not None
        self._require_room(seen)
        picks, told = self._wanted(seen)
        if self.background is not None:
            drawn, more = self._drawn(seen, self.background)
            picks, told = _together(picks, drawn), [*told, *more]
        corners = corners_of(voxels_of(picks.pixels), self.side)
        keep = self._inside(corners, picks, seen.shape) if self.edge == "drop" else np.ones(len(corners), bool)
        order = np.flatnonzero(keep)
        order = order[reading_order(corners[order], seen.chunk)]
        picks, corners = picks.take(order), corners[order]
        pixels, matrices = within(picks.pixels, corners), picks.rotations if has_rotations else None
        values = _shared(seen, len(corners)) | _boxes(corners)
        if self.align:
            values |= {"cube:at": _lists(picks.pixels), "cube:turn": _lists(picks.rotations)}
            pixels, matrices = np.full_like(pixels, self.side // 2), self._upright(picks)
        left = pixels - self.side // 2
        values |= {
            "label": pa.array(picks.labels, pa.int64()),
            "coordinates": points(picks.coordinates),
            "pixels": points(pixels),
            "rotation": rotations(matrices, len(corners)),
            "pose": poses(matrices, left, np.full(len(corners), seen.pixel_size)),
        }
        return Piece(values, tuple((seen.name, one) for one in told), int(np.count_nonzero(~keep)))

    def _require_room(self, seen: Seen) -> None:
        """Refuse cubes that have no place in a tomogram, or would be filled for the most part.

        Raises:
            OptionError: a cube is larger than the tomogram: along every axis; with `edge="drop"`, along any.
        """
        most = min(seen.shape) if self.edge == "drop" else max(seen.shape)
        if self.side > most:
            msg = f"box_size: cubes of {self.side} voxels in tomogram {seen.name}, which has {seen.shape} voxels "
            msg += f"(z, y, x): expected at most {most}" + ", as edge='drop' takes whole cubes only" * (
                self.edge == "drop"
            )
            raise OptionError(msg)

    def _wanted(self, seen: Seen) -> tuple[Placed, list[str]]:
        """The picks of wanted classes, and what is to be said of those that cannot be cut upright.

        Raises:
            OptionError: some cannot, and are not to be left out.
        """
        picks = seen.picks.take(seen.picks.labels >= 0)
        without = np.isnan(picks.rotations[:, 0, 0])
        if not self.align or not without.any():
            return picks, []
        msg = f"{seen.name}: align=True: {np.count_nonzero(without)} of {len(picks)} picks have no rotation"
        if not self.skip:
            msg += ", by which cubes are cut upright (on_error='skip' leaves these out)"
            raise OptionError(msg)
        return picks.take(~without), [msg]

    def _inside(self, corners: Numbers, picks: Placed, volume: Sides) -> NDArray[np.bool_]:
        """Which cubes are made of voxels of the tomogram alone."""
        if not self.align:
            return lie_inside(corners, self.side, volume)
        edges = enclosing(picks.pixels, picks.rotations, self.side)
        inside: NDArray[np.bool_] = np.all((edges[..., 0] >= 0) & (edges[..., 1] <= np.array(volume)), axis=1)
        return inside

    def _upright(self, picks: Placed) -> Floats:
        """The rotations of objects that were cut upright: none, but of background they are not known."""
        matrices = np.tile(np.eye(3), (len(picks), 1, 1))
        if self.background is not None:
            matrices[picks.labels == self.background.label] = np.nan
        return matrices

    def _drawn(self, seen: Seen, wanted: Background) -> tuple[Placed, list[str]]:
        """Cubes without a pick, as picks; and what is to be said where they are fewer than wanted.

        Where cubes are cut upright, these are turned and moved by parts of a voxel at random: else whether it was
        interpolated would tell a network what a cube is.

        Raises:
            OptionError: they are fewer, and that will not do.
        """
        assert seen.pixel_size is not None
        distance = self.side * seen.pixel_size if wanted.distance is None else wanted.distance
        own = self.side, seen.shape, seen.picks.pixels, distance / seen.pixel_size
        key = f"{wanted.seed}\0{seen.name}"
        voxels = backgrounds.places(wanted.count, *own, key)
        count = len(voxels)
        told = backgrounds.require(count, wanted.count, distance, len(seen.picks), seen.name, wanted.skip)
        pixels, turns = voxels[:, ::-1].astype(np.float64), np.full((count, 3, 3), np.nan)
        if self.align:
            moves, turns = backgrounds.turns(count, key)
            pixels += moves
        labels = np.full(count, wanted.label)
        coordinates = pixels * seen.pixel_size + seen.offset
        return Placed(coordinates, pixels, labels, turns), [] if told is None else [told]


def _lists(values: Floats) -> pa.FixedSizeListArray:
    """Numbers of each row as Arrow has them."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1), pa.float64()), math.prod(values.shape[1:]))


def _together(some: Placed, others: Placed) -> Placed:
    pairs = ((getattr(some, name), getattr(others, name)) for name in Placed.__dataclass_fields__)
    return Placed(*map(np.concatenate, pairs))


def joined(pieces: Sequence[Piece]) -> pa.Table:
    """The rows of some tomograms, one after another."""
    return pa.concat_tables([pa.table(piece.values) for piece in pieces])
