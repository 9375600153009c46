import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from builders.errors import AccessError, DiskFullError, FormatError, TruncatedError
from builders.io import cache as cache_module
from builders.io.cache import Cache, default_folder
from builders.io.http import Client, Patience
from tests.server import Fault, serve

DATA = np.random.default_rng(0).integers(0, 256, 400_000, np.uint8).tobytes()


def pieces_of(data, log=None):
    def pieces(offset):
        if log is not None:
            log.append(offset)
        for start in range(offset, len(data), 10_000):
            yield data[start : start + 10_000]

    return pieces


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def files(cache):
    return sorted(p.suffix for p in cache.folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_a_file_is_fetched_once(cache):
    log = []
    for _ in range(3):
        path = cache.fetch("http://host/x", "v1", len(DATA), pieces_of(DATA, log))
        assert path.read_bytes() == DATA
    assert log == [0]
    assert cache.find("http://host/x", "v1") == path
    assert cache.find("http://host/x", "v2") is None
    assert cache.verify("http://host/x", "v1").size == len(DATA)


@pytest.mark.parametrize("key", ["../../etc/passwd", "/absolute", "x" * 5000, "a\0b", "ünï\udc80", "con", ""])
def test_no_key_leaves_the_folder(cache, key):
    path = cache.fetch(key, "1", 3, pieces_of(b"abc"))
    assert path.resolve().is_relative_to(cache.folder.resolve())
    assert len(path.name) == 64


def test_an_interrupted_fetch_leaves_a_part_and_goes_on_from_it(cache):
    def interrupted(offset):
        yield from list(pieces_of(DATA)(offset))[:7]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.fetch("x", "1", len(DATA), interrupted)
    assert files(cache) == [".part"]
    assert cache.find("x", "1") is None
    log = []
    assert cache.fetch("x", "1", len(DATA), pieces_of(DATA, log)).read_bytes() == DATA
    assert log == [70_000]
    assert files(cache) == ["", ".json"]


KILLED = """
import os, signal, sys
from builders.io.cache import Cache
def pieces(offset):
    yield b"a" * 1000
    sys.stdout.write("started"); sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
Cache(sys.argv[1]).fetch("x", "1", 3000, pieces)
"""


def test_kill_9_leaves_only_temporary_files_and_the_next_run_succeeds(cache):
    run = subprocess.run([sys.executable, "-c", KILLED, str(cache.folder)], capture_output=True, text=True)
    assert run.stdout == "started", run.stderr
    assert files(cache) == [".part"]
    data = b"a" * 1000 + b"b" * 2000
    assert cache.fetch("x", "1", 3000, pieces_of(data)).read_bytes() == data


WANTED = """
import sys, time
from builders.io.cache import Cache
def pieces(offset):
    with open(sys.argv[2], "a") as log:
        log.write("one download\\n")
    for _ in range(20):
        time.sleep(0.02)
        yield b"x" * 100
print(len(Cache(sys.argv[1]).fetch("x", "1", 2000, pieces).read_bytes()))
"""


def test_processes_that_want_one_file_make_one_download(cache, tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", WANTED, str(cache.folder), str(log)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [run.communicate()[0].strip() for run in runs] == ["2000"] * 3
    assert log.read_text() == "one download\n"


def test_threads_that_want_one_file_make_one_download(cache):
    log = []

    def slowly(offset):
        log.append(offset)
        time.sleep(0.1)
        yield DATA

    threads = [threading.Thread(target=cache.fetch, args=("x", "1", len(DATA), slowly)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log == [0]


def test_a_full_disk_is_noticed_before(cache):
    with pytest.raises(DiskFullError, match="are free") as caught:
        cache.fetch("x", "1", 2**60, pieces_of(DATA))
    assert str(cache.folder) in str(caught.value)
    assert files(cache) == []


def test_a_full_disk_is_noticed_during(cache):
    def full(offset):
        yield DATA[offset : offset + 50_000]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFullError, match="goes on where it stopped") as caught:
        cache.fetch("x", "1", len(DATA), full)
    assert str(cache.folder) in str(caught.value)
    assert isinstance(caught.value, OSError)
    assert files(cache) == [".part"]
    assert cache.fetch("x", "1", len(DATA), pieces_of(DATA)).read_bytes() == DATA


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
def test_a_file_that_comes_out_at_another_size_is_none(cache, size):
    with pytest.raises(TruncatedError, match=f"expected {size}"):
        cache.fetch("x", "1", size, pieces_of(DATA))
    assert files(cache) == []


def test_a_file_of_the_wrong_size_is_fetched_anew(cache):
    path = cache.fetch("x", "1", len(DATA), pieces_of(DATA))
    path.write_bytes(DATA[:-1])
    assert cache.find("x", "1") is None
    assert cache.fetch("x", "1", len(DATA), pieces_of(DATA)).read_bytes() == DATA


def test_verify_finds_a_flipped_bit_and_takes_the_file_away(cache):
    path = cache.fetch("x", "1", len(DATA), pieces_of(DATA))
    damaged = bytearray(DATA)
    damaged[1234] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(FormatError, match="damaged"):
        cache.verify("x", "1")
    with pytest.raises(FormatError, match="not in the cache"):
        cache.verify("x", "1")


def test_a_read_only_cache_reads_and_a_miss_names_it(cache, monkeypatch):
    cache.fetch("x", "1", len(DATA), pieces_of(DATA))

    def denied(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(cache_module, "FileLock", denied)  # root, who runs these tests at times, may write anywhere
    monkeypatch.setattr(Path, "mkdir", denied)
    assert cache.fetch("x", "1", len(DATA), pieces_of(DATA)).read_bytes() == DATA
    with pytest.raises(AccessError, match="cannot be written") as caught:
        cache.fetch("y", "1", len(DATA), pieces_of(DATA))
    assert str(cache.folder) in str(caught.value)
    assert isinstance(caught.value, PermissionError)


def test_remove(cache):
    cache.fetch("x", "1", len(DATA), pieces_of(DATA))
    cache.remove("x", "1")
    assert files(cache) == []
    cache.remove("x", "1")


def test_it_stands_beside_the_hubs(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert default_folder() == tmp_path / "hf" / "perc"
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_folder() == tmp_path / "xdg" / "huggingface" / "perc"


def test_a_download_that_breaks_off_is_resumed_in_another_run(cache):
    with serve() as archive:
        archive.files["/x"] = DATA
        client = Client([archive.base], patience=Patience(tries=1, backoff=0.001))
        known = client.head(archive.url("/x"))

        def download():
            pieces = lambda offset: client.stream(known.url, known, offset)  # noqa: E731
            return cache.fetch(known.url, known.etag, known.size, pieces)

        archive.fail("/x", Fault(cut=150_000))
        archive.fail("/x", Fault(status=500))
        with pytest.raises(OSError, match="HTTP 500"):
            download()
        assert download().read_bytes() == DATA
        assert archive.requests[-1].headers["Range"] == "bytes=150000-"
