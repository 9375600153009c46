"""What a source of tomograms has, in numbers; no voxel is read."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from builders.errors import PercError
from builders.io import image_file
from builders.io.multiscale import levels
from builders.tomograms.classes import UNNAMED, class_names
from builders.tomograms.picking import labels_there, placed
from builders.tomograms.rows import Placed
from builders.tomograms.sources import Found, Tomogram
from builders.tomograms.subtomograms import lie_outside, voxels_of

_ZARR = ("/.zarray", "/zarr.json")


@dataclass(frozen=True)
class Level:
    """A level of a pyramid: its voxels along z, y, x, and their size, Å; None: it is not told."""

    shape: tuple[int, ...]
    pixel_size: float | None


@dataclass(frozen=True)
class Look:
    """A tomogram.

    Attributes:
        name: what it is called.
        path: of its file, or of the metadata of its array, as rows have it.
        shape: `(nz, ny, nx)`, voxels.
        dtype: of these.
        pixel_size: Å; None: nothing says it.
        levels: of its pyramid, the finest first; empty: it is none.
        picks: how many there are of each class that has any.
        outside: how many of them lie outside of the volume; None: its pixel size is not known.
        oriented: how many of them have a rotation.
        masks: what was asked for, and the path of the file that it is.
        target: of a pair, the path of the other half.
    """

    name: str
    path: str
    shape: tuple[int, ...]
    dtype: str
    pixel_size: float | None
    levels: tuple[Level, ...]
    picks: Mapping[str, int]
    outside: int | None
    oriented: int
    masks: Mapping[str, str]
    target: str | None


@dataclass(frozen=True)
class Summary:
    """A source of tomograms.

    Attributes:
        source: what it is called.
        tomograms: its tomograms, in natural order of their names.
        classes: of all picks, in the order of their ids.
        left_out: names of tomograms and files that cannot be read, and why.
    """

    source: str
    tomograms: tuple[Look, ...]
    classes: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]

    def counts(self) -> dict[str, int]:
        """Picks of each class in all tomograms."""
        return {name: sum(look.picks.get(name, 0) for look in self.tomograms) for name in self.classes}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"counts": self.counts()}


def summarise(found: Found) -> Summary:
    """What a source has.

    Raises:
        PercError: the header of a tomogram cannot be read.
    """
    classes = tuple(class_names(labels_there(found), found.classes, None, background=False))
    looks = tuple(_look(tomogram, classes) for tomogram in found.tomograms)
    return Summary(found.name, looks, classes, found.left_out)


def placed_in(tomogram: Tomogram, classes: tuple[str, ...]) -> Placed | None:
    """The picks of a tomogram; None where its pixel size, which they need, is not known."""
    return None if tomogram.volume.pixel_size is None else placed(tomogram, classes)


def _look(tomogram: Tomogram, classes: tuple[str, ...]) -> Look:
    volume = tomogram.volume
    counts = dict.fromkeys(classes, 0)
    for picks in tomogram.picks:
        for label in picks.labels or (UNNAMED,) * len(picks):
            counts[label] += 1
    all_placed = placed_in(tomogram, classes)
    is_out = None if all_placed is None else lie_outside(voxels_of(all_placed.pixels), volume.shape)
    return Look(
        name=tomogram.name,
        path=volume.file.path,
        shape=volume.shape,
        dtype=str(image_file.complete(image_file.survey(volume.file.location)).layout.dtype),
        pixel_size=volume.pixel_size,
        levels=_levels(volume.file.location),
        picks={name: count for name, count in counts.items() if count},
        outside=None if is_out is None else int(np.count_nonzero(is_out)),
        oriented=sum(len(picks) for picks in tomogram.picks if picks.rotations is not None),
        masks={asked: mask.file.path for asked, mask in tomogram.masks.items()},
        target=None if tomogram.target is None else tomogram.target.file.path,
    )


def _levels(location: str) -> tuple[Level, ...]:
    """The levels of the pyramid whose array this is."""
    if not location.partition("?")[0].endswith(_ZARR):
        return ()
    array, mark, query = location.partition("?")
    try:
        return tuple(
            Level(level.shape, None if math.isnan(level.pixel_size[2]) else level.pixel_size[2])
            for level in levels(array.rsplit("/", 2)[0] + mark + query, needs_scales=False)
        )
    except PercError:  # an array that lies deeper, of which the metadata were read before
        return ()
