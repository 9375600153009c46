import contextlib
import errno
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from builders.errors import (
    AccessError,
    DiskFullError,
    FormatError,
    HttpError,
    NotFoundError,
    ReadError,
    StalledError,
    TruncatedError,
)
from builders.io.files import cache as cache_module
from builders.io.files.cache import Cache, default_folder, disk_error, require_room, waited_for
from builders.io.net.http import Client, Patience
from builders.io.net.threads import Stop, StoppedError
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
from builders.io.files.cache import Cache
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


def fetch_slowly(folder, log, started, sizes):
    def pieces(offset):
        with log.open("a") as file:
            file.write("one download\n")
        for _ in range(20):
            time.sleep(0.02)
            yield b"x" * 100

    started.wait(60)
    sizes.put(len(Cache(folder).fetch("x", "1", 2000, pieces).read_bytes()))


def test_processes_that_want_one_file_make_one_download(cache, tmp_path):
    log = tmp_path / "log"
    context = multiprocessing.get_context("forkserver")
    started, sizes = context.Barrier(3), context.Queue()
    children = [context.Process(target=fetch_slowly, args=(cache.folder, log, started, sizes)) for _ in range(3)]
    for child in children:
        child.start()
    assert [sizes.get(timeout=60) for _ in children] == [2000] * 3
    for child in children:
        child.join()
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


def test_who_waits_for_another_writer_says_so_once_and_can_be_stopped(cache, caplog, monkeypatch):
    caplog.set_level("INFO", "builders.io.files.cache")
    monkeypatch.setattr(cache_module, "_BETWEEN_TRIES", 0.05)
    path = cache.fetch("x", "1", len(DATA), pieces_of(DATA))
    path.unlink()
    stop, ended = Stop(), []

    def reader():
        with stop.over(), pytest.raises(StoppedError, match="broken off") as caught:
            cache.fetch("x", "1", len(DATA), pieces_of(DATA))
        ended.append(caught.value)

    with FileLock(f"{path}.lock"):
        thread = threading.Thread(target=reader, daemon=True)
        thread.start()
        time.sleep(0.5)
        assert thread.is_alive()
        stop.set()
        thread.join(10)
        assert len(ended) == 1
    assert [record.getMessage() for record in caplog.records] == ["x: waits for another process that writes it"]
    assert cache.fetch("x", "1", len(DATA), pieces_of(DATA)).read_bytes() == DATA, "who gave up holds nothing"


def test_a_lock_is_held_once_another_lets_go_of_it_and_let_go_of_after_any_error(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "_BETWEEN_TRIES", 0.05)
    place, held = str(tmp_path / "x.lock"), FileLock(str(tmp_path / "x.lock"), thread_local=False)
    held.acquire()
    timer = threading.Timer(0.3, held.release)
    timer.start()
    began = time.monotonic()
    with contextlib.suppress(KeyError), waited_for(place, "x"):
        assert time.monotonic() - began > 0.2
        raise KeyError
    timer.join()
    with waited_for(place, "x"):
        pass


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


def failing(number):
    def pieces(offset):
        yield DATA[offset : offset + 50_000]
        raise OSError(number, os.strerror(number))

    return pieces


KINDS = {
    "EACCES": AccessError,
    "EPERM": AccessError,
    "EROFS": AccessError,
    "ENOSPC": DiskFullError,
    "EDQUOT": DiskFullError,
    "EIO": ReadError,
    "ESTALE": ReadError,
    "ECONNRESET": ReadError,
    "ENOENT": ReadError,
    "EMFILE": ReadError,
}


@pytest.mark.parametrize("place", ["source", "disk", "folder"])
@pytest.mark.parametrize("name", KINDS)
def test_every_fault_of_the_system_is_called_what_it_is(cache, monkeypatch, name, place):
    number = getattr(errno, name)

    def fail(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    if place == "disk":
        monkeypatch.setattr(os, "fsync", fail)
    if place == "folder":
        monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(OSError, match=r"^x: ") as caught:
        cache.fetch("x", "1", len(DATA), failing(number) if place == "source" else pieces_of(DATA))
    assert type(caught.value) is KINDS[name]
    assert str(cache.folder) in str(caught.value)
    assert ("cannot be written" in str(caught.value)) == (KINDS[name] is AccessError)
    assert KINDS[name] is DiskFullError or os.strerror(number) in str(caught.value)


def test_a_fault_without_a_number_keeps_its_words(cache):
    def pieces(offset):
        raise OSError("the line is cut")
        yield b""

    with pytest.raises(ReadError, match=r"cannot be stored in .*: the line is cut"):
        cache.fetch("x", "1", len(DATA), pieces)


@pytest.mark.parametrize("kind", [HttpError, StalledError, AccessError, NotFoundError, TruncatedError, StoppedError])
def test_our_own_errors_pass_as_they_are(cache, kind):
    err = kind("https://host/x: says no")

    def pieces(offset):
        raise err
        yield b""

    with pytest.raises(kind) as caught:
        cache.fetch("x", "1", len(DATA), pieces)
    assert caught.value is err
    assert caught.value.__cause__ is None


def test_room_is_for_all_that_is_to_come_and_some_more(tmp_path, monkeypatch):
    free = cache_module._SPARE + 1000
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    require_room(tmp_path, 1000, "x")
    with pytest.raises(DiskFullError, match=r"^x: needs 1001 bytes") as caught:
        require_room(tmp_path, 1001, "x")
    assert str(tmp_path) in str(caught.value)


def test_room_in_no_folder_is_our_error(tmp_path):
    with pytest.raises(ReadError, match=r"^x: .*absent: No such file"):
        require_room(tmp_path / "absent", 1, "x")


def test_an_error_of_the_disk_names_folder_and_file(tmp_path):
    for number in map(errno.__dict__.get, KINDS):
        err = disk_error(OSError(number, os.strerror(number)), tmp_path, "x")
        assert str(tmp_path) in str(err)
        assert str(err).startswith("x: ")


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


def part_of(cache, key, version):
    return cache._path(key, version).with_suffix(".part")


def test_a_part_longer_than_the_file_begins_anew(cache):
    part = part_of(cache, "x", "1")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * (len(DATA) + 1))
    log = []
    assert cache.fetch("x", "1", len(DATA), pieces_of(DATA, log)).read_bytes() == DATA
    assert log == [0]


def test_a_part_is_gone_on_from_where_it_ends_when_it_is_opened(cache, monkeypatch):
    part = part_of(cache, "x", "1")

    def grow(*_args):
        part.write_bytes(DATA[:30_000])

    monkeypatch.setattr(cache_module, "require_room", grow)
    log = []
    assert cache.fetch("x", "1", len(DATA), pieces_of(DATA, log)).read_bytes() == DATA
    assert log == [30_000]


@pytest.mark.parametrize("there", ["nothing", "a part", "the file", "a damaged file"])
def test_a_file_fetched_anew_is_asked_for_from_its_first_byte(cache, there):
    part, log = part_of(cache, "x", "1"), []
    if there in ("the file", "a damaged file"):
        path = cache.fetch("x", "1", len(DATA), pieces_of(bytes(len(DATA))))
        path.write_bytes(DATA[: 5 if there == "a damaged file" else None])
    part.parent.mkdir(parents=True, exist_ok=True)
    if there == "a part":
        part.write_bytes(b"?" * 1000)
    assert cache.fetch("x", "1", len(DATA), pieces_of(DATA, log), anew=True).read_bytes() == DATA
    assert log == [0]
    assert cache.verify("x", "1").size == len(DATA)
    assert files(cache) == ["", ".json"]


def test_what_is_to_be_fetched_anew_is_gone_only_once_nobody_writes_it(cache, monkeypatch):
    monkeypatch.setattr(cache_module, "_BETWEEN_TRIES", 0.05)
    path, stop = cache.fetch("x", "1", len(DATA), pieces_of(DATA)), Stop()
    with FileLock(f"{path}.lock"):
        threading.Timer(0.2, stop.set).start()

        def reader():
            with stop.over(), pytest.raises(StoppedError):
                cache.fetch("x", "1", len(DATA), pieces_of(DATA), anew=True)

        thread = threading.Thread(target=reader)
        thread.start()
        thread.join(10)
    assert cache.verify("x", "1").size == len(DATA)


def test_whether_a_file_is_wanted_anew_is_asked_once_nobody_writes_it(cache):
    cache.fetch("x", "1", None, pieces_of(b"old"))
    log = []

    def bring(_number):
        return cache.fetch("x", "1", None, pieces_of(DATA, log), anew=lambda: not log, resume=False).read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(bring, range(4))) == {DATA}
    assert log == [0]


def test_what_is_fetched_anew_without_a_version_stays_for_its_readers(cache):
    path = cache.fetch("x", "1", None, pieces_of(DATA))

    def pieces(_offset):
        assert path.read_bytes() == DATA
        assert cache.find("x", "1") == path
        yield b"half"
        msg = "the server fails"
        raise ReadError(msg)

    with pytest.raises(ReadError, match="the server fails"):
        cache.fetch("x", "1", None, pieces, anew=True, resume=False)
    assert cache.verify("x", "1").size == len(DATA)
    cache.fetch("x", "1", None, pieces_of(b"new"), anew=True, resume=False)
    assert (path.read_bytes(), cache.verify("x", "1").size) == (b"new", 3)


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


@pytest.mark.parametrize("lock_denied", [True, False])
def test_a_file_of_the_wrong_size_in_a_read_only_cache_is_a_miss(cache, monkeypatch, lock_denied):
    path = cache.fetch("x", "1", len(DATA), pieces_of(DATA))
    path.write_bytes(DATA[:-1])

    def denied(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", denied)
    if lock_denied:
        monkeypatch.setattr(cache_module, "FileLock", denied)
    assert cache.find("x", "1") is None
    with pytest.raises(AccessError, match="cannot be written") as caught:
        cache.fetch("x", "1", len(DATA), pieces_of(DATA))
    assert str(cache.folder) in str(caught.value)
    with pytest.raises(FormatError, match="not in the cache"):
        cache.verify("x", "1")
    with pytest.raises(AccessError, match="cannot be written"):
        cache.remove("x", "1")


def test_verify_in_a_read_only_cache_says_that_the_damaged_file_stays(cache, monkeypatch):
    path = cache.fetch("x", "1", len(DATA), pieces_of(DATA))
    path.write_bytes(bytes(len(DATA)))

    def denied(*_args, **_kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", denied)
    with pytest.raises(FormatError, match="damaged, and cannot be taken away: Read-only file system"):
        cache.verify("x", "1")
    assert path.exists()


@pytest.mark.parametrize(("number", "kind"), [(errno.EACCES, AccessError), (errno.EIO, ReadError)])
def test_verify_of_what_cannot_be_read_calls_it_no_damage(cache, monkeypatch, number, kind):
    path = cache.fetch("x", "1", len(DATA), pieces_of(DATA))

    def fail(*_args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(cache_module, "_sha256", fail)
    with pytest.raises(kind, match="cannot be read"):
        cache.verify("x", "1")
    assert path.exists()


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
