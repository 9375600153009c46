"""Print a table of what reading costs, as ratios measured in one run, one torch thread, medians."""

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

import perc_transforms as T
from benchmarks.memory import particle_rows, stream_rows
from benchmarks.peers import Caked
from benchmarks.publishing import publishing_rows
from benchmarks.remote import remote_rows, stack_rows
from benchmarks.row import Row, per_item
from benchmarks.structures import structure_rows
from benchmarks.timing import medians
from benchmarks.transforms import transform_rows
from builders import load_dataset
from builders.io import mrc

BATCH = 32


class Maps(TorchDataset[tuple[np.ndarray, int]]):
    """What anyone would write without this project: copies of memory maps."""

    def __init__(self, paths: list[Path], shape: tuple[int, ...]) -> None:
        self.paths, self.shape = paths, shape

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[np.ndarray, int]:
        return np.array(np.memmap(self.paths[place], np.float32, "r", mrc.HEADER_BYTES, self.shape)), place


def make_files(folder: Path, count: int, shape: tuple[int, ...]) -> list[Path]:
    """Write seeded noise as class files, and read them once, so that all contenders find them in memory."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = [folder / f"{'ab'[number % 2]}_{number}.mrc" for number in range(count)]
    for path in paths:
        mrc.write(path, rng.standard_normal(shape, np.float32), pixel_size=1.5)
        path.read_bytes()
    return paths


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


def volumes(folder: Path, cache: Path, rounds: int, caked: str | None, count: int = 500) -> Iterator[Row]:
    """64^3 float32 volumes through a DataLoader to torch batches, as they are and rescaled to 32^3."""
    shape = (64, 64, 64)
    paths = make_files(folder, count, shape)
    ds = load_dataset("local_classes", data_dir=folder, split="train", cache_dir=cache)

    def read_all(dataset: object, **options: object) -> None:
        loader = DataLoader(dataset, BATCH, **options)
        assert sum(len(batch["image"] if isinstance(batch, dict) else batch[0]) for batch in loader) == count

    contenders = {
        "bare": lambda: read_all(Maps(paths, shape)),
        "with_format('torch')": lambda: read_all(ds.with_format("torch")),
        "ToTensor": lambda: read_all(ds.with_transform(T.ToTensor())),
        "ToTensor, T.collate": lambda: read_all(ds.with_transform(T.ToTensor()), collate_fn=T.collate),
        "Rescale": lambda: read_all(ds.with_transform(T.Rescale(32))),
        "Rescale, T.collate": lambda: read_all(ds.with_transform(T.Rescale(32)), collate_fn=T.collate),
    }
    with contextlib.ExitStack() as peers:
        references = {"bare": 0.0}
        if caked is not None:
            contenders["CAKED"] = peers.enter_context(Caked(caked, folder, BATCH, count))
            contenders["CAKED rescale=32"] = peers.enter_context(Caked(caked, folder, BATCH, count, "rescale=32"))
            references["CAKED"] = 1.5
        times = medians(contenders, rounds)
    for reference, bound in references.items():
        for ours in [name for name in contenders if name.startswith(("with", "To", "Re"))]:
            rescaled = ours.startswith("Rescale") and reference == "CAKED"
            other, least = ("CAKED rescale=32", 10.0) if rescaled else (reference, bound)
            columns = per_item(times[ours], count), per_item(times[other], count)
            yield Row(f"64^3 {ours}, rate / {other}", *columns, times[other] / times[ours], least)


def main() -> None:
    """Make the data, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--caked-python", help="a Python that has CAKED, to compare with")
    parser.add_argument("--empiarreader-python", help="a Python that has EMPIARreader, to compare with")
    parser.add_argument("--rounds", type=int, default=7, help="rounds to take the median of")
    options = parser.parse_args()
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    start = time.perf_counter()
    print(f"{'what':<66} {'ours':>9} {'reference':>9} {'ratio':>6}  must be")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cache = folder / "cache"
        for rows in (
            imports(options.rounds),
            micrographs(folder / "micrographs", cache, options.rounds),
            volumes(folder / "volumes", cache, options.rounds, options.caked_python),
            transform_rows(options.rounds),
            structure_rows(options.rounds),
            stack_rows(folder / "stack", cache, options.rounds),
            remote_rows(folder / "remote", cache, min(3, options.rounds)),
            particle_rows(folder / "particle", options.empiarreader_python),
            stream_rows(folder / "streams"),
            publishing_rows(folder / "published", options.rounds),
        ):
            for row in rows:
                print(row, flush=True)
    print(f"{options.rounds} rounds, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
