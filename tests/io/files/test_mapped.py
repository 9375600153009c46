"""Bytes of a file where the system holds them: the file's own, or none."""

import mmap
from pathlib import Path

import numpy as np
import pytest

from builders.io.files import local, mapped


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(np.random.default_rng(0).bytes(3 * mapped.LEAST))
    return str(path)


@pytest.mark.parametrize("start", [0, 1, 4095, 4096, 70_001])
def test_they_are_the_files(path, start):
    with local.opened(path) as raw, mapped.mapped(raw, start, start + mapped.LEAST) as held:
        if held is None:
            pytest.skip("this system maps no memory that is ready to be read")
        with Path(path).open("rb") as file:
            file.seek(start)
            assert held.tobytes() == file.read(mapped.LEAST)
        assert not held.flags.writeable


def test_few_bytes_are_read_as_ever(path):
    with local.opened(path) as raw, mapped.mapped(raw, 0, mapped.LEAST - 1) as held:
        assert held is None


def test_what_the_file_does_not_have_is_never_looked_at(path):
    with local.opened(path) as raw, mapped.mapped(raw, 2 * mapped.LEAST, 4 * mapped.LEAST) as held:
        assert held is None


def test_where_the_system_promises_nothing_files_are_read_as_ever(path, monkeypatch):
    class Unwilling(mmap.mmap):
        def madvise(self, *args):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(mapped.mmap, "mmap", Unwilling)
    with local.opened(path) as raw, mapped.mapped(raw, 0, mapped.LEAST) as held:
        assert held is None


def test_a_view_that_outlives_its_block_can_still_be_read(path):
    with local.opened(path) as raw, mapped.mapped(raw, 0, mapped.LEAST) as held:
        kept = None if held is None else held[:10]
    with Path(path).open("rb") as file:
        assert kept is None or kept.tobytes() == file.read(10)
