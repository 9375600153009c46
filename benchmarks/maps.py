"""What anyone would write without this project, and the files that are read: copies of memory maps, seeded noise."""

import math
import os
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset as TorchDataset

from builders.io import mrc

ENTRY = 10943


class Maps(TorchDataset[tuple[np.ndarray, int]]):
    """Copies of whole files, each with its place."""

    def __init__(self, paths: list[Path], shape: tuple[int, ...]) -> None:
        self.paths, self.shape = paths, shape

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[np.ndarray, int]:
        return np.array(np.memmap(self.paths[place], np.float32, "r", mrc.HEADER_BYTES, self.shape)), place


class Slices(TorchDataset[np.ndarray]):
    """Copies of a stack's slices."""

    def __init__(self, path: Path, shape: tuple[int, int, int], dtype: np.dtype | type = np.float32) -> None:
        self.map = np.memmap(path, dtype, "r", mrc.HEADER_BYTES, shape)

    def __len__(self) -> int:
        return len(self.map)

    def __getitem__(self, place: int) -> np.ndarray:
        return np.array(self.map[place])


def make_files(folder: Path, count: int, shape: tuple[int, ...]) -> list[Path]:
    """Write seeded noise as class files, and read them once, so that all contenders find them in memory."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = [folder / f"{'ab'[number % 2]}_{number}.mrc" for number in range(count)]
    for path in paths:
        mrc.write(path, rng.standard_normal(shape, np.float32), pixel_size=1.5)
        path.read_bytes()
    return paths


def make_stack(archive: Path, pixels: np.ndarray, name: str = "stack.mrcs") -> Path:
    """Write a stack where an entry's files lie in a mirror, and read it once."""
    path = archive / str(ENTRY) / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    mrc.write(path, pixels, 1.5, stack=True)
    path.read_bytes()
    return path


def make_sparse(archive: Path, shape: tuple[int, int, int], *names: str) -> list[Path]:
    """Write stacks whose pixels are holes in their files: their headers and sizes are all that counts."""
    model = make_stack(archive, np.zeros((1, *shape[1:]), np.float32), "model.mrcs")
    header = bytearray(model.read_bytes()[: mrc.HEADER_BYTES])
    model.unlink()
    header[8:12] = np.array(shape[0], "<i4").tobytes()  # the number of sections
    paths = [model.with_name(name) for name in names]
    for path in paths:
        path.write_bytes(header)
        os.truncate(path, mrc.HEADER_BYTES + math.prod(shape) * 4)
    return paths
