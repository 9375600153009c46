"""From the tomograms of a source to picked rows: where their picks lie, of which classes, in which files."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import FormatError, NotFoundError, OptionError, PercError
from builders.options import BoxSize, with_advice
from builders.stacks.files import SourceFile
from builders.tomograms.classes import UNNAMED
from builders.tomograms.rows import Piece, Placed, Seen, Unit, joined
from builders.tomograms.sources import Found, Tomogram, Volume
from builders.tomograms.subtomograms import lie_outside, voxels_of

logger = logging.getLogger(__name__)

_SHOWN = 3
_FEWEST = 4
"""Voxels of a side that was said in Å: fewer are a slip of units."""
Told = tuple[str, object]
"""A name, and what is wrong with what it names."""


@dataclass(frozen=True)
class Picked:
    """Rows of tomograms.

    Attributes:
        files: of all images of rows.
        rows: columns of a catalogue, and of the dataset.
        left_out: names of tomograms and reasons.
    """

    files: tuple[SourceFile, ...]
    rows: pa.Table
    left_out: tuple[Told, ...]


def labels_there(found: Found) -> set[str]:
    """The classes of a source's picks."""
    return {label for tomogram in found.tomograms for picks in tomogram.picks for label in picks.labels or (UNNAMED,)}


def files_of(found: Found, masks: Mapping[str, str]) -> tuple[SourceFile, ...]:
    """The files of all images, tomogram by tomogram, each as often as it is named.

    Args:
        found: the tomograms.
        masks: columns of masks, and what was asked for in each.
    """
    return tuple(volume.file for tomogram in found.tomograms for volume in _volumes(tomogram, masks).values())


def _volumes(tomogram: Tomogram, masks: Mapping[str, str]) -> dict[str, Volume]:
    """The volumes of a tomogram by the catalogue's columns for them."""
    volumes = {"file": tomogram.volume}
    if tomogram.target is not None:
        volumes["file:target"] = tomogram.target
    return volumes | {f"file:{column}": tomogram.masks[asked] for column, asked in masks.items()}


def side_of(found: Found, box: BoxSize) -> int:
    """Voxels of the side of all cubes.

    Raises:
        OptionError: a size in Å is another number of voxels in different tomograms, or hardly any.
    """
    sizes = {tomogram.name: _pixel_size(tomogram) for tomogram in found.tomograms}
    sides = {box.at(size): (name, size) for name, size in sizes.items()}
    if len(sides) > 1:
        shown = ", ".join(f"{name} ({size:g} Å)" for name, size in list(sides.values())[:_SHOWN])
        msg = f"{found.name}: box_size='{box.angstrom:g} Å' is not one number of voxels in all tomograms, {shown}: "
        msg += "give box_size in voxels, or choose tomograms by pixel_size= or tomograms="
        raise OptionError(msg)
    side, (name, size) = next(iter(sides.items()))
    if box.angstrom is not None and box.angstrom < _FEWEST * size:
        msg = f"box_size='{box.angstrom:g} Å' is less than {_FEWEST} voxels of {size:g} Å in {name}: expected at least "
        msg += f"'{_FEWEST * size:g} Å'"
        raise OptionError(msg)
    return side


def _pixel_size(tomogram: Tomogram) -> float:
    """Å.

    Raises:
        OptionError: nothing says it.
    """
    if tomogram.volume.pixel_size is None:
        msg = f"{tomogram.volume.file.path}: its pixel size, which places in Å need, is not known: pixel_size= says it"
        raise OptionError(msg)
    return tomogram.volume.pixel_size


def placed(tomogram: Tomogram, names: Sequence[str]) -> Placed:
    """All picks of a tomogram, one set after another.

    Args:
        tomogram: the tomogram.
        names: of classes, whose places are their ids.

    Raises:
        OptionError: its pixel size is not known.
    """
    if not tomogram.picks:
        return Placed(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros((0, 3, 3)))
    volume, size = tomogram.volume, _pixel_size(tomogram)
    own = volume.shape, size, volume.offset
    coordinates = np.concatenate([picks.coordinates(*own).reshape(-1, 3) for picks in tomogram.picks])
    numbers = {name: number for number, name in enumerate(names)}
    labels = [label for picks in tomogram.picks for label in picks.labels or (UNNAMED,) * len(picks)]
    rotations = [_matrices(picks) for picks in tomogram.picks]
    pixels = (coordinates - np.asarray(volume.offset)) / size
    ids = np.array([numbers.get(label, -1) for label in labels], np.int64)
    return Placed(coordinates, pixels, ids, np.concatenate(rotations))


def _matrices(picks: Any) -> NDArray[np.float64]:
    return np.full((len(picks), 3, 3), np.nan) if picks.rotations is None else picks.rotations


def _inside(tomogram: Tomogram, picks: Placed, skip: bool) -> tuple[Placed, list[Told]]:
    """The picks that lie in their tomogram, and what is wrong with others.

    Raises:
        FormatError: there are others, and they are not to be left out.
    """
    volume = tomogram.volume
    out = lie_outside(voxels_of(picks.pixels), volume.shape)
    if not out.any():
        return picks, []
    places = [f"({x:.6g}, {y:.6g}, {z:.6g})" for x, y, z in picks.pixels[out][:_SHOWN].tolist()]
    count, (nz, ny, nx) = int(np.count_nonzero(out)), volume.shape
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    msg = f"{tomogram.name}: {count} of {len(picks)} picks lie outside of {volume.file.path}, which has {nx} x {ny} x "
    msg += f"{nz} voxels (x, y, z) of {volume.pixel_size:g} Å: {', '.join(places)}{more}: are they of another "
    in_voxels = any(picks.unit != "angstrom" for picks in tomogram.picks)
    msg += f"{'pixel size (picks_pixel_size=), or of another ' * in_voxels}tomogram?"
    error = FormatError(msg)
    if not skip:
        raise with_advice(error)
    return picks.take(~out), [(tomogram.name, error)]


@dataclass(frozen=True)
class Asking:
    """What rows are made of tomograms.

    Attributes:
        unit: the kind of row.
        names: of classes.
        masks: columns of masks, and what was asked for in each.
        has_picks: whether picks were asked for.
        skip: whether what is wrong is left out.
    """

    unit: Unit
    names: Sequence[str]
    masks: Mapping[str, str]
    has_picks: bool
    skip: bool


def pick(found: Found, asking: Asking, only: frozenset[str] | None = None) -> Picked:
    """The rows of tomograms, in order.

    Args:
        found: the tomograms.
        asking: what rows are made of them.
        only: names of those whose rows are wanted; None: all.

    Raises:
        PercError: something is wrong, and it is not to be left out; or no row is left.
    """
    files = files_of(found, asking.masks)
    has_rotations = any(picks.rotations is not None for tomogram in found.tomograms for picks in tomogram.picks)
    pieces: list[Piece] = []
    left_out: list[Told] = []
    first = 0
    for tomogram in found.tomograms:
        volumes = _volumes(tomogram, asking.masks)
        numbers = {column: first + number for number, column in enumerate(volumes)}
        first += len(volumes)
        if only is not None and tomogram.name not in only:
            continue
        try:
            picks, outside = _inside(tomogram, placed(tomogram, asking.names), asking.skip)
            volume = tomogram.volume
            known = tomogram.name, volume.shape, volume.pixel_size, volume.offset
            seen = Seen(*known, picks, numbers, volume.chunk)
            piece = asking.unit.rows(seen, asking.has_picks, has_rotations)
        except PercError as err:
            if not asking.skip:
                raise
            left_out.append((tomogram.name, err))
            continue
        left_out += [*outside, *piece.left_out]
        pieces.append(piece)
    for name, reason in left_out:
        logger.warning("tomograms: leaving out of %s: %s", name, reason)
    if dropped := sum(piece.dropped for piece in pieces):
        logger.warning("tomograms: %d boxes reach beyond their tomograms and are dropped", dropped)
    rows = joined(pieces) if pieces else None
    if rows is None or not len(rows):
        raise NotFoundError(_nothing(found, left_out, asking))
    return Picked(files, rows, tuple(left_out))


def _nothing(found: Found, left_out: Sequence[Told], asking: Asking) -> str:
    """What is wrong where no row is left."""
    if left_out:
        return f"{found.name}: no row is left; the first that was left out: {left_out[0][0]}: {left_out[0][1]}"
    count = sum(len(picks) for tomogram in found.tomograms for picks in tomogram.picks)
    return f"{found.name}: no row: none of {count} picks in {len(found.tomograms)} tomograms is taken"
