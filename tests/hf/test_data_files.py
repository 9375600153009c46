import os
import re
from pathlib import Path

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import NotFoundError, OptionError
from builders.hf.data_files import named_files
from builders.io import mrc

THERE = [
    *("a_[1].mrc", "a_1.mrc", "a_2.mrc", "b[1]/a_1.mrc", "b[1]/a_2.mrc", "b1/z_1.mrc", "x[/a_1.mrc"),
    *(
        "q/a::1_x.mrc",
        "q/t:1_x.mrc",
        "q/what?_1.mrc",
        "q/c_[1]x.mrc",
        "q/.d/a_1.mrc",
        "q/__d/a_1.mrc",
        "q/[1]/e_1.mrc",
        "q/.d[1]/a_1.mrc",
    ),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    for name in THERE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def found(data_files, base, split="train"):
    return [os.path.relpath(path, base) for path in named_files(data_files, base, "x")[split]]


@pytest.mark.parametrize(
    ("named", "files"),
    [
        ("a_[1].mrc", ["a_[1].mrc"]),
        ("a_[12].mrc", ["a_1.mrc", "a_2.mrc"]),
        ("./a_[1].mrc", ["a_[1].mrc"]),
        (["a_[1].mrc", "a_1.mrc"], ["a_[1].mrc", "a_1.mrc"]),
        ("b[1]/*.mrc", ["b[1]/a_1.mrc", "b[1]/a_2.mrc"]),
        ("b[1]/a_[2-9].mrc", ["b[1]/a_2.mrc"]),
        ("b[12]/*.mrc", ["b1/z_1.mrc"]),
        ("x[/*.mrc", ["x[/a_1.mrc"]),
        ("q/[1]/**", ["q/[1]/e_1.mrc"]),
        ("q/a::1_x.mrc", ["q/a::1_x.mrc"]),
        ("q/a::*.mrc", ["q/a::1_x.mrc"]),
        ("q/t:1_x.mrc", ["q/t:1_x.mrc"]),
        ("q/what?_1.mrc", ["q/what?_1.mrc"]),
        ("q/c_[1]?.mrc", ["q/c_[1]x.mrc"]),
        ("q/.d/*.mrc", ["q/.d/a_1.mrc"]),
        ("q/.d[1]/*.mrc", ["q/.d[1]/a_1.mrc"]),
        ("q/.d[1]/a_1.mrc", ["q/.d[1]/a_1.mrc"]),
        ("**/a_1.mrc", ["a_1.mrc", "b[1]/a_1.mrc", "x[/a_1.mrc"]),
        (Path("b[1]") / "a_1.mrc", ["b[1]/a_1.mrc"]),
        ((Path("a_1.mrc"), "a_2.mrc"), ["a_1.mrc", "a_2.mrc"]),
        ({"train": Path("a_1.mrc")}, ["a_1.mrc"]),
        ([{"split": "train", "path": "a_[1].mrc"}], ["a_[1].mrc"]),
    ],
)
def test_a_name_that_is_there_is_meant(place, monkeypatch, named, files):
    assert found(named, place) == files
    monkeypatch.chdir(place)
    assert found(named, "") == files
    assert found(named, "../" + place.name) == files


def test_absolute_names_and_those_with_a_scheme(place):
    for scheme in ("", "file://", "local://"):
        assert found(f"{scheme}{place}/b[1]/a_?.mrc", place) == ["b[1]/a_1.mrc", "b[1]/a_2.mrc"]
    assert found(f"{place}/a_[1].mrc", place / "b[1]") == ["../a_[1].mrc"]


@pytest.mark.parametrize("named", ["a_1.mrc", "*_1.mrc", "[a]_1.mrc", "./a_[1].mrc", "../b[1]/a_1.mrc"])
def test_the_folder_that_names_are_relative_to_is_no_pattern(place, monkeypatch, named):
    assert found(named, place / "b[1]") == ["a_1.mrc"]
    monkeypatch.chdir(place / "b[1]")
    assert found({"test": [named]}, "", "test") == ["a_1.mrc"]
    assert found(named, None) == ["a_1.mrc"]
    assert found(named, place / "x[") == ["a_1.mrc"] or ".." in named


def test_what_names_no_file_is_said(place):
    (place / "empty[1]").mkdir(exist_ok=True)
    for named in ("n_[1].mrc", "empty[1]/*.mrc", "*.tif", []):
        with pytest.raises(NotFoundError, match=r"x: data_files name no file for the split 'train'"):
            named_files({"train": named}, place, "x")
    with pytest.raises(NotFoundError, match=r"name no file: Unable to find '.*/none\.mrc'"):
        named_files("none.mrc", place, "x")
    for folder in ("b1", "b[1]", "b[1]/"):
        with pytest.raises(NotFoundError, match=re.escape(f"{folder.rstrip('/')} is a folder: name it as data_dir")):
            named_files(folder, place, "x")
    with pytest.raises(OptionError, match=r"expected a path, a list of paths, or a dict"):
        named_files(5, place, "x")
    with pytest.raises(OptionError, match=re.escape("'https://x.invalid/a_1.mrc': expected files of this machine")):
        named_files(["a_1.mrc", "https://x.invalid/a_1.mrc"], place, "x")
    for named in ("**.mrc", "b[1]/**.mrc"):
        with pytest.raises(ValueError, match=re.escape(f"data_files names {named!r}: ")):
            named_files(named, place, "x")


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_come_from_folders_and_files_with_brackets(tmp_path, streaming):
    for folder in ("b[1]", "b1"):
        (tmp_path / folder).mkdir()
        mrc.write(tmp_path / folder / f"{folder[:1]}_[1].mrc", np.array([[1.0, 2.0]]))
        mrc.write(tmp_path / folder / f"{folder[:1]}_1.mrc", np.array([[3.0, 4.0]]))
    options = {"data_dir": str(tmp_path / "b[1]"), "streaming": streaming}
    files = {"train": "b_[1].mrc", "test": "*"}
    ds = load_dataset("local_classes", data_files=files, **options)
    assert {name: [row["path"] for row in part] for name, part in ds.items()} == {
        "train": ["b_[1].mrc"],
        "test": ["b_1.mrc", "b_[1].mrc"],
    }
    assert next(iter(ds["train"]))["image"].tolist() == [[1, 2]]
    assert [row["path"] for row in load_dataset("local_classes", split="train", **options)] == ["b_1.mrc", "b_[1].mrc"]


def test_a_stray_file_called_as_a_pattern_hides_none(tmp_path):
    for name in ("a_*.mrc", "a_1.mrc", "b_1.mrc"):
        (tmp_path / name).touch()
    found = named_files("a_*.mrc", tmp_path, "x")["train"]
    assert sorted(Path(file).name for file in found) == ["a_*.mrc", "a_1.mrc"]
