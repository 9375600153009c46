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
from benchmarks.row import Row, per_second
from benchmarks.timing import medians
from builders import as_em_images, load_dataset, publish
from builders.io import mrc

ENTRY = 10943
BATCH = 64
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
    publish(mirror, folder / "bytes", license="cc0-1.0", layout="bytes")
    yield from _layout_rows({"lists": folder / "local", "bytes": folder / "bytes"}, folder / "plain", rounds, count)


def _layout_rows(folders: dict[str, Path], cache: Path, rounds: int, count: int) -> Iterator[Row]:
    """Both layouts, read as torch batches: bytes by this project and by NumPy alone, lists by whoever is faster."""
    plain = {
        layout: datasets.load_dataset(str(folder), split="train", streaming=True, cache_dir=str(cache))
        for layout, folder in folders.items()
    }
    ours = {layout: as_em_images(stream).with_format("torch") for layout, stream in plain.items()}
    contenders = {
        "plain lists": lambda: plain["lists"].with_format("torch").iter(BATCH),
        "our lists": lambda: ours["lists"].iter(BATCH),
        "plain bytes": lambda: map(_by_two_lines, plain["bytes"].iter(BATCH)),
        "our bytes": lambda: ours["bytes"].iter(BATCH),
    }
    times = medians({name: functools.partial(_drain, make, count) for name, make in contenders.items()}, rounds)
    lists = min(times["plain lists"], times["our lists"])
    for name, who, bound in (("our bytes", "", 6), ("plain bytes", ", by NumPy alone", 0)):
        columns = per_second(times[name], count), per_second(lists, count)
        what = f"layout='bytes' as torch batches{who}, rate / Array2D's"
        yield Row(what, *columns, lists / times[name], bound)


def _by_two_lines(batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What the card shows, of each row of a batch."""
    images = [np.frombuffer(one["bytes"], one["dtype"]).reshape(one["shape"]) for one in batch["image"]]
    return {"image": torch.from_numpy(np.stack(images))}


def _drain(make: Callable[[], Iterator[Any]], count: int) -> None:
    shapes = [tuple(batch["image"].shape) for batch in make()]
    assert sum(rows for rows, *_ in shapes) == count
    assert all(sides == [SIDE, SIDE] for _, *sides in shapes)


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
