"""Folders of tomograms, and the call that reads them."""

import pytest

from builders import load_dataset
from tests.tomograms.made import Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "data").make()


@pytest.fixture
def load(folder, tmp_path):
    def load(**options):
        given = {"data_dir": str(folder.path), "picks": "*.csv", "split": "train", "cache_dir": str(tmp_path / "cache")}
        return load_dataset("tomograms", **given | options)

    return load
