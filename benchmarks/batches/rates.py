"""Batches of 64 float32 images of a stack, warm: rows a second of everybody, and what ours must be of others'."""

import contextlib
import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

import perc_transforms as T
from benchmarks.batches.contenders import BATCH, bare, ours, passing
from benchmarks.batches.malloc import unpinned
from benchmarks.maps import Slices, make_stack
from benchmarks.rivals.running import Rival
from benchmarks.row import Row, per_second
from benchmarks.timing import medians

SHUFFLERS = ("lance", "vitrio", "litdata", "mosaic", "webdataset")
"""Those that shuffle rows, `NAME rows`."""

LEAST = [
    ("stream", "memmap, whole blocks", 0.5),
    ("stream, DataLoader", "memmap, whole blocks", 0.5),
    ("map-style", "memmap, DataLoader", 1.2),
    ("map-style, image and numbers", "memmap, DataLoader", 1.5),
    ("map-style", "memmap, mm[indices]", 0.5),
    ("stream, shuffled", "memmap, DataLoader", 0.6),
    ("map-style, malloc as it likes", "map-style, image and numbers", 0.8),
    *(("map-style", f"{name} rows", 3) for name in SHUFFLERS),
    ("map-style", "lance batches", 1.2),
]
"""Ours, what it is compared with, and the least ratio of their rates."""

AMONG_RIVALS = ("memmap, whole blocks", "map-style", "map-style, image and numbers")
"""What is measured once more in turn with processes of their own, in fewer rounds: some are slow."""


def rate_rows(folder: Path, rounds: int, pythons: Mapping[str, str]) -> Iterator[Row]:
    """Images of two sizes, as many bytes of each."""
    for side, count in ((128, 20_000), (256, 5_000)):
        archive = folder / str(side)
        yield from _of_side(archive, side, count, rounds, pythons)
        shutil.rmtree(archive)


def _of_side(archive: Path, side: int, count: int, rounds: int, pythons: Mapping[str, str]) -> Iterator[Row]:
    shape = (count, side, side)
    pixels = np.random.default_rng(0).standard_normal(shape, np.float32)
    pixels[:, 0, 0] = np.arange(count)  # by which it is seen that images and their numbers belong together
    path = make_stack(archive, pixels)
    ready = torch.from_numpy(pixels[:BATCH].copy())
    del pixels
    contenders = {name: passing(batches, count) for name, batches in bare(Slices(path, shape)).items()}
    for name, batches in ours(archive).items():
        batch = next(iter(batches))
        assert "Normalize" in name or torch.equal(batch["image"][:, 0, 0].long(), batch["index"])
        contenders[name] = passing(functools.partial(iter, batches), count)
    contenders["Normalize, ready batches"] = lambda: _normalize(ready, count)
    yield from _rows(f"{side}^2", medians(contenders, rounds), count)
    with contextlib.ExitStack() as rivals:
        others = _of_rivals(rivals, path, shape, pythons)
        ours_again = {name: contenders[name] for name in AMONG_RIVALS}
        yield from _rows(f"{side}^2", medians(ours_again | others, min(3, rounds)), count)


def _normalize(ready: torch.Tensor, count: int) -> None:
    transform = T.Compose([T.Normalize()])
    for _ in range(0, count, BATCH):
        transform({"image": ready})


def _of_rivals(
    rivals: contextlib.ExitStack, stack: Path, shape: tuple[int, int, int], pythons: Mapping[str, str]
) -> dict[str, Callable[[], float]]:
    """Passes of those that are installed, and of ours without the thresholds that all others have for malloc."""
    ways: dict[str, Callable[[], float]] = {}
    archive, (count, side, _) = stack.parents[2], shape

    def start(python: str, name: str, folder: Path, env: dict[str, str] | None = None) -> Rival:
        folder.mkdir(exist_ok=True)
        own = {**(env or os.environ), "TMPDIR": str(folder)}  # some leave locks behind
        return rivals.enter_context(Rival(python, name, count, stack, folder, count, side, BATCH, env=own))

    env = {**unpinned(), "PYTHONPATH": str(Path(__file__).parents[2])}
    ways["map-style, malloc as it likes"] = start(sys.executable, "ours", archive, env).way("rows")
    for name in SHUFFLERS:
        if name in pythons:
            rival = start(pythons[name], name, archive / name)
            ways[f"{name} rows"] = rival.way("rows")
            if name == "lance":
                ways["lance batches"] = rival.way("batches")
    return ways


def _rows(size: str, times: Mapping[str, float], count: int) -> Iterator[Row]:
    """Everybody's rate, as a share of that of a copy of whole blocks, then what must be."""
    rates = {name: per_second(seconds, count) for name, seconds in times.items()}
    for name, seconds in times.items():
        yield Row(f"{size} {name}, rate / whole blocks", rates[name], "", times["memmap, whole blocks"] / seconds, 0)
    for name, reference, least in LEAST:
        if name in times and reference in times:
            ratio = times[reference] / times[name]
            yield Row(f"{size} {name}, rate / {reference}", rates[name], rates[reference], ratio, least)
    for name in ("map-style", "stream"):
        if f"{name}, Normalize" in times:
            took, least = times[f"{name}, Normalize"], times[name] + times["Normalize, ready batches"]
            what = f"{size} {name}, Normalize, time / reading + transform"
            yield Row(what, per_second(took, count), per_second(least, count), took / least, 1.25, False)
