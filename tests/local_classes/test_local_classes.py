import bz2
import gzip
import json
import logging
import os
import pickle
import random
import re
import struct
import threading
import time
from collections import Counter
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, IterableDataset, load_dataset_builder
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import EMImage, load_dataset, publish
from builders.cli import main
from builders.errors import (
    AccessError,
    ChangedError,
    FormatError,
    NotFoundError,
    OptionError,
    PercError,
    TruncatedError,
    UnknownOptionError,
)
from builders.io import image_file, mrc
from builders.io.files import location
from builders.local_classes import local_classes
from builders.local_classes.inspect import inspect_folder
from tests.mrc_encoder import header, pixels


def write(folder, name, seed=0, shape=(6, 6), pixel_size=None):
    folder.mkdir(exist_ok=True, parents=True)
    array = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    if name.endswith(".npy"):
        np.save(folder / name, array)
    else:
        mrc.write(folder / name, array, pixel_size=pixel_size)
    return array


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    for place, label in enumerate(["a", "b", "c10", "c9"]):
        for number in range(10):
            write(folder, f"{label}_{number}.mrc", seed=100 * place + number, pixel_size=2.5)
    return folder


def load(folder, split="train", **options):
    return load_dataset("local_classes", data_dir=str(folder), split=split, **options)


# what a row is


def test_rows_hold_what_the_files_hold(tmp_path):
    folder = tmp_path / "images"
    arrays = {
        "a_x_y.mrc": write(folder, "a_x_y.mrc", 1, (4, 5), pixel_size=1.25),
        "a_vol.map": write(folder, "a_vol.map", 2, (3, 4, 5)),
        "b_1.npy": write(folder, "b_1.npy", 3, (7, 2)),
    }
    ds = load(folder)
    assert ds.features["image"] == EMImage()
    assert ds.features["label"] == ClassLabel(names=["a", "b"])
    rows = {row["path"]: row for row in ds}
    assert list(rows) == ["a_vol.map", "a_x_y.mrc", "b_1.npy"]
    for path, array in arrays.items():
        np.testing.assert_array_equal(rows[path]["image"], array)
        assert rows[path]["image"].dtype == np.float32
    assert [rows[p]["suffix"] for p in rows] == ["vol", "x_y", "1"]
    assert [rows[p]["label"] for p in rows] == [0, 0, 1]
    assert rows["a_x_y.mrc"]["pixel_size"] == 1.25
    assert rows["b_1.npy"]["pixel_size"] is None
    assert rows["a_vol.map"]["pixel_size"] is None


@pytest.mark.parametrize("streaming", [False, True])
def test_both_forms_give_the_same_rows_in_natural_order(folder, streaming):
    write(folder, "a_10.mrc", 999)
    ds = load(folder, streaming=streaming)
    assert isinstance(ds, IterableDataset if streaming else Dataset)
    paths = [row["path"] for row in ds]
    assert paths[:11] == [f"a_{n}.mrc" for n in range(11)]
    assert ds.features["label"].names == ["a", "b", "c9", "c10"]
    for ours, theirs in zip(ds, load(folder), strict=True):
        np.testing.assert_array_equal(ours["image"], theirs["image"])
        assert ours["label"] == theirs["label"]


def test_the_index_is_small_whatever_the_files(tmp_path):
    folder = tmp_path / "big"
    folder.mkdir()
    for number in range(3):
        with (folder / f"a_{number}.mrc").open("wb") as file:
            file.write(header(4096, 4096, 64, 2, ispg=1))
            file.truncate(1024 + 4096 * 4096 * 64 * 4)  # 4 GiB each that take no disk
    ds = load(folder)
    assert sum(os.stat(f["filename"]).st_size for f in ds.cache_files) < 20_000  # noqa: PTH116
    assert len(ds) == 3


def test_a_slow_disk_is_read_by_several_at_once(folder, monkeypatch):
    threads = set()
    look = image_file.describe

    def slowly(path):
        threads.add(threading.get_ident())
        time.sleep(0.003)
        return look(path)

    expected = [row["path"] for row in load(folder, streaming=True)]
    monkeypatch.setattr(image_file, "describe", slowly)
    assert [row["path"] for row in load(folder, streaming=True)] == expected
    assert len(threads) > 2


def test_every_readable_kind_of_file_in_one_folder(tmp_path):
    folder = tmp_path / "images"
    array = write(folder, "a_0.mrc", 5, (4, 4))
    data = (folder / "a_0.mrc").read_bytes()
    for name in ("a_1.mrcs", "a_2.map", "a_3.rec", "a_4.st", "a_5.MRC"):
        (folder / name).write_bytes(data)
    (folder / "a_6.mrc.gz").write_bytes(gzip.compress(data))
    (folder / "a_7.st.bz2").write_bytes(bz2.compress(data))
    np.save(folder / "a_8.npy", array.astype(">f8"))
    np.save(folder / "a_9.npy", np.asfortranarray(array))
    np.save(folder / "a_10.npy", array[None])
    ds = load(folder)
    assert len(ds) == 11
    for row in ds:
        np.testing.assert_array_equal(row["image"], array)


# options


def test_extension_restricts(folder):
    write(folder, "z_1.npy")
    assert load(folder, extension="npy")["path"][:] == ["z_1.npy"]
    assert len(load(folder, extension=".mrc")) == 40


def test_classes_choose_and_number(folder, caplog):
    ds = load(folder, classes=["c9", "a"])
    assert ds.features["label"].names == ["c9", "a"]
    assert Counter(ds["label"]) == {0: 10, 1: 10}
    assert all(row["path"].startswith(("c9", "a")[row["label"]]) for row in ds)
    ignored = [r.message for r in caplog.records if "ignoring" in r.message]
    assert ignored == ["local_classes: ignoring 2 classes not asked for: b, c10"]


def test_a_class_that_is_not_there_lists_those_that_are(folder):
    with pytest.raises(OptionError, match=r"'q'.*'a', 'b', 'c9', 'c10'"):
        load(folder, classes=["a", "q"])
    with pytest.raises(ValueError, match="list of class names"):
        load(folder, classes="a")
    with pytest.raises(OptionError, match="none twice"):
        load(folder, classes=["a", "a"])


@pytest.mark.parametrize("streaming", [False, True])
def test_num_examples_is_stratified_and_deterministic(folder, streaming):
    ds = load(folder, num_examples=12, streaming=streaming)
    rows = list(ds)
    assert Counter(row["label"] for row in rows) == {0: 3, 1: 3, 2: 3, 3: 3}
    assert [r["path"] for r in rows] == load(folder, num_examples=12)["path"][:]
    assert [r["path"] for r in rows] != load(folder, num_examples=12, seed=1)["path"][:]


@pytest.mark.parametrize("streaming", [False, True])
def test_validation_is_stratified_disjoint_and_deterministic(folder, streaming):
    ds = load(folder, split=None, validation_fraction=0.2, streaming=streaming)
    assert set(ds) == {"train", "validation"}
    paths = {name: [row["path"] for row in part] for name, part in ds.items()}
    assert not set(paths["train"]) & set(paths["validation"])
    assert Counter(path.split("_")[0] for path in paths["validation"]) == {"a": 2, "b": 2, "c9": 2, "c10": 2}
    again = load(folder, split=None, validation_fraction=0.2)
    assert paths == {name: part["path"][:] for name, part in again.items()}
    other = load(folder, split="validation", validation_fraction=0.2, seed=3)
    assert other["path"][:] != paths["validation"]


def test_the_split_is_the_same_wherever_the_folder_stands(folder, tmp_path):
    moved = tmp_path / "elsewhere"
    first = load(folder, "validation", validation_fraction=0.3)["path"][:]
    folder.rename(moved)
    assert load(moved, "validation", validation_fraction=0.3)["path"][:] == first


def test_copies_never_fall_on_both_sides(tmp_path):
    """As in CAKED's own test folder: 59 files, 28 of them distinct, in several classes."""
    folder, rng = tmp_path / "copies", random.Random(0)
    contents = []
    for number in range(28):
        write(folder, f"{'abcd'[number % 4]}_{number}.mrc", number)
        contents.append((folder / f"{'abcd'[number % 4]}_{number}.mrc").read_bytes())
    for number in range(31):
        label = "abcd"[rng.randrange(4)]  # also under another class
        (folder / f"{label}_copy{number}.mrc").write_bytes(rng.choice(contents))
    for seed in range(5):
        ds = load(folder, None, validation_fraction=0.25, seed=seed)
        sides = {name: {(folder / path).read_bytes() for path in part["path"]} for name, part in ds.items()}
        assert not sides["train"] & sides["validation"]
        assert set(ds["train"]["label"]) == {0, 1, 2, 3}
        assert 7 <= len(ds["validation"]) <= 20


def test_copies_are_known_by_their_pixels(tmp_path):
    folder = tmp_path / "copies"
    for number in range(8):
        array = write(folder, f"a_{number}.mrc", number, (150, 150))
        mrc.write(folder / f"a_{number}relabelled.mrc", array, pixel_size=1.0 + number)
        (folder / f"a_{number}zipped.mrc.gz").write_bytes(gzip.compress((folder / f"a_{number}.mrc").read_bytes()))
    almost = array.copy()
    almost[75, 75] += 1
    mrc.write(folder / "a_8.mrc", almost)
    ds = load(folder, None, validation_fraction=0.5)
    sides = [{path.split("_")[1][0] for path in ds[name]["path"]} for name in ("train", "validation")]
    assert not sides[0] & sides[1]


def test_copies_are_known_in_any_type_and_byte_order(tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    rng = np.random.default_rng(0)
    kinds = {"le": "<f4", "be": ">f4", "wide": "<f8", "short": "<i2", "complex": "<f4"}
    for number in range(8):
        array = rng.integers(-999, 999, (1, 150, 150))
        for kind, dtype in kinds.items():
            np.save(folder / f"a_{number}{kind}.npy", array.astype(dtype))
        np.save(folder / f"a_{number}fortran.npy", np.asfortranarray(array.astype(np.float32)))
        np.save(folder / f"a_{number}small.npy", np.asfortranarray(array[:, :20, :20].astype(np.float32)))
        np.save(folder / f"a_{number}smallbe.npy", array[0, :20, :20].astype(">i4"))
    for seed in range(3):
        ds = load(folder, None, validation_fraction=0.5, seed=seed)
        for small in (False, True):
            sides = [
                {path.split("_")[1][0] for path in ds[name]["path"] if ("small" in path) is small}
                for name in ("train", "validation")
            ]
            assert not sides[0] & sides[1]
            assert sides[0] | sides[1] == set("01234567")


def test_numbers_too_large_for_float32_do_not_disturb_the_comparison(tmp_path):
    for number in range(4):
        (tmp_path / "images").mkdir(exist_ok=True)
        np.save(tmp_path / "images" / f"a_{number}.npy", np.array([[1e300, number], [np.nan, -1e300]]))
    ds = load(tmp_path / "images", None, dtype="float64", validation_fraction=0.5)
    assert (len(ds["train"]), len(ds["validation"])) == (2, 2)


def test_recursive(folder):
    write(folder / "deeper" / "still", "d_1.mrc", 77)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "a_pipe.mrc")
    assert len(load(folder)) == 40
    ds = load(folder, recursive=True)
    assert len(ds) == 41
    assert "deeper/still/d_1.mrc" in ds["path"]


@pytest.fixture
def folders(tmp_path):
    """Three classes by their folders, with names that say another one."""
    for label, count in (("tric", 2), ("fas", 3), ("ribo some", 2)):
        for number in range(count):
            write(tmp_path / "sorted" / label, f"x_{number}.mrc", seed=len(label) * 100 + number)
    return tmp_path / "sorted"


@pytest.mark.parametrize("streaming", [False, True])
def test_classes_from_folders(folders, streaming, caplog):
    write(folders, "top_1.mrc")
    (folders / ".snapshot").mkdir()
    write(folders / ".snapshot", "x_1.mrc")
    ds = load(folders, streaming=streaming, class_from="folder")
    assert ds.features["label"].names == ["fas", "ribo some", "tric"]
    rows = [(row["path"], row["label"], row["suffix"]) for row in ds]
    assert rows == [
        (f"{c}/x_{n}.mrc", i, f"x_{n}")
        for i, c in enumerate(ds.features["label"].names)
        for n in range(2 + (c == "fas"))
    ]
    assert "1 with no folder that is its class (such as top_1.mrc)" in caplog.text
    assert Counter(load(folders, None, class_from="folder", validation_fraction=0.4)["train"]["label"]).keys() == {
        0,
        1,
        2,
    }


def test_classes_from_folders_of_files_that_are_named(folders):
    files = {
        "train": [str(folders / "fas" / "*"), str(folders / "tric/x_0.mrc")],
        "test": str(folders / "tric/x_1.mrc"),
    }
    ds = load_dataset("local_classes", data_files=files, class_from="folder")
    assert ds["train"].features["label"].names == ["fas", "tric"]
    assert [ds["test"][0][name] for name in ("label", "path", "suffix")] == [1, "x_1.mrc", "x_1"]
    outer = load_dataset("local_classes", data_files=files, class_from="folder", class_pattern="([^/]+)")
    assert [part["label"][:] for part in outer.values()] == [part["label"][:] for part in ds.values()]
    ds = load_dataset(
        "local_classes", data_dir=str(folders), data_files="*/x_1.mrc", class_from="folder", split="train"
    )
    assert ds["path"][:] == ["fas/x_1.mrc", "ribo some/x_1.mrc", "tric/x_1.mrc"]


def test_folders_in_folders(folders, caplog):
    for label in ("fas", "tric"):
        write(folders / label / "raw", "x_9.mrc")
    assert load(folders, class_from="folder").features["label"].names == ["fas", "raw", "ribo some", "tric"]
    assert "class 'raw' is that of 2 folders, such as fas/raw and tric/raw: with class_pattern='([^/]+)'" in caplog.text
    caplog.clear()
    outer = load(folders, class_from="folder", class_pattern="([^/]+)")
    assert outer.features["label"].names == ["fas", "ribo some", "tric"]
    assert Counter(outer["label"]) == {0: 4, 1: 2, 2: 3}
    assert not caplog.records


def test_classes_by_a_pattern(tmp_path, caplog):
    for name in ("ribo_open_1", "ribo_open_2", "ribo_closed_1", "ribo_closed_2", "tric_1"):
        write(tmp_path / "images", f"{name}.mrc", len(caplog.records))
    assert load(tmp_path / "images").features["label"].names == ["ribo", "tric"]
    said = (
        r"second parts of names look like classes, too: 'closed', 'open' of 'ribo': with class_pattern='(.+)_' they are"
    )
    assert f"local_classes: {said}" in [record.message for record in caplog.records]
    caplog.clear()
    ds = load(tmp_path / "images", class_pattern="(.+)_")
    assert ds.features["label"].names == ["ribo_closed", "ribo_open", "tric"]
    assert ds["suffix"][:] == ["1", "2", "1", "2", "1"]
    assert load(tmp_path / "images", classes=["ribo"]).features["label"].names == ["ribo"]
    assert "second parts" not in caplog.text
    with pytest.raises(NotFoundError, match=r"no image files with a class by class_pattern='\(x\)', but 5 other files"):
        load(tmp_path / "images", class_pattern="(x)")


def test_classes_that_look_alike_are_not_merged_and_are_said(tmp_path, caplog):
    for label in ("caf\u00e9", "cafe\u0301", "ribo", "ribo ", "tric"):
        write(tmp_path / "images", f"{label}_1.mrc")
    assert len(load(tmp_path / "images").features["label"].names) == 5
    said = [record.message for record in caplog.records if "are they one" in record.message]
    assert len(said) == 2
    assert r"'cafe\u0301', 'caf\xe9': are they one?" in said[0]
    assert "'ribo', 'ribo ': are they one?" in said[1]
    caplog.clear()
    load(tmp_path / "images", classes=["tric"])
    assert "are they one" not in caplog.text
    load(tmp_path / "images", classes=["ribo"])
    assert "'ribo', 'ribo ': are they one?" in caplog.text
    for file in (tmp_path / "images").glob("cafe\u0301*"):
        file.unlink()
    with pytest.raises(
        OptionError, match=r"no file of class 'cafe\\u0301' in .*: there are 'caf\\xe9', 'ribo', 'ribo ', 'tric'"
    ):
        load(tmp_path / "images", classes=["cafe\u0301"])


def test_folders_that_were_not_looked_into_are_named(folders, tmp_path, capsys):
    advice = r"and no files at all; of the 3 folders in it \(such as fas\) recursive=True looks .* class_from='folder'"
    with pytest.raises(NotFoundError, match=advice):
        load(folders)
    assert main(["local-classes", "inspect", str(folders)]) == 1
    shown = capsys.readouterr().out
    assert (
        "folders not looked into (--recursive looks into them, --class-from folder makes classes of them): 3" in shown
    )
    assert "\n  fas, ribo some, tric\n" in shown
    assert main(["local-classes", "inspect", str(folders), "--class-from", "folder"]) == 0
    shown = capsys.readouterr().out
    assert "7 usable files in 3 classes" in shown
    assert "not looked into" not in shown
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match=r"in a folder named as their class, and no files at all$"):
        load(tmp_path / "empty", class_from="folder")


def test_dtype_none_keeps_the_files_own(tmp_path):
    folder = tmp_path / "images"
    write(folder, "a_0.mrc")
    (folder / "a_1.mrc").write_bytes(bytes(header(2, 2, 1, 6)) + pixels([1, 2, 3, 65535], 2, 6))
    (folder / "a_2.mrc").write_bytes(bytes(header(2, 2, 1, 3)) + pixels([(1, 2)] * 4, 2, 3))
    ds = load(folder, dtype=None)
    assert [str(row["image"].dtype) for row in ds] == ["float32", "uint16", "complex64"]
    with pytest.raises(FormatError, match=r"a_2\.mrc: complex pixels.*dtype=None"):
        load(folder)
    integers = load(folder, classes=["a"], on_error="skip")
    np.testing.assert_array_equal(integers[1]["image"], np.array([[1, 2], [3, 65535]], np.float32))
    assert load(folder, on_error="skip", dtype="float64")[0]["image"].dtype == np.float64


def test_data_files_splits_and_their_paths(folder, tmp_path):
    write(tmp_path / "held", "b_1.mrc", 5)
    files = {"train": str(folder / "a*.mrc"), "test": [str(tmp_path / "held" / "b_1.mrc")]}
    ds = load_dataset("local_classes", data_files=files, validation_fraction=0.2)
    assert {name: len(part) for name, part in ds.items()} == {"train": 8, "test": 1, "validation": 2}
    assert ds["test"].features["label"].names == ["a", "b"]
    assert ds["test"][0]["label"] == 1
    with pytest.raises(OptionError, match="validation"):
        load_dataset("local_classes", data_files={"validation": files["train"]}, validation_fraction=0.2)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_pixel_size_is_used_where_files_say_none(tmp_path, streaming):
    folder = tmp_path / "images"
    for number, size in enumerate((None, 2.5, -1.0, 0.0)):
        write(folder, f"a_{number}.mrc", number, pixel_size=size)
    write(folder, "a_4.npy", 4)
    for given in (1.25, np.float32(1.25), 3, None):
        sizes = [row["pixel_size"] for row in load(folder, streaming=streaming, pixel_size=given)]
        assert sizes == [given, 2.5, given, given, given]
    assert load(folder, pixel_size=1.25).with_transform(T.Lowpass(9.0))[4]["pixel_size"] == 1.25
    with pytest.raises(T.TransformError, match=r"^a_4\.npy: Lowpass.*load_dataset\(\.\.\., pixel_size=1\.5\)"):
        load(folder).with_transform(T.Lowpass(9.0))[4]


def test_an_error_of_a_damaged_file_names_what_would_leave_it_out(folder):
    (folder / "b_cut.mrc").write_bytes((folder / "b_1.mrc").read_bytes()[:-5])
    with pytest.raises(TruncatedError, match=r"b_cut\.mrc.*\(on_error='skip' leaves such files out\)$") as told:
        load(folder)
    assert type(told.value) is TruncatedError
    assert len(load(folder, on_error="skip")) == 40


# options that are wrong


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"validation_fractoin": 0.2}, "no option 'validation_fractoin': did you mean 'validation_fraction'"),
        ({"validation_fraction": 1.0}, "above 0 and below 1"),
        ({"validation_fraction": 0}, "above 0 and below 1"),
        ({"validation_fraction": "0.2"}, "above 0 and below 1"),
        ({"num_examples": 0}, "at least 1"),
        ({"num_examples": 41}, "at most 40"),
        ({"num_examples": True}, "integer"),
        ({"seed": 1.5}, "integer"),
        *(({"pixel_size": size}, "above 0, in Å") for size in (0, -1.5, True, "1.5", float("nan"), 1e-50, 1e300)),
        ({"dtype": "float31"}, "float32, float64"),
        ({"on_error": "ignore"}, "'raise' or 'skip'"),
        ({"non_finite": "drop"}, "'pass' or 'raise'"),
        ({"recursive": "yes"}, "True or False"),
        ({"extension": "doc"}, r"\.mrc"),
        ({"quarantine": "report.tsv"}, "on_error='skip'"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_wrong_option_is_told_with_what_is_right(folder, options, complaint, streaming):
    with pytest.raises(OptionError, match=complaint):
        load(folder, streaming=streaming, **options)


def test_an_unknown_option_is_a_type_error_as_for_any_call(folder):
    with pytest.raises(TypeError, match="no option 'apix'"):
        load(folder, apix=1.0)
    assert issubclass(UnknownOptionError, ValueError)


# folders that are wrong


def test_a_missing_folder_says_how_far_the_path_leads(tmp_path):
    with pytest.raises(NotFoundError, match=r"no such folder \(.* is there\)"):
        load(tmp_path / "not" / "there")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="not a folder"):
        load(tmp_path / "file")


def close_folder(monkeypatch, closed):
    scandir = os.scandir  # root, who runs these tests at times, may look into any folder

    def guarded(path):
        if path in (closed, str(closed)):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)


def test_a_folder_that_may_not_be_looked_into(folder, monkeypatch, caplog, capsys):
    write(folder / "closed", "d_1.mrc")
    close_folder(monkeypatch, folder / "closed")
    assert len(load(folder)) == 40
    with pytest.raises(AccessError, match="closed: cannot be looked into: Permission denied"):
        load(folder, recursive=True)
    assert len(load(folder, recursive=True, on_error="skip")) == 40
    assert "1 with cannot be looked into" in caplog.text
    assert main(["local-classes", "inspect", str(folder), "--recursive"]) == 0
    assert "cannot be looked into" in capsys.readouterr().out
    close_folder(monkeypatch, folder)
    with pytest.raises(PermissionError, match="cannot be looked into"):
        load(folder, on_error="skip")
    assert main(["local-classes", "inspect", str(folder)]) == 1


@pytest.mark.parametrize("data_dir", ["x" * 5000, "nul\0byte"])
def test_a_path_that_cannot_be_one(data_dir):
    with pytest.raises(PercError, match="data_dir"):
        load_dataset("local_classes", data_dir=data_dir)


def test_an_unset_variable_of_the_shell_is_no_folder(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    named = {"data_files": {"train": "a_1.mrc"}}
    for options in ({}, {"streaming": True}, {"extension": "mrc"}, named):
        with pytest.raises(OptionError, match="data_dir is '': expected a path"):
            load_dataset("local_classes", data_dir="", **options)
    with pytest.raises(OptionError, match="folder is ''"):
        inspect_folder("")
    for quarantine in ("", str(folder)):
        with pytest.raises(OptionError, match=r"quarantine is .*: expected the path of a file"):
            load(folder, on_error="skip", quarantine=quarantine)
    for command in (["local-classes", "inspect", ""], ["publish", "", "--to", "x"], ["publish", ".", "--to", ""]):
        assert main(command) == 1
        assert " is '': expected a" in capsys.readouterr().err
    assert len(load(".")) == 40
    assert len(list(folder.iterdir())) == 40


def test_a_data_dir_that_is_no_path(folder):
    with pytest.raises(OptionError, match="expected the path of a folder"):
        load_dataset("local_classes", data_dir=[str(folder)])


def test_a_name_that_is_no_text_is_passed_over(folder, caplog, capsys):
    (folder / os.fsdecode(b"a_\xff.mrc")).write_bytes((folder / "a_0.mrc").read_bytes())
    assert len(load(folder)) == 40
    assert "1 with a name that is not UTF-8 (such as a_" in caplog.text
    assert main(["local-classes", "inspect", str(folder), "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["skipped"].values()) == ["a name that is not UTF-8"]


def test_a_name_that_only_this_process_cannot_read_is_told_as_that():
    """As where `LC_ALL=POSIX` and `PYTHONUTF8=0`: the name is UTF-8, but the process reads it as ASCII."""
    assert "PYTHONUTF8=1" in location.why_no_text("b\udcc3\udca9.mrc")
    assert location.why_no_text("b\udcff.mrc") == "a name that is not UTF-8"
    assert location.why_no_text("bé.mrc") == ""


@pytest.mark.parametrize("names", [[], ["README.md", "x.mrc", "y_1.doc", "_z.mrc", ".a_1.mrc"]])
def test_a_folder_without_images_says_what_it_holds(tmp_path, names):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("")
    found = "but 4 other files .*no class before a '_'.*README.md.*class_pattern" if names else "and no files at all"
    with pytest.raises(NotFoundError, match=found):
        load(folder)


def test_names_without_a_separator_have_the_class_that_the_error_tells_how_to_take(tmp_path):
    write(tmp_path, "T1.mrc")
    with pytest.raises(NotFoundError) as error:
        load(tmp_path)
    pattern = re.search(r"class_pattern is .* such as '(\S+)' for T1.mrc of class T", str(error.value)).group(1)
    assert load(tmp_path, class_pattern=pattern).features["label"].names == ["T"]


def test_other_files_are_passed_over_and_counted(folder, caplog):
    for name in ("README.md", "notes.md", "x.mrc", "y_1.doc", ".hidden_1.mrc"):
        (folder / name).write_text("")
    assert len(load(folder)) == 40
    said = [r.message for r in caplog.records]
    assert len(said) == 1
    assert "passing over 4 files: 2 with unknown extension '.md'; 1 with no class before a '_'" in said[0]
    assert said[0].endswith("; and 1 hidden name (such as .hidden_1.mrc)")


def test_hidden_names_are_passed_over_and_counted_once(folder, caplog):
    for name in ("._a_1.mrc", ".snapshot/a_1.mrc", "__MACOSX/a_1.mrc", "lost+found/a_1.mrc", "in/@eaDir/a_1.mrc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((folder / "a_1.mrc").read_bytes())
    (folder / ".DS_Store").write_text("which nobody would take for an image")
    for recursive, count in ((False, 1), (True, 5)):
        caplog.clear()
        assert len(load(folder, recursive=recursive)) == 40
        assert [r.message for r in caplog.records] == [
            f"local_classes: passing over {count} hidden name{'s' * recursive} (such as ._a_1.mrc)"
        ]
        assert len(inspect_folder(str(folder), recursive).hidden) == count
    assert len(load(folder / ".snapshot")) == 1  # which was named


def test_volumes_come_in_one_order_and_inspect_counts_the_files_of_others(tmp_path, capsys):
    volume = np.random.default_rng(0).standard_normal((32, 31, 30)).astype(np.float32)
    for number, order in enumerate([(1, 2, 3), (3, 2, 1), (2, 1, 3), (2, 1, 3), (0, 0, 0)]):
        stored = volume.transpose([3 - axis for axis in reversed(order)]) if any(order) else volume
        head = header(*stored.shape[::-1], 2, ispg=1, cell=(60, 0, 0), mapcrs=order)
        struct.pack_into("<3i", head, 28, 30, 31, 32)
        (tmp_path / f"a_{number}.mrc").write_bytes(bytes(head) + stored.tobytes())
    for row in load(tmp_path):
        np.testing.assert_array_equal(row["image"], volume)
        assert row["pixel_size"] == 2.0
    report = inspect_folder(str(tmp_path))
    assert report.duplicates == [[f"a_{number}.mrc" for number in range(5)]]
    assert report.axis_orders["a_3.mrc"] == (2, 1, 3)
    assert main(["local-classes", "inspect", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "files in another order of axes (MAPC, MAPR, MAPS), read as z, y, x: 4\n  2 with 2, 1, 3\n" in said
    assert "  1 with 3, 2, 1\n  1 with 0, 0, 0, which is none: taken for 1, 2, 3" in said


def test_data_files_leave_hidden_folders_out_unless_they_are_named(folder, caplog):
    image = (folder / "a_1.mrc").read_bytes()
    for name in ("kept/a_1.mrc", "kept/lost+found/a_2.mrc", "kept/.snapshot/a_3.mrc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(image)

    def paths(files):
        ds = load_dataset("local_classes", data_files={"train": str(folder / files)}, split="train")
        return ds["path"][:]

    assert paths("kept/**/*.mrc") == ["a_1.mrc"]
    assert ["hidden" in r.message for r in caplog.records] == [True]
    assert paths("kept/lost+found/*.mrc") == ["a_2.mrc"]
    assert paths("kept/lost+found/a_2.mrc") == ["a_2.mrc"]


# files that are wrong

DAMAGED = {
    "b_text.mrc": b"This file is corrupted",
    "b_empty.mrc": b"",
    "b_cut.mrc": bytes(header(6, 6, 1, 2)) + bytes(100),
    "b_liar.mrc": bytes(header(6, 6, 1, 2, nsymbt=2**31 - 1)) + bytes(144),
    "b_colour.mrc": bytes(header(6, 6, 1, 16)) + bytes(108),
    "b_zip.mrc.gz": gzip.compress(bytes(header(6, 6, 1, 2)) + bytes(144))[:-9],
    "b_complex.mrc": bytes(header(6, 6, 1, 4)) + bytes(288),
}


@pytest.mark.parametrize("name", [name for name in DAMAGED if name != "b_zip.mrc.gz"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_damaged_file_is_one_clear_error_at_once(folder, name, streaming):
    (folder / name).write_bytes(DAMAGED[name])
    with pytest.raises(FormatError, match=name) as caught:
        load(folder, streaming=streaming)
    assert isinstance(caught.value, PercError)
    assert isinstance(caught.value, ValueError)


def test_a_damaged_compressed_file_is_an_error_when_it_is_read(folder):
    (folder / "b_zip.mrc.gz").write_bytes(DAMAGED["b_zip.mrc.gz"])
    ds = load(folder)
    with pytest.raises(TruncatedError, match=r"b_zip\.mrc\.gz"):
        ds[ds["path"].index("b_zip.mrc.gz") if isinstance(ds["path"], list) else list(ds["path"]).index("b_zip.mrc.gz")]


@pytest.mark.parametrize("streaming", [False, True])
def test_skip_leaves_damaged_files_out_and_says_so(folder, tmp_path, caplog, streaming):
    for name, data in DAMAGED.items():
        (folder / name).write_bytes(data)
    np.save(folder / "b_pickle.npy", np.array([{}], object), allow_pickle=True)
    np.save(folder / "b_line.npy", np.zeros(5))
    np.save(folder / "b_nothing.npy", np.zeros((5, 0)))
    (folder / "b_dangling.mrc").symlink_to(folder / "nowhere")
    ds = load(folder, streaming=streaming, on_error="skip", quarantine=str(tmp_path / "report.tsv"))
    assert len(list(ds)) == 40
    warnings = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert sum("leaving out" in w for w in warnings) == 11
    assert warnings[-1] == f"local_classes: left out 11 of 51 files of {folder}"
    lines = (tmp_path / "report.tsv").read_text().splitlines()
    assert lines[0] == "path\treason"
    assert len(lines) == 12
    assert any(line.startswith(f"{folder / 'b_dangling.mrc'}\t") for line in lines)


def test_what_was_left_out_is_said_again_of_a_dataset_in_the_cache(folder, tmp_path, caplog):
    for name in ("b_text.mrc", "b_empty.mrc"):
        (folder / name).write_bytes(DAMAGED["b_text.mrc"])
    first, second = tmp_path / "first.tsv", tmp_path / "second.tsv"
    load(folder, on_error="skip", quarantine=str(first))
    assert "in the cache" not in caplog.text
    caplog.clear()
    load(folder, on_error="skip")
    message = "local_classes: files left out of the dataset in the cache: 2, listed in (.*)"
    kept = re.fullmatch(message, caplog.records[-1].message)[1]
    load(folder, on_error="skip", quarantine=str(second))
    assert re.fullmatch(message, caplog.records[-1].message)[1] == str(second)
    assert first.read_text() == second.read_text() == Path(kept).read_text()
    assert first.read_text().count("b_text.mrc") == 2  # its path, and what is wrong with it
    caplog.clear()
    assert len(load(folder, classes=["a"], on_error="skip")) == len(load(folder, classes=["a"], on_error="skip")) == 10
    assert "left out" not in caplog.text


def test_sizes_that_contradict_headers_are_said_again_of_a_dataset_in_the_cache(folder, caplog):
    with (folder / "b_3.mrc").open("ab") as file:
        file.write(b"more")
    for expected in ("4 are not read", "local_classes: files of the dataset in the cache that have another size"):
        caplog.clear()
        load(folder)
        assert expected in caplog.text
        assert len(caplog.messages) == 1
    assert caplog.messages[0].partition("than their headers say: ")[2].startswith("1, listed in ")
    assert Path(caplog.messages[0].rpartition("listed in ")[2]).read_text().count("b_3.mrc\t") == 1
    load(folder, classes=["a"])
    caplog.clear()
    load(folder, classes=["a"])
    assert "another size" not in caplog.text


STACKS = {"a_1.mrcs": (1, 4), "a_2.mrcs.gz": (0, 4), "a_3.mrc": (0, 1)}  # ISPG, MZ
NO_STACKS = {"b_1.mrc": (1, 4), "b_2.mrc": (0, 4), "b_3.st": (0, 1), "b_4.rec": (0, 1), "b_5.map.gz": (0, 1)}


def write_sections(folder, name, ispg, mz, nz=4):
    data = bytes(header(3, 2, nz, 2, ispg=ispg, mz=mz)) + bytes(24 * nz)
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def test_stacks_of_images_are_one_row_each_which_is_said_at_each_load(tmp_path, caplog, capsys):
    for name, (ispg, mz) in (STACKS | NO_STACKS).items():
        write_sections(tmp_path, name, ispg, mz)
    write_sections(tmp_path, "b_6.mrcs", 0, 1, nz=1)
    np.save(tmp_path / "b_7.npy", np.zeros((4, 2, 3), np.float32))
    for streaming in (False, False, True):  # made, of the cache, a stream
        caplog.clear()
        rows = list(load(tmp_path, streaming=streaming))
        assert [row["image"].shape for row in rows] == [(4, 2, 3)] * 8 + [(2, 3), (4, 2, 3)]
        (message,) = [message for message in caplog.messages if "stack" in message]
        assert "3 files are stacks of images (a_1.mrcs: 4 images): each is one row of 3 axes" in message
        assert "spatial_dims=2" in message
    assert inspect_folder(str(tmp_path)).stacks == dict.fromkeys(STACKS, 4)
    assert main(["local-classes", "inspect", str(tmp_path)]) == 0
    assert "one row that is read as a volume: 3\n  a_1.mrcs: 4 images\n" in capsys.readouterr().out
    caplog.clear()
    load(tmp_path, classes=["b"])
    load(tmp_path, classes=["b"])
    assert "stack" not in caplog.text


def test_what_an_older_version_left_out_is_found_out_once(folder, caplog, monkeypatch):
    (folder / "b_text.mrc").write_bytes(DAMAGED["b_text.mrc"])
    monkeypatch.setattr(local_classes, "keep", lambda *args: None)
    load(folder, on_error="skip")
    monkeypatch.undo()
    for expected in ("left out 1 of 41 files", "in the cache: 1, listed in"):
        caplog.clear()
        load(folder, on_error="skip")
        assert expected in caplog.text
        assert caplog.text.count("left out") == 1


def test_the_quarantine_table_keeps_its_cells(folder, tmp_path):
    (folder / "b_tab\tline\nend.mrc").write_bytes(b"no image")
    load(folder, on_error="skip", quarantine=str(tmp_path / "report.tsv"))
    lines = (tmp_path / "report.tsv").read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].split("\t")[0].endswith(r"b_tab\tline\nend.mrc")
    assert lines[1].count("\t") == 1


def test_nothing_usable_is_an_error_even_with_skip(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a_0.mrc").write_bytes(b"no image")
    with pytest.raises(NotFoundError, match=r"none of 1 class files is usable; the first one: .*a_0\.mrc"):
        load(folder, on_error="skip")


def test_nan_pixels_pass_with_a_warning_or_raise(folder, caplog):
    bad = bytes(header(2, 2, 1, 2)) + pixels([1.0, float("nan"), float("inf"), 2.0], 2, 2)
    (folder / "a_0.mrc").write_bytes(bad)
    assert np.isnan(load(folder)[0]["image"]).sum() == 1
    assert any("2 of 4 pixels are NaN or infinite" in r.message for r in caplog.records)
    with pytest.raises(FormatError, match=r"a_0\.mrc: 2 of 4 pixels"):
        load(folder, non_finite="raise")[0]


def test_unequal_shapes_say_what_to_do(folder):
    write(folder, "a_11.mrc", 1, (7, 9))
    write(folder, "a_12.mrc", 1, (5, 6, 7))
    ds = load(folder).with_transform(T.ToTensor())
    with pytest.raises(
        ValueError, match=r"\(5, 6, 7\), \(6, 6\), \(7, 9\) do not stack \(a_12\.mrc; .*Rescale.*collate_fn=list"
    ):
        list(DataLoader(ds, batch_size=64, collate_fn=T.collate))
    flat = load(folder, classes=["b"]).with_transform(T.Rescale(4))
    assert next(iter(DataLoader(flat, batch_size=4)))["image"].shape == (4, 4, 4)
    assert len(next(iter(DataLoader(ds, batch_size=40, collate_fn=list)))) == 40


# the cache


def cache_file(ds):
    return ds.cache_files[0]["filename"]


def test_an_unchanged_folder_reuses_its_index(folder):
    first = cache_file(load(folder))
    stamp = os.stat(first).st_mtime_ns  # noqa: PTH116
    assert cache_file(load(folder)) == first
    assert cache_file(load(str(folder) + "/")) == first
    assert os.stat(first).st_mtime_ns == stamp  # noqa: PTH116


@pytest.mark.parametrize("change", ["added", "removed", "content", "same size and time", "other name"])
def test_a_changed_folder_gets_a_new_one(folder, change):
    load(folder)
    victim = folder / "a_0.mrc"
    status = victim.stat()
    if change == "added":
        write(folder, "a_77.mrc", 1)
    elif change == "removed":
        victim.unlink()
    elif change == "other name":
        victim.rename(folder / "b_77.mrc")
    else:
        write(folder, "a_0.mrc", 12345, pixel_size=2.5)
        if change == "same size and time":
            os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    ds = load(folder)
    expected = sorted(path.name for path in folder.iterdir())
    assert sorted(ds["path"]) == expected
    for row in ds:
        with mrcfile.open(folder / row["path"]) as file:
            np.testing.assert_array_equal(row["image"], file.data)


def test_options_do_not_share_a_cache(folder):
    kinds = [{}, {"dtype": None}, {"num_examples": 8}, {"classes": ["a", "b"]}, {"classes": ["b", "a"]}, {"seed": 1}]
    assert len({cache_file(load(folder, **options)) for options in kinds}) == len(kinds)


def test_a_file_changed_after_loading_is_noticed(folder):
    ds = load(folder)
    write(folder, "a_0.mrc", 4321, (9, 9))
    with pytest.raises(ChangedError, match="call load_dataset again"):
        ds[0]


def test_files_prepared_as_parquet_are_self_contained(folder, tmp_path):
    builder = load_dataset_builder("local_classes", data_dir=str(folder))
    builder.download_and_prepare(str(tmp_path / "parquet"), file_format="parquet")
    expected = [row["image"] for row in load(folder)]
    folder.rename(tmp_path / "gone")
    files = str(tmp_path / "parquet" / "*.parquet")
    ds = load_dataset("parquet", data_files=files, split="train")
    np.testing.assert_array_equal([row["image"] for row in ds], expected)


# workers, nodes, resuming


@pytest.mark.parametrize(("workers", "start"), [(0, None), (1, "fork"), (4, "fork"), (2, "forkserver")])
def test_every_row_comes_once_whatever_the_workers(folder, workers, start):
    stream = load(folder, streaming=True).map(T.Normalize(), batched=True, batch_size=4)
    loader = DataLoader(stream, batch_size=4, num_workers=workers, multiprocessing_context=start)
    batches = list(loader)
    assert sorted(path for batch in batches for path in batch["path"]) == sorted(load(folder)["path"])
    assert all(isinstance(batch["image"], torch.Tensor) for batch in batches)


@pytest.mark.parametrize("nodes", [2, 3])
def test_every_row_comes_once_whatever_the_nodes(folder, nodes):
    parts = [split_dataset_by_node(load(folder, streaming=True), rank, nodes) for rank in range(nodes)]
    assert sorted(row["path"] for part in parts for row in part) == sorted(load(folder)["path"])


def test_a_resumed_stream_loses_and_doubles_nothing(folder):
    stream = load(folder, streaming=True)
    seen = []
    for row in stream:
        seen.append(row["path"])
        if len(seen) == 13:
            state = stream.state_dict()
            break
    again = load(folder, streaming=True)
    again.load_state_dict(state)
    assert [*seen, *(row["path"] for row in again)] == load(folder)["path"][:]


def test_a_shuffled_stream_is_shuffled_by_files(folder):
    stream = load(folder, streaming=True)
    assert stream.num_shards == 40
    shuffled = [row["path"] for row in stream.shuffle(seed=1, buffer_size=1)]
    assert sorted(shuffled) == sorted(load(folder)["path"])
    assert len({path.split("_")[0] for path in shuffled[:10]}) > 1


def test_map_style_through_a_loader_to_torch(folder):
    ds = load(folder).with_transform(T.Compose([T.Rescale(4), T.Normalize(), T.ToTensor(channel=True)]))
    batch = next(iter(DataLoader(ds, batch_size=5, shuffle=True, num_workers=2, multiprocessing_context="fork")))
    assert batch["image"].shape == (5, 1, 4, 4)
    assert batch["pixel_size"].tolist() == [3.75] * 5
    assert batch["label"].dtype == torch.int64


def test_an_unknown_pixel_size_does_not_stop_torchs_collate(tmp_path):
    for number in range(4):
        write(tmp_path / "images", f"a_{number}.npy", number)
    ds = load(tmp_path / "images").with_transform(T.Normalize())
    assert torch.isnan(next(iter(DataLoader(ds, batch_size=4)))["pixel_size"]).all()
    stream = load(tmp_path / "images", streaming=True).map(T.Normalize(), batched=True)
    assert torch.isnan(next(iter(DataLoader(stream, batch_size=4)))["pixel_size"]).all()


def test_collate_takes_what_streams_leave_null(tmp_path):
    write(tmp_path / "images", "a_0.npy", 0)
    write(tmp_path / "images", "a_1.mrc", 1, pixel_size=2.5)
    write(tmp_path / "images", "a_2.npy", 2)
    for form in (None, "torch", "numpy"):
        stream = load(tmp_path / "images", streaming=True).with_format(form)
        batch = next(iter(DataLoader(stream, batch_size=3, collate_fn=T.collate)))
        np.testing.assert_array_equal(batch["pixel_size"], [np.nan, 2.5, np.nan])
        assert batch["image"].shape == (3, 6, 6)
        assert batch["label"].tolist() == [0, 0, 0]


# third-party files


def test_the_shared_class_files_load(shared, tmp_path, caplog):
    truth = json.loads((shared / "data" / "TRUTH.json").read_text())
    folder = tmp_path / "caked"
    folder.mkdir()
    for path in [*(shared / "data" / "mrc").glob("*"), *(shared / "data" / "npy").glob("*")]:
        (folder / path.name).symlink_to(path)
    ds = load(folder, on_error="skip")
    assert {"1b23", "1dkg", "2", "d", "e", "l"} <= set(ds.features["label"].names)
    for row in ds:
        facts = truth[f"{'npy' if row['path'].endswith('npy') else 'mrc'}/{row['path']}"]
        mean = facts["raw"]["mean"] if "raw" in facts else facts["mean"]
        assert row["image"].mean(dtype=np.float64) == pytest.approx(mean, rel=1e-5, abs=1e-6)


# the command


@pytest.fixture
def messy(folder):
    (folder / "b_text.mrc").write_bytes(DAMAGED["b_text.mrc"])
    (folder / "b_zip.mrc.gz").write_bytes(DAMAGED["b_zip.mrc.gz"])
    (folder / "a_copy.mrc").write_bytes((folder / "c9_3.mrc").read_bytes())
    (folder / "a_nan.mrc").write_bytes(bytes(header(2, 1, 1, 2)) + pixels([float("nan"), 1.0], 2, 2))
    for name in ("README.md", "one.mrc", "two.mrc"):
        (folder / name).write_text("")
    return folder


def test_inspect_tells_people(messy, capsys):
    assert main(["local-classes", "inspect", str(messy)]) == 0
    shown = capsys.readouterr().out
    assert ["c9", "10", "10", "6", "x", "6", "float32", "2.5"] in [line.split() for line in shown.splitlines()]
    for expected in (
        f"{messy}: 42 usable files in 4 classes",
        "a_copy.mrc = c9_3.mrc",
        'unusable files (on_error="skip" leaves them out): 2',
        " bytes, a text file: expected an image file",
        "b_zip.mrc.gz: ",
        "a_nan.mrc: 1 pixels",
        "files passed over: 3\n  2 with no class before a '_' (one.mrc, two.mrc)\n",
        "  1 with unknown extension '.md' (README.md)\n",
        "files without a pixel size (pixel_size=... gives one): 1\n  a_nan.mrc",
    ):
        assert expected in shown


def test_inspect_tells_what_a_split_and_batches_will_lack(tmp_path, capsys):
    for seed in range(4):
        write(tmp_path, f"a_{seed}.mrc", seed)
    assert main(["local-classes", "inspect", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "alone" not in said
    assert "different shapes" not in said
    write(tmp_path, "b_1.mrc", 9)
    for name in ("c_1.mrc", "c_copy.mrc"):
        write(tmp_path, name, 10, (5, 7))
    assert main(["local-classes", "inspect", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "classes of one image alone, which stays in train: 2\n  b, c\n" in said
    assert "different shapes: 2 (Pad, CenterCrop or Rescale" in said
    ds = load(tmp_path, None, validation_fraction=0.6)
    assert set(ds["validation"]["label"]) == {0}
    assert set(ds["train"]["label"]) == {0, 1, 2}
    for transform in (T.Pad(8), T.CenterCrop(5), T.Rescale(8)):
        assert T.collate(list(ds["train"].with_transform(transform)))["image"].ndim == 3


def test_inspect_tells_scripts(messy, capsys):
    assert main(["local-classes", "inspect", str(messy), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["classes"]) == ["a", "b", "c9", "c10"]
    assert report["classes"]["a"] == {
        "files": 12,
        "distinct": 12,
        "shapes": {"6 x 6": 11, "1 x 2": 1},
        "dtypes": {"float32": 12},
        "pixel_sizes": {"2.5": 11, "unknown": 1},
    }
    assert report["duplicates"] == [["a_copy.mrc", "c9_3.mrc"]]
    assert set(report["unusable"]) == {"b_text.mrc", "b_zip.mrc.gz"}
    assert report["non_finite"] == {"a_nan.mrc": 1}
    assert report["skipped"]["README.md"] == "unknown extension '.md'"
    assert report["without_pixel_size"] == ["a_nan.mrc"]
    assert report["folders"] == report["doubts"] == []
    for extension, count in (("mrc", 4), (".mrc", 4), ("npy", 0)):
        main(["local-classes", "inspect", str(messy), "--json", "--extension", extension])
        assert len(json.loads(capsys.readouterr().out)["classes"]) == count


@pytest.mark.parametrize("dtype", ["float16", "uint8", "int16", "uint16"])
def test_a_dtype_that_does_not_hold_a_value_is_an_error_that_names_the_file(tmp_path, dtype):
    mrc.write(tmp_path / "a_1.mrc", np.array([[1, 2, 3]], np.float32))
    mrc.write(tmp_path / "a_2.mrc", np.array([[300, 70000, -5]], np.float32))
    for streaming in (False, True):
        with pytest.raises(FormatError, match=rf"a_2\.mrc: (70000|-5)\.0 does not fit dtype='{dtype}'"):
            list(load(tmp_path, streaming=streaming, dtype=dtype))
    with pytest.raises(FormatError, match=r"a_2\.mrc"):
        publish(load(tmp_path, dtype=dtype), tmp_path / "published", license="cc0-1.0")


def test_files_whose_headers_say_another_size_are_read_told_and_counted(tmp_path, caplog, capsys):
    volume = np.arange(96, dtype=np.float32).reshape(4, 4, 6)
    for number in range(12):
        (tmp_path / f"a_{number}.mrc").write_bytes(bytes(header(6, 4, 4, 2, nsymbt=80, ispg=1)) + volume.tobytes())
    (tmp_path / "a_cut.mrc").write_bytes(bytes(header(6, 4, 4, 2, ispg=1)) + volume[:3].tobytes())
    ds = load(tmp_path, on_error="skip")
    assert len(ds) == 12
    np.testing.assert_array_equal(ds[5]["image"], volume)
    assert f"{tmp_path}: 12 files have another size than their headers say" in caplog.text
    assert "a_cut.mrc: 1312 bytes, but its header says 1408" in caplog.text, "a volume of fewer sections is not it"
    assert main(["local-classes", "inspect", str(tmp_path)]) == 0
    assert "files whose headers say another size: 12" in capsys.readouterr().out


def test_inspect_of_nothing(tmp_path, capsys):
    assert main(["local-classes", "inspect", str(tmp_path / "none")]) == 1
    assert "no such folder" in capsys.readouterr().err
    assert main(["local-classes", "inspect", str(tmp_path)]) == 1
    assert "0 usable files" in capsys.readouterr().out


def test_names_cannot_write_to_the_terminal(tmp_path, capsys):
    write(tmp_path / "images", "a_\x1b[31mred.mrc")
    (tmp_path / "images" / "a_\x1b]0;title\x07.mrc").write_bytes(b"")
    main(["local-classes", "inspect", str(tmp_path / "images")])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_what_is_known_of_the_folder_stays_with_the_rows(folder):
    names = load(folder).features["label"].names
    for streaming in (True, False):
        ds = load(folder, streaming=streaming)
        for kept in (ds, ds.map(lambda row: {"more": 1}), pickle.loads(pickle.dumps(ds))):
            first, second = kept.info.description.splitlines()
            assert first == folder.name  # and nothing of where it lies
            assert second == f"Images of {len(names)} classes: {', '.join(names)}"
            assert (kept.info.license, kept.info.citation, kept.info.homepage) == ("", "", "")
