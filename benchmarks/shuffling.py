"""How well shuffled streams mix: `python -m benchmarks.shuffling` prints a table, of our buffer and of `datasets`'."""

import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from datasets import iterable_dataset as stock

from benchmarks.batches.contenders import loaded
from benchmarks.maps import make_sparse

ROWS, SIDE = 20_000, 128


def order_of_ours(stream: Any, buffer: int) -> list[tuple[str, int]]:
    """Rows as our buffer gives them; their pixels are not read."""
    _, _, draws = stream.shuffle(seed=0, buffer_size=buffer)._ex_iterable._begun()
    with closing(draws):
        return [
            (block.shared["path"], int(block.varying["index"][number]))
            for rows in draws
            for block, number in zip(rows.blocks, rows.numbers, strict=True)
        ]


def order_of_stock(stream: Any, buffer: int) -> list[tuple[str, int]]:
    """Rows as the buffer of `datasets` gives them, of ten shards at once."""
    generator = np.random.default_rng(0)
    source = stream.select_columns(["path", "index"])._ex_iterable.shuffle_data_sources(generator)
    mixed = stock.InterleavedShardsExamplesIterable(source, 10)
    rows = stock.BufferShuffledExamplesIterable(mixed, buffer, generator)
    return [(row["path"], row["index"]) for _, row in rows]


def main() -> None:
    """Print the table."""
    out = sys.stdout.write
    out("stacks  buffer_size  whose     displacement  neighbours kept  within 10  within 64\n")
    for stacks in (1, 40):
        with tempfile.TemporaryDirectory() as folder:
            shape = (ROWS // stacks, SIDE, SIDE)
            make_sparse(Path(folder), shape, *(f"{number:02}.mrcs" for number in range(stacks)))
            stream = loaded(Path(folder), streaming=True)
            for buffer in (1000, 8192):
                for whose, order in (("ours", order_of_ours), ("datasets", order_of_stock)):
                    found = order(stream, buffer)
                    place = np.array(sorted(range(ROWS), key=found.__getitem__))
                    moved = abs(place - np.arange(ROWS)).mean() / ROWS
                    apart = abs(np.diff(place))
                    kept = "  ".join(f"{(apart <= near).mean():9.2%}" for near in (1, 10, 64))
                    out(f"{stacks:6}  {buffer:11}  {whose:8}  {moved:12.3f}  {kept}\n")


if __name__ == "__main__":
    main()
