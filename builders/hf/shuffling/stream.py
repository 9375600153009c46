"""The layers that `shuffle` puts on our streams."""

import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from datasets.iterable_dataset import _BaseExamplesIterable

from builders.errors import OptionError
from builders.hf.image_storage import Row, fetched
from builders.hf.shuffling.batches import Collected, told_of
from builders.hf.shuffling.drawing import NOT_BEGUN, Drawing
from builders.hf.shuffling.draws import seed_of
from builders.hf.shuffling.memory import Memory, Rows, each
from builders.hf.streaming import ShardStream
from builders.hf.streams.batches import Batch

Example = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Shuffle:
    """How a stream is shuffled.

    Attributes:
        seeds: what decides the order: of `shuffle`, then of the epoch and of the worker.
        rows: how many are held, `buffer_size`.
        at_once: of how many shards, `max_buffer_input_shards`.
        words: what was written for each seed, which it follows from; empty where another one's says it.
        divided: into how many parts the stream was divided since, and which one it is, time after time.
    """

    seeds: tuple[int, ...]
    rows: int
    at_once: int
    words: tuple[str, ...]
    divided: tuple[tuple[int, int], ...] = ()

    def seeded(self, seed: int) -> "Shuffle":
        """With one more seed, of which nobody knows where it comes from."""
        return replace(self, seeds=(*self.seeds, seed), words=(*self.words, f"seed of a generator {seed}"))

    def shifted(self, value: int) -> "Shuffle":
        """With the number of the epoch, by which the shards were shuffled before, or that of the worker."""
        words, is_epoch = self.words, not self.divided
        if is_epoch and self.seeds[-1] == seed_of(np.random.default_rng(value)):
            words = (*words[:-1], "")
        word = f"epoch {value}" if is_epoch else "" if self.divided[-1][1] == value else f"shifted by {value}"
        return replace(self, seeds=(*self.seeds, value), words=(*words, word))

    def __str__(self) -> str:
        parts = [f"part {index} of {count}" for count, index in self.divided]
        said = [f"buffer_size {self.rows}", f"of {self.at_once} shards at once", *parts, *filter(None, self.words)]
        return ", ".join(said)


class _State(dict[str, Any]):
    """A state that is kept up to date; copies of it are plain ones.

    `datasets` merges a saved state into a stream's own, name by name.
    """

    def __missing__(self, name: str) -> Any:
        msg = f"the state has {name!r}, which the state of a shuffled stream does not have: it was saved by a stream "
        msg += "that was not shuffled, or by a version of datasets or of this one that could not go on exactly"
        raise OptionError(msg)

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return {name: deepcopy(value, memo) for name, value in self.items()}


class _Shuffled(_BaseExamplesIterable):  # type: ignore[misc]
    """A stream in another order, by seeds, that notices a state of another one.

    Args:
        ex_iterable: the stream.
        shuffle: how.
    """

    def __init__(self, ex_iterable: Any, shuffle: Shuffle) -> None:
        super().__init__()
        self.ex_iterable, self.shuffle = ex_iterable, shuffle

    @property
    def is_typed(self) -> bool:
        """Whether its rows are decoded."""
        return bool(self.ex_iterable.is_typed)

    @property
    def features(self) -> Any:
        """Those of its rows, where they are known."""
        return self.ex_iterable.features

    @property
    def num_shards(self) -> int:
        """How many there are to divide."""
        return int(self.ex_iterable.num_shards)

    def shift_rngs(self, value: int) -> Any:
        """The same for another epoch or worker."""
        return type(self)(self.ex_iterable, self.shuffle.shifted(value))

    def shuffle_data_sources(self, generator: np.random.Generator) -> Any:
        """The same, of shards in another order."""
        return type(self)(self.ex_iterable.shuffle_data_sources(generator), self.shuffle.seeded(seed_of(generator)))

    def shard_data_sources(self, num_shards: int, index: int, contiguous: bool = True) -> Any:
        """The same, of the shards that are a worker's or node's own."""
        own = self.ex_iterable.shard_data_sources(num_shards, index, contiguous=contiguous)
        return type(self)(own, replace(self.shuffle, divided=(*self.shuffle.divided, (num_shards, index))))

    def reshard_data_sources(self) -> Any:
        """The same, of shards that are as small as can be."""
        return type(self)(self.ex_iterable.reshard_data_sources(), self.shuffle)

    def _check(self, made: str) -> None:
        """Refuse to go on from a state of a stream that is made otherwise, and note how this one is.

        Raises:
            OptionError: it was saved by another one.
        """
        state = self._state_dict
        if state is None:
            return
        made = f"{self.num_shards} shards, {made}"
        if state["of"] not in ("", made):
            msg = f"the state was saved by a stream of {state['of']}; this one is of {made}: a shuffled stream goes on "
            msg += "only as it was made, divided among as many workers and nodes, in the same order by the same seeds"
            raise OptionError(msg)
        state["of"] = made


class PermutedStream(_Shuffled):
    """A stream of one row a shard, whose order is that of its shards: no row is held."""

    def _init_state_dict(self) -> dict[str, Any]:
        inner = self.ex_iterable._init_state_dict()
        self._state_dict = _State({"of": "", "examples_iterable": inner, "type": type(self).__name__})
        return self._state_dict

    def __iter__(self) -> Iterator[Example]:
        self._check(str(self.shuffle))
        yield from self.ex_iterable

    def _iter_arrow(self) -> Iterator[tuple[str, pa.Table]]:
        self._check(str(self.shuffle))
        yield from self.ex_iterable.iter_arrow()

    @property
    def iter_arrow(self) -> Any:
        """Its tables, where it has some."""
        return self._iter_arrow if self.ex_iterable.iter_arrow else None


class ShuffledStream(_Shuffled):
    """A stream of ours whose rows are held as files have them and drawn at random, again so after a resumption."""

    def _init_state_dict(self) -> dict[str, Any]:
        self._state_dict = _State({"of": "", **NOT_BEGUN, "type": type(self).__name__})
        return self._state_dict

    def __iter__(self) -> Generator[Example, None, None]:
        source, (memory, state, draws) = self.ex_iterable, self._begun()
        with closing(draws):
            for rows in draws:
                told = told_of(rows)
                for number, pixels, finite in each(rows, memory):
                    state["given"] += 1
                    if pixels is not None:
                        key, row = _row(rows, number, pixels, finite, told)
                        yield key, source.finished(row)

    gives_batches = ShardStream.gives_batches

    def iter_batches(self, size: int, drop_last: bool = False) -> Generator[tuple[str, Batch], None, None]:
        """Batches of so many rows each."""
        source, (memory, state, draws) = self.ex_iterable, self._begun()
        expected = sum(map(source.reader.rows, source.shards))
        batch = Collected(size, expected, source.declared)
        with closing(draws):
            for rows in draws:
                place = 0
                while place < len(rows):
                    done = batch.take(rows[place:], memory)
                    place, expected, state["given"] = place + done, expected - done, state["given"] + done
                    if batch.is_full:
                        yield batch.key, batch.batch()
                        batch = Collected(size, expected, source.declared)
        if batch.count and not drop_last:
            yield batch.key, batch.batch()

    def _begun(self) -> tuple[Memory, dict[str, Any], Generator[Rows, None, None]]:
        """Memory, the state, and the draws from where it stands."""
        source, shuffle = self.ex_iterable, self.shuffle
        most = source.reader.memory // _workers()
        self._check(f"{shuffle}, {most // 2**20} MiB")
        state = {**NOT_BEGUN} if self._state_dict is None else self._state_dict
        memory = Memory(shuffle.rows, most)
        pieces = source.reader.pieces(source.shards, shuffle.at_once, shuffle.rows, shuffle.seeds)
        return memory, state, Drawing(source.reader, pieces, shuffle.seeds, memory, state).draws()


def _row(rows: Rows, number: int, pixels: Any, finite: bool, told: dict[str, list[Any]]) -> tuple[str, Row]:
    block, place = rows.blocks[number], int(rows.numbers[number])
    row = Row(block.shared)
    row[block.image] = fetched(block.stored(place), pixels, finite)
    for name, column in block.varying.items():
        row[name] = column.item(place)
    for name, values in told.items():
        row[name] = values[number]
    return block.key(place), Row((name, row[name]) for name in block.names)


def _workers() -> int:
    """How many of a loader's workers divide what one may hold."""
    data = sys.modules.get("torch.utils.data")
    worker = data.get_worker_info() if data is not None else None
    return 1 if worker is None else int(worker.num_workers)
