"""What is found: tomograms, each with all that belongs to it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from builders.io.tables.picks import Picks
from builders.stacks.files import SourceFile

Shape = tuple[int, int, int]
"""(nz, ny, nx), voxels."""
Point = tuple[float, float, float]
"""(x, y, z), Å."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A file of voxels: an MRC file, or the metadata file of an array of Zarr.

    Attributes:
        file: where it is, and what it is called.
        pixel_size: Å; of the metadata where there are any, else of the file; None where nothing says it.
        offset: (x, y, z) Å of the centre of voxel 0, from that of voxel 0 of the finest level.
        shape: (nz, ny, nx), voxels.
        chunk: shape of its chunks; None: it is no array of Zarr.
    """

    file: SourceFile
    pixel_size: float | None
    offset: Point
    shape: Shape
    chunk: Shape | None = None


@dataclass(frozen=True, slots=True)
class Tomogram:
    """A tomogram, and what belongs to it.

    Attributes:
        name: what it is called: its run, or its file without a suffix.
        volume: its voxels; of a pair, the even half.
        target: of a pair, the odd half.
        masks: volumes of the same shape, by what was asked for.
        picks: sets of picks, each of a file; `of` a tomogram of several has been taken.
    """

    name: str
    volume: Volume
    target: Volume | None = None
    masks: Mapping[str, Volume] = field(default_factory=dict)
    picks: tuple[Picks, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The tomograms of a source, in natural order of their names.

    Attributes:
        tomograms: those that were asked for.
        name: of the source, for messages.
        left_out: names of tomograms and files that were left out, and why.
        classes: names of the objects that a project knows, in its order; None where a source tells none.
    """

    tomograms: tuple[Tomogram, ...]
    name: str
    left_out: tuple[tuple[str, str], ...] = ()
    classes: tuple[str, ...] | None = None

    @property
    def version(self) -> str:
        """Changes when a file does, as far as its listing tells, and when any pick does."""
        digest = hashlib.sha256(repr((self.name, self.classes, self.left_out)).encode("utf-8", "surrogateescape"))
        for tomogram in self.tomograms:
            known = tomogram.name, tomogram.volume, tomogram.target, sorted(tomogram.masks.items())
            digest.update(repr(known).encode("utf-8", "surrogateescape"))
            for picks in tomogram.picks:
                told = picks.name, picks.unit, picks.pixel_size, picks.extent, picks.labels
                digest.update(repr(told).encode("utf-8", "surrogateescape"))
                for numbers in (picks.points, picks.rotations):
                    digest.update(b"" if numbers is None else numbers.tobytes())
        return digest.hexdigest()
