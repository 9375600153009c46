"""Who hands out batches of a stack: a memory map as anyone would read it, and this project."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from torch.utils.data import DataLoader

import perc_transforms as T
from benchmarks.maps import ENTRY, Slices
from builders import load_dataset

BATCH = 64
BUFFER = 1000
NUMBERS = ["image", "index", "pixel_size"]


def loaded(archive: Path, **options: Any) -> datasets.Dataset | datasets.IterableDataset:
    """The stacks of a mirror."""
    options = {"split": "train", "cache_dir": str(archive / "cache"), **options}
    return load_dataset("empiar", entry=ENTRY, directory="data", archive=str(archive), **options)


def mapped(dataset: datasets.Dataset) -> DataLoader[Any]:
    """A map-style dataset's shuffled batches."""
    return DataLoader(dataset, BATCH, shuffle=True, collate_fn=T.collate)


def streamed(stream: datasets.IterableDataset) -> datasets.IterableDataset:
    """A stream's batches."""
    return stream.with_format("torch").batch(BATCH)


def ours(archive: Path) -> dict[str, Iterable[Any]]:
    """What is measured of this project, by name."""
    ds, stream = loaded(archive), loaded(archive, streaming=True)
    normalize = T.Compose([T.Normalize()])
    return {
        "map-style": mapped(ds.with_format("torch")),
        "map-style, image and numbers": mapped(ds.select_columns(NUMBERS).with_format("torch")),
        "map-style, Normalize": mapped(ds.with_transform(normalize)),
        "stream": streamed(stream),
        "stream, DataLoader": DataLoader(streamed(stream), batch_size=None),
        "stream, shuffled": streamed(stream.shuffle(seed=0, buffer_size=BUFFER)),
        "stream, Normalize": streamed(stream.map(normalize, batched=True, batch_size=BATCH)),
    }


def bare(slices: Slices) -> dict[str, Callable[[], Iterable[torch.Tensor]]]:
    """The same images without it."""
    places = range(0, len(slices), BATCH)

    def blocks() -> Iterator[torch.Tensor]:
        return (torch.from_numpy(np.array(slices.map[place : place + BATCH])) for place in places)

    def chosen() -> Iterator[torch.Tensor]:
        return (torch.from_numpy(slices.map[rows.numpy()]) for rows in torch.randperm(len(slices)).split(BATCH))

    return {
        "memmap, whole blocks": blocks,
        "memmap, mm[indices]": chosen,
        "memmap, DataLoader": lambda: DataLoader(slices, BATCH, shuffle=True),
    }


def passing(batches: Callable[[], Iterable[Any]], count: int) -> Callable[[], None]:
    """One pass over all rows."""

    def read() -> None:
        assert sum(len(batch["image"] if isinstance(batch, dict) else batch) for batch in batches()) == count

    return read
