"""Boxes out of micrographs: beside cuts of memory maps, and from a server beside the rows of pixels that they cross."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks import link
from benchmarks.maps import ENTRY
from benchmarks.row import Row, per_second
from benchmarks.timing import medians
from builders import load_dataset
from builders.io import mrc

SHAPE = (4096, 4096)
MICROGRAPHS, EACH, SIDE, BATCH = 20, 250, 256, 64
"""5,000 boxes of 256 x 256 float32 pixels."""
COLUMNS = ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY")


def box_rows(folder: Path, cache: Path, rounds: int) -> Iterator[Row]:
    """Boxes a second of a disk, warm; bytes and requests of a server."""
    names, centres = make_project(folder)
    table = folder / str(ENTRY) / "data" / "picks.star"
    options = {"unit": "extracted", "box_size": SIDE, "split": "train", "cache_dir": str(cache)}
    yield from _local(table, [table.parent / name for name in names], centres, options, rounds)
    yield from _remote(folder, centres, options)


def make_project(folder: Path) -> tuple[list[str], np.ndarray]:
    """Write micrographs and a table of picks; gives their names, and the picks of each, `(micrographs, N, 2)`: x, y."""
    rng = np.random.default_rng(0)
    data = folder / str(ENTRY) / "data"
    data.mkdir(parents=True)
    names = [f"m{number:02d}.mrc" for number in range(MICROGRAPHS)]
    centres = rng.integers(SIDE // 2, SHAPE[0] - SIDE // 2, (MICROGRAPHS, EACH, 2))
    rows = []
    for name, picks in zip(names, centres, strict=True):
        mrc.write(data / name, rng.standard_normal(SHAPE, np.float32), pixel_size=1.5)
        (data / name).read_bytes()
        rows += [f"{name} {x} {y}" for x, y in picks.tolist()]
    head = "\n".join(f"_{column} #{number}" for number, column in enumerate(COLUMNS, 1))
    (data / "picks.star").write_text(f"data_particles\n\nloop_\n{head}\n" + "\n".join(rows) + "\n")
    return names, centres


def _local(
    table: Path, paths: list[Path], centres: np.ndarray, options: dict[str, object], rounds: int
) -> Iterator[Row]:
    maps = [np.memmap(path, np.float32, "r", mrc.HEADER_BYTES, SHAPE) for path in paths]
    corners = [(number, x - SIDE // 2, y - SIDE // 2) for number, own in enumerate(centres.tolist()) for x, y in own]
    shuffled = [corners[place] for place in np.random.default_rng(1).permutation(len(corners))]

    def cuts(chosen: list[tuple[int, int, int]]) -> Callable[[], None]:
        def read() -> None:
            for start in range(0, len(chosen), BATCH):
                some = chosen[start : start + BATCH]
                np.stack([maps[number][y : y + SIDE, x : x + SIDE] for number, x, y in some])

        return read

    def batches(batched: Iterable[dict[str, torch.Tensor]]) -> Callable[[], None]:
        def read() -> None:
            assert sum(len(batch["image"]) for batch in batched) == len(corners)

        return read

    ds = load_dataset("particles", star=str(table), **options).with_format("torch")
    stream = load_dataset("particles", star=str(table), streaming=True, **options).with_format("torch")
    first = ds[:BATCH]["image"].numpy()
    assert all((first[n] == maps[0][y : y + SIDE, x : x + SIDE]).all() for n, (_, x, y) in enumerate(corners[:BATCH]))
    contenders = {
        "cuts": cuts(corners),
        "stream": batches(stream.batch(BATCH)),
        "map-style": batches(DataLoader(ds, BATCH)),
        "shuffled cuts": cuts(shuffled),
        "map-style, shuffled": batches(DataLoader(ds, BATCH, shuffle=True)),
    }
    times = medians(contenders, rounds)
    for ours, reference, bound in (
        ("stream", "cuts", 0.5),
        ("map-style", "cuts", 0.0),
        ("map-style, shuffled", "shuffled cuts", 0.0),
    ):
        columns = per_second(times[ours], len(corners)), per_second(times[reference], len(corners))
        what = f"boxes of {SIDE}^2, {ours}, rate / np.stack of memmap cuts"
        yield Row(what, *columns, times[reference] / times[ours], bound)


def _remote(folder: Path, centres: np.ndarray, options: dict[str, object]) -> Iterator[Row]:
    needed = sum(_rows_crossed(own[:, 1]) for own in centres) * SHAPE[1] * 4
    with link.serve(folder, limited=False) as server:
        where = {"star": f"empiar://{ENTRY}/data/picks.star", "archive": server.base}
        stream = load_dataset("particles", streaming=True, **where, **options)
        before, asked = server.bytes_sent(), server.requests()
        assert sum(1 for _ in stream) == MICROGRAPHS * EACH
        moved, requests = server.bytes_sent() - before, (server.requests() - asked) / MICROGRAPHS
    megabytes = f"{moved / 1e6:.0f} MB", f"{needed / 1e6:.0f} MB"
    yield Row("boxes of remote micrographs, bytes / rows of pixels needed", *megabytes, moved / needed, 1.15, False)
    yield Row("boxes of remote micrographs, requests a micrograph", f"{requests:.1f}", "", requests, 8, False)


def _rows_crossed(centres: np.ndarray) -> int:
    """Rows of a micrograph that its boxes cross."""
    crossed = np.zeros(SHAPE[0], bool)
    for y in centres.tolist():
        crossed[y - SIDE // 2 : y + SIDE // 2] = True
    return int(crossed.sum())
