import asyncio
import gc
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, List, Value, load_from_disk
from datasets.table import embed_table_storage
from torch.utils.data import DataLoader

from builders import EMImage
from builders.errors import ChangedError, FormatError, OptionError, UnsafeAddressError
from builders.io import image_file, mrc
from tests.mrc_encoder import header

PIXELS = [np.random.default_rng(i).standard_normal((4, 5)).astype(np.float32) for i in range(6)]


def dataset(values, feature=None):
    return Dataset.from_dict({"image": values}, features=Features({"image": feature or EMImage()}))


@pytest.fixture
def stack(tmp_path):
    path = tmp_path / "stack.mrcs"
    mrc.write(path, np.stack(PIXELS), pixel_size=1.5, stack=True)
    return path


def slice_reference(path, index):
    file = image_file.describe(path)
    layout = file.layout.slice(index, "")
    shape = list(layout.shape)
    return {"path": str(path), "offset": layout.offset, "shape": shape, "dtype": layout.encoding, "etag": file.etag}


def write_anything(path, array):
    """Also what mrcfile would warn of."""
    path.write_bytes(bytes(header(*array.shape[::-1], 1, 2)) + array.tobytes())


@pytest.mark.parametrize("kind", ["array", "tensor", "list", "float64", "big-endian", "strided"])
def test_arrays_go_in_and_come_out(kind):
    make = {
        "array": lambda a: a,
        "tensor": torch.from_numpy,
        "list": lambda a: a.tolist(),
        "float64": lambda a: a.astype(np.float64),
        "big-endian": lambda a: a.astype(">f4"),
        "strided": lambda a: np.repeat(a, 2, 1)[:, ::2],
    }[kind]
    ds = dataset([make(a) for a in PIXELS])
    for row, array in zip(ds, PIXELS, strict=True):
        assert row["image"].dtype == np.float32
        np.testing.assert_array_equal(row["image"], array)


def test_files_go_in_by_path_bytes_and_reference(stack, tmp_path):
    single = tmp_path / "single.mrc"
    mrc.write(single, PIXELS[0])
    values = [
        str(single),
        single,
        single.read_bytes(),
        {"path": str(single)},
        {"path": stack, "index": 0},
        {"bytes": stack.read_bytes(), "index": 0},
        slice_reference(stack, 0),
    ]
    for row in dataset(values):
        np.testing.assert_array_equal(row["image"], PIXELS[0])
    np.testing.assert_array_equal(dataset([str(stack)])[0]["image"], np.stack(PIXELS))


def test_a_slice_with_an_etag_is_that_slice_of_that_file(stack):
    value = {"path": str(stack), "index": 3, "etag": image_file.describe(stack).etag}
    np.testing.assert_array_equal(dataset([value])[0]["image"], PIXELS[3])
    with pytest.raises(ChangedError):
        dataset([value | {"etag": "0-0"}])[0]


def test_a_reference_reads_its_slice_in_one_read(stack, monkeypatch):
    references = dataset([slice_reference(stack, i) for i in range(6)])
    monkeypatch.setattr(image_file, "describe", None)
    for row, array in zip(references, PIXELS, strict=True):
        np.testing.assert_array_equal(row["image"], array)


def test_a_file_that_changed_since_is_noticed(stack):
    ds = dataset([slice_reference(stack, 2)])
    mrc.write(stack, np.zeros((7, 4, 5), np.float32), stack=True)
    with pytest.raises(ChangedError, match=r"stack\.mrcs"):
        ds[0]


@pytest.mark.parametrize("dtype", [None, "float16", "float64", "int32", "complex64"])
def test_dtype(dtype):
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    decoded = dataset([array], EMImage(dtype=dtype))[0]["image"]
    assert decoded.dtype == (dtype or "int16")
    np.testing.assert_array_equal(decoded, array)


def test_complex_pixels_need_dtype_none():
    array = np.array([[1 + 2j, 3]], np.complex64)
    np.testing.assert_array_equal(dataset([array], EMImage(dtype=None))[0]["image"], array)
    with pytest.raises(FormatError, match="dtype=None"):
        dataset([array])[0]


def test_non_finite_pixels_pass_with_one_warning_or_raise(tmp_path, caplog):
    array = PIXELS[0].copy()
    array[0, :2] = np.nan, np.inf
    write_anything(tmp_path / "x.mrc", array)
    np.save(tmp_path / "x.npy", array.astype(np.float16))
    values = [array, tmp_path / "x.mrc", slice_reference(tmp_path / "x.mrc", 0), tmp_path / "x.npy"]
    for row in dataset(values):
        np.testing.assert_array_equal(np.isfinite(row["image"]), np.isfinite(array))
    assert [r.message for r in caplog.records if "2 of 20 pixels are NaN or infinite" in r.message] != []
    assert len(caplog.records) == 1
    strict = dataset(values, EMImage(non_finite="raise"))
    for place in range(len(values)):
        with pytest.raises(FormatError, match="2 of 20 pixels"):
            strict[place]


def test_huge_but_finite_pixels_are_no_alarm(tmp_path):
    write_anything(tmp_path / "x.mrc", np.full((4, 4), 3e38, np.float32))
    values = [slice_reference(tmp_path / "x.mrc", 0), np.full((4, 4), -3e38, np.float32)]
    assert len(list(dataset(values, EMImage(non_finite="raise")))) == 2


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (np.zeros(3), "2 or 3 axes"),
        (np.zeros((2, 2, 2, 2)), "2 or 3 axes"),
        (np.array([["a", "b"]]), "numbers"),
        (3.5, "cannot be made of float"),
        ({"path": "x", "slice": 1}, "no field 'slice'"),
        ({"index": 1}, "needs 'path' or 'bytes'"),
    ],
)
def test_what_is_no_image_is_refused(value, complaint):
    with pytest.raises(FormatError, match=complaint):
        EMImage().encode_example(value)


LYING_REFERENCES = {
    "objects": {"dtype": "|O"},
    "records": {"dtype": "i4,f4"},
    "no type": {"dtype": "nonsense"},
    "half a type": {"dtype": "(2,f4"},
    "an array type": {"dtype": "(2,3)f4"},
    "negative side": {"shape": [-4, 5]},
    "negative offset": {"offset": -8},
    "more than there is": {"shape": [2**20, 2**20]},
    "behind the end": {"offset": 2**40},
}


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("lie", LYING_REFERENCES)
def test_a_reference_that_lies_is_refused_before_anything_is_allocated(stack, lie, inline):
    value = slice_reference(stack, 0) | ({"bytes": stack.read_bytes()} if inline else {}) | LYING_REFERENCES[lie]
    with pytest.raises(FormatError):
        EMImage().decode_example(EMImage().encode_example(value))


def test_a_host_that_nobody_named_is_refused():
    with pytest.raises(UnsafeAddressError, match="none of the hosts named"):
        dataset(["https://127.0.0.1:1/x.mrc"])[0]
    with pytest.raises(FormatError, match="http or https"):
        dataset(["s3://bucket/x.mrc"])[0]


@pytest.mark.parametrize(("option", "value"), [("dtype", "float31"), ("dtype", str), ("non_finite", "ignore")])
def test_options_are_checked(option, value):
    with pytest.raises(OptionError, match=option):
        EMImage(**{option: value})


def test_decode_false_and_cast_column(stack):
    ds = dataset([slice_reference(stack, 1), PIXELS[1]])
    stored = ds.cast_column("image", EMImage(decode=False))
    assert stored[0]["image"]["path"] == str(stack)
    assert stored[1]["image"]["bytes"] == PIXELS[1].tobytes()
    again = stored.cast_column("image", EMImage(dtype="float64"))
    assert again[0]["image"].dtype == np.float64
    flat = stored.flatten()
    assert flat["image.path"][0] == str(stack)


def test_columns_of_paths_bytes_and_lists_can_be_cast(stack):
    paths = Dataset.from_dict({"image": [str(stack), None]}).cast_column("image", EMImage())
    assert paths[0]["image"].shape == (6, 4, 5)
    assert paths[1]["image"] is None
    files = Dataset.from_dict({"image": [stack.read_bytes()]}).cast_column("image", EMImage())
    assert files[0]["image"].shape == (6, 4, 5)
    lists = Dataset.from_dict({"image": [a.tolist() for a in PIXELS]}).cast_column("image", EMImage())
    np.testing.assert_array_equal(lists[3]["image"], PIXELS[3])
    with pytest.raises(TypeError, match="cannot be made of"):
        Dataset.from_dict({"image": [1, 2]}).cast_column("image", EMImage())
    with pytest.raises(TypeError, match="different lengths"):
        Dataset.from_dict({"image": [[[1.0], [2.0, 3.0]]]}).cast_column("image", EMImage())


def test_save_and_load(stack, tmp_path):
    ds = dataset([slice_reference(stack, 5), PIXELS[5]])
    ds.save_to_disk(tmp_path / "saved")
    loaded = load_from_disk(tmp_path / "saved")
    assert loaded.features == ds.features
    for row in loaded:
        np.testing.assert_array_equal(row["image"], PIXELS[5])


def test_embedding_makes_references_self_contained(stack, tmp_path):
    table = dataset([slice_reference(stack, 5), {"path": stack, "index": 4}, None]).data.table
    embedded = EMImage().embed_storage(table["image"].combine_chunks())
    stack.unlink()
    rows = embedded.to_pylist()
    assert rows[2] is None
    assert rows[0]["path"] == "stack.mrcs"
    for row, array in zip(rows[:2], (PIXELS[5], PIXELS[4]), strict=True):
        np.testing.assert_array_equal(EMImage().decode_example(row), array)


def test_embedded_parquet_is_self_contained(stack, tmp_path):
    embedded = dataset([slice_reference(stack, 3)]).with_format("arrow").map(embed_table_storage, batched=True)
    embedded.with_format(None).to_parquet(tmp_path / "x.parquet")
    stack.unlink()
    loaded = Dataset.from_parquet(str(tmp_path / "x.parquet"), cache_dir=str(tmp_path / "cache"))
    np.testing.assert_array_equal(loaded[0]["image"], PIXELS[3])


NESTED = Features(
    {
        "pair": {"image": EMImage(), "score": Value("int32")},
        "frames": List(EMImage()),
        "views": List({"image": EMImage(dtype=None), "angle": Value("float32")}),
    }
)


def nested_rows():
    return {
        "pair": [{"image": PIXELS[0], "score": 7}],
        "frames": [[PIXELS[1], PIXELS[2]]],
        "views": [[{"image": PIXELS[3].astype(np.float64), "angle": 1.0}, {"image": PIXELS[4], "angle": 2.0}]],
    }


@pytest.mark.parametrize("form", ["map-style", "stream", "numpy", "torch"])
def test_nested_features(form):
    ds = Dataset.from_dict(nested_rows(), features=NESTED)
    row = {
        "map-style": lambda: ds[0],
        "stream": lambda: next(iter(ds.to_iterable_dataset())),
        "numpy": lambda: ds.with_format("numpy")[0],
        "torch": lambda: ds.with_format("torch")[0],
    }[form]()
    np.testing.assert_array_equal(row["pair"]["image"], PIXELS[0])
    np.testing.assert_array_equal(np.stack(list(row["frames"])), np.stack(PIXELS[1:3]))
    np.testing.assert_array_equal(row["views"][1]["image"], PIXELS[4])
    plain = Dataset.from_dict(nested_rows(), features=NESTED).cast_column("frames", List(EMImage(decode=False)))
    assert plain[0]["frames"][0]["bytes"] == PIXELS[1].tobytes()


def test_formats():
    ds = dataset(PIXELS)
    batch = ds.with_format("torch")[:3]["image"]
    assert isinstance(batch, torch.Tensor)
    np.testing.assert_array_equal(batch, np.stack(PIXELS[:3]))
    np.testing.assert_array_equal(ds.with_format("numpy")[:3]["image"], np.stack(PIXELS[:3]))
    uneven = dataset([PIXELS[0], PIXELS[1][:2]]).with_format("torch")[:]["image"]
    assert [tuple(i.shape) for i in uneven] == [(4, 5), (2, 5)]
    seen = []
    ds.with_transform(lambda b: seen.append([i.shape for i in b["image"]]) or b)[:2]
    assert seen == [[(4, 5), (4, 5)]]


def test_a_tensor_of_the_torch_format_is_nobody_elses(stack):
    ds = dataset([slice_reference(stack, 0)]).with_format("torch")
    first = ds[0]["image"]
    first += 100
    np.testing.assert_array_equal(ds[0]["image"], PIXELS[0])


def test_map_filter_shuffle_keep_images_as_images(stack):
    ds = dataset([slice_reference(stack, i) for i in range(6)])
    doubled = ds.map(lambda row: {"image": 2 * row["image"]})
    batched = ds.map(lambda b: {"image": torch.stack([torch.from_numpy(i) for i in b["image"]]) * 2}, batched=True)
    cropped = ds.map(lambda b: {"image": [a[:, : 1 + i % 3] for i, a in enumerate(b["image"])]}, batched=True)
    for result in (doubled, batched, cropped):
        assert isinstance(result.features["image"], EMImage)
    np.testing.assert_array_equal(doubled[3]["image"], 2 * PIXELS[3])
    np.testing.assert_array_equal(batched[3]["image"], 2 * PIXELS[3])
    np.testing.assert_array_equal(cropped[4]["image"], PIXELS[4][:, :2])
    means = ds.map(lambda row: {"mean": float(row["image"].mean())})
    np.testing.assert_allclose(means["mean"], [a.mean() for a in PIXELS], rtol=1e-5)
    kept = ds.filter(lambda row: row["image"].mean() > 0)
    assert len(kept) == sum(a.mean() > 0 for a in PIXELS)
    shuffled = ds.shuffle(seed=3)
    assert sorted(float(r["image"][0, 0]) for r in shuffled) == sorted(float(a[0, 0]) for a in PIXELS)


def test_streams_decode_in_threads(stack, monkeypatch):
    stream = dataset([slice_reference(stack, i) for i in range(6)]).to_iterable_dataset(num_shards=2)
    plain = [row["image"] for row in stream]
    loops, new_loop = [], asyncio.new_event_loop
    # datasets 5 leaves its event loop open, and a thread that decoded may hold it for longer than this test
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: loops.append(new_loop()) or loops[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # datasets 4 leaves its threads to the garbage collector
        threaded = [row["image"] for row in stream.decode(num_threads=4)]
        gc.collect()
    for loop in loops:
        loop.close()
    np.testing.assert_array_equal(plain, threaded)
    np.testing.assert_array_equal(plain, np.stack(PIXELS))
    stored = next(iter(stream.decode(False)))["image"]
    assert stored["path"] == str(stack)


@pytest.mark.parametrize("start", ["fork", "forkserver"])
def test_workers(stack, start):
    ds = dataset([slice_reference(stack, i) for i in range(6)]).with_format("torch")
    loader = DataLoader(ds, batch_size=2, num_workers=2, multiprocessing_context=start)
    np.testing.assert_array_equal(np.concatenate([b["image"] for b in loader]), np.stack(PIXELS))


def test_the_feature_pickles_and_compares():
    feature = EMImage(dtype=None, non_finite="raise")
    assert pickle.loads(pickle.dumps(feature)) == feature
    assert Features.from_dict(Features({"image": feature}).to_dict()) == Features({"image": feature})
    assert repr(feature) == "EMImage(dtype=None, decode=True, non_finite='raise', shape=None)"


def test_errors_survive_a_worker(stack):
    ds = dataset([slice_reference(stack, 0)])
    Path(stack).unlink()
    with pytest.raises(FileNotFoundError, match=r"stack\.mrcs: no such file"):
        next(iter(DataLoader(ds, num_workers=1, multiprocessing_context="fork")))
