"""Frames of TIFF movies: against tifffile where they are compressed, against a memory map where they are not."""

from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import tifffile

from benchmarks.row import Row
from benchmarks.timing import medians
from builders import load_dataset

_SHAPE = (4096, 4096)


def tiff_rows(folder: Path, cache: Path, rounds: int, count: int = 6) -> Iterator[Row]:
    """Frames of 4096 x 4096 counts, one after another: rows of a table, and a stream of them."""
    frames = np.random.default_rng(0).poisson(0.8, (count, *_SHAPE)).astype(np.uint8)
    for name, compression, bare, least in (("LZW", "lzw", "tifffile", 1.5), ("uncompressed", None, "memmap", 0.8)):
        home = folder / name
        home.mkdir(parents=True)
        path = home / "a_1.tif"
        tifffile.imwrite(path, frames, compression=compression, photometric="minisblack")
        options = {"data_dir": str(home), "split": "train", "cache_dir": str(cache), "dtype": None, "item": "frame"}
        table = load_dataset("local_classes", **options)
        stream = load_dataset("local_classes", **options, streaming=True)

        def frames_of(rows: datasets.Dataset | datasets.IterableDataset) -> None:
            for row in rows:
                assert row["image"].shape == _SHAPE

        def by_tifffile(path: Path = path) -> None:
            with tifffile.TiffFile(path) as file:
                for number in range(count):
                    file.asarray(key=number)

        def by_memmap(path: Path = path) -> None:
            mapped = tifffile.memmap(path, mode="r")
            for number in range(count):
                np.array(mapped[number])

        times = medians(
            {
                "bare": by_memmap if compression is None else by_tifffile,
                "map-style": lambda rows=table: frames_of(rows),
                "stream": lambda rows=stream: frames_of(rows),
            },
            rounds,
        )
        reference = times.pop("bare")
        for kind, seconds in times.items():
            ours, theirs = count / seconds, count / reference
            title = f"frames of {name} TIFF movies, {kind}, / {bare}"
            yield Row(title, f"{ours:.1f}/s", f"{theirs:.1f}/s", ours / theirs, least, True)
