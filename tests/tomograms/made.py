"""Tomograms made by code: a bright voxel at each pick, which tells the pick and the tomogram."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from builders.io import mrc

SHAPE = 14, 22, 30
PIXEL_SIZE = 10.0
BRIGHT = 100.0
NAMES = "TS_1", "TS_2", "TS_10"
CLASSES = "ribosome", "apoferritin"
CENTRES = np.array(
    [
        *((6.0, 5.0, 4.0), (20.3, 15.4, 8.6), (12.0, 11.0, 7.0)),
        *((25.6, 3.2, 10.1), (29.0, 21.0, 13.0), (0.0, 9.0, 2.0)),
    ]
)
"""x, y, z of picks in voxels; the last two are at edges."""


@dataclass
class Folder:
    """A folder of tomograms, with a table of picks beside each.

    Attributes:
        path: of the folder.
        names: of the tomograms.
        suffix: of their files.
    """

    path: Path
    names: tuple[str, ...] = NAMES
    suffix: str = ".mrc"

    def make(self) -> "Folder":
        """Write all files."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name in self.names:
            mrc.write(self.path / f"{name}{self.suffix}", self.volume(name), PIXEL_SIZE)
            lines = [
                f"{x},{y},{z},{label}" for (x, y, z), label in zip(self.picks(name), self.labels(name), strict=True)
            ]
            (self.path / f"{name}.csv").write_text("\n".join(["x,y,z,class", *lines, ""]))
        return self

    def picks(self, name: str) -> np.ndarray:
        """x, y, z of the picks of a tomogram, in voxels: those of the second one are moved by a voxel in x."""
        moved = CENTRES.copy()
        moved[:4, 0] += self.names.index(name)
        return moved

    def labels(self, name: str) -> list[str]:
        """Their classes in turn."""
        return [CLASSES[number % 2] for number in range(len(CENTRES))]

    def volume(self, name: str) -> np.ndarray:
        """The tomogram: noise below 1, and at pick k of tomogram n the value 100 n + k + 100."""
        number = self.names.index(name)
        volume = np.random.default_rng(number).random(SHAPE).astype(np.float32)
        for k, (x, y, z) in enumerate(self.picks(name)):
            volume[round(z), round(y), round(x)] = self.value(name, k)
        return volume

    def value(self, name: str, pick: int) -> float:
        """Of the bright voxel of a pick."""
        return BRIGHT * (1 + self.names.index(name)) + pick


def voxel(points: np.ndarray) -> tuple[int, ...]:
    """The index z, y, x of the voxel in which a point x, y, z lies."""
    return tuple(round(float(at)) for at in np.asarray(points)[::-1])
