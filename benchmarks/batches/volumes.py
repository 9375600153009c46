"""64^3 float32 volumes through a DataLoader to torch batches, as they are and rescaled to 32^3."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

import perc_transforms as T
from benchmarks.maps import Maps, make_files
from benchmarks.rivals.running import Rival
from benchmarks.row import Row, per_item
from benchmarks.timing import medians
from benchmarks.transforms import round_trip
from builders import load_dataset

BATCH = 32
SIZES = (4, 8, 16, BATCH)
SHAPE = (64, 64, 64)
LEAST = {"with_format('torch')": 1.5, "with_format('torch'), T.collate": 2.0}
"""Of CAKED's rate, at batches of any size."""


def volume_rows(folder: Path, cache: Path, rounds: int, caked: str | None, count: int = 500) -> Iterator[Row]:
    """Beside a DataLoader over memory maps, and CAKED's where there is one."""
    maps = Maps(make_files(folder, count, SHAPE), SHAPE)
    ds = load_dataset("local_classes", data_dir=folder, split="train", cache_dir=cache)

    def through(dataset: object, size: int = BATCH, **options: object) -> Callable[[], None]:
        def read() -> None:
            loader = DataLoader(dataset, size, **options)
            assert sum(len(batch["image"] if isinstance(batch, dict) else batch[0]) for batch in loader) == count

        return read

    def rescaled() -> None:
        for start in range(0, count, BATCH):
            volumes = [maps[place][0] for place in range(start, min(start + BATCH, count))]
            round_trip(torch.from_numpy(np.stack(volumes)))

    contenders = {
        "bare": through(maps),
        "bare loop + batched FFT": rescaled,
        "ToTensor": through(ds.with_transform(T.ToTensor())),
        "ToTensor, T.collate": through(ds.with_transform(T.ToTensor()), collate_fn=T.collate),
        "Rescale": through(ds.with_transform(T.Rescale(32))),
        "Rescale, T.collate": through(ds.with_transform(T.Rescale(32)), collate_fn=T.collate),
    }
    for size in SIZES:
        contenders[f"with_format('torch'), {size}"] = through(ds.with_format("torch"), size)
        contenders[f"with_format('torch'), T.collate, {size}"] = through(
            ds.with_format("torch"), size, collate_fn=T.collate
        )
    with contextlib.ExitStack() as rivals:
        if caked is not None:
            for size, transforms in [*((size, []) for size in SIZES), (BATCH, ["rescale=32"])]:
                rival = rivals.enter_context(Rival(caked, "caked", count, folder, size, *transforms))
                contenders[" ".join(["CAKED", *transforms, str(size)])] = rival.way()
        times = medians(contenders, rounds)

    def row(ours: str, reference: str, least: float) -> Row:
        columns = per_item(times[ours], count), per_item(times[reference], count)
        return Row(f"64^3 {ours}, rate / {reference}", *columns, times[reference] / times[ours], least)

    yield row("Rescale, T.collate", "bare loop + batched FFT", 0.8)
    whole = [f"{way}, {BATCH}" for way in LEAST] + ["ToTensor", "ToTensor, T.collate"]
    for ours in (*whole, "Rescale", "Rescale, T.collate"):
        yield row(ours, "bare", 0)
    if caked is not None:
        for size in SIZES:
            yield from (row(f"{way}, {size}", f"CAKED {size}", least) for way, least in LEAST.items())
        yield from (row(ours, f"CAKED {BATCH}", 1.5) for ours in whole[2:])
        yield from (row(ours, f"CAKED rescale=32 {BATCH}", 10) for ours in ("Rescale", "Rescale, T.collate"))
