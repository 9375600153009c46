"""Batches of a stream of picked rows are those of the table's rows in every format, nulls included."""

import datasets
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import perc_transforms as T
from builders.hf.streams.mapping import gives_batches
from perc_transforms.core.batch_rows import Structs
from tests.hf.test_stream_batches import same, same_rows, whole_only
from tests.stacks.picked.catalogues import FEATURES, in_shards, made, mapped, picked, streamed, table, write_stacks

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


@pytest.mark.parametrize("format_type", [*FORMATS, "arrow"])
@pytest.mark.parametrize("kind", ["whole", "shuffled"])
def test_batches_have_all_rows_whatever_is_null_in_them(catalogue, kind, format_type):
    stream = streamed(catalogue).remove_columns("picks").with_format(format_type)  # datasets 4 makes no lists of nulls
    stream = stream.shuffle(seed=1, buffer_size=9) if kind == "shuffled" else stream
    found = []
    for batch in stream.iter(7):
        columns = batch.to_pydict() if format_type == "arrow" else batch
        found += map(told, columns["path"], columns["index"], columns["half_set"])
    assert sorted(found) == sorted(told(row["path"], row["index"], row["half_set"]) for row in mapped(catalogue))


def told(path, index, half_set):
    return str(path), int(index), -1 if half_set is None or half_set != half_set else int(half_set)


@pytest.mark.parametrize("format_type", FORMATS)
def test_rows_are_those_of_the_table(catalogue, format_type):
    stream, rows = streamed(catalogue), mapped(catalogue)
    if datasets.__version__ < "5":  # which gives NaN for a list that is null, in rows of streams
        stream, rows = stream.remove_columns("picks"), rows.remove_columns("picks")
    stream, rows = stream.with_format(format_type), rows.with_format(format_type)
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


@whole_only
def test_structs_come_whole_from_a_loaders_workers_and_collate_to_tensors(catalogue):
    stream = streamed(catalogue, shards=in_shards(catalogue, 4)).with_format("torch")
    rows = mapped(catalogue).with_format("torch")
    loader = DataLoader(stream.batch(10), batch_size=None, num_workers=2)
    batches = list(loader)
    assert sum(len(batch["pose"]) for batch in batches) == len(rows)
    for batch in batches:
        assert isinstance(batch["pose"], Structs)
        collated = T.collate(batch)["pose"]
        for field in FEATURES["pose"]:
            same(batch["pose"][field], collated[field])
            same(torch.stack([row[field] for row in batch["pose"]]), collated[field])
    poses = [row for batch in batches for row in batch["pose"]]
    assert sorted(map(str, poses)) == sorted(str(row["pose"]) for row in rows)


@whole_only
def test_a_transform_moves_poses_of_tensors_as_it_moves_those_of_numbers(tmp_path):
    catalogue = made(tmp_path, write_stacks(tmp_path), table(*picked(5)))
    stream = streamed(catalogue).remove_columns("picks")
    turned = {}
    for format_type in (None, "torch"):
        mapped_stream = stream.with_format(format_type).map(T.RandomRotate(seed=1), batched=True, batch_size=8)
        turned[format_type] = [pose for batch in mapped_stream.iter(8) for pose in batch["pose"]]
    assert len(turned[None]) == 40
    for one, other in zip(turned[None], turned["torch"], strict=True):
        assert one.keys() >= set(FEATURES["pose"])
        for field in FEATURES["pose"]:
            assert float(one[field]) == pytest.approx(float(other[field]), abs=1e-3)


def test_structs_are_a_sequence_of_dicts():
    poses = Structs(
        {"rot": torch.tensor([1.0, 2.0, 3.0]), "by": ["a", "b", "c"], "deep": {"n": torch.tensor([4, 5, 6])}}
    )
    rows = [{"rot": torch.tensor(float(n)), "by": "abc"[n - 1], "deep": {"n": torch.tensor(n + 3)}} for n in (1, 2, 3)]
    assert list(poses) == rows == poses
    assert len(poses) == 3
    assert poses[1:] == rows[1:]
    assert poses[-1] == rows[-1]
    assert poses["deep"]["n"].tolist() == [4, 5, 6]
    assert poses.to(torch.float64)["rot"].dtype == torch.float64
    assert repr(poses) == repr(rows)


@whole_only
def test_what_is_done_to_a_batch_is_done_to_no_other(tmp_path):
    catalogue = made(tmp_path, write_stacks(tmp_path), table(*picked(5)))
    stream, rows = streamed(catalogue).with_format("torch"), mapped(catalogue).with_format("torch")
    for _ in range(2):
        batches = zip(range(0, 40, 4), stream.iter(4), stream.iter(4), strict=True)
        for start, batch, other in batches:
            expected = rows[start : start + 4]
            for one in (batch, other):
                for name in ("coordinate_x", "half_set", "micrograph"):
                    same(one[name], expected[name])
                same(list(one["pose"]), expected["pose"])
                one["coordinate_x"].zero_()
                one["half_set"] += 1
                one["pose"]["rot"].fill_(7.0)
                one["micrograph"].clear()
