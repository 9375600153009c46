import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.io.net import http, remote
from builders.io.net.http import Client
from builders.io.net.rate_limit import Limit, Pace
from tests.server import Fault, serve


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
    st.integers(1, 20),
    st.floats(0.5, 50),
)
def test_no_stretch_of_time_sees_more_requests_than_the_limit(gaps, at_once, a_second):
    pace, now, sent = Pace(Limit(at_once, a_second)), 0.0, []
    for gap in gaps:
        now += gap
        now += pace.reserve(now)
        sent.append(now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= at_once + a_second * (sent[last] - sent[first]) + 1e-6


@given(st.integers(1, 20), st.floats(0.5, 50), st.integers(1, 40))
def test_many_at_once_wait_one_more_step_each(at_once, a_second, count):
    pace = Pace(Limit(at_once, a_second))
    pauses = [pace.reserve(0.0) for _ in range(at_once + count)]
    assert pauses[:at_once] == pytest.approx([0.0] * at_once, abs=1e-9)
    assert pauses[at_once:] == pytest.approx([(step + 1) / a_second for step in range(count)])


@pytest.mark.parametrize("processes", [1, 2, 8])
def test_all_processes_together_keep_to_what_the_archive_allows(processes):
    share = remote.LIMIT.divided(processes)
    for seconds, allowed in ((60, 5000), (3600, 24_000)):
        assert processes * (share.at_once + share.a_second * seconds) <= allowed


class Clock:
    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def monotonic(self):
        return self.now

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(http, "time", clock)
    monkeypatch.setattr(http, "pause", clock.pause)
    return clock


@pytest.fixture
def archive():
    with serve() as archive:
        archive.files["/x"] = bytes(100)
        yield archive


def test_every_request_counts_also_a_redirected_or_repeated_one(archive, clock, caplog):
    caplog.set_level(logging.WARNING)
    client = Client([archive.base], limited=[archive.base], limit=Limit(3, 2.0))
    archive.fail("/x", Fault(status=302, headers={"Location": "/x"}), Fault(status=503, headers={"Retry-After": "0"}))
    client.read(archive.url("/x"), 0, 10)
    assert len(archive.requests) == 3
    assert sum(clock.pauses) == 0
    client.head(archive.url("/x"))
    client.small(archive.url("/x"))
    assert sum(clock.pauses) == pytest.approx(1.0)
    assert len([r for r in caplog.records if "limits requests: going on with 2.0 a second" in r.message]) == 1


def test_a_server_that_the_caller_named_has_no_limit_of_the_archive(archive, clock):
    client = Client([archive.base], limited=remote.BUILT_IN, limit=Limit(1, 0.001))
    for _ in range(5):
        client.read(archive.url("/x"), 0, 10)
    assert not any(clock.pauses)


def test_the_process_client_limits_the_archives_hosts(monkeypatch):
    monkeypatch.setattr(remote, "_clients", {})
    monkeypatch.setattr(remote, "_had_client", None)
    client = remote.client()
    assert tuple(client.limited) == remote.BUILT_IN
    assert client.limit == remote.LIMIT
