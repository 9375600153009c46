"""Picks: points in tomograms, from whatever file, in one vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Unit = Literal["angstrom", "voxel", "centred"]
_ALIKE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Picks:
    """Points in one or several tomograms.

    Attributes:
        name: of their file, for messages.
        points: `(n, 3)`, x, y, z, all finite, in `unit`.
        unit: `"angstrom"`: Å from the centre of voxel 0. `"voxel"`: voxels from the centre of voxel 0, whatever the
            file counts from. `"centred"`: Å from the tomogram's middle, as RELION 5 has them.
        labels: what each point is, by name; None where the file does not say.
        rotations: `(n, 3, 3)`, object -> tomogram, acting on columns (x, y, z); None where the file has none.
        tomograms: of each point, the name of its tomogram as the file has it; None where it names none: they are all of
            one.
        pixel_size: Å, of the voxels of `unit="voxel"`; None: those of the tomogram that they are put into.
        extent: Å along x, y, z, of the tomogram of `unit="centred"`, which RELION tells of the unbinned one; None: that
            of the tomogram that they are put into.
    """

    name: str
    points: NDArray[np.float64]
    unit: Unit
    labels: tuple[str, ...] | None = None
    rotations: NDArray[np.float64] | None = None
    tomograms: tuple[str, ...] | None = None
    pixel_size: float | None = None
    extent: tuple[float, float, float] | None = None

    def __len__(self) -> int:
        return len(self.points)

    def coordinates(
        self, shape: Sequence[int], pixel_size: float, offset: Sequence[float] = (0.0, 0.0, 0.0)
    ) -> NDArray[np.float64]:
        """Where the points lie in a tomogram, Å from the centre of voxel 0 of its finest level.

        Voxels of another size than the tomogram's are multiplied by that size, and nothing else is done: voxel 0 of
        either lies at 0 Å. So RELION, copick and Warp have it, which scale coordinates and do not shift them by the
        half voxel that corners, laid upon each other, would ask for. A size within 1 % of the tomogram's is meant to be
        that: one of them is rounded, or calibrated. Centred ones are added to half the extent: in voxels that is
        size / 2, be it odd or even (RELION 5; its own pickers use size / 2 - 1).

        Args:
            shape: of the tomogram's voxels, (z, y, x).
            pixel_size: of them, Å.
            offset: of the centre of its voxel 0, (x, y, z) Å; 0 but for levels of a pyramid.

        Returns:
            `(n, 3)`, x, y, z.

        Example:
            >>> picks = Picks("p.csv", np.array([[4.0, 2.0, 1.0]]), "voxel")
            >>> picks.coordinates((8, 16, 32), 10.0).tolist()
            [[40.0, 20.0, 10.0]]
            >>> Picks("p.star", np.zeros((1, 3)), "centred").coordinates((8, 16, 32), 10.0).tolist()
            [[160.0, 80.0, 40.0]]
        """
        if self.unit == "angstrom":
            return self.points.copy()
        if self.unit == "centred":
            extent = np.asarray(shape[::-1], np.float64) * pixel_size if self.extent is None else self.extent
            return self.points + np.asarray(extent) / 2
        if self.pixel_size is not None and abs(self.pixel_size / pixel_size - 1) > _ALIKE:
            return self.points * self.pixel_size
        return self.points * pixel_size + np.asarray(offset, np.float64)

    def names(self) -> tuple[str, ...]:
        """The tomograms that it has points of, each once, in the order of their first points; none: it names none."""
        return () if self.tomograms is None else tuple(dict.fromkeys(self.tomograms))

    def of(self, tomogram: str) -> "Picks":
        """The points of one tomogram, in order; all, where the file names no tomograms.

        Example:
            >>> both = Picks("p.csv", np.eye(2, 3), "voxel", tomograms=("TS_1", "TS_2"))
            >>> both.of("TS_2").points.tolist()
            [[0.0, 1.0, 0.0]]
        """
        if self.tomograms is None:
            return self
        return self.taken(np.flatnonzero(pc.equal(pa.array(self.tomograms, pa.string()), tomogram)))

    def by_tomogram(self) -> dict[str, "Picks"]:
        """The points of each tomogram that it names: `of` for all of them, going through the points once."""
        if self.tomograms is None:
            return {}
        coded = pa.array(self.tomograms, pa.string()).dictionary_encode()
        codes = coded.indices.to_numpy()
        order = np.argsort(codes, kind="stable")
        stops = np.cumsum(np.bincount(codes, minlength=len(coded.dictionary)))
        parts = np.split(order, stops[:-1])
        return {name: self.taken(part) for name, part in zip(coded.dictionary.to_pylist(), parts, strict=True)}

    def taken(self, rows: NDArray[np.intp]) -> "Picks":
        """Some of the points, in the order given."""
        places: list[int] = rows.tolist()
        return replace(
            self,
            points=self.points[rows],
            labels=None if self.labels is None else tuple(map(self.labels.__getitem__, places)),
            rotations=None if self.rotations is None else self.rotations[rows],
            tomograms=None if self.tomograms is None else tuple(map(self.tomograms.__getitem__, places)),
        )
