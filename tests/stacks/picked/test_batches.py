"""Batches of a stream of picked rows are those of the table's rows in every format, nulls included."""

import numpy as np
import pytest

from builders.hf.streams.mapping import gives_batches
from builders.hf.streams.picked_columns import Structs
from tests.hf.test_stream_batches import same, same_rows, whole_only
from tests.stacks.picked.catalogues import in_shards, made, mapped, picked, streamed, table, write_stacks

FORMATS = [None, "torch", "numpy"]


@pytest.fixture(params=[False, True], ids=["whole", "nulls"])
def catalogue(request, tmp_path):
    return made(tmp_path, write_stacks(tmp_path), table(*picked(5), request.param))


def plain(batch):
    """A batch whose structs are lists of them."""
    return {name: list(column) if isinstance(column, Structs) else column for name, column in batch.items()}


def same_batch(batch, expected):
    batch = plain(batch)
    assert list(batch) == list(expected)
    for name, column in expected.items():
        if isinstance(column, np.ndarray) and (column.dtype == object or name == "path"):
            assert isinstance(batch[name], np.ndarray)
            column, batch[name] = list(column), list(batch[name])
        same(batch[name], column)


@whole_only
@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("format_type", FORMATS)
def test_batches_are_those_of_the_table(catalogue, format_type, size):
    stream = streamed(catalogue, shards=in_shards(catalogue, 3)).with_format(format_type)
    rows = mapped(catalogue).with_format(format_type)
    starts = range(0, len(rows), size)
    grouped = stream.batch(size)
    assert gives_batches(grouped._ex_iterable.ex_iterable) or format_type is None
    for batches in (stream.iter(size), grouped):
        for start, batch in zip(starts, batches, strict=True):
            expected = rows[start : start + size]
            if format_type is None:
                expected["image"] = np.stack(expected["image"])
            same_batch(batch, expected)


@pytest.mark.parametrize("format_type", FORMATS)
def test_rows_are_those_of_the_table(catalogue, format_type):
    stream = streamed(catalogue).with_format(format_type)
    rows = mapped(catalogue).with_format(format_type)
    expected = [rows[number] for number in range(len(rows))]
    if format_type == "numpy":  # numbers of Python's become arrays of theirs, and None is not NaN
        expected = [as_plain(row) for row in expected]
        same_rows([as_plain(row) for row in stream], expected)
    else:
        same_rows(list(stream), expected)


def as_plain(value):
    """Numbers and texts of NumPy as Python's, NaN as None."""
    if isinstance(value, dict):
        return {name: as_plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic) and value.ndim < 2:
        value = value.tolist()
    if isinstance(value, list):
        return [as_plain(inner) for inner in value]
    return None if np.isscalar(value) and value != value else value
