"""Tomograms of a folder, and of an entry: which files they are, and what belongs together."""

import numpy as np
import pytest

from builders.errors import NotFoundError, OptionError
from builders.io import mrc
from builders.tomograms.sources import Asked, find


def write(folder, *paths, shape=(5, 6, 7), pixel_size=10.0):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        mrc.write(folder / path, np.zeros(shape, np.float32), pixel_size)


def test_tomograms_are_found_in_natural_order_with_their_headers(tmp_path):
    write(tmp_path, "TS_10.rec", "deep/TS_2.mrc", "._TS_3.mrc")
    (tmp_path / "notes.txt").write_text("none")
    found = find(Asked(data_dir=str(tmp_path)))
    assert [one.name for one in found.tomograms] == ["TS_2", "TS_10"]
    volume = found.tomograms[0].volume
    assert volume.file.path == "deep/TS_2.mrc"
    assert (volume.shape, volume.pixel_size, volume.offset) == ((5, 6, 7), 10.0, (0.0, 0.0, 0.0))


def test_names_are_paths_where_base_names_are_not_enough(tmp_path):
    write(tmp_path, "a/t.mrc", "b/t.mrc")
    assert [one.name for one in find(Asked(data_dir=str(tmp_path))).tomograms] == ["a/t", "b/t"]


def test_a_glob_chooses(tmp_path):
    write(tmp_path, "a_wbp.mrc", "a_den.mrc", "deep/b_wbp.mrc")
    assert [t.name for t in find(Asked(data_dir=str(tmp_path), tomogram="*_wbp.mrc")).tomograms] == ["a_wbp", "b_wbp"]
    assert [t.name for t in find(Asked(data_dir=str(tmp_path), tomogram="deep/*")).tomograms] == ["b_wbp"]
    with pytest.raises(NotFoundError, match=r"no tomogram that fits 'x'; there are: a_den.mrc, a_wbp.mrc, deep/b_wbp"):
        find(Asked(data_dir=str(tmp_path), tomogram="x"))


def test_one_name_under_two_suffixes_is_not_chosen_between(tmp_path):
    write(tmp_path, "t.mrc", "t.rec")
    with pytest.raises(OptionError, match=r"t.mrc, t.rec have one name: tomogram="):
        find(Asked(data_dir=str(tmp_path)))


@pytest.mark.parametrize(
    ("even", "odd", "name"),
    [
        ("t_even.mrc", "t_odd.mrc", "t"),
        ("t_EVN.mrc", "t_ODD.mrc", "t"),
        ("t_EVN_Vol.mrc", "t_ODD_Vol.mrc", "t_Vol"),
        ("rec_t_half1.mrc", "rec_t_half2.mrc", "rec_t"),
        ("t-even.mrc", "t-odd.mrc", "t"),
        ("EVN/t.mrc", "ODD/t.mrc", "t"),
        ("even/t_10.00Apx.mrc", "odd/t_10.00Apx.mrc", "t_10.00Apx"),
        ("t/even.rec", "t/odd.rec", "t"),
    ],
)
def test_halves_are_paired_by_name(tmp_path, even, odd, name):
    write(tmp_path, even, odd, "oddity.mrc")
    (pair,) = find(Asked(data_dir=str(tmp_path), pairs=True)).tomograms
    assert (pair.name, pair.volume.file.path, pair.target.file.path) == (name, even, odd)


def test_halves_without_the_other_one_are_told_together(tmp_path):
    write(tmp_path, "a_even.mrc", "b_odd.mrc", "c_even.mrc", "c_odd.mrc")
    with pytest.raises(NotFoundError, match="2 halves without the other one: a_even, b_odd"):
        find(Asked(data_dir=str(tmp_path), pairs=True))
    found = find(Asked(data_dir=str(tmp_path), pairs=True, on_error="skip"))
    assert [one.name for one in found.tomograms] == ["c"]
    assert [name for name, _ in found.left_out] == ["a_even", "b_odd"]


def test_what_is_damaged_is_told_or_left_out(tmp_path):
    write(tmp_path, "a.mrc", "b.mrc")
    (tmp_path / "b.mrc").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"b.mrc"):
        find(Asked(data_dir=str(tmp_path)))
    found = find(Asked(data_dir=str(tmp_path), on_error="skip"))
    assert [one.name for one in found.tomograms] == ["a"]
    assert found.left_out[0][0] == "b"


def test_versions_follow_the_files(tmp_path):
    write(tmp_path, "a.mrc")
    asked = Asked(data_dir=str(tmp_path))
    before = find(asked).version
    assert find(asked).version == before
    write(tmp_path, "a.mrc", shape=(5, 6, 8))
    assert find(asked).version != before


def test_names_that_are_not_there_are_told(tmp_path):
    write(tmp_path, "a.mrc", "b.mrc")
    assert [t.name for t in find(Asked(data_dir=str(tmp_path), tomograms=("b",))).tomograms] == ["b"]
    with pytest.raises(OptionError, match=r"tomograms names c: not in .*, which has a, b"):
        find(Asked(data_dir=str(tmp_path), tomograms=("b", "c")))


def test_a_pixel_size_is_that_of_the_file_where_it_says_one(tmp_path):
    write(tmp_path, "a.mrc", pixel_size=10.0)
    assert find(Asked(data_dir=str(tmp_path), pixel_size=10.1)).tomograms[0].volume.pixel_size == 10.0
    with pytest.raises(
        OptionError, match=r"pixel_size is 13.48: a.mrc has level 0: 10.0 Å, 5 x 6 x 7; expected one wi"
    ):
        find(Asked(data_dir=str(tmp_path), pixel_size=13.48))
    with pytest.raises(OptionError, match=r"level is 1: a.mrc has level 0: 10.0 Å"):
        find(Asked(data_dir=str(tmp_path), level=1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no source given: expected one of data_dir, entry, copick and portal"),
        ({"data_dir": "a", "copick": "b"}, "data_dir and copick given"),
        ({"data_dir": "a", "archive": "b"}, "archive is 'b': it goes with entry, not with data_dir"),
        ({"data_dir": "a", "level": 1, "pixel_size": 2.0}, "level is 1 and pixel_size is 2.0"),
    ],
)
def test_options_that_do_not_go_together(options, said):
    with pytest.raises(OptionError, match=said):
        Asked(**options)
