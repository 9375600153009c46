"""What is published can be loaded by its name, or publishing says so before it begins."""

import shutil

import datasets
import pytest

from builders import publish
from builders.errors import OptionError
from builders.publishing.targets import address_of
from tests.publishing.datasets_made import labelled

REFUSED = ["a[1]", "a::b", "zip::x", "a**b", "[!a]b", "a[*]b", "$PERC_SET", "x${PERC_SET}"]
# and another name that fits
WARNED = {"a*b": "a--b", "a?b": "a-b", "x[[]?*": "x[-"}
FINE = ["a[1", "a[]b", "a{1,2}", "a b", "a%20b", "a#b@c", "a:b", "~x", "a$b", "(ü)!"]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "set"
    publish(labelled(2), folder, license="mit")
    return folder


@pytest.fixture(autouse=True)
def variable(monkeypatch):
    monkeypatch.setenv("PERC_SET", "y")


def rows_loaded(folder, cache):
    """How many rows plain `datasets` finds there, as a whole and as a stream; None where it finds none."""
    counts = []
    for streaming in (False, True):
        try:
            options = {"split": "train", "streaming": streaming, "cache_dir": None if streaming else str(cache)}
            counts.append(len(list(datasets.load_dataset(str(folder), **options))))
        except (FileNotFoundError, ValueError, datasets.exceptions.DatasetsError):
            counts.append(None)
    return counts


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_by_which_it_could_not_be_loaded_is_refused_before_anything_is_done(name, published, tmp_path):
    with pytest.raises(OptionError, match=r"reads the name .* as a pattern, and would not find it"):
        publish(labelled(2), tmp_path / "new" / name)
    assert not (tmp_path / "new").exists()
    shutil.copytree(published, tmp_path / "made" / name)
    assert None in rows_loaded(tmp_path / "made" / name, tmp_path / "cache")


@pytest.mark.parametrize(("name", "other"), WARNED.items())
def test_a_name_that_fits_others_too_is_warned_of(name, other, published, tmp_path, caplog):
    publish(labelled(2), tmp_path / name, license="mit")
    assert "as a pattern, and loads whatever else fits it, too" in caplog.text
    assert rows_loaded(tmp_path / name, tmp_path / "cache") == [2, 2]
    shutil.copytree(published, tmp_path / other)
    assert rows_loaded(tmp_path / name, tmp_path / "cache2") == [None, 4]


def test_other_names_are_loaded_by_them(published, tmp_path, caplog):
    for name in FINE:
        assert address_of(tmp_path / "new" / name) == name
        shutil.copytree(published, tmp_path / "new" / name)
        assert rows_loaded(tmp_path / "new" / name, tmp_path / name) == [2, 2]
    assert not caplog.text


def test_a_folder_above_is_warned_of(published, tmp_path, caplog):
    above = tmp_path / "runs[1]"
    publish(labelled(2), above / "set", license="mit")
    assert (
        f"{above}/set: datasets.load_dataset reads 'runs[1]' in this path as a pattern: it can be loaded" in caplog.text
    )
    assert None in rows_loaded(above / "set", tmp_path / "cache")
    (tmp_path / "link").symlink_to(above)
    with pytest.raises(OptionError, match="reads the name"):
        publish(labelled(2), tmp_path / "link")  # which `datasets` follows first


@pytest.mark.parametrize("split", ["train+validation", "all", "train[:50%]+test"])
def test_splits_that_were_joined_are_one(split, tmp_path):
    rows = labelled(2)
    rows._split = split
    assert publish(rows, tmp_path / "set", license="mit").rows == {"train": 2}
    assert rows_loaded(tmp_path / "set", tmp_path / "cache") == [2, 2]
    with pytest.raises(OptionError, match="not 'all'"):
        publish({"all": rows}, tmp_path / "dict")
