"""Deposits of movies of unlike lengths, made by code."""

import numpy as np

from builders import load_dataset
from builders.io import mrc
from tests.empiar import deposit

MULTIFRAME = "micrographs - multiframe"
COUNTS = {"m_1.mrc": 7, "m_2.mrcs": 5, "m_3.mrc": 9}
SHAPE = (6, 10)
SUMMED = np.dtype("float32")
"""Of signed frames of 8 bits; of unsigned ones it is uint16."""


def write(root, counts=COUNTS, packed=(), dtype=np.int8, shape=SHAPE):
    """A mirror with movies below `data/movies`; the frames of each, by its path inside the entry."""
    folder = root / deposit.ENTRY / "data" / "movies"
    folder.mkdir(parents=True)
    rng, held = np.random.default_rng(5), {}
    for name, count in counts.items():
        frames = rng.integers(0, 100, (count, *shape)).astype(dtype)
        mrc.write(folder / name, frames, 1.5, stack=name.endswith("mrcs"))
        path = folder / name
        for kind in packed:
            path = deposit.compress(path, kind)
        held[f"data/movies/{path.name}"] = frames
    deposit.write_xml(root, [("Movies", "data/movies", MULTIFRAME)])
    return held


def load(place, tmp_path, **options):
    own = {"split": "train", "cache_dir": str(tmp_path / "cache"), "archive": str(place)}
    return load_dataset("empiar", entry=deposit.ENTRY, **own | options)


def frames_of(held, start=None, stop=None):
    """Path, number and pixels of every frame, in the order of rows."""
    return [
        (path, number, frames[number])
        for path, frames in held.items()
        for number in range(*slice(start, stop).indices(len(frames)))
    ]


def groups_of(held, size, start=None, stop=None):
    """Path, first frame and sum of every group of frames, without those that are left over."""
    found = []
    for path, frames in held.items():
        numbers = range(*slice(start, stop).indices(len(frames)))
        for first in numbers[: len(numbers) // size * size : size]:
            found.append((path, first, frames[first : first + size].sum(axis=0, dtype=np.float64)))
    return found


def check(rows, expected):
    """Rows are those that were expected: path, first frame, pixels."""
    rows = list(rows)
    assert [(row["path"], row["frame"]) for row in rows] == [(path, number) for path, number, _ in expected]
    for row, (_, _, pixels) in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(row["image"], pixels)
