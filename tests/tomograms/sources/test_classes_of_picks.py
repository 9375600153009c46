"""Which files of picks a folder has, and of which class they are where they do not say it."""

import logging

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import NotFoundError, OptionError
from builders.io import mrc
from builders.tomograms.sources import Asked, find
from tests.tomograms import made

STAR = """data_particles

loop_
_rlnTomoName #1
_rlnCoordinateX #2
_rlnCoordinateY #3
_rlnCoordinateZ #4
_rlnClassNumber #5
TS_1 {x} 5 4 7
"""
DYNAMO = " ".join(["1"] * 3 + ["0"] * 16 + ["1", "0", "2", "0", "6.5", "5.5", "4.5"]) + "\n"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    (path / "star").mkdir(parents=True)
    mrc.write(path / "TS_1.mrc", np.zeros(made.SHAPE, np.float32), made.PIXEL_SIZE)
    for x, name in ((6, "barrel"), (9, "rod")):
        (path / "star" / f"{name}.star").write_text(STAR.format(x=x))
    (path / "TS_1.csv").write_text("x,y,z\n3,3,3\n")
    (path / "TS_1_own.csv").write_text("x,y,z,class\n2,2,2,virus\n")
    return path


def labels(folder, picks, **options):
    rows = load_dataset("tomograms", data_dir=str(folder), picks=picks, split="train", **options)
    names = rows.features["picks"]["label"].feature.names
    (found,) = rows["picks"]
    return {names[label]: point for label, point in zip(found["label"], found["pixels"], strict=True)}


def test_a_dict_tells_the_class_of_files_that_tell_none(folder, tmp_path):
    (folder / "TS_1.tbl").write_text(DYNAMO)
    asked = {"barrel": "star/barrel.star", "rod": ["star/r*.star"], "point": "*.csv", "crystal": "TS_1.tbl"}
    found = labels(folder, asked, cache_dir=str(tmp_path / "cache"))
    assert {name: point[0] for name, point in found.items()} == {
        **{"barrel": 6, "rod": 9, "point": 3},
        **{"virus": 2, "crystal": 6},  # a file's own classes stay
    }
    asked |= {"barrel": "star/rod.star", "rod": "star/barrel.star"}
    assert labels(folder, asked, cache_dir=str(tmp_path / "cache"))["barrel"][0] == 9


def test_several_files_that_tell_no_class_are_told_once(folder, caplog):
    with caplog.at_level(logging.WARNING):
        find(Asked(data_dir=str(folder), picks=("star/*.star",)))
    (message,) = caplog.messages
    assert "star/barrel.star, star/rod.star tell no class" in message
    assert "picks={'barrel': 'star/barrel.star', ...}" in message
    caplog.clear()
    find(Asked(data_dir=str(folder), picks=("star/*.star",), labels=("particle",)))
    find(Asked(data_dir=str(folder), picks=("star/rod.star", "TS_1_own.csv")))
    assert not caplog.messages


def test_a_star_is_all_files_of_picks_that_there_are(folder, tmp_path, monkeypatch):
    (folder / "star" / "tomograms.star").write_text("data_global\n\nloop_\n_rlnTomoName #1\nTS_1\n")
    (folder / "notes.md").write_text("none")
    (one,) = find(Asked(data_dir=str(folder), picks=("*",))).tomograms
    assert {picks.name for picks in one.picks} == {"TS_1.csv", "TS_1_own.csv", "star/barrel.star", "star/rod.star"}
    bare = tmp_path / "bare"
    bare.mkdir()
    mrc.write(bare / "TS_1.mrc", np.zeros(made.SHAPE, np.float32), made.PIXEL_SIZE)
    monkeypatch.chdir(folder)  # whose files are not meant
    with pytest.raises(NotFoundError, match=r"picks is '\*': no file of picks \(.json, .*; there are: TS_1.mrc"):
        find(Asked(data_dir=str(bare), picks=("*",)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"picks": {}}, r"picks is {}: expected names of classes, and the files of each"),
        ({"picks": {"rod": []}}, r"picks\['rod'\] is \[\]: expected a list of names"),
        ({"picks": {"rod": None}}, r"picks is {'rod': None}: expected files of each class$"),
        (
            {"picks": {"rod": "a.star", "barrel": ["a.star"]}},
            r"picks names the files 'a.star' twice",
        ),
        ({"picks": {"rod": "star/*", "barrel": "star/rod.star"}}, r"star/rod.star is of the class 'rod', and of 'barr"),
        ({"picks": {"rod": "*"}, "data_dir": None, "copick": "c.json"}, r"picks is a dict of classes: copick tells"),
    ],
)
def test_a_dict_that_does_not_tell_classes_is_refused(folder, options, said):
    with pytest.raises(OptionError, match=said):
        load_dataset("tomograms", **{"data_dir": str(folder)} | options)
