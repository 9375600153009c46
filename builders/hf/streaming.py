"""The examples iterables of our streams.

`datasets` calls a generator once a shard, which leaves a gap in which nothing is read, and resumes by reading the
shard's rows once more. These hand all their shards to one reader, which reads ahead across them, and tell it where
to begin.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from itertools import islice
from typing import Any, Protocol

import datasets
import numpy as np
import pyarrow as pa
from datasets.formatting import PythonFormatter
from datasets.iterable_dataset import ArrowExamplesIterable, ExamplesIterable
from datasets.iterable_dataset import StepExamplesIterable as _StockStep

from builders.hf.image_storage import Fetched, Row, inlined
from builders.hf.stream_blocks import BlockReader
from builders.hf.stream_layers import layers_of
from builders.hf.streams.batches import Batch
from builders.hf.streams.filling import Filling
from builders.hf.streams.states import State, share_of

Step = tuple[int, str, Row] | None
"""A row with its place in its shard and its key; None: the shard has ended."""


THROUGH_ARROW = int(datasets.__version__.partition(".")[0]) < 5
"""Before 5, `datasets` sends the rows of every stream through Arrow tables, in which no array on its way survives."""


def _inlined(row: Row) -> dict[str, Any]:
    return {name: inlined(value) if isinstance(value, Fetched) else value for name, value in row.items()}


class Reader(BlockReader, Protocol):
    """Reads shards, one after another; pickled, it goes to a loader's workers."""

    def __call__(self, shards: Iterable[Any], skip: int) -> Generator[Step, None, None]:
        """The rows of shards, without the first `skip` of the first one, and None after each shard."""
        ...

    def rows(self, shard: Any) -> int:
        """How many rows a shard has, as far as is known before it is read."""
        ...

    def name(self, shard: Any) -> str:
        """What tells a shard from all others, in every process and on every machine."""
        ...


class ShardStream(ExamplesIterable):  # type: ignore[misc]
    """The rows of shards, which shuffle, divide among workers and nodes, and resume.

    Args:
        reader: reads them.
        shards: what it reads, in order.
        declared: the features that its rows are stored as.
    """

    def __init__(self, reader: Reader, shards: Sequence[Any], declared: datasets.Features) -> None:
        super().__init__(reader, {"shards": shards})
        self.reader, self.shards, self.declared = reader, shards, declared

    @property
    def num_shards(self) -> int:
        """How many there are to divide."""
        return len(self.shards)

    def _init_state_dict(self) -> dict[str, Any]:
        self._state_dict: State | None = State(super()._init_state_dict())
        return self._state_dict

    def __iter__(self) -> Generator[tuple[str, dict[str, Any]], None, None]:
        state = self._state_dict
        first, skip = self._begin()
        steps, finished = self.reader(islice(self.shards, first, None), skip), self.finished
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
                yield key, finished(row)
        finally:
            steps.close()

    def finished(self, row: Row) -> dict[str, Any]:
        """A row as it goes on: it knows the features that it is stored as."""
        row.features = self.declared
        return _inlined(row) if THROUGH_ARROW else row

    gives_batches = not THROUGH_ARROW

    def iter_batches(self, size: int, drop_last: bool = False) -> Generator[tuple[str, Batch], None, None]:
        """Batches of so many rows each, which begin and end anywhere in shards and files."""
        state = self._state_dict
        first, skip = self._begin()
        left = sum(map(self.reader.rows, islice(self.shards, first, None))) - skip
        filling = Filling(size, left, self.declared)
        with closing(self.reader.blocks(islice(self.shards, first, None), skip)) as blocks:
            for block in blocks:
                if block is None:
                    if state:
                        state["shard_idx"] += 1
                        state["shard_example_idx"] = 0
                    continue
                place = 0
                while place < block.count:
                    place = filling.take(block, place)
                    if state:
                        state["shard_example_idx"] = block.place + place
                    if filling.is_full:
                        left -= size
                        full, filling = filling, Filling(size, left, self.declared)
                        yield full.key, full.batch()
                        del full
        if filling.count and not drop_last:
            yield filling.key, filling.batch()

    def _begin(self) -> tuple[int, int]:
        """The shard, and the row of it, with which to begin.

        Raises:
            OptionError: the state that was loaded is one of other shards than these.
        """
        state = self._state_dict
        if not state:
            return 0, 0
        state.settle(share_of(map(self.reader.name, self.shards)))
        return state["shard_idx"], state["shard_example_idx"]

    def shuffle_data_sources(self, generator: np.random.Generator) -> "ShardStream":
        """The same shards in another order, in which shares are as even as they are in this one."""
        order = _fair_order([self.reader.rows(shard) for shard in self.shards], deepcopy(generator))
        return ShardStream(self.reader, [self.shards[place] for place in order], self.declared)

    def shard_data_sources(self, num_shards: int, index: int, contiguous: bool = True) -> "ShardStream":
        """The shards that are a worker's or node's own."""
        places = self.split_shard_indices_by_worker(num_shards, index, contiguous=contiguous)
        return ShardStream(self.reader, [self.shards[place] for place in places], self.declared)

    def reshard_data_sources(self) -> "ShardStream":
        """Itself: the shards are small already."""
        return ShardStream(self.reader, self.shards, self.declared)


_BLOCKS = (240, 48, 8)


def _fair_order(rows: list[int], generator: np.random.Generator) -> list[int]:
    """A random order of shards of so many rows each, which are dealt out in turn to workers and nodes.

    Shards of which some have a row more than others go in blocks of equals, of a length that many numbers of workers
    divide: of each block, all of them get the same. What is left over goes in one block, the larger ones first.
    """
    order: list[int] = generator.permutation(len(rows)).tolist()
    length = next((length for length in _BLOCKS if len(rows) % length == 0), 0)
    if not length or len(set(rows)) != 2:
        return order
    blocks: list[list[int]] = []
    rest: list[int] = []
    for size in sorted(set(rows), reverse=True):
        alike = [place for place in order if rows[place] == size]
        whole = len(alike) - len(alike) % length
        blocks += [alike[start : start + length] for start in range(0, whole, length)]
        rest += alike[whole:]
    blocks.append(rest)
    return [place for number in generator.permutation(len(blocks)) for place in blocks[number]]


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
        declared: their features.
        one_each: whether each has one row.
    """

    def __init__(
        self, reader: TableReader, shards: list[Any], declared: datasets.Features, one_each: bool = False
    ) -> None:
        super().__init__(reader, {"shards": shards})
        self.reader, self.shards, self.declared, self.one_each = reader, shards, declared, one_each

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
        return TableStream(self.reader, [self.shards[place] for place in order], self.declared, self.one_each)

    def shard_data_sources(self, num_shards: int, index: int, contiguous: bool = True) -> "TableStream":
        """The shards that are a worker's or node's own."""
        places = self.split_shard_indices_by_worker(num_shards, index, contiguous=contiguous)
        return TableStream(self.reader, [self.shards[place] for place in places], self.declared, self.one_each)

    def reshard_data_sources(self) -> "TableStream":
        """Itself: a shard is one structure already."""
        return TableStream(self.reader, self.shards, self.declared, self.one_each)


class StepExamplesIterable(_StockStep):  # type: ignore[misc]
    """Every n-th row, for as many nodes as do not divide the shards: counted on from one worker of a node to the next.

    Else the first nodes had the rows that are left over in every worker: of 8 shards of one row each, three nodes with
    eight workers had 8, 0 and 0 rows.
    """

    def shard_data_sources(self, num_shards: int, index: int, contiguous: bool = True) -> "StepExamplesIterable":
        """Those of a worker's shards."""
        own = self.ex_iterable.shard_data_sources(num_shards, index, contiguous=contiguous)
        source, before = layers_of(self.ex_iterable)[-1], 0
        if isinstance(source, ShardStream):
            others = [source.split_shard_indices_by_worker(num_shards, other, contiguous) for other in range(index)]
            before = sum(source.reader.rows(source.shards[place]) for places in others for place in places)
        elif isinstance(source, TableStream) or is_of_local_files(source):  # a row for each shard
            before = sum(len(source.split_shard_indices_by_worker(num_shards, n, contiguous)) for n in range(index))
        return StepExamplesIterable(own, self.step, (self.offset - before) % self.step)

    def _init_state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = super()._init_state_dict()
        if is_ours(layers_of(self.ex_iterable)[-1]):
            self._state_dict = state = State(state)
        return state

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        if isinstance(self._state_dict, State):
            self._state_dict.settle(f"row {self.offset} of every {self.step}")
        yield from super().__iter__()


def is_ours(source: Any) -> bool:
    """Whether a stream's rows are those of a builder of ours, also of several streams one after another."""
    if hasattr(source, "ex_iterables"):
        return all(is_ours(layers_of(inner)[-1]) for inner in source.ex_iterables)
    return isinstance(source, ShardStream | TableStream) or is_of_local_files(source)


def is_of_local_files(source: Any) -> bool:
    """Whether it is a stream of `datasets`' own making, over a builder of ours."""
    owner = getattr(getattr(source, "generate_examples_fn", None), "__self__", None)
    return type(owner).__module__.partition(".")[0] == __name__.partition(".")[0]
