import numpy as np
from datasets.distributed import split_dataset_by_node
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from builders import load_dataset
from builders.hf.streaming import ShardStream, StepExamplesIterable, TableStream
from builders.io import mrc


class Reader:
    """Shards that are numbers of rows, or end with one."""

    def rows(self, shard):
        return shard[-1] if isinstance(shard, tuple) else shard


def of_nodes(source, nodes, workers):
    """How many rows each of the nodes has that keep every n-th row, all its workers together."""
    counts = []
    for rank in range(nodes):
        own = [StepExamplesIterable(source, nodes, rank).shard_data_sources(workers, w, False) for w in range(workers)]
        held = [sum(part.ex_iterable.shards) for part in own]
        counts.append(sum(len(range(part.offset, rows, nodes)) for part, rows in zip(own, held, strict=True)))
    return counts


def test_nodes_that_do_not_divide_the_shards_get_as_many_rows_each():
    assert of_nodes(ShardStream(Reader(), [1] * 8, None), 3, 8) == [3, 3, 2]
    assert of_nodes(TableStream(None, [1] * 8, None), 3, 8) == [3, 3, 2]
    for nodes, workers in ((3, 2), (5, 3), (7, 24), (16, 5)):
        counts = of_nodes(ShardStream(Reader(), [2, 2, 2, 2, 1, 1, 1, 1], None), nodes, workers)
        assert sum(counts) == 12
        assert max(counts) - min(counts) <= 1


def test_nodes_share_a_folder_of_few_files_among_their_workers(tmp_path):
    for number in range(8):
        mrc.write(tmp_path / f"a_{number}.mrc", np.ones((2, 2), np.float32))
    stream = load_dataset("local_classes", data_dir=str(tmp_path), split="train", streaming=True)
    found = []
    for rank in range(3):
        part = split_dataset_by_node(stream, rank, 3).select_columns(["path"])
        found.append([row["path"] for row in DataLoader(part, batch_size=None, num_workers=4)])
    assert sorted(path for paths in found for path in paths) == [f"a_{number}.mrc" for number in range(8)]
    assert [len(paths) for paths in found] == [3, 3, 2]


@given(st.integers(1, 30), st.integers(0, 239), st.integers(1, 4), st.integers(0, 2**31))
def test_shares_of_shuffled_shards_are_even_too(eights, larger, row, seed):
    rows = [row + (place < larger) for place in range(8 * eights)]
    stream = ShardStream(Reader(), list(enumerate(rows)), None)
    shuffled = stream.shuffle_data_sources(np.random.default_rng(seed)).shards
    assert sorted(shuffled) == stream.shards
    for sharers in (2, 4, 8):
        shares = [sum(size for _, size in shuffled[start::sharers]) for start in range(sharers)]
        assert max(shares) - min(shares) <= max(rows)


def test_shards_are_shuffled():
    stream = ShardStream(Reader(), list(enumerate([2] * 100 + [1] * 60)), None)
    first, other = (stream.shuffle_data_sources(np.random.default_rng(seed)).shards for seed in (1, 2))
    assert first != other != stream.shards
    assert 20 < sum(size == 2 for _, size in first[:80]) < 80
    assert first == stream.shuffle_data_sources(np.random.default_rng(1)).shards
