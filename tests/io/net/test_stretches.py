"""Stretches of remote files, many at once: each byte that is wanted, no other one, and nothing left after a failure."""

import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import ChangedError, NotFoundError
from builders.io.net import remote, stretches
from builders.io.net.threads import Stop, StoppedError
from tests.server import Fault, serve

LONG = 60.0
"""Seconds that nothing in here may wait for."""
SIZE = 1000
DATA = {path: np.random.default_rng(n).integers(0, 256, 3_000_000, np.uint8) for n, path in enumerate(("/a", "/b"))}
MIB = 2**20


@pytest.fixture
def archive():
    with serve() as archive:
        archive.files |= {path: data.tobytes() for path, data in DATA.items()}
        remote.permit(archive.base)
        yield archive


@pytest.fixture
def begun(monkeypatch):
    """All reads that are begun."""
    futures, submit = [], remote.submit

    def recorded(*arguments, **options):
        futures.append(submit(*arguments, **options))
        return futures[-1]

    monkeypatch.setattr(remote, "submit", recorded)
    return futures


def all_end(futures):
    """Whether nothing is left that runs or waits; the last of what was broken off may take a moment."""
    for _ in range(int(LONG / 2 / 0.01)):
        if all(future.done() for future in futures):
            return True
        time.sleep(0.01)
    return False


WANTED = st.builds(
    lambda path, start, size, place: (path, "", start, start + size, place),
    *(st.sampled_from("xyz"), st.integers(0, 60), st.integers(1, 20), st.integers(0, 5)),
)


@given(st.lists(WANTED, max_size=30))
def test_a_request_brings_what_lies_together_and_nothing_between(wanted):
    runs = stretches.runs(wanted)
    assert sorted(item for run in runs for item in run) == sorted(wanted)
    asked = []
    for run in runs:
        path, start = run[0][0], run[0][2]
        inside = {byte for item in run for byte in range(item[2], item[3])}
        assert {item[0] for item in run} == {path}
        assert inside == set(range(start, start + len(inside)))
        asked += [(path, byte) for byte in inside]
    assert len(asked) == len(set(asked))  # each once, however many want it


@given(st.integers(1, 400), st.integers(1, 30 * MIB))
def test_long_runs_are_shared_by_all_connections(count, size):
    wanted = [("x", "", place * size, (place + 1) * size, place) for place in range(count)]
    runs = stretches.runs(wanted)
    longest = max(run[-1][3] - run[0][2] for run in runs)
    assert longest <= max(size, min(remote.PIECE, max(MIB, count * size // remote.CONNECTIONS)))
    assert all(run[-1][3] - run[0][2] + size > longest for run in runs[:-1])


@pytest.mark.parametrize("floats", [None, np.dtype(np.float32)])
def test_rows_are_the_bytes_of_their_stretches(archive, floats):
    rng = np.random.default_rng(7)
    places = rng.permutation(90)
    starts = rng.integers(0, 200, 90) * SIZE
    starts[:5] = np.arange(5) * SIZE + 77
    starts[5:8] = starts[0]
    out = np.zeros((90, SIZE), np.uint8)
    groups = [
        (archive.url("/a"), archive.etag("/a"), starts[:60], places[:60]),
        (archive.url("/b"), "", starts[60:], places[60:]),
    ]
    finite = stretches.gather(groups, out, floats)
    for number, place in enumerate(places):
        data = DATA["/a" if number < 60 else "/b"]
        np.testing.assert_array_equal(out[place], data[starts[number] : starts[number] + SIZE])
    with np.errstate(invalid="ignore", over="ignore"):
        assert not finite or np.isfinite(out.view(np.float32)).all()


def test_stretches_one_after_another_go_straight_to_their_rows(archive):
    out = np.zeros((2000, SIZE), np.uint8)
    assert stretches.gather(
        [(archive.url("/a"), archive.etag("/a"), np.arange(2000) * SIZE, None)], out, np.dtype(np.uint8)
    )
    np.testing.assert_array_equal(out.reshape(-1), DATA["/a"][: 2000 * SIZE])
    assert archive.bytes_sent == out.size
    assert len(archive.requests) == 2


@pytest.mark.parametrize("value", [np.nan, 1.0])
def test_pixels_are_looked_at_as_they_come(archive, value):
    pixels = np.ones((30, 50), np.float32)
    pixels[17, 3] = value
    archive.files["/p"] = pixels.tobytes()
    out = np.empty((30, 200), np.uint8)
    group = archive.url("/p"), "", np.arange(30)[::-1] * 200, None
    assert stretches.gather([group], out, np.dtype(np.float32)) == np.isfinite(value)


def test_many_small_reads_are_under_way_at_once_and_no_more_than_the_ceiling(archive):
    archive.crowd, archive.latency = remote.CONNECTIONS + 1, 0.05
    out = np.empty((60, SIZE), np.uint8)
    stretches.gather([(archive.url("/a"), "", np.arange(60) * 3 * SIZE, None)], out)
    assert remote.CONNECTIONS < archive.most_under_way <= remote.BURST


def test_who_shares_with_others_has_no_more_than_a_share(archive):
    archive.latency = 0.05
    out = np.empty((30, SIZE), np.uint8)
    remote.share(2)
    try:
        stretches.gather([(archive.url("/a"), "", np.arange(30) * 3 * SIZE, None)], out)
    finally:
        remote.share(1)
    assert archive.most_under_way <= remote.CONNECTIONS // 2


FAILURES = {
    "gone": ("/a/gone", NotFoundError, "/a/gone"),
    "changed": ("/a", ChangedError, "/a"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_after_a_failure_nothing_is_left(archive, begun, name):
    path, error, said = FAILURES[name]
    archive.fail("/b", *[Fault(silence=LONG)] * 20, *[Fault(cut=10, stall=LONG)] * 20)
    out = np.zeros((101, SIZE), np.uint8)
    groups = [
        (archive.url(path), "no such version", np.array([0]), np.array([100])),
        (archive.url("/b"), "", np.arange(100) * 2 * SIZE, np.arange(100)),
    ]
    with pytest.raises(error, match=said):
        stretches.gather(groups, out)
    assert len(begun) == 101
    assert all_end(begun)
    assert len(archive.requests) < 60  # what had not begun never did
    archive.faults.clear()
    one = np.zeros((1, SIZE), np.uint8)
    stretches.gather([(archive.url("/b"), "", np.array([0]), None)], one)  # others go on
    np.testing.assert_array_equal(one[0], DATA["/b"][:SIZE])


def interrupted_when(condition):
    """Ctrl-C in the main thread, as soon as something is the case."""

    def press():
        while not condition():
            time.sleep(0.005)
        time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals go to the main thread")
def test_after_an_interruption_nothing_is_left(archive, begun):
    archive.fail("/b", *[Fault(silence=LONG)] * 40)
    out = np.zeros((40, SIZE), np.uint8)
    thread = interrupted_when(lambda: len(archive.requests) >= remote.BURST)
    with pytest.raises(KeyboardInterrupt):
        stretches.gather([(archive.url("/b"), "", np.arange(40) * 2 * SIZE, None)], out)
    thread.join()
    assert len(begun) == 40
    assert all_end(begun)
    assert len(archive.requests) <= remote.BURST


def test_reads_in_a_thread_end_with_what_it_reads_under(archive, begun):
    archive.fail("/b", *[Fault(silence=LONG)] * 40)
    stop, out = Stop(), np.zeros((40, SIZE), np.uint8)
    future = remote.submit(
        stretches.gather, [(archive.url("/b"), "", np.arange(40) * 2 * SIZE, None)], out, pool="test", stop=stop
    )
    while len(archive.requests) < remote.BURST:
        time.sleep(0.005)
    stop.set()
    with pytest.raises(StoppedError):
        future.result(timeout=LONG / 2)
    assert all_end(begun)
