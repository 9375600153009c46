import contextlib
import gc
import threading
import time
import weakref

import pytest

from builders.io.files import location
from builders.io.files.head import Head
from builders.io.files.header_store import HeaderStore
from builders.io.net import remote
from builders.io.net.deadline import deadline
from builders.io.net.http import Client
from builders.io.net.rate_limit import Limit
from builders.io.net.retrying import Patience
from builders.io.net.threads import Pool, Stop, StoppedError, current, pause
from tests.server import Fault, serve

LONG = 60.0
"""Seconds that nothing in here may wait for."""


@pytest.fixture
def archive():
    with serve() as archive:
        archive.files["/x"] = bytes(300_000)
        yield archive


def begun(archive, count=1):
    while len(archive.requests) < count:
        time.sleep(0.005)


HANGING = {
    "before the answer": [Fault(silence=LONG)],
    "in a body": [Fault(cut=100_000, stall=LONG)],
    "between tries": [Fault(status=503, headers={"Retry-After": str(int(LONG))})],
    "among many tries": [Fault(cut=10)] * 200,
}


@pytest.mark.parametrize("way", ["read", "stream"])
@pytest.mark.parametrize("name", HANGING)
def test_a_read_that_hangs_is_broken_off(archive, way, name):
    client = Client([archive.base], patience=Patience(read=LONG, backoff=0.05, most_tries=10**6, tries=10**6))
    archive.fail("/x", *HANGING[name])

    def read():
        if way == "read":
            return client.read(archive.url("/x"), 0, 300_000)
        return b"".join(client.stream(archive.url("/x")))

    pool, stop = Pool(1, "test"), Stop()
    future = pool.submit(read, stop=stop)
    begun(archive)
    if name == "in a body":
        while archive.bytes_sent < 100_000:
            time.sleep(0.005)
    stop.set()
    with pytest.raises(StoppedError):
        future.result(timeout=LONG / 2)
    pool.close(wait=LONG / 2)
    client.read(archive.url("/x"), 0, 10)  # others go on


def test_a_paced_request_is_broken_off(archive):
    client = Client([archive.base], limited=[archive.base], limit=Limit(1, 1 / LONG))
    client.read(archive.url("/x"), 0, 10)
    pool, stop = Pool(1, "test"), Stop()
    future = pool.submit(client.read, archive.url("/x"), 0, 10, stop=stop)
    time.sleep(0.05)
    stop.set()
    with pytest.raises(StoppedError):
        future.result(timeout=LONG / 2)
    pool.close()
    assert len(archive.requests) == 1


def test_results_and_errors_come_back_and_no_more_threads_than_allowed_are_begun():
    pool, seen = Pool(3, "three"), set()

    def task(number):
        seen.add(threading.get_ident())
        time.sleep(0.001)
        if number == 50:
            msg = "fifty"
            raise KeyError(msg)
        return number * number

    futures = [pool.submit(task, number) for number in range(100)]
    with pytest.raises(KeyError, match="fifty"):
        futures[50].result()
    assert [f.result() for n, f in enumerate(futures) if n != 50] == [n * n for n in range(100) if n != 50]
    assert 1 <= len(seen) <= 3
    pool.close(wait=LONG)
    assert not [t for t in threading.enumerate() if t.name.startswith("three_")]


def test_one_task_after_another_needs_one_thread():
    pool = Pool(8, "test")
    threads = set()
    for _ in range(20):
        threads.add(pool.submit(threading.get_ident).result())
        time.sleep(0.002)
    assert len(threads) <= 2
    pool.close()


def test_closing_cancels_what_has_not_begun_and_waits_for_nobody():
    pool, go = Pool(1, "test"), threading.Event()
    first = pool.submit(go.wait, LONG)
    rest = [pool.submit(int) for _ in range(5)]
    pool.close()
    assert all(future.cancelled() for future in rest)
    assert not first.done()
    go.set()
    assert first.result() is True


def test_tasks_of_tasks_read_under_the_same_stop():
    outer, inner, stop = Pool(1, "test"), Pool(1, "test"), Stop()

    def task():
        return inner.submit(current).result()

    assert outer.submit(task, stop=stop).result() is stop
    assert outer.submit(task).result() is None
    future = outer.submit(lambda: inner.submit(pause, LONG).result(), stop=stop)
    stop.set()
    with pytest.raises(StoppedError):
        future.result(timeout=LONG / 2)
    outer.close()
    inner.close()


def test_a_stop_reaches_reads_made_for_others(archive):
    remote.permit(archive.base)
    pool, stop = Pool(1, "test"), Stop()

    def read_on():
        with location.open_file(archive.url("/x")) as file:
            file.read(100)
            archive.fail("/x", *[Fault(cut=10, stall=LONG)] * 9)
            return file.read()

    reading = pool.submit(read_on, stop=stop)
    while not archive.faults["/x"]:
        time.sleep(0.005)
    time.sleep(0.1)
    stop.set()
    with pytest.raises(StoppedError):
        reading.result(timeout=LONG / 2)
    pool.close()


@pytest.mark.parametrize("outer", [None, Stop()])
def test_after_a_failure_the_rest_of_a_batch_is_broken_off(outer):
    began, ended = threading.Event(), []

    def task(number):
        if number == 0:
            began.wait(LONG)
            msg = "the first"
            raise ValueError(msg)
        began.set()
        try:
            pause(LONG)
        except StoppedError:
            ended.append(number)
            raise

    with outer.over() if outer else contextlib.nullcontext(), pytest.raises(ValueError, match="the first"):
        list(remote.each(task, range(4)))
    for _ in range(1000):
        if ended:
            break
        time.sleep(0.01)
    assert ended


def test_a_deadline_that_nobody_waits_for_keeps_nothing():
    class Thing:
        def strike(self):
            raise AssertionError

    things = [Thing() for _ in range(1000)]
    kept = [weakref.ref(thing) for thing in things]
    while things:
        thing = things.pop()
        with deadline(LONG, thing.strike):
            pass
    del thing
    gc.collect()
    assert not any(reference() for reference in kept)


def test_a_deadline_strikes_only_in_its_stretch():
    struck = threading.Event()
    with deadline(0.01, struck.set):
        assert struck.wait(LONG)
    struck.clear()
    with deadline(0.05, struck.set):
        pass
    time.sleep(0.2)
    assert not struck.is_set()


def test_a_pool_that_could_not_begin_a_thread_begins_one_later(monkeypatch):
    pool, start = Pool(1, "test"), threading.Thread.start

    def refused(self):
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError):
        pool.submit(int)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert pool.submit(int).result(timeout=LONG) == 0
    pool.close(wait=LONG)


def test_a_collection_of_garbage_inside_a_store_does_not_hang(tmp_path):
    store = HeaderStore(tmp_path)

    class Reader:
        def __del__(self):
            store.put({"http://host/y": ("monday", Head(b"y", 1, "tag"))})

    class Stamps(dict):
        def items(self):
            reader = Reader()
            reader.itself = reader
            del reader
            gc.collect()
            return super().items()

    assert store.get(Stamps({"http://host/x": "monday"})) == {}


def test_a_process_ends_though_a_read_hangs(archive):
    import subprocess
    import sys

    archive.latency = LONG
    program = (
        "import sys; from builders.io.net import remote; remote.permit(sys.argv[1]);"
        "remote.submit(remote.client().read, sys.argv[1] + '/x', 0, 10); import time; time.sleep(0.3)"
    )
    run = subprocess.run([sys.executable, "-c", program, archive.base], capture_output=True, timeout=LONG / 2)
    assert (run.returncode, run.stderr) == (0, b"")
