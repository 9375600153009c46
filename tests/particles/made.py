"""Particles made by code: stacks whose pixels tell which stack and slice they are, and STAR tables of them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from builders.io import mrc

PIXEL_SIZE = 1.25
SIDE = 6


def pixels_of(stack: int, index: int, side: int = SIDE) -> np.ndarray:
    """The image of a slice: every pixel tells the stack, the slice and itself."""
    return (10_000 * stack + 100 * index + np.arange(side * side).reshape(side, side) / 64).astype(np.float32)


def write_stack(path: Path, stack: int, count: int, side: int = SIDE, pixel_size: float | None = PIXEL_SIZE) -> None:
    """A stack of so many images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mrc.write(path, np.stack([pixels_of(stack, index, side) for index in range(count)]), pixel_size, stack=True)


def star(rows: list[dict], optics: list[dict] | None = None) -> str:
    """A table as RELION 3.1 writes it."""
    optics = optics or [
        {
            **{"rlnOpticsGroup": 1, "rlnImagePixelSize": PIXEL_SIZE, "rlnImageSize": SIDE, "rlnVoltage": 300.0},
            **{"rlnSphericalAberration": 2.7, "rlnAmplitudeContrast": 0.1},
        }
    ]
    return f"# version 30001\n\ndata_optics\n\n{_loop(optics)}\n\ndata_particles\n\n{_loop(rows)}\n"


def _loop(rows: list[dict]) -> str:
    names = "\n".join(f"_{name} #{number}" for number, name in enumerate(rows[0], 1))
    return f"loop_\n{names}\n" + "\n".join(" ".join(str(value) for value in row.values()) for row in rows)


@dataclass
class Project:
    """A RELION project: stacks below `Extract/job001/mics`, and a table in `Refine3D/job002`.

    Attributes:
        folder: of the project.
        counts: images of each stack.
        rows: of the table, in its order.
        facts: of each row, its stack and its slice, from 0.
    """

    folder: Path
    counts: tuple[int, ...] = (5, 3, 4)
    rows: list[dict] = field(default_factory=list)
    facts: list[tuple[int, int]] = field(default_factory=list)

    @property
    def table(self) -> Path:
        """The table."""
        return self.folder / "Refine3D/job002/run_data.star"

    def stack(self, number: int) -> str:
        """A stack's path in the project: natural order is not that of letters."""
        return f"Extract/job001/mics/mic_{(9, 10, 2)[number % 3] + 100 * (number // 3)}.mrcs"

    def make(self, seed: int = 0) -> "Project":
        """Write all files, the table's rows in random order."""
        every = [(stack, index) for stack, count in enumerate(self.counts) for index in range(count)]
        for stack, count in enumerate(self.counts):
            write_stack(self.folder / self.stack(stack), stack, count)
        self.facts = [every[place] for place in np.random.default_rng(seed).permutation(len(every))]
        self.rows = [self.row(stack, index) for stack, index in self.facts]
        self.write()
        return self

    def row(self, stack: int, index: int) -> dict:
        """A row of the table."""
        return {
            "rlnImageName": f"{index + 1:06d}@{self.stack(stack)}",
            "rlnMicrographName": f"MotionCorr/job003/mic_{stack}.mrc",
            **{"rlnCoordinateX": 10.5 * stack, "rlnCoordinateY": 7.0 * index, "rlnOpticsGroup": 1},
            **{"rlnDefocusU": 10_000 + stack, "rlnDefocusV": 9_000 + index, "rlnDefocusAngle": 30.0},
            **{"rlnAngleRot": 10.0 * index, "rlnAngleTilt": 20.0, "rlnAnglePsi": -5.0},
            **{"rlnOriginXAngst": 1.5, "rlnOriginYAngst": -0.5, "rlnClassNumber": 1 + index % 2},
            **{"rlnRandomSubset": 1 + (stack + index) % 2, "rlnHelicalTubeID": 1 + index // 2},
        }

    def write(self, text: str | None = None) -> None:
        """Write the table."""
        self.table.parent.mkdir(parents=True, exist_ok=True)
        self.table.write_text(star(self.rows) if text is None else text)


def check(row: dict, stack: int, index: int) -> None:
    """That a row's pixels are those of a slice."""
    np.testing.assert_array_equal(np.asarray(row["image"]), pixels_of(stack, index))
