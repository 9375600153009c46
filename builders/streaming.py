"""The examples iterables of our streams: with `registry.py` the only user of datasets' private names.

`datasets` calls a generator once a shard, which leaves a gap in which nothing is read, and resumes by reading the
shard's rows once more. These hand all their shards to one reader, which reads ahead across them, and tell it where
to begin.
"""

from collections.abc import Generator, Iterable
from copy import deepcopy
from itertools import islice
from typing import Any, Protocol

import datasets
import numpy as np
import pyarrow as pa
from datasets.formatting import PythonFormatter
from datasets.iterable_dataset import ArrowExamplesIterable, ExamplesIterable

from builders.features import Fetched, Row, inlined

Step = tuple[int, str, Row] | None
"""A row with its place in its shard and its key; None: the shard has ended."""


_THROUGH_ARROW = int(datasets.__version__.partition(".")[0]) < 5
"""Before 5, `datasets` sends the rows of every stream through Arrow tables, in which no array on its way survives."""


def _inlined(row: Row) -> dict[str, Any]:
    return {name: inlined(value) if isinstance(value, Fetched) else value for name, value in row.items()}


class Reader(Protocol):
    """Reads shards, one after another; pickled, it goes to a loader's workers."""

    def __call__(self, shards: Iterable[Any], skip: int) -> Generator[Step, None, None]:
        """The rows of shards, without the first `skip` of the first one, and None after each shard."""
        ...


class ShardStream(ExamplesIterable):  # type: ignore[misc]
    """The rows of shards, which shuffle, divide among workers and nodes, and resume.

    Args:
        reader: reads them.
        shards: what it reads, in order.
        declared: the features that its rows are stored as.
    """

    def __init__(self, reader: Reader, shards: list[Any], declared: datasets.Features) -> None:
        super().__init__(reader, {"shards": shards})
        self.reader, self.shards, self.declared = reader, shards, declared

    @property
    def num_shards(self) -> int:
        """How many there are to divide."""
        return len(self.shards)

    def __iter__(self) -> Generator[tuple[str, dict[str, Any]], None, None]:
        state, declared = self._state_dict, self.declared
        first, skip = (state["shard_idx"], state["shard_example_idx"]) if state else (0, 0)
        steps = self.reader(islice(self.shards, first, None), skip)
        try:
            for step in steps:
                if step is None:
                    if state:
                        state["shard_idx"] += 1
                        state["shard_example_idx"] = 0
                    continue
                place, key, row = step
                if state:
                    state["shard_example_idx"] = place + 1
                row.features = declared
                yield key, _inlined(row) if _THROUGH_ARROW else row
        finally:
            steps.close()

    def shuffle_data_sources(self, generator: np.random.Generator) -> "ShardStream":
        """The same shards in another order."""
        order = deepcopy(generator).permutation(len(self.shards))
        return ShardStream(self.reader, [self.shards[place] for place in order], self.declared)

    def shard_data_sources(self, num_shards: int, index: int, contiguous: bool = True) -> "ShardStream":
        """The shards that are a worker's or node's own."""
        places = self.split_shard_indices_by_worker(num_shards, index, contiguous=contiguous)
        return ShardStream(self.reader, [self.shards[place] for place in places], self.declared)

    def reshard_data_sources(self) -> "ShardStream":
        """Itself: the shards are small already."""
        return ShardStream(self.reader, self.shards, self.declared)


class TableReader(Protocol):
    """Makes the rows of shards as Arrow tables; pickled, it goes to a loader's workers."""

    def __call__(self, shards: Iterable[Any]) -> Generator[list[tuple[str, pa.Table]], None, None]:
        """For each shard its rows, a key and a table of one row each."""
        ...


class TableStream(ArrowExamplesIterable):  # type: ignore[misc]
    """The rows of shards as Arrow tables, made ahead of their use; they shuffle, divide and resume as `ShardStream`'s.

    Args:
        reader: makes them.
        shards: of what, in order.
    """

    def __init__(self, reader: TableReader, shards: list[Any]) -> None:
        super().__init__(reader, {"shards": shards})
        self.reader, self.shards = reader, shards

    @property
    def num_shards(self) -> int:
        """How many there are to divide."""
        return len(self.shards)

    def __iter__(self) -> Generator[tuple[str, dict[str, Any]], None, None]:
        formatter = PythonFormatter()
        for key, table in self._iter_arrow():
            yield key, formatter.format_row(table)

    def _iter_arrow(self) -> Generator[tuple[str, pa.Table], None, None]:
        state = self._state_dict
        first, skip = (state["shard_idx"], state["shard_example_idx"]) if state else (0, 0)
        shards = self.reader(islice(self.shards, first, None))
        try:
            for rows in shards:
                for place, (key, table) in enumerate(rows[skip:], skip + 1):
                    if state:
                        state["shard_example_idx"] = place
                    yield key, table
                skip = 0
                if state:
                    state["shard_idx"] += 1
                    state["shard_example_idx"] = 0
        finally:
            shards.close()

    def shuffle_data_sources(self, generator: np.random.Generator) -> "TableStream":
        """The same shards in another order."""
        order = deepcopy(generator).permutation(len(self.shards))
        return TableStream(self.reader, [self.shards[place] for place in order])

    def shard_data_sources(self, num_shards: int, index: int, contiguous: bool = True) -> "TableStream":
        """The shards that are a worker's or node's own."""
        places = self.split_shard_indices_by_worker(num_shards, index, contiguous=contiguous)
        return TableStream(self.reader, [self.shards[place] for place in places])

    def reshard_data_sources(self) -> "TableStream":
        """Itself: a shard is one structure already."""
        return TableStream(self.reader, self.shards)
