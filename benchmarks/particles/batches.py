"""Batches of particles, with all of their columns, beside batches of the bare stack's images."""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.batches.contenders import BUFFER, loaded, mapped, passing, streamed
from benchmarks.maps import ENTRY, make_stack
from benchmarks.particles.index import write_table
from benchmarks.row import Row, per_second
from benchmarks.timing import medians
from builders import load_dataset

COUNT, SIDE, EACH = 20_000, 128, 1000


def particle_batch_rows(archive: Path, rounds: int) -> Iterator[Row]:
    """Twenty stacks of a thousand images, map-style shuffled, as a stream, and as a shuffled one."""
    for number in range(COUNT // EACH):
        pixels = np.random.default_rng(number).standard_normal((EACH, SIDE, SIDE), np.float32)
        make_stack(archive, pixels, f"Extract/job009/mics/{number:04}.mrcs")
    table = write_table(archive / str(ENTRY) / "data", "run_data.star", COUNT // EACH)

    def particles(**options: Any) -> Any:
        return load_dataset("particles", star=table, split="train", cache_dir=str(archive / "cache"), **options)

    def bare(**options: Any) -> Any:
        return loaded(archive, recursive=True, **options)

    kinds: dict[str, dict[str, Iterable[Any]]] = {
        "map-style": {"particles": mapped(particles().with_format("torch"))},
        "stream": {"particles": streamed(particles(streaming=True))},
        "stream, shuffled": {"particles": streamed(particles(streaming=True).shuffle(seed=0, buffer_size=BUFFER))},
    }
    kinds["map-style"]["stack"] = mapped(bare().with_format("torch"))
    kinds["stream"]["stack"] = streamed(bare(streaming=True))
    kinds["stream, shuffled"]["stack"] = streamed(bare(streaming=True).shuffle(seed=0, buffer_size=BUFFER))
    contenders = {
        f"{kind}, {whose}": passing(functools.partial(iter, batches), COUNT)
        for kind, both in kinds.items()
        for whose, batches in both.items()
    }
    torch.set_num_threads(1)
    times = medians(contenders, rounds)
    for kind in kinds:
        own, stack = times[f"{kind}, particles"], times[f"{kind}, stack"]
        columns = per_second(own, COUNT), per_second(stack, COUNT)
        yield Row(f"{SIDE}^2 particles {kind}, rate / bare stack", *columns, stack / own, 0.85)
