"""Files of half floats and of bytes to batches of float32, beside reading them and one cast."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.batches.contenders import bare, loaded, mapped, passing, streamed
from benchmarks.maps import Slices, make_stack
from benchmarks.row import Row, per_second
from benchmarks.timing import medians

LEAST = 0.7


def cast_rows(folder: Path, rounds: int, count: int = 20_000, side: int = 128) -> Iterator[Row]:
    """A stream beside whole blocks, and shuffled batches beside `mm[indices]`, each with a cast of the batch."""
    shape = (count, side, side)
    for kind in (np.float16, np.int8):
        archive = folder / kind.__name__
        path = make_stack(archive, np.random.default_rng(0).integers(-100, 100, shape, np.int8).astype(kind))
        ways = bare(Slices(path, shape, kind))
        readers: dict[str, Callable[[], Iterable[Any]]] = {
            "stream": streamed(loaded(archive, streaming=True)).__iter__,
            "memmap, whole blocks": lambda ways=ways: map(torch.Tensor.float, ways["memmap, whole blocks"]()),
            "map-style": mapped(loaded(archive).with_format("torch")).__iter__,
            "memmap, mm[indices]": lambda ways=ways: map(torch.Tensor.float, ways["memmap, mm[indices]"]()),
        }
        assert all(_pixels(next(iter(batches()))).dtype == torch.float32 for batches in readers.values())
        times = medians({name: passing(batches, count) for name, batches in readers.items()}, rounds)
        for ours, reference in (("stream", "memmap, whole blocks"), ("map-style", "memmap, mm[indices]")):
            what = f"{side}^2 {kind.__name__} {ours}, rate / {reference} + cast"
            columns = per_second(times[ours], count), per_second(times[reference], count)
            yield Row(what, *columns, times[reference] / times[ours], LEAST)
        shutil.rmtree(archive)


def _pixels(batch: Any) -> torch.Tensor:
    return batch["image"] if isinstance(batch, dict) else batch
