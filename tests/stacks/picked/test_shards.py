"""How the rows of a catalogue are divided: evenly, and each once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.stacks.files import SourceFile
from builders.stacks.picked.catalogue import HeldCatalogue, table_of
from builders.stacks.picked.shards import pieces_of, row_sizes, shards_of
from tests.stacks.picked.catalogues import table

MIB = 2**20


def held(which, slices, sizes, suffix=".mrcs", base="/data/"):
    files = [SourceFile(f"s_{n}{suffix}", f"{base}s_{n}{suffix}", size, "stamp") for n, size in enumerate(sizes)]
    return HeldCatalogue(table_of(files, table(np.array(which), np.array(slices)).select(["file", "slice"])))


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=5), st.integers(0, 9))
def test_shards_of_plain_files_are_as_even_as_can_be(counts, seed):
    which = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    slices = np.arange(len(which)) % np.array(counts)[which]
    catalogue = held(which, slices, [1024 + count * 2**18 for count in counts])
    shards = shards_of(catalogue)
    assert [start for start, _ in shards] == [0, *(stop for _, stop in shards[:-1])]
    assert shards[-1][1] == len(which)
    sizes = [stop - start for start, stop in shards]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 1 or max(sizes) * 2**18 <= 40 * MIB


def test_rows_of_a_packed_file_stay_together():
    which = np.repeat([0, 1, 2], [500, 40, 700])
    catalogue = held(which, np.arange(len(which)), [64 * MIB] * 3, ".mrcs.gz")
    edges = {start for start, _ in shards_of(catalogue)}
    assert edges <= {0, 500, 540}
    assert pieces_of(catalogue, row_sizes(catalogue), (0, 1240), 10) == [(0, 500), (500, 540), (540, 1240)]


def test_a_few_rows_of_large_stacks_make_few_shards():
    slices = np.arange(0, 100_000, 1000)
    assert len(shards_of(held([0] * 100, slices, [100_000 * MIB]))) <= 16


@given(st.integers(1, 3000), st.floats(1, 500), st.booleans())
def test_pieces_of_a_shard_hold_its_rows_in_order(rows, wanted, is_remote):
    which = np.repeat([0, 1], [rows, 50])
    base = "http://127.0.0.1/" if is_remote else "/data/"
    catalogue = held(which, [*range(rows), *range(50)], [rows * 2**16, 50 * 2**16], base=base)
    shard = (rows // 3, rows + 20)
    pieces = pieces_of(catalogue, row_sizes(catalogue), shard, wanted)
    assert (pieces[0][0], pieces[-1][1]) == shard
    assert all(stop == start for (_, stop), (start, _) in pairwise(pieces))
    assert all(0 < stop - start <= (129 if is_remote else 65) for start, stop in pieces)


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows_make_few_shards(count):
    shards = shards_of(held([0] * count, [0] * count, [2000]))
    assert shards == [(0, 1)][:count]
