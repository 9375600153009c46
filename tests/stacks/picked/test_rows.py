"""Rows of a catalogue, whatever they name and in whatever order, are those of the files, as a table and as a stream."""

import pytest

from tests.hf.test_stream_batches import same_rows
from tests.stacks.picked.catalogues import (
    KINDS,
    in_order,
    in_shards,
    made,
    mapped,
    picked,
    streamed,
    table,
    write_stacks,
)


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["sorted", "any", "all"])
def test_a_stream_gives_the_rows_of_the_table(tmp_path, kind, order, nulls):
    files = write_stacks(tmp_path, kind)
    which, slices = in_order() if order == "all" else picked(5, rising=order == "sorted")
    catalogue = made(tmp_path, files, table(which, slices, nulls))
    rows = mapped(catalogue)
    expected = [rows[number] for number in range(len(which))]
    assert [row["index"] for row in expected] == slices.tolist()
    assert [row["path"] for row in expected] == [files[number].path for number in which]
    for shards in (None, in_shards(catalogue, 3)):
        same_rows(list(streamed(catalogue, shards=shards)), expected)
