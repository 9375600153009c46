"""Stacks: from a local mirror beside a memory map, and over a simulated link beside what the link allows."""

import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader

from benchmarks import link
from benchmarks.maps import Slices, make_stack
from benchmarks.row import Row, per_item
from benchmarks.timing import medians
from builders import load_dataset

SHAPE = (256, 256)
SLICE = 256 * 256 * 4


def _make_stack(folder: Path, count: int) -> Path:
    return make_stack(folder, np.random.default_rng(0).standard_normal((count, *SHAPE), np.float32))


def stack_rows(folder: Path, cache: Path, rounds: int, count: int = 1000) -> Iterator[Row]:
    """A local stack of 256 x 256 float32 slices, streamed."""
    slices = Slices(_make_stack(folder, count), (count, *SHAPE))
    options = {"entry": 10943, "directory": "data", "archive": str(folder), "split": "train", "cache_dir": str(cache)}
    stream = load_dataset("empiar", streaming=True, **options)

    def bare() -> None:
        for place in range(count):
            slices[place]

    def rows() -> None:
        assert sum(row["image"].shape == SHAPE for row in stream.with_format("numpy")) == count

    def batches(dataset: object) -> Callable[[], None]:
        def read() -> None:
            assert sum(len(b["image"] if isinstance(b, dict) else b) for b in DataLoader(dataset, 32)) == count

        return read

    contenders = {
        "bare": bare,
        "numpy": rows,
        "bare torch": batches(slices),
        "torch": batches(stream.with_format("torch")),
    }
    times = medians(contenders, rounds)
    for ours, reference, bound in (("numpy", "bare", 0.4), ("torch", "bare torch", 0.5)):
        columns = per_item(times[ours], count), per_item(times[reference], count)
        what = f"256^2 stack, {ours} stream, rate / memmap {'loop' if ours == 'numpy' else 'DataLoader'}"
        yield Row(what, *columns, times[reference] / times[ours], bound)


def remote_rows(folder: Path, cache: Path, rounds: int, count: int = 1024) -> Iterator[Row]:
    """A stack at the end of the link."""
    path = _make_stack(folder, count)
    size = path.stat().st_size
    with link.serve(folder) as server:
        options = {
            **{"entry": 10943, "directory": "data", "archive": server.base, "split": "train"},
            **{"cache_dir": str(cache)},
        }
        ds = load_dataset("empiar", **options)
        stream = load_dataset("empiar", streaming=True, **options)

        rng = np.random.default_rng(0)

        def random_batch() -> float:
            chosen = rng.choice(count, 200, replace=False).tolist()
            start = time.perf_counter()
            assert len(ds[chosen]["image"]) == 200
            return time.perf_counter() - start

        ideal = 200 * SLICE / link.TOTAL_RATE
        took = statistics.median([random_batch() for _ in range(rounds + 1)][1:])
        yield Row(
            "200 random remote slices, time / bandwidth ideal",
            f"{took:.2f} s",
            f"{ideal:.2f} s",
            took / ideal,
            1.6,
            False,
        )

        def plain_get() -> None:
            with urllib.request.urlopen(f"{server.base}/10943/data/stack.mrcs") as response:
                while response.read(1024 * 1024):
                    pass

        def consume(pause: float) -> Callable[[], None]:
            def read() -> None:
                assert sum(1 for _ in _with_pauses(stream.with_format("numpy"), pause)) == count

            return read

        contenders = {"get": plain_get, "stream": consume(0.0), "busy": consume(SLICE / link.TOTAL_RATE)}
        times = medians(contenders, rounds)
        columns = f"{times['stream']:.2f} s", f"{times['get']:.2f} s"
        yield Row(
            "sequential remote stream, time / one plain GET", *columns, times["stream"] / times["get"], 0.28, False
        )
        slower = max(times["stream"], count * SLICE / link.TOTAL_RATE)
        columns = f"{times['busy']:.2f} s", f"{slower:.2f} s"
        yield Row("a consumer as slow as the link, time / the slower", *columns, times["busy"] / slower, 1.15, False)

        rows = iter(stream)
        for _ in range(count // 2 + 3):
            next(rows)
        state = stream.state_dict()
        rows.close()
        stream.load_state_dict(state)
        before = server.bytes_sent()
        assert sum(1 for _ in stream) == count - count // 2 - 3
        again = (server.bytes_sent() - before - (count - count // 2 - 3) * SLICE) / 2**20
        yield Row("resume of a stream, MiB read again", f"{again:.2f}", f"{size / 2**20:.0f} MiB", again, 64, False)


def _with_pauses(rows: object, pause: float) -> Iterator[object]:
    """Rows, each used for some seconds by somebody who keeps the processor busy elsewhere."""
    due = time.perf_counter()
    for row in rows:
        due = max(due, time.perf_counter()) + pause
        time.sleep(max(0.0, due - time.perf_counter()))
        yield row
