"""Picks in the formats of tensors: an array a row, which knows its axes also where it is empty."""

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from datasets.formatting import TorchFormatter

from builders.hf.features import EMImage
from builders.hf.formatting import FORMATTERS

POINT = List(Value("float32"), length=3)
PICKS = {
    "pixels": List(POINT),
    "label": List(ClassLabel(names=["a", "b"])),
    "rotation": List(List(POINT, length=3)),
}
FEATURES = Features({"image": EMImage(), "picks": PICKS})
COUNTS = 2, 0, 3, 1, 0


def picks(count, seed, rotation=True):
    rng = np.random.default_rng(seed)
    turns = rng.random((count, 3, 3), np.float32)
    return {"pixels": rng.random((count, 3), np.float32), "label": np.arange(count) % 2, "rotation": turns}


ROWS = [{"image": np.ones((2, 3), np.float32), "picks": picks(count, seed)} for seed, count in enumerate(COUNTS)]


def same(found, wanted, form):
    for name, value in wanted.items():
        got = found[name]
        assert type(got).__name__ == ("Tensor" if form == "torch" else "ndarray")
        assert got.shape == value.shape
        assert str(got.dtype).removeprefix("torch.") == ("int64" if name == "label" else "float32")
        np.testing.assert_array_equal(np.asarray(got), value)


@pytest.fixture(scope="module")
def dataset():
    rows = [{**row, "picks": {name: value.tolist() for name, value in row["picks"].items()}} for row in ROWS]
    return Dataset.from_list(rows, FEATURES)


@pytest.mark.parametrize("form", ["torch", "numpy"])
def test_picks_of_rows_and_batches_know_their_axes(dataset, form):
    ds = dataset.with_format(form)
    for found, row in zip(ds, ROWS, strict=True):
        same(found["picks"], row["picks"], form)
    for chosen in ([0, 1, 2], [4, 1], [3], [2, 0], [1]):
        batch = ds[chosen]
        assert len(batch["picks"]) == len(chosen)
        for found, place in zip(batch["picks"], chosen, strict=True):
            same(found, ROWS[place]["picks"], form)
    for found, place in zip(ds.select([4, 2, 1])[:]["picks"], (4, 2, 1), strict=True):
        same(found, ROWS[place]["picks"], form)
    for found, place in zip(ds.select(range(1, 4))[1:]["picks"], (2, 3), strict=True):
        same(found, ROWS[place]["picks"], form)


def test_what_is_null_is_as_it_was(dataset):
    rows = [{**row, "picks": {**row["picks"], "rotation": None}} for row in dataset.with_format(None)]
    ds = Dataset.from_list(rows, FEATURES).with_format("torch")
    assert [row["rotation"] for row in ds[:]["picks"]] == [None] * len(COUNTS)
    assert ds[1]["picks"]["pixels"].shape == (0, 3)


KNOWN = Features(
    {
        "rotation": List(List(Value("float32"), length=3), length=3),
        "origin": List(Value("int64"), length=3),
        "double": List(Value("float64"), length=2),
        "counts": List(Value("uint16"), length=2),
        "flags": List(Value("bool"), length=2),
        "names": List(Value("string"), length=2),
        "any": List(Value("float32")),
    }
)


@pytest.mark.parametrize("chosen", [slice(0, 1), slice(1, 4), slice(None), [3, 0]])
def test_lists_of_known_lengths_are_what_datasets_makes_of_them(chosen):
    rng = np.random.default_rng(0)
    rows = [
        {
            "rotation": rng.random((3, 3), np.float32).tolist(),
            "origin": rng.integers(-(2**40), 2**40, 3).tolist(),
            "double": rng.random(2).tolist(),
            "counts": rng.integers(0, 2**16, 2).tolist(),
            "flags": [True, False],
            "names": ["a", "b"],
            "any": rng.random(2, np.float32).tolist(),
        }
        for _ in range(5)
    ]
    ds = Dataset.from_list(rows, KNOWN)
    table = ds.with_format("arrow")[chosen]
    stock = TorchFormatter(features=KNOWN).format_batch(table)
    ours = FORMATTERS[TorchFormatter](features=KNOWN).format_batch(table)
    assert ours.keys() == stock.keys()
    for name, wanted in stock.items():
        assert type(ours[name]) is type(wanted)
        if isinstance(wanted, torch.Tensor):
            assert ours[name].dtype == wanted.dtype
            assert torch.equal(ours[name], wanted)
        else:
            assert list(map(str, ours[name])) == list(map(str, wanted))


def test_a_tensor_of_lists_may_be_changed_and_the_dataset_stays():
    ds = Dataset.from_list([{"origin": [1, 2, 3]}] * 2, Features({"origin": KNOWN["origin"]})).with_format("torch")
    ds[:]["origin"].zero_()
    assert ds[:]["origin"].tolist() == [[1, 2, 3]] * 2
