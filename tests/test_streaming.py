from builders.streaming import ShardStream, StepExamplesIterable, TableStream


class Reader:
    """Shards that are numbers of rows."""

    def rows(self, shard):
        return shard


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
    assert of_nodes(TableStream(None, [1] * 8), 3, 8) == [3, 3, 2]
    for nodes, workers in ((3, 2), (5, 3), (7, 24), (16, 5)):
        counts = of_nodes(ShardStream(Reader(), [2, 2, 2, 2, 1, 1, 1, 1], None), nodes, workers)
        assert sum(counts) == 12
        assert max(counts) - min(counts) <= 1
