"""Print a table of what reading costs, as ratios measured in one run, one torch thread, medians."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import torch

import perc_transforms as T
from benchmarks.batches import malloc
from benchmarks.batches.casts import cast_rows
from benchmarks.batches.holding import buffer_rows, index_rows
from benchmarks.batches.rates import rate_rows
from benchmarks.batches.volumes import volume_rows
from benchmarks.boxes import box_rows
from benchmarks.chunks import chunk_rows
from benchmarks.made.images import made_rows
from benchmarks.made.potentials import density_rows
from benchmarks.maps import Maps, make_files
from benchmarks.memory import particle_rows, stream_rows
from benchmarks.movies import movie_rows
from benchmarks.particles.batches import particle_batch_rows
from benchmarks.particles.index import table_rows
from benchmarks.publishing import publishing_rows
from benchmarks.remote import remote_rows, stack_rows
from benchmarks.rivals.running import PACKAGES
from benchmarks.row import Row, per_item
from benchmarks.structures import structure_rows
from benchmarks.subtomograms import subtomogram_rows
from benchmarks.tiff_movies import tiff_rows
from benchmarks.timing import medians
from benchmarks.tomograms import tomogram_rows
from benchmarks.transforms import transform_rows
from builders import load_dataset

OTHERS = ("empiarreader", "starfile", "copick_torch", "cryojax", "aspire")
"""Packages besides `PACKAGES` that are compared with."""
PINNED = ("volumes", "batches", "casts", "particles", "tomograms")
"""Subjects whose reference is a loader of batches, which malloc makes fast or slow: see `malloc.py`."""


def imports(rounds: int) -> Iterator[Row]:
    """`import builders` against `import datasets`, in fresh processes."""

    def seconds(module: str) -> float:
        code = f"import time; s = time.perf_counter(); import {module}; print(time.perf_counter() - s)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return float(run.stdout)

    pairs = [(seconds("builders"), seconds("datasets")) for _ in range(rounds + 1)][1:]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    more = statistics.median(a - b for a, b in pairs)
    yield Row("import builders, seconds more than datasets", f"{ours:.2f} s", f"{theirs:.2f} s", more, 0.3, False)


def micrographs(folder: Path, cache: Path, rounds: int, count: int = 12) -> Iterator[Row]:
    """4096 x 4096 float32 images, one after another."""
    shape = (4096, 4096)
    paths = make_files(folder, count, shape)
    ds = load_dataset("local_classes", data_dir=folder, split="train", cache_dir=cache)
    stream = load_dataset("local_classes", data_dir=folder, split="train", streaming=True, cache_dir=cache)
    maps = Maps(paths, shape)
    readers = {
        "numpy map-style": (ds.with_format("numpy"), 0.8),
        "numpy stream": (stream.with_format("numpy"), 0.8),
        "torch map-style": (ds.with_format("torch"), 0.45),
        "torch stream": (stream.with_format("torch"), 0.45),
        "torch with_transform(ToTensor())": (ds.with_transform(T.ToTensor()), 0.45),
    }

    def read_all(rows: datasets.Dataset | datasets.IterableDataset) -> None:
        for row in rows:
            assert row["image"].shape == shape

    def copy_all() -> None:
        for place in range(count):
            maps[place]

    contenders = {name: (lambda rows=rows: read_all(rows)) for name, (rows, _) in readers.items()}
    times = medians({"bare": copy_all, **contenders}, rounds)
    for name, (_, bound) in readers.items():
        ratio = times["bare"] / times[name]
        ours, bare = per_item(times[name], count), per_item(times["bare"], count)
        yield Row(f"4096^2 {name}, rate / memmap copy loop", ours, bare, ratio, bound)


def subjects(folder: Path, rounds: int, pythons: dict[str, str]) -> dict[str, Callable[[], Iterator[Row]]]:
    """What can be measured, by name, in the order of the table."""
    cache = folder / "cache"
    return {
        "imports": lambda: imports(rounds),
        "micrographs": lambda: micrographs(folder / "micrographs", cache, rounds),
        "volumes": lambda: volume_rows(folder / "volumes", cache, rounds, pythons.get("caked")),
        "batches": lambda: rate_rows(folder / "batches", min(5, rounds), pythons),
        "casts": lambda: cast_rows(folder / "casts", min(5, rounds)),
        "index": lambda: index_rows(folder / "index"),
        "buffer": lambda: buffer_rows(folder / "buffer"),
        "boxes": lambda: box_rows(folder / "boxes", cache, min(3, rounds)),
        "chunks": lambda: chunk_rows(folder / "chunks", cache, min(3, rounds)),
        "tomograms": lambda: tomogram_rows(folder / "tomograms", min(5, rounds)),
        "transforms": lambda: transform_rows(rounds),
        "structures": lambda: structure_rows(rounds),
        "tiff": lambda: tiff_rows(folder / "tiff", cache, rounds),
        "stack": lambda: stack_rows(folder / "stack", cache, rounds),
        "remote": lambda: remote_rows(folder / "remote", cache, min(3, rounds)),
        "particle": lambda: particle_rows(folder / "particle", pythons.get("empiarreader")),
        "tables": lambda: table_rows(folder / "tables", pythons.get("starfile")),
        "particles": lambda: particle_batch_rows(folder / "particles", min(5, rounds)),
        "streams": lambda: stream_rows(folder / "streams"),
        "movies": lambda: movie_rows(folder / "movies", min(3, rounds), pythons.get("vitrio")),
        "subtomograms": lambda: subtomogram_rows(folder / "subtomograms", min(3, rounds), pythons.get("copick_torch")),
        "made": lambda: made_rows(folder / "made", min(5, rounds), pythons),
        "density": lambda: density_rows(folder / "density", min(3, rounds)),
        "publishing": lambda: publishing_rows(folder / "published", rounds),
    }


def main() -> None:
    """Make the data, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    for package in (*PACKAGES, *OTHERS):
        variable = f"{package.upper()}_PYTHON"
        what = f"a Python that has {package}, to compare with (or ${variable})"
        parser.add_argument(f"--{package}-python", default=os.environ.get(variable), help=what)
    parser.add_argument("--rounds", type=int, default=7, help="rounds to take the median of")
    names = list(subjects(Path(), 0, {}))
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="measure these, not everything")
    parser.add_argument("--rows", action="store_true", help="print the table's rows alone, with malloc as it is")
    options = parser.parse_args()
    pythons = {p: python for p in (*PACKAGES, *OTHERS) if (python := getattr(options, f"{p}_python"))}
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    start = time.perf_counter()
    if not options.rows:
        print(f"{'what':<66} {'ours':>9} {'reference':>9} {'ratio':>6}  must be", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name, rows in subjects(Path(temporary), options.rounds, pythons).items():
            if name not in options.only:
                continue
            if name in PINNED and not options.rows:
                others = [f"--{package}-python={python}" for package, python in pythons.items()]
                malloc.run_pinned("benchmarks", "--rows", f"--rounds={options.rounds}", "--only", name, *others)
                continue
            for row in rows():
                print(row, flush=True)
    if not options.rows:
        print(f"{options.rounds} rounds, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
