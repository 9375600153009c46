import threading
import time

import pytest

from builders.io.http import Client
from builders.io.pace import Limit
from builders.io.retrying import Patience
from builders.io.threads import Pool, Stop, StoppedError, current, pause
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


def test_a_process_ends_though_a_read_hangs(archive):
    import subprocess
    import sys

    archive.latency = LONG
    program = (
        "import sys; from builders.io import remote; remote.permit(sys.argv[1]);"
        "remote.submit(remote.client().read, sys.argv[1] + '/x', 0, 10); import time; time.sleep(0.3)"
    )
    run = subprocess.run([sys.executable, "-c", program, archive.base], capture_output=True, timeout=LONG / 2)
    assert (run.returncode, run.stderr) == (0, b"")
