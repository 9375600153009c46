"""Bytes of a file where the system holds them: the file's own, or none."""

import errno
import mmap
import os
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


PARTS = [(5, 4097), (70_001, 90_000)]


def test_parts_are_the_files(path, monkeypatch):
    monkeypatch.setattr(mapped, "_is_own", lambda device: True)
    with local.opened(path) as raw, mapped.mapped_parts(raw, 100_000, PARTS) as held:
        for start, stop in PARTS:
            assert held[start:stop].tobytes() == Path(path).read_bytes()[start:stop]
        assert (len(held), held.flags.writeable) == (100_000, False)


@pytest.mark.parametrize(("number", "is_mapped"), [(errno.EINVAL, True), (errno.EFAULT, False), (errno.EIO, False)])
def test_parts_that_cannot_be_read_are_not_looked_at(path, number, is_mapped, monkeypatch):
    class Unwilling(mmap.mmap):
        def madvise(self, *args):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(mapped, "_is_own", lambda device: True)
    monkeypatch.setattr(mapped.mmap, "mmap", Unwilling)
    with local.opened(path) as raw, mapped.mapped_parts(raw, 100_000, PARTS) as held:
        assert (held is not None) == is_mapped  # EINVAL: an older kernel, which promises nothing


def test_parts_of_a_file_that_is_too_short_or_far_away_are_read_as_ever(path, monkeypatch):
    for is_own, more in ((True, 1), (False, 0)):
        monkeypatch.setattr(mapped, "_is_own", lambda device, is_own=is_own: is_own)
        stop = Path(path).stat().st_size + more
        with local.opened(path) as raw, mapped.mapped_parts(raw, stop, PARTS) as held:
            assert held is None


def test_parts_are_mapped_on_disks_of_this_machine_alone():
    mounts = "22 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw\n30 22 0:45 / /data rw - nfs4 host:/x rw\nbroken"
    assert [mapped.kind_of(mounts, os.makedev(*of)) for of in ((254, 0), (0, 45), (8, 1))] == ["ext4", "nfs4", ""]
