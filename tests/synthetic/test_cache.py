"""What lies in the cache: damaged, gone, or moved with it; it is made anew, or told with what makes it anew."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import FormatError, NotFoundError
from builders.io.made import known


@pytest.fixture
def forgotten(monkeypatch):
    """Makers are read anew, as other processes do: a function that forgets those that were read."""
    monkeypatch.setattr(known, "_makers", type(known._makers)())
    return known._makers.clear


def volume_of(options):
    (path,) = Path(options["cache_dir"]).glob("perc/synthetic/*.npy")
    return path


def cut(path):
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:1000])


def emptied(path):
    path.chmod(0o644)
    path.write_bytes(b"")


def of_another_size(path):
    path.chmod(0o644)
    np.save(path, np.zeros((8, 8, 8), np.float32))


@pytest.mark.parametrize("damage", [cut, emptied, of_another_size, Path.unlink])
@pytest.mark.parametrize("streaming", [False, True])
def test_volumes_that_are_none_are_told_and_made_anew(options, forgotten, damage, streaming):
    def image():
        ds = load_dataset("synthetic", num_examples=2, streaming=streaming, **options)
        return next(iter(ds))["image"]

    stale = load_dataset("synthetic", num_examples=2, **options)
    truth = image()
    damage(volume_of(options))
    forgotten()
    with pytest.raises((FormatError, NotFoundError), match=r"load_dataset.*with the same options makes it anew"):
        stale[0]
    np.testing.assert_array_equal(image(), truth)
    np.testing.assert_array_equal(stale[0]["image"], truth)


def test_a_volume_with_other_values_is_made_anew_when_all_is(options, forgotten):
    truth = load_dataset("synthetic", num_examples=2, **options)[0]["image"]
    path = volume_of(options)
    path.chmod(0o644)
    np.save(path, np.ones((32, 32, 32), np.float32))
    forgotten()
    found = load_dataset("synthetic", num_examples=2, download_mode="force_redownload", **options)
    np.testing.assert_array_equal(found[0]["image"], truth)


def test_a_cache_that_was_moved_has_its_rows(options, forgotten, tmp_path):
    truth = load_dataset("synthetic", num_examples=2, **options)[1]["image"]
    moved = str(tmp_path / "elsewhere")
    shutil.move(options["cache_dir"], moved)
    forgotten()
    found = load_dataset("synthetic", num_examples=2, **options | {"cache_dir": moved})
    np.testing.assert_array_equal(found[1]["image"], truth)
    index = Path(found.cache_files[0]["filename"])
    made = index.stat().st_mtime_ns
    load_dataset("synthetic", num_examples=2, **options | {"cache_dir": moved})
    assert index.stat().st_mtime_ns == made


def test_a_recipe_that_is_gone_tells_what_makes_it_anew(options, forgotten):
    ds = load_dataset("synthetic", num_examples=2, **options)
    shutil.rmtree(Path(options["cache_dir"], "perc"))
    forgotten()
    with pytest.raises(NotFoundError, match=r"load_dataset.*with the same options makes it anew"):
        ds[0]
    load_dataset("synthetic", num_examples=2, **options)
    assert ds[0]["image"].any()
