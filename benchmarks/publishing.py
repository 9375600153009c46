"""Publishing: its rate beside that of reading its source, the size of the result, and how fast that is read."""

import argparse
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch

from benchmarks import link
from benchmarks.encodings import SIDE, particles
from benchmarks.row import Row
from benchmarks.timing import medians
from builders import load_dataset, publish
from builders.io import mrc

ENTRY = 10943
_DISTINCT = 128
"""Particles that are made; they come again too far apart for a compressor to see."""


def publishing_rows(folder: Path, rounds: int, count: int = 1024) -> Iterator[Row]:
    """An entry's stack of 256 x 256 float32 particles, published from a link, a server and a mirror, in one process."""
    path = _make_stack(folder / "archive", count)
    pixels, rounds = count * SIDE * SIDE * 4, min(2, rounds)
    source = functools.partial(_source, cache=folder / "cache")
    with link.serve(folder / "archive") as server:
        linked = _times(source(server.base), folder / "linked", rounds, count)
    yield _rate("a link", linked, pixels, 0.7)
    with link.serve(folder / "archive", limited=False) as server:
        served = _times(source(server.base), folder / "served", rounds, count)
    yield _rate("a server without limits", served, pixels)
    mirror = source(str(folder / "archive"))
    yield _rate("a local mirror", _times(mirror, folder / "local", rounds, count), pixels)
    stored, given = sum(file.stat().st_size for file in (folder / "local").rglob("*.parquet")), path.stat().st_size
    yield Row(
        "published particles, size / source", f"{stored / 1e6:.0f} MB", f"{given / 1e6:.0f} MB", stored / given, 0
    )
    plain = datasets.load_dataset(str(folder / "local"), split="train", streaming=True, cache_dir=str(folder / "plain"))
    times = medians({"plain": _reader(plain, count), "a local mirror": _reader(mirror, count)}, rounds)
    for place, seconds in {"a link": linked["read"], "a local mirror": times["a local mirror"]}.items():
        columns = _speed(pixels, times["plain"]), _speed(pixels, seconds)
        yield Row(
            f"result, local, by plain datasets, rate / source from {place}", *columns, seconds / times["plain"], 0
        )


def _make_stack(archive: Path, count: int) -> Path:
    path = archive / str(ENTRY) / "data" / "stack.mrcs"
    path.parent.mkdir(parents=True)
    mrc.write(path, np.resize(particles(_DISTINCT), (count, SIDE, SIDE)), 1.5, stack=True)
    return path


def _source(archive: str, cache: Path) -> datasets.IterableDataset:
    options: dict[str, Any] = {"archive": archive, "split": "train", "streaming": True, "cache_dir": str(cache)}
    return load_dataset("empiar", entry=ENTRY, directory="data", **options)


def _times(source: datasets.IterableDataset, to: Path, rounds: int, count: int) -> dict[str, float]:
    """Seconds of publishing and of reading, in turn; what was published last stays."""

    def publish_anew() -> None:
        shutil.rmtree(to, ignore_errors=True)
        publish(source, to, license="cc0-1.0")

    return medians({"publish": publish_anew, "read": _reader(source, count)}, rounds)


def _rate(place: str, times: dict[str, float], pixels: int, bound: float = 0) -> Row:
    columns = _speed(pixels, times["publish"]), _speed(pixels, times["read"])
    return Row(f"publishing from {place}, rate / reading it", *columns, times["read"] / times["publish"], bound)


def _reader(dataset: datasets.IterableDataset, count: int) -> Callable[[], None]:
    def read() -> None:
        assert sum(row["image"].shape == (SIDE, SIDE) for row in dataset.with_format("numpy")) == count

    return read


def _speed(pixels: int, seconds: float) -> str:
    return f"{pixels / seconds / 1e6:.0f} MB/s"


def main() -> None:
    """Measure these alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publishing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the median of")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as temporary:
        for row in publishing_rows(Path(temporary), rounds):
            print(row, flush=True)


if __name__ == "__main__":
    main()
