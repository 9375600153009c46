import pickle
from functools import partial

import datasets
import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from torch.utils.data import DataLoader

import builders
import perc_transforms as T
from builders.hf import nulls
from builders.hf.features import EMImage
from builders.io import mrc

STREAMS = int(datasets.__version__.partition(".")[0]) >= 5
"""With `datasets` 4, streams with nulls need `T.collate`, as the README says."""

FEATURES = Features(
    {
        "image": EMImage(),
        "imageset": Value("string"),
        "pixel_size": Value("float32"),
        "index": Value("int64"),
        "good": Value("bool"),
        "raw": Value("binary"),
        "label": ClassLabel(names=["a", "b"]),
        "pose": {"rot": Value("float32"), "by": {"program": Value("string")}},
    }
)
NOTHING = dict.fromkeys(FEATURES, None) | {"image": np.ones((2, 3), np.float32)}
SOMETHING = {
    **NOTHING,
    **{"imageset": "P", "pixel_size": 1.5, "index": 3, "good": True, "raw": b"x", "label": 1},
    "pose": {"rot": 30.0, "by": None},
}


def loaded(rows, form, workers=0):
    """What a loader with torch's default collate gives of rows that were made this way, all in one batch."""
    ds = Dataset.from_list(rows, FEATURES)
    if "stream" in form:
        ds = ds.to_iterable_dataset()
    if "mapped" in form:
        ds = ds.map(lambda row: {"more": 1})
    if "filtered" in form:
        ds = ds.filter(lambda row: True)
    fork = "fork" if workers else None  # else, from Python 3.14 on, they take no function of a test
    ds = ds.with_format("torch")
    batch, *others = DataLoader(ds, batch_size=len(rows), num_workers=workers, multiprocessing_context=fork)
    assert not others
    return batch


def same(found, wanted):
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name in wanted:
            same(found[name], wanted[name])
    elif isinstance(wanted[0], float):
        assert found.dtype == torch.float32
        np.testing.assert_array_equal(found, wanted)
    else:
        assert list(found) == wanted


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("form", ["map-style", "map-style, mapped", "stream", "stream, mapped", "stream, filtered"])
def test_columns_that_are_null_throughout_are_collated(form, workers):
    if "stream" in form and not STREAMS:
        pytest.skip("datasets 4: T.collate is needed")
    batch = loaded([NOTHING] * 2, form, workers)
    nan = [float("nan")] * 2
    wanted = {"imageset": [""] * 2, "raw": [b""] * 2, "pose": {"rot": nan, "by": {"program": [""] * 2}}}
    wanted |= dict.fromkeys(["pixel_size", "index", "good", "label"], nan)
    same({name: batch[name] for name in wanted}, wanted)
    assert batch["image"].shape == (2, 2, 3)


def test_what_is_null_in_some_rows_of_a_batch_is_collated_with_the_others():
    batch = loaded([NOTHING, SOMETHING], "map-style")
    nan = float("nan")
    wanted = {"imageset": ["", "P"], "raw": [b"", b"x"], "pixel_size": [nan, 1.5], "index": [nan, 3.0]}
    wanted |= {"good": [nan, 1.0], "label": [nan, 1.0], "pose": {"rot": [nan, 30.0], "by": {"program": ["", ""]}}}
    same({name: batch[name] for name in wanted}, wanted)


def test_a_row_has_the_same_however_it_is_asked_for():
    ds = Dataset.from_list([SOMETHING, NOTHING], FEATURES).with_format("torch")
    alone, (of_batch,), sliced = ds[1], ds.__getitems__([1]), ds[1:2]
    assert alone.keys() == of_batch.keys() == sliced.keys() == FEATURES.keys()
    poses = alone.pop("pose"), of_batch.pop("pose"), sliced["pose"][0]
    assert {str(pose) for pose in poses} == {"{'rot': tensor(nan), 'by': {'program': ''}}"}
    for name in alone:
        np.testing.assert_array_equal(alone[name], of_batch[name])
        np.testing.assert_array_equal(alone[name], ds[:][name][1])


def test_what_is_there_keeps_its_type():
    batch = loaded([SOMETHING] * 2, "map-style")
    assert batch["index"].dtype == batch["label"].dtype == torch.int64
    assert batch["good"].dtype == torch.bool
    assert batch["imageset"] == ["P", "P"]


COLLATED = {
    "without a format": lambda ds: ds,
    "transformed": lambda ds: ds.with_transform(T.Normalize()),
    "with a function": lambda ds: ds.with_transform(dict),
    "renamed": lambda ds: ds.rename_column("imageset", "more"),
}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("way", COLLATED)
def test_a_column_is_collated_the_same_whatever_is_null_in_the_batch(way, workers):
    two = FEATURES | {"note": Value("large_string"), "marks": List(Value("float32"))}
    features = Features(two | {"pose": FEATURES["pose"] | {"by": Value("string")}})
    nothing = NOTHING | {"note": None, "marks": None}
    something = SOMETHING | {"note": "n", "marks": [1.0], "pose": {"rot": 30.0, "by": None}}
    ds = COLLATED[way](Dataset.from_list([something, *[nothing] * 4, something], features))
    fork = "fork" if workers else None
    loader = DataLoader(ds, 2, num_workers=workers, multiprocessing_context=fork, collate_fn=T.collate)
    batches = list(loader)
    text = "more" if way == "renamed" else "imageset"
    for name, value in ((text, "P"), ("note", "n"), ("raw", b"x")):
        null = type(value)() if way == "transformed" else None
        assert [batch[name] for batch in batches] == [[value, null], [null, null], [null, value]]
    assert [batch["marks"] for batch in batches] == [[[1.0], None], [None, None], [None, [1.0]]]
    assert [batch["pose"]["by"] for batch in batches] == [["" if way == "transformed" else None] * 2] * 3
    for batch in batches:
        numbers = {name: batch[name] for name in ("pixel_size", "index", "good", "label")} | {"p": batch["pose"]["rot"]}
        assert {(type(of), len(of)) for of in numbers.values()} == {(torch.Tensor, 2)}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("transform", [T.Normalize(), T.Compose([T.RandomFlip(), T.Rescale(2)])])
def test_rows_through_a_transform_are_collated_by_torch(entry, transform, workers):
    ds = entry().with_transform(transform)
    for size in (1, 2):
        for batch in DataLoader(ds, size, num_workers=workers, multiprocessing_context="fork" if workers else None):
            assert batch["imageset"] == [""] * size
            assert batch["index"].isnan().all()
            assert batch["image"].shape[0] == size
    for _ in range(2):  # also for who looks at rows after they were collated
        rows = ds.__getitems__([0, 1])
        assert [row["imageset"] for row in rows] == T.collate(rows)["imageset"] == ["", ""]
    for others in (ds[0], ds[:1], entry().with_transform(lambda batch: transform(batch)).__getitems__([0])[0]):
        assert others["imageset"] in (None, [None])
        assert others["index"] in (None, [None])


def test_what_is_known_by_its_name_is_collated_the_same_of_rows_alone():
    image = np.ones((2, 2), np.float32)
    rows = [{"image": image, "micrograph": None, "pixel_size": None, "score": None}] * 2
    for batch in (T.collate(rows), T.collate({name: [row[name] for row in rows] for name in rows[0]})):
        assert batch["micrograph"] == [None, None]
        assert batch["pixel_size"].isnan().all()
        assert batch["score"].isnan().all()


@pytest.fixture
def entry(tmp_path):
    """How to load two micrographs of which no image set is known, out of a mirror."""
    (tmp_path / "10001/data").mkdir(parents=True)
    for number in range(2):
        mrc.write(tmp_path / f"10001/data/m_{number}.mrc", np.ones((2, 3), np.float32))
    options = {"entry": 10001, "archive": str(tmp_path), "directory": "data", "split": "train"}
    return partial(builders.load_dataset, "empiar", cache_dir=str(tmp_path / "cache"), **options)


WITHOUT_IMAGES = {
    "remove_columns": lambda ds: ds.remove_columns("image"),
    "select_columns": lambda ds: ds.select_columns(["imageset", "index"]),
    "map": lambda ds: ds.map(_mean, remove_columns=["image"]),
    "format first": lambda ds: ds.with_format("torch").remove_columns("image"),
    "filter": lambda ds: ds.remove_columns("image").filter(_any),
    "map, features": lambda ds: ds.map(_any_row, features=ds.features).remove_columns("image"),
    "several, mapped": lambda ds: datasets.concatenate_datasets([ds.remove_columns("image")] * 2).map(_any_row),
    "some rows": lambda ds: ds.remove_columns("image").take(2),
}


def _any(row):
    return True


def _any_row(row):
    return row


def _mean(row):
    return {"mean": float(np.mean(row["image"]))}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("way", WITHOUT_IMAGES)
def test_rows_of_ours_are_collated_without_their_images_too(entry, way, streaming):
    if streaming and not STREAMS:
        pytest.skip("datasets 4: T.collate is needed")
    batch, *_ = DataLoader(WITHOUT_IMAGES[way](entry(streaming=streaming)).with_format("torch"), batch_size=2)
    same({name: batch[name] for name in ("imageset", "index")}, {"imageset": [""] * 2, "index": [float("nan")] * 2})


@pytest.mark.skipif(not STREAMS, reason="datasets 4: T.collate is needed")
def test_columns_of_a_stream_may_be_renamed_and_taken_away_after_the_format():
    ds = Dataset.from_list([NOTHING, SOMETHING], FEATURES).to_iterable_dataset().with_format("torch")
    wanted = list(ds)
    for changed in (ds.remove_columns("label"), ds.rename_column("label", "kind")):
        for row, (index, good) in zip(changed, [(np.nan, np.nan), (3, 1)], strict=True):
            np.testing.assert_array_equal([float(row["index"]), float(row["good"])], [index, good])
            np.testing.assert_array_equal(row["image"], wanted[0]["image"])


def test_rows_of_ours_are_the_same_in_every_way_of_reading(entry, tmp_path):
    ds = entry().remove_columns("image")
    ds.save_to_disk(tmp_path / "saved")
    for kept in (ds, datasets.load_from_disk(tmp_path / "saved"), pickle.loads(pickle.dumps(ds)), ds.select([1, 0])):
        read = kept.with_format("torch")
        assert read[0]["imageset"] == read.__getitems__([0])[0]["imageset"] == next(iter(read))["imageset"] == ""
        assert read[:1]["imageset"] == next(read.iter(1))["imageset"] == list(read["imageset"])[:1] == [""]
    assert ds[0]["imageset"] is None
    assert ds.with_format("numpy")[0]["imageset"] is None


def test_rows_without_images_are_left_as_datasets_has_them():
    features = Features({"text": Value("string"), "x": Value("float32")})
    assert nulls.nullable(features) == {}
    ds = Dataset.from_list([{"text": None, "x": None}], features).with_format("torch")
    assert ds[0]["text"] is None
    assert ds[:]["text"] == [None]


def test_lists_of_known_lengths_become_nan_throughout():
    matrix = List(List(Value("float32"), length=3), length=2)
    known = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    features = Features({"image": EMImage(), "matrix": matrix, "point": matrix.feature, "any": List(Value("int64"))})
    pixels = np.zeros((2, 2), np.float32)
    rows = [
        {"image": pixels, "matrix": value, "point": value and value[0], "any": [1]} for value in (None, known, None)
    ]
    ds = Dataset.from_list(rows, features=features).with_format("torch")
    assert torch.isnan(ds[0]["matrix"]).all()
    assert ds[0]["matrix"].shape == (2, 3)
    assert torch.equal(ds[1]["matrix"], torch.tensor(known))
    batch = next(iter(DataLoader(ds, batch_size=3)))
    for given in (batch, ds[:], next(iter(DataLoader([*ds], batch_size=3)))):
        assert given["matrix"].shape == (3, 2, 3)
        assert given["point"].shape == (3, 3)
        assert torch.equal(torch.isnan(given["matrix"]).all((1, 2)), torch.tensor([True, False, True]))
        assert torch.equal(given["matrix"][1], torch.tensor(known))
    assert ds.with_format(None)[0]["matrix"] is None
