"""A batch of a map-style dataset is what its rows make, whichever way it is asked for, and read in one go."""

import os
import pickle
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value, load_from_disk
from torch.utils.data import DataLoader, default_collate

import perc_transforms as T
from builders import EMImage
from builders.errors import ChangedError, FormatError, NotFoundError, PercError, TruncatedError
from builders.hf import formatting
from builders.hf.batches import reading
from builders.io.files import local
from builders.io.net import remote
from perc_transforms.core import buffers
from tests.io.boxes import encode, numbers
from tests.server import serve

COUNT = 40
ENCODINGS = ("|i1", "|u1", "<i2", "<u2", "<f2", "<f4", "<f8", ">f4", ">i2", "4bit")
FORMATS = (None, "torch", "numpy", "transform")
KEYS = {
    "list": [7, 3, 31, 8, 0],
    "numpy": np.array([7, 3, 31, 8, 0]),
    "range": range(4, 20, 3),
    "slice": slice(5, 25),
    "stepped slice": slice(30, 2, -4),
    "negative": [-1, -40, 5],
    "repeated": [3, 3, 9, 3],
    "neighbours in another order": [12, 13, 14, 6, 5],
    "one": [4],
    "all": slice(None),
}
FEATURES = Features(
    {
        "image": EMImage(),
        "path": Value("string"),
        "index": Value("int64"),
        "id": Value("string"),
        "pixel_size": Value("float32"),
        "dose": Value("float64"),
        "small": Value("int8"),
        "large": Value("uint16"),
        "huge": Value("uint64"),
        "half": Value("float16"),
        "good": Value("bool"),
        "label": ClassLabel(names=["a", "b", "c"]),
        "raw": Value("binary"),
        "pose": {"rot": Value("float32"), "group": Value("int32"), "by": {"program": Value("string")}},
        "whole": {"n": Value("int64"), "x": Value("float64")},
        "sides": List(Value("int32")),
        "ragged": List(Value("float32")),
    }
)


def stack_file(folder, encoding="<f4", count=COUNT, shape=(6, 5), name="a.bin", seed=0):
    """A file of images, the references to them, and their pixels."""
    pixels = numbers((count, *shape), encoding, seed)
    data = encode(pixels, encoding)
    size = len(data) // count
    (folder / name).write_bytes(b"head" + data)
    etag = local.etag_of((folder / name).stat())
    told = {"path": str(folder / name), "shape": list(shape), "dtype": encoding, "etag": etag}
    return [told | {"offset": 4 + number * size} for number in range(count)], pixels


def columns(count=COUNT, nulls=True):
    """Values of all kinds for the columns beside the images, some of them null."""
    rng = np.random.default_rng(0)

    def some(values):
        return [None if nulls and rng.random() < 0.2 else value for value in values]

    return {
        "path": [f"stack_{n // 10}.mrcs" for n in range(count)],
        "index": some(range(count)),
        "id": [f"row {n}" for n in range(count)],
        "pixel_size": some(rng.random(count).tolist()),
        "dose": some([np.nan, *rng.random(count - 1).tolist()]),
        "small": some(rng.integers(-9, 9, count).tolist()),
        "large": some(rng.integers(0, 60_000, count).tolist()),
        "huge": some(rng.integers(0, 60_000, count).tolist()),
        "half": some(rng.random(count).astype(np.float16)),
        "good": some((rng.random(count) < 0.5).tolist()),
        "label": some(rng.integers(0, 3, count).tolist()),
        "raw": some([b"x"] * count),
        "pose": some([{"rot": float(n), "group": n, "by": {"program": "R" if n % 3 else None}} for n in range(count)]),
        "whole": [{"n": n, "x": n / 2} for n in range(count)],
        "sides": [[n, n + 1] for n in range(count)],
        "ragged": [[0.5] * (n % 3) for n in range(count)],
    }


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A dataset of all kinds of columns, in pieces of seven rows."""
    folder = tmp_path_factory.mktemp("full")
    rows, _ = stack_file(folder)
    made = Dataset.from_dict({"image": rows, **columns()}, FEATURES)
    made.save_to_disk(str(folder / "saved"), max_shard_size="1kB")
    return load_from_disk(str(folder / "saved"))


def same(found, wanted):
    """Check that two values are the same, of the same types all through."""
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for name in wanted:
            same(found[name], wanted[name])
    elif isinstance(wanted, list) or (isinstance(wanted, np.ndarray) and wanted.dtype == object):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
    elif isinstance(wanted, torch.Tensor | np.ndarray | float):
        assert getattr(found, "dtype", None) == getattr(wanted, "dtype", None)
        np.testing.assert_array_equal(found, wanted)
    else:
        assert found == wanted


@contextmanager
def row_by_row():
    """Have batches made as `datasets` makes them, of one row after another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formatting, "holds_images", lambda *args: False)
        patch.setattr(reading, "holds_images", lambda *args: False)
        yield


def in_format(ds, form):
    return ds.with_transform(dict) if form == "transform" else ds.with_format(form)


def pixels_of(images):
    return np.stack([np.asarray(image) for image in images])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_images_are_the_files(tmp_path, encoding, form):
    rows, pixels = stack_file(tmp_path, encoding)
    for dtype in ("float32", None):
        ds = in_format(Dataset.from_dict({"image": rows}, Features({"image": EMImage(dtype)})), form)
        for key in ([5, 2, 39], slice(3, 9)):
            numbers = np.arange(COUNT)[key]
            np.testing.assert_array_equal(pixels_of(ds[key]["image"]), pixels[numbers])
            alone = [ds[int(n)]["image"] for n in numbers]
            assert {x.dtype for x in alone} == {x.dtype for x in ds[key]["image"]}


@pytest.mark.parametrize("dtype", ["complex64", None])
def test_complex_images(tmp_path, dtype):
    rows, pixels = stack_file(tmp_path, "<c8")
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage(dtype)})).with_format("numpy")
    np.testing.assert_array_equal(ds[[3, 1]]["image"], pixels[[3, 1]])
    refused = Dataset.from_dict({"image": rows}, Features({"image": EMImage()})).with_format("numpy")
    with pytest.raises(FormatError, match=r"a\.bin: complex pixels"):
        refused[[3, 1]]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_batch_is_what_datasets_makes_of_its_rows(full, key, form):
    ds = in_format(full, form)
    with row_by_row():
        wanted = ds[key]
    found = ds[key]
    if form == "transform":
        assert isinstance(found["image"], np.ndarray)
        found = dict(found) | {"image": list(found["image"])}
    same(found, wanted)


@pytest.mark.parametrize("form", FORMATS)
def test_selected_rows_and_columns(full, form):
    ds = full.shuffle(seed=3).select(range(30)).shuffle(seed=1)
    chosen = ["image", "index", "pose"]
    sets = [in_format(ds, form), in_format(ds.select_columns(chosen), form)]
    if form == "transform":
        sets += [ds.with_transform(dict, columns=chosen, output_all_columns=some) for some in (False, True)]
    else:
        sets += [ds.with_format(form, columns=chosen, output_all_columns=some) for some in (False, True)]
    for one in sets:
        for key in ([4, 9, 2], slice(3, 20)):
            found = one[key]
            with row_by_row():
                wanted = one[key]
            same(pixels_of(found.pop("image")), pixels_of(wanted.pop("image")))
            same(dict(found), dict(wanted))


@pytest.mark.parametrize("form", ["torch", "numpy", "transform"])
def test_batches_of_iter_are_those_of_slices(full, form):
    ds = in_format(full, form)
    for number, batch in enumerate(ds.iter(16)):
        same(batch, ds[16 * number : 16 * number + 16])


@pytest.mark.parametrize("key", [[40], [-41, 1], [0, 99], "no such column"])
def test_rows_that_are_not_there_are_errors_as_before(full, key):
    with row_by_row(), pytest.raises(Exception) as wanted:  # noqa: PT011
        full.with_format("torch")[key]
    with pytest.raises(wanted.type) as found:
        full.with_format("torch")[key]
    assert str(found.value) == str(wanted.value)


def test_nothing_is_a_batch_of_nothing(full):
    assert full.with_format("torch")[[]]["image"] == []


def test_options_of_the_torch_format_hold(full):
    ds = full.select_columns(["image", "index", "dose"]).with_format("torch", dtype=torch.float64)
    batch = ds[[1, 2]]
    assert {column.dtype for column in batch.values()} == {torch.float64}


def several(folder, **options):
    """Rows of three files in turn."""
    files = [stack_file(folder, name=f"{n}.bin", seed=n, **options) for n in range(3)]
    rows = [files[n % 3][0][n // 3] for n in range(3 * COUNT)]
    return rows, np.stack([files[n % 3][1][n // 3] for n in range(3 * COUNT)])


@pytest.fixture
def opened(monkeypatch):
    """The files that are opened, in order."""
    names = []
    stock = os.open

    def noted(path, *args, **options):
        names.append(Path(path).name)
        return stock(path, *args, **options)

    monkeypatch.setattr(os, "open", noted)
    return names


def test_each_file_of_a_batch_is_opened_once(tmp_path, opened):
    rows, pixels = several(tmp_path)
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage()})).with_format("torch")
    key = np.random.default_rng(0).permutation(len(rows))[:50].tolist()
    opened.clear()
    found = ds.__getitems__(key)
    assert sorted(opened) == ["0.bin", "1.bin", "2.bin"]
    np.testing.assert_array_equal(T.collate(found)["image"], pixels[key])


def test_memory_of_a_batch_is_used_again(tmp_path):
    rows, _ = stack_file(tmp_path, shape=(128, 128))
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage()})).with_format("torch")
    buffers._stock.clear()
    places = {ds[[n, 3, 1, *range(20)]]["image"].data_ptr() for n in range(5)}
    assert len(places) == 1


ODD = {
    "unlike shapes": lambda rows, folder: stack_file(folder, shape=(7, 5), name="b.bin")[0],
    "unlike types": lambda rows, folder: stack_file(folder, "<i2", name="b.bin")[0],
    "packed pixels": lambda rows, folder: stack_file(folder, "4bit", name="b.bin")[0],
    "null": lambda rows, folder: [None] * COUNT,
    "a box": lambda rows, folder: [row | {"dtype": "<f4@1:3,0:2"} for row in rows],
    "inline": lambda rows, folder: [np.full((6, 5), 3, np.float32)] * COUNT,
    "inline, of another shape": lambda rows, folder: [np.full((2, 5), 3, np.float32)] * COUNT,
    "no version": lambda rows, folder: [row | {"etag": None} for row in rows],
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_images_that_are_not_alike_are_rows(tmp_path, odd, form):
    rows, _ = stack_file(tmp_path)
    mixed = [one for pair in zip(rows, odd(rows, tmp_path), strict=True) for one in pair]
    ds = in_format(Dataset.from_dict({"image": mixed}, Features({"image": EMImage()})), form)
    key = [3, 8, 5, 0]
    with row_by_row():
        wanted = ds[key]
    found = ds[key]
    assert len(found["image"]) == 4
    for one, other in zip(found["image"], wanted["image"], strict=True):
        same(one, other)


@pytest.mark.parametrize("form", ["torch", "numpy", "transform"])
@pytest.mark.parametrize("dtype", ["float32", None])
@pytest.mark.parametrize("kind", ["<f4", "<f2", "|i1", ">i2"])
def test_inline_pixels_are_a_stack(form, dtype, kind):
    pixels = np.arange(COUNT * 30).reshape(COUNT, 6, 5).astype(kind) % 100
    ds = Dataset.from_dict({"image": list(pixels)}, Features({"image": EMImage(dtype)}))
    shuffled = ds.shuffle(seed=1)
    stacks, rows = in_format(shuffled.select(range(40)), form), in_format(shuffled, None)
    for key in ([5, 2, 39], slice(3, 9)):
        stack = stacks[key]["image"]
        order = rows[key]["image"]
        assert isinstance(stack, np.ndarray | torch.Tensor)
        np.testing.assert_array_equal(stack, pixels_of(order))
        stack += 1  # which no other batch sees
        np.testing.assert_array_equal(in_format(ds, form)[key]["image"], pixels[key])


def test_remote_images_come_in_batches(tmp_path):
    pixels = numbers((COUNT, 6, 5), "<f4", 1)
    with serve() as archive:
        archive.files["/a.bin"] = encode(pixels, "<f4")
        remote.permit(archive.base)
        told = {"path": archive.url("/a.bin"), "shape": [6, 5], "dtype": "<f4"}
        rows = [told | {"offset": n * 120} for n in range(COUNT)]
        ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage()})).with_format("torch")
        np.testing.assert_array_equal(T.collate(ds.__getitems__([3, 9, 4]))["image"], pixels[[3, 9, 4]])


def damage(kind, path):
    if kind == "gone":
        path.unlink()
    elif kind == "changed":
        path.write_bytes(path.read_bytes() + b"more")
    else:
        path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("kind", "error"), [("gone", NotFoundError), ("changed", ChangedError), ("truncated", TruncatedError)]
)
def test_a_damaged_file_in_the_middle_of_a_batch_is_told_as_by_a_row(tmp_path, kind, error, form):
    rows, _ = several(tmp_path)
    if kind == "truncated":
        rows = [row | {"etag": None} for row in rows]
    ds = in_format(Dataset.from_dict({"image": rows}, Features({"image": EMImage()})), form)
    key = [0, 3, 40, 92, 94, 51]
    damage(kind, tmp_path / "1.bin")
    with pytest.raises(error, match=r"1\.bin") as of_row:
        ds[94]
    with pytest.raises(error) as of_batch:
        ds[[n for n in key if n % 3 != 1 or n == 94]]
    assert str(of_batch.value) == str(of_row.value)
    if kind == "changed":
        assert "force_redownload" in str(of_batch.value)
    with pytest.raises(error, match=r"1\.bin"):
        T.collate(ds.__getitems__(key))


@pytest.mark.parametrize("encoding", ["<f4", "<f8", "<f2", ">f4"])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_pixels_that_are_not_finite_are_said_once(tmp_path, caplog, encoding, value):
    pixels = np.ones((COUNT, 6, 5), encoding)
    pixels[7, 3, 4] = value
    rows, _ = stack_file(tmp_path, encoding)
    (tmp_path / "a.bin").write_bytes(b"head" + pixels.tobytes())
    rows = [row | {"etag": None} for row in rows]
    strict = Dataset.from_dict({"image": rows}, Features({"image": EMImage(non_finite="raise")})).with_format("torch")
    with pytest.raises(FormatError, match=r"a\.bin: 1 of 30 pixels are NaN or infinite"):
        strict[[3, 7, 2]]
    assert strict[[3, 2]]["image"].shape == (2, 6, 5)
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage()})).with_format("torch")
    for _ in range(2):
        np.testing.assert_array_equal(ds[[3, 7]]["image"], pixels[[3, 7]])
    assert [record.message.split(";")[0] for record in caplog.records] == [
        f"{tmp_path / 'a.bin'}: 1 of 30 pixels are NaN or infinite"
    ]


def test_what_was_finite_is_looked_at_again_where_no_version_is_told(tmp_path):
    rows, _ = stack_file(tmp_path)
    rows = [row | {"etag": None} for row in rows]
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage(non_finite="raise")})).with_format("torch")
    assert ds[[3, 2]]["image"].isfinite().all()
    (tmp_path / "a.bin").write_bytes(b"head" + np.full((COUNT, 6, 5), np.nan, np.float32).tobytes())
    with pytest.raises(FormatError, match="NaN"):
        ds[[3, 2]]


def test_large_numbers_are_finite(tmp_path):
    rows, _ = stack_file(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"head" + np.full((COUNT, 6, 5), 3e38, np.float32).tobytes())
    rows = [row | {"etag": None} for row in rows]
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage(non_finite="raise")})).with_format("torch")
    assert (ds[[3, 2]]["image"] == 3e38).all()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float16", "bool"])
def test_a_number_that_does_not_fit_is_told_with_its_file(tmp_path, dtype):
    rows, _ = stack_file(tmp_path, "<f4")
    (tmp_path / "a.bin").write_bytes(b"head" + np.full((COUNT, 6, 5), 1e6, np.float32).tobytes())
    rows = [row | {"etag": None} for row in rows]
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage(dtype)})).with_format("numpy")
    with pytest.raises(FormatError, match=r"a\.bin: 1000000.0 does not fit"):
        ds[[3, 2]]


# Loaders


@pytest.mark.parametrize("form", ["torch", "numpy", "transform"])
def test_collate_makes_the_same_of_a_batch_as_of_its_rows(full, form):
    ds = in_format(full.remove_columns(["sides", "ragged", "raw"] if form == "numpy" else []), form)
    for key in ([3, 9, 1], [0], list(range(40))):
        rows, seen = ds.__getitems__(key), ds.__getitems__(key)
        plain = [{**row} for row in seen]
        same(T.collate(rows), T.collate(seen))
        if len(key) == COUNT or form == "torch":  # of a column that is null throughout, rows alone do not tell more
            same(T.collate(rows), T.collate(plain))


@pytest.mark.parametrize("workers", [0, 1])
def test_rows_are_rows_to_other_collate_functions(tmp_path, workers):
    rows, pixels = stack_file(tmp_path)
    features = Features({"image": EMImage(), "index": Value("int64"), "path": Value("string")})
    made = {"image": rows, "index": list(range(COUNT)), "path": ["a.bin"] * COUNT}
    ds = Dataset.from_dict(made, features).with_format("torch")
    fork = "fork" if workers else None
    for function in (
        None,
        list,
        T.collate,
        lambda rows: rows,
        lambda rows: rows + rows,
        lambda rows: sorted(rows, key=len),
    ):
        batches = list(
            DataLoader(ds, 16, collate_fn=function, num_workers=workers, multiprocessing_context=fork, shuffle=True)
        )
        assert len(batches) == 3
        for batch in batches:
            if isinstance(batch, list):
                batch = default_collate(batch)
            np.testing.assert_array_equal(batch["image"], pixels[batch["index"]])
            assert set(batch["path"]) == {"a.bin"}


def test_rows_of_data_frames_are_rows(tmp_path):
    made = {"index": list(range(COUNT)), "path": [f"row {n}" for n in range(COUNT)]}
    wanted = [{"index": n, "path": f"row {n}"} for n in (3, 1, 9)]
    assert Dataset.from_dict(made).with_format("pandas").__getitems__([3, 1, 9]) == wanted
    ds = Dataset.from_dict(
        {"image": stack_file(tmp_path)[0], **made}, Features({name: FEATURES[name] for name in ("image", *made)})
    )
    framed = ds.with_transform(lambda batch: pd.DataFrame({name: batch[name] for name in made}))
    assert framed.__getitems__([3, 1, 9]) == wanted


@pytest.mark.parametrize("form", ["torch", "transform"])
def test_what_is_done_to_a_batch_is_not_done_to_its_rows(tmp_path, form):
    stored, pixels = stack_file(tmp_path)
    ds = Dataset.from_dict({"image": stored}, Features({"image": EMImage()}))
    ds = ds.with_transform(T.ToTensor()) if form == "transform" else ds.with_format(form)
    rows = ds.__getitems__([3, 1])
    T.collate(rows)["image"].zero_()
    other = T.collate(rows)["image"]
    np.testing.assert_array_equal(other, pixels[[3, 1]])
    other.zero_()
    np.testing.assert_array_equal(rows[0]["image"], pixels[3])


def test_no_rows_do_not_collate(tmp_path):
    ds = Dataset.from_dict({"image": stack_file(tmp_path)[0]}, Features({"image": EMImage()}))
    for form in FORMATS:
        rows = in_format(ds, form).__getitems__([])
        assert rows == []
        with pytest.raises(PercError, match="no rows"):
            T.collate(in_format(ds, form).__getitems__([]))


def test_a_complex_stack_is_told_with_a_row(tmp_path):
    rows, _ = stack_file(tmp_path, "<c8")
    made = {"image": rows, "path": columns()["path"]}
    ds = Dataset.from_dict(made, Features({"image": EMImage(dtype=None), "path": Value("string")}))
    with pytest.raises(PercError, match=r"^stack_3\.mrcs: Normalize: a complex image"):
        ds.with_transform(T.Normalize())[[31, 3]]


def test_the_last_batch_may_be_smaller_or_dropped(tmp_path):
    rows, _ = stack_file(tmp_path)
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage()})).with_format("torch")
    for drop, sizes in ((False, [16, 16, 8]), (True, [16, 16])):
        assert [len(b["image"]) for b in DataLoader(ds, 16, collate_fn=T.collate, drop_last=drop)] == sizes
    assert [len(b["image"]) for b in DataLoader(ds, 100, collate_fn=T.collate)] == [40]


@pytest.mark.parametrize("start", ["fork", "forkserver"])
def test_workers_read_batches_into_memory_that_is_shared(tmp_path, start):
    rows, pixels = stack_file(tmp_path, shape=(40, 30))
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage()})).shuffle(seed=1).with_format("torch")
    options = {"multiprocessing_context": start, "num_workers": 2, "persistent_workers": True, "prefetch_factor": 3}
    loader = DataLoader(ds, 16, collate_fn=T.collate, **options)
    for _ in range(2):
        batches = list(loader)
        assert all(batch["image"].is_shared() for batch in batches)
        np.testing.assert_array_equal(np.concatenate([b["image"] for b in batches]), pixels_of(ds[:]["image"]))
    assert {x.tobytes() for x in pixels_of(ds[:]["image"])} == {x.astype(np.float32).tobytes() for x in pixels}


def test_a_loop_that_is_broken_off_leaves_nothing_open(tmp_path):
    rows, _ = several(tmp_path)
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage()})).with_format("torch")
    for workers in (0, 2):
        fork = "fork" if workers else None
        for batch in DataLoader(ds, 8, collate_fn=T.collate, num_workers=workers, multiprocessing_context=fork):
            assert batch["image"].shape == (8, 6, 5)
            break
    left = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
    assert not [path for path in left if path.suffix == ".bin"]


def test_a_pickled_dataset_gives_the_same_batches(full):
    ds = full.with_format("torch")
    wanted = ds[[3, 1]]
    same(pickle.loads(pickle.dumps(ds))[[3, 1]], wanted)


# Transforms


def seen(found, batch):
    found.append(batch["image"])
    return batch


@pytest.mark.parametrize("shape", [(8, 8), (4, 8, 8)])
@pytest.mark.parametrize("names", [["image"], ["image", "index"], ["image", "path", "pixel_size"], ["image", "pose"]])
def test_transforms_are_given_the_stack_and_keep_it(tmp_path, shape, names):
    rows, _ = stack_file(tmp_path, shape=shape)
    values = columns()
    made = Dataset.from_dict({"image": rows, **{name: values[name] for name in names if name != "image"}})
    ds = made.cast(Features({name: FEATURES[name] for name in names}))
    transform = T.Compose([T.Normalize(), T.Rescale(6), T.MinMax()])
    found = []
    ds.with_transform(partial(seen, found))[[3, 1]]
    assert found[0].shape == (2, *shape)
    together = ds.with_transform(transform)[[3, 1, 9]]
    assert isinstance(together["image"], torch.Tensor)
    alone = [ds.with_transform(transform)[n] for n in (3, 1, 9)]
    torch.testing.assert_close(together["image"], torch.stack([row["image"] for row in alone]))
    for name in names[1:]:
        same(together[name], [row[name] for row in alone])


def test_draws_are_those_of_rows(tmp_path):
    rows, _ = stack_file(tmp_path, shape=(8, 8))
    values = columns(nulls=False)
    made = {"image": rows, "path": values["path"], "index": values["index"]}
    ds = Dataset.from_dict(made, Features({name: FEATURES[name] for name in made}))
    ds = ds.with_transform(T.Compose([T.RandomShift(2.0), T.AddNoise(0.1)], record=True))
    together = T.collate(ds.__getitems__([3, 1, 9]))
    alone = T.collate([ds[n] for n in (3, 1, 9)])
    torch.testing.assert_close(together["image"], alone["image"])
    assert together["transforms"] == alone["transforms"]


def test_images_of_unlike_shapes_reach_a_transform_as_a_list(tmp_path):
    rows = stack_file(tmp_path)[0][:2] + stack_file(tmp_path, shape=(7, 9), name="b.bin")[0][:2]
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage()}))
    batch = ds.with_transform(T.Normalize())[[0, 2, 1]]
    assert [tuple(image.shape) for image in batch["image"]] == [(6, 5), (7, 9), (6, 5)]
    with pytest.raises(PercError, match=r"do not stack"):
        T.collate(ds.with_format("torch").__getitems__([0, 2]))
    rescaled = ds.with_transform(T.Rescale(4)).__getitems__([0, 2])
    assert T.collate(rescaled)["image"].shape == (2, 4, 4)


def test_functions_see_what_they_may_iterate(tmp_path):
    rows, pixels = stack_file(tmp_path)
    ds = Dataset.from_dict({"image": rows}, Features({"image": EMImage()}))
    ds = ds.with_transform(lambda batch: {"mean": [float(image.mean()) for image in batch["image"]]})
    np.testing.assert_allclose(ds[[3, 1]]["mean"], pixels[[3, 1]].mean((1, 2)), rtol=1e-5)
    assert ds.__getitems__([3])[0] == ds[3]
