"""Every row of the fault table, against a server that fails on demand; never a wrong byte."""

import dataclasses
import email.utils
import errno
import logging
import multiprocessing
import pickle
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import requests
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders.errors import (
    AccessError,
    ChangedError,
    FormatError,
    HttpError,
    NotFoundError,
    PercError,
    ReadError,
    StalledError,
    TruncatedError,
    UnreachableError,
    UnsafeAddressError,
)
from builders.io.net import http, remote, retrying, threads
from builders.io.net.answers import RemoteFile
from builders.io.net.http import Client, Patience
from builders.io.net.no_connection import cause_of
from tests.server import Fault, serve

DATA = np.random.default_rng(0).integers(0, 256, 300_000, np.uint8).tobytes()
QUICK = Patience(connect=2, read=0.4, backoff=0.001, rate_window=0.3, least_bytes=1000)


@pytest.fixture
def archive():
    with serve() as archive:
        archive.files["/x.mrcs"] = DATA
        yield archive


@pytest.fixture
def client(archive):
    return Client([archive.base], patience=QUICK)


def read(client, archive, start=1000, stop=201_000):
    return bytes(client.read(archive.url("/x.mrcs"), start, stop))


def stream(client, archive):
    return b"".join(client.stream(archive.url("/x.mrcs")))


# what it does when all is well


@given(st.integers(0, 2999), st.integers(1, 3000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_range_is_that_range(archive, client, start, length):
    stop = min(start + length, 3000)
    assert read(client, archive, start, stop) == DATA[start:stop]


def test_a_range_moves_hardly_more_than_the_range(archive, client):
    read(client, archive, 5000, 9000)
    assert archive.bytes_sent == 4000
    assert [r.headers["Range"] for r in archive.requests] == ["bytes=5000-8999"]
    assert archive.requests[0].headers["Accept-Encoding"] == "identity"


def test_a_stream_is_the_file_and_a_head_tells_of_it(archive, client):
    assert stream(client, archive) == DATA
    found = client.head(archive.url("/x.mrcs"))
    assert (found.size, found.etag) == (len(DATA), archive.etag("/x.mrcs"))
    assert bytes(client.read(found.url, 0, 10, found)) == DATA[:10]
    assert archive.requests[-1].headers["If-Range"] == found.etag


def test_an_empty_file_is_empty(archive, client):
    archive.files["/empty"] = b""
    assert list(client.stream(archive.url("/empty"))) == []
    assert list(client.stream(archive.url("/empty"), client.head(archive.url("/empty")))) == []


def test_small_answers(archive, client):
    archive.files["/a.json"] = b'{"a": 1}'
    body, found = client.small(archive.url("/a.json"))
    assert body == b'{"a": 1}'
    assert found.etag == archive.etag("/a.json")
    with pytest.raises(FormatError, match="more than 5 bytes"):
        client.small(archive.url("/a.json"), limit=5)
    archive.fail("/a.json", Fault(headers={"Content-Length": None}))
    with pytest.raises(FormatError, match="more than 5 bytes"):
        client.small(archive.url("/a.json"), limit=5)


def test_no_more_requests_at_once_than_allowed(archive):
    archive.latency = 0.02
    client = Client([archive.base], connections=3, patience=QUICK)
    threads = [threading.Thread(target=read, args=(client, archive, i, i + 10)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert archive.most_under_way == 3


def test_hurried_requests_and_others_together_are_no_more_than_a_burst(archive):
    archive.latency = 0.05
    client, buffer = Client([archive.base], connections=2, patience=QUICK, burst=5), np.empty(10, np.uint8)
    tasks = [lambda: client.read_into(archive.url("/x.mrcs"), buffer, 0, is_hurried=True)] * 20
    tasks += [lambda: read(client, archive, 0, 10)] * 10
    running = [threading.Thread(target=task) for task in tasks]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert archive.most_under_way == 5
    archive.most_under_way = 0
    running = [threading.Thread(target=task) for task in tasks[20:]]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert archive.most_under_way == 2


def in_a_child(client, url, results):
    results.put([bytes(client.read(url, i, i + 50)) for i in range(20)])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("start", ["fork", "forkserver"])
def test_children_read_their_own_bytes(archive, client, start):
    read(client, archive, 0, 10)  # a connection is open before the fork
    context = multiprocessing.get_context(start)
    results = context.Queue()
    arguments = (client, archive.url("/x.mrcs"), results)
    children = [context.Process(target=in_a_child, args=arguments) for _ in range(3)]
    for child in children:
        child.start()
    mine = [read(client, archive, i, i + 50) for i in range(20)]
    for found in [mine, *(results.get(timeout=60) for _ in children)]:
        assert found == [DATA[i : i + 50] for i in range(20)]
    for child in children:
        child.join()


def test_a_session_serves_one_request_at_a_time(archive, monkeypatch):
    archive.latency = 0.01
    busy, twice, asked = set(), [], requests.Session.request

    def watched(self, *args, **kwargs):
        twice.append(id(self) in busy)
        busy.add(id(self))
        try:
            return asked(self, *args, **kwargs)
        finally:
            busy.remove(id(self))

    monkeypatch.setattr(requests.Session, "request", watched)
    client = Client([archive.base], connections=4, patience=QUICK)
    threads = [threading.Thread(target=read, args=(client, archive, i, i + 10)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(twice) == 20
    assert not any(twice)
    assert len({*client._idle}) <= 4


def test_a_client_pickles(archive, client):
    assert read(pickle.loads(pickle.dumps(client)), archive, 0, 9) == DATA[:9]


# faults that pass

PASSING = {
    "broken off": Fault(cut=70_000),
    "broken off at once": Fault(cut=0),
    "reset": Fault(cut=70_000, reset=True),
    "stalled": Fault(cut=70_000, stall=0.6),
    "stalled at once": Fault(cut=0, stall=0.6),
    "short length": Fault(headers={"Content-Length": "70000"}, cut=70_000),
    "500": Fault(status=500),
    "502": Fault(status=502),
    "503": Fault(status=503),
    "504": Fault(status=504),
    "408": Fault(status=408),
    "429": Fault(status=429),
    "429, wait": Fault(status=429, headers={"Retry-After": "0"}),
}


@pytest.mark.parametrize("way", [read, stream])
@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_survived_without_a_wrong_byte(archive, client, way, name):
    archive.fail("/x.mrcs", PASSING[name], PASSING[name])
    assert way(client, archive) == (DATA if way is stream else DATA[1000:201_000])
    assert len(archive.requests) == 3


@pytest.mark.parametrize("way", [read, stream])
@pytest.mark.parametrize("name", ["broken off at once", "500", "502", "503", "504", "408", "429", "429, wait"])
def test_the_fifth_try_may_be_the_first_that_succeeds(archive, client, way, name):
    archive.fail("/x.mrcs", *[PASSING[name]] * 4)
    assert way(client, archive) == (DATA if way is stream else DATA[1000:201_000])
    assert len(archive.requests) == 5


@given(st.lists(st.sampled_from(sorted(PASSING)), max_size=4), st.sampled_from([read, stream]))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_row_of_faults_gives_the_bytes(archive, names, way):
    archive.faults.clear()
    archive.fail("/x.mrcs", *[PASSING[name] for name in names])
    # a try to spare: this machine may be as slow as a server that stalls
    spare = Client([archive.base], patience=dataclasses.replace(QUICK, tries=6))
    assert way(spare, archive) == (DATA if way is stream else DATA[1000:201_000])


def test_it_resumes_at_the_byte_where_it_broke(archive, client):
    archive.fail("/x.mrcs", Fault(cut=70_000))
    read(client, archive)
    second = archive.requests[1]
    assert second.headers["Range"] == "bytes=71000-200999"
    assert second.headers["If-Range"] == archive.etag("/x.mrcs")
    assert archive.bytes_sent == 200_000


def test_crumbs_are_progress_up_to_a_point(archive, client):
    archive.fail("/x.mrcs", *[Fault(cut=20_000) for _ in range(12)])
    assert read(client, archive) == DATA[1000:201_000]
    few = Client([archive.base], patience=Patience(backoff=0.001, most_tries=8))
    archive.fail("/x.mrcs", *[Fault(cut=100) for _ in range(12)])
    with pytest.raises(TruncatedError, match="8 tries"):
        read(few, archive)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(cut=0), TruncatedError),
        (Fault(cut=0, reset=True), PercError),
        (Fault(cut=0, stall=0.6), StalledError),
        (Fault(status=503), HttpError),
    ],
)
def test_after_five_fruitless_tries_it_gives_up(archive, client, fault, error):
    archive.fail("/x.mrcs", *[fault] * 9)
    with pytest.raises(error, match=r"bytes 1000-200999.*5 tries") as caught:
        read(client, archive)
    assert len(archive.requests) == 5
    assert isinstance(caught.value, OSError)


def test_a_slow_loris_is_dropped(archive, client):
    archive.fail("/x.mrcs", *[Fault(drip=0.02) for _ in range(9)])
    few = Client(
        [archive.base], patience=Patience(read=1, backoff=0.001, rate_window=0.3, least_bytes=1000, most_tries=3)
    )
    with pytest.raises(StalledError):
        read(few, archive)
    assert len(archive.requests) == 3
    assert isinstance(StalledError(""), TimeoutError)


@pytest.mark.parametrize("ask", [read, lambda client, archive: client.head(archive.url("/x.mrcs"))])
def test_a_head_without_end_is_not_read_to_its_end(archive, ask):
    archive.fail("/x.mrcs", *[Fault(drip_head=0.02)] * 9)
    hasty = Client([archive.base], patience=Patience(read=0.3, rate_window=0.2, backoff=0.001, tries=2))
    with pytest.raises(StalledError, match="next to nothing came in 2 tries"):
        ask(hasty, archive)
    archive.faults.clear()
    assert read(hasty, archive) == DATA[1000:201_000]


def test_a_slow_consumer_is_not_taken_for_a_slow_server(archive):
    hasty = Client([archive.base], patience=Patience(rate_window=0.05, least_bytes=10**9, backoff=0.001))
    got = []
    for piece in hasty.stream(archive.url("/x.mrcs")):
        got.append(piece)
        time.sleep(0.1)
    assert b"".join(got) == DATA
    assert len(archive.requests) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_and_said(archive, client, caplog, monkeypatch, form, status):
    caplog.set_level(logging.WARNING)
    pauses = []
    monkeypatch.setattr(threads, "pause", pauses.append)
    wait = "100" if form == "seconds" else email.utils.formatdate(time.time() + 100, usegmt=True)
    archive.fail("/x.mrcs", Fault(status=status, headers={"Retry-After": wait}))
    assert read(client, archive) == DATA[1000:201_000]
    assert len(pauses) == 1
    assert 90 < pauses[0] <= 100
    assert "asked to wait" in caplog.text


def test_pauses_grow_and_are_not_the_same_for_everyone(archive, monkeypatch):
    pauses = []
    monkeypatch.setattr(threads, "pause", pauses.append)
    patient = Client([archive.base], patience=Patience(backoff=1.0))
    for _ in range(2):
        archive.fail("/x.mrcs", *[Fault(status=503)] * 4)
        read(patient, archive)
    for step, pause in enumerate(pauses[:4]):
        assert 0.5 * 2**step <= pause <= 1.5 * 2**step
    assert pauses[:4] != pauses[4:]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_too_long_a_wait_is_an_error_at_once_that_states_it(archive, client, form):
    wait = "121" if form == "seconds" else email.utils.formatdate(time.time() + 3600, usegmt=True)
    archive.fail("/x.mrcs", Fault(status=429, headers={"Retry-After": wait}))
    with pytest.raises(HttpError, match=r"try again in \d+ s"):
        read(client, archive)
    assert len(archive.requests) == 1


# faults that do not pass


@pytest.mark.parametrize(
    ("fault", "error", "complaint"),
    [
        (Fault(status=404), NotFoundError, "not there"),
        (Fault(status=410), NotFoundError, "not there"),
        (Fault(status=403), AccessError, "refuses it"),
        (Fault(status=401), AccessError, "refuses it"),
        (Fault(status=416), ChangedError, "shorter than it was"),
        (Fault(status=400), HttpError, "HTTP 400"),
        (Fault(whole=True), HttpError, "does not do ranges"),
        (Fault(headers={"Content-Range": "bytes 0-199999/300000"}), ChangedError, "expected bytes 1000"),
        (Fault(headers={"Content-Range": "bytes 1000-5000/300000"}), ChangedError, "expected bytes 1000"),
        (Fault(headers={"Content-Range": "bytes 0-200999/300000"}), ChangedError, "expected bytes 1000"),
        (Fault(headers={"Content-Range": f"bytes 1000-200999/{'9' * 5000}"}), ChangedError, "expected bytes 1000"),
        (Fault(status=302, headers={"Location": "http://[bad"}), UnsafeAddressError, "not a URL"),
        (Fault(status=302, headers={"Location": "/\xe9"}), UnsafeAddressError, "not a URL"),
        (Fault(headers={"Content-Range": "nonsense"}), ChangedError, "Content-Range 'nonsense'"),
        (Fault(headers={"Content-Range": None}), ChangedError, "Content-Range ''"),
        (Fault(headers={"Content-Encoding": "gzip"}), FormatError, "Content-Encoding 'gzip'"),
        (Fault(whole=True, headers={"Content-Type": "text/html; charset=x"}), FormatError, "an HTML page"),
    ],
)
def test_what_does_not_pass_is_an_error_at_once(archive, client, fault, error, complaint):
    archive.fail("/x.mrcs", fault)
    with pytest.raises(error, match=complaint) as caught:
        read(client, archive)
    assert len(archive.requests) == 1
    assert archive.base in str(caught.value)
    assert "GET bytes 1000-200999, try 1" in str(caught.value)


def test_the_try_that_failed_for_good_is_told(archive, client):
    archive.fail("/x.mrcs", Fault(status=503), Fault(cut=100), Fault(status=404))
    with pytest.raises(NotFoundError, match=r"not there \(HTTP 404\) \(GET bytes 1000-200999, try 3\)"):
        read(client, archive)


def test_a_whole_file_is_not_read_to_serve_a_slice(archive):
    archive.files["/large"] = bytes(64 * 2**20)
    archive.fail("/large", Fault(whole=True))
    patient = Client([archive.base])  # the server takes its time to name the version of so large a file
    with pytest.raises(HttpError, match="does not do ranges"):
        patient.read(archive.url("/large"), 5000, 6000)
    assert archive.bytes_sent < 16 * 2**20


@pytest.mark.parametrize("value", ["\xb2", "Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "soon", "9" * 5000, "-1"])
def test_a_wait_that_is_no_time_is_passed_over(archive, client, value):
    archive.fail("/x.mrcs", Fault(status=503, headers={"Retry-After": value}))
    assert read(client, archive) == DATA[1000:201_000]


@pytest.mark.parametrize("length", ["\xb2", "9" * 5000, "-5", "many"])
def test_a_length_that_is_none_is_settled_by_a_byte(archive, client, length):
    archive.fail("/x.mrcs", Fault(headers={"Content-Length": length}))
    assert client.head(archive.url("/x.mrcs")).size == len(DATA)


def test_builtin_exceptions_catch_them():
    assert issubclass(NotFoundError, FileNotFoundError)
    assert issubclass(AccessError, PermissionError)
    assert issubclass(StalledError, TimeoutError)
    assert issubclass(HttpError, OSError)


@pytest.mark.parametrize("way", ["other content", "other size", "other etag alone"])
def test_a_file_that_changes_between_ranges_is_never_spliced(archive, client, way):
    known = client.head(archive.url("/x.mrcs"))
    if way == "other etag alone":
        archive.fail("/x.mrcs", *[Fault(headers={"ETag": '"other"'})] * 2)
    else:
        archive.files["/x.mrcs"] = DATA[::-1] if way == "other content" else DATA + b"more"
    with pytest.raises((ChangedError, HttpError)):
        client.read(known.url, 0, 100, known)


OTHER = {"ETag": '"other"'}
UNTAGGED = {"ETag": None}
LATER = {"ETag": None, "Last-Modified": "Fri, 02 Jan 2026 00:00:00 GMT"}


@pytest.mark.parametrize(
    "answers",
    [
        [Fault(cut=70_000, headers=UNTAGGED), Fault(headers=LATER)],
        [Fault(cut=70_000, headers=UNTAGGED), Fault(headers=LATER | {"ETag": '"new"'})],
        [Fault(cut=50_000), Fault(cut=50_000, headers=UNTAGGED), Fault(headers=OTHER)],
        [Fault(cut=70_000), Fault(headers={"Content-Range": "bytes {place}-{last}/300001"})],
    ],
)
@pytest.mark.parametrize("way", [read, stream])
def test_what_any_answer_told_of_the_version_holds_for_all(archive, client, answers, way):
    place, last = (71_000, 200_999) if way is read else (70_000, 299_999)
    for fault in answers:
        given = fault.headers.get("Content-Range")
        headers = fault.headers | ({"Content-Range": given.format(place=place, last=last)} if given else {})
        archive.fail("/x.mrcs", dataclasses.replace(fault, headers=headers))
    archive.fail("/x.mrcs", Fault(headers=answers[-1].headers))  # and so it is at another try
    with pytest.raises(ChangedError):
        way(client, archive)


@pytest.mark.parametrize("way", [read, stream])
def test_of_servers_with_tags_of_their_own_one_is_asked_for_all_bytes(archive, client, way):
    archive.fail("/x.mrcs", Fault(cut=70_000), Fault(headers=OTHER))  # the second server, which has the same file
    assert way(client, archive) == (DATA if way is stream else DATA[1000:201_000])
    assert len(archive.requests) == 3
    assert len({r.headers.get("If-Range") for r in archive.requests[1:]}) == 1


@pytest.mark.parametrize("way", [read, stream])
@pytest.mark.parametrize("later", [False, True])
def test_bytes_under_two_tags_are_never_mixed(archive, client, way, later):
    date = {"Last-Modified": "Fri, 02 Jan 2026 00:00:00 GMT"} if later else {}
    archive.fail("/x.mrcs", Fault(cut=70_000), *[Fault(headers=OTHER | date)] * 5)
    with pytest.raises(ChangedError, match=r'ETag ".*" before, "other" now') as caught:
        way(client, archive)
    assert type(caught.value) is ChangedError
    assert len(archive.requests) == (2 if later else 3)  # a file of another date has changed: nothing to try


def test_without_a_tag_the_time_of_change_stands_for_it(archive, client):
    archive.fail("/x.mrcs", Fault(cut=70_000, headers=UNTAGGED))
    assert read(client, archive) == DATA[1000:201_000]
    assert archive.requests[1].headers["If-Range"] == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_a_weak_tag_is_of_the_same_file_as_the_strong_one_that_follows(archive, client):
    found = client.head(archive.url("/x.mrcs"))
    weak = dataclasses.replace(found, etag=f"W/{found.etag}")
    assert bytes(client.read(found.url, 0, 10, weak)) == DATA[:10]
    assert "If-Range" not in archive.requests[-1].headers
    with pytest.raises(ChangedError):
        client.read(found.url, 0, 10, dataclasses.replace(found, etag='W/"other"'))


def test_another_size_under_the_same_tag_is_another_file(archive, client):
    found = client.head(archive.url("/x.mrcs"))
    with pytest.raises(ChangedError, match="size 300005 before, 300000 now"):
        client.read(found.url, 0, 10, dataclasses.replace(found, size=300_005))


def test_pieces_of_one_read_are_of_one_version(archive):
    remote.permit(archive.base)
    archive.files["/y"] = DATA
    archive.fail("/y", Fault(), Fault(), Fault(headers=OTHER))
    assert remote.read(RemoteFile(archive.url("/y"), None, None), 0, 50_000, 10_000).tobytes() == DATA[:50_000]
    archive.fail("/y", *[Fault(), Fault(headers=OTHER)] * 20)
    with pytest.raises((ChangedError, HttpError)):
        remote.read(RemoteFile(archive.url("/y"), None, None), 0, 50_000, piece=10_000)
    archive.faults.clear()
    assert remote.read(RemoteFile(archive.url("/y"), None, None), 5, 50_000, 10_000).tobytes() == DATA[5:50_000]


def test_a_body_without_a_length_is_as_long_as_the_file_is_known_to_be(archive, client):
    known = client.head(archive.url("/x.mrcs"))
    archive.fail("/x.mrcs", Fault(whole=True, headers={"Content-Length": None}, cut=50_000))
    assert b"".join(client.stream(known.url, known)) == DATA


def test_what_an_apache_says_of_an_empty_file(archive, client):
    archive.files["/empty"] = b""
    for _ in range(2):
        archive.fail(
            "/empty",
            Fault(headers={"Content-Length": None}),
            Fault(status=200, body=b"", headers={"Content-Type": None}),
        )
    assert client.head(archive.url("/empty")).size == 0
    archive.faults.clear()
    archive.fail("/empty", Fault(status=200, body=b"", headers={"Content-Type": None}))
    assert client.probe(archive.url("/empty"), 100)[0] == b""
    archive.fail("/empty", Fault(status=200, body=b"", headers={"Content-Type": None}))
    with pytest.raises(ChangedError, match="0 bytes"):
        client.read(archive.url("/empty"), 0, 10)


def test_a_part_is_no_small_answer(archive, client):
    archive.fail("/x.mrcs", Fault(status=206))
    with pytest.raises(HttpError, match="HTTP 206"):
        client.small(archive.url("/x.mrcs"))


def test_more_than_there_is_memory_for_is_an_error_of_ours(archive, client):
    with pytest.raises(ReadError, match="not enough memory for"):
        client.read(archive.url("/x.mrcs"), 0, 2**62)
    with pytest.raises(ReadError, match="not enough memory for"):
        client.read(archive.url("/x.mrcs"), 0, 2**80)


def test_a_file_that_changes_in_the_middle_of_a_read_is_never_spliced(archive, client):
    archive.fail("/x.mrcs", Fault(cut=70_000))

    def change():
        while archive.bytes_sent < 70_000:
            time.sleep(0.001)
        archive.files["/x.mrcs"] = bytes(len(DATA))

    thread = threading.Thread(target=change)
    slow = Client([archive.base], patience=Patience(backoff=0.3))
    thread.start()
    with pytest.raises((ChangedError, HttpError)):
        read(slow, archive)
    thread.join()


def test_a_stream_that_must_start_again_reads_over_what_it_has(archive, client):
    archive.fail("/x.mrcs", Fault(cut=70_000), Fault(whole=True))
    assert stream(client, archive) == DATA
    archive.fail("/x.mrcs", Fault(cut=70_000), *[Fault(whole=True, headers={"ETag": '"other"'})] * 2)
    with pytest.raises(ChangedError):
        stream(client, archive)


def test_a_whole_file_that_would_have_to_be_inflated_is_refused(archive, client):
    archive.fail("/x.mrcs", Fault(whole=True, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(FormatError, match="Content-Encoding"):
        stream(client, archive)


def test_a_bomb_is_not_inflated(archive, client):
    import gzip

    archive.files["/bomb.json"] = gzip.compress(bytes(20_000_000))
    archive.fail("/bomb.json", Fault(headers={"Content-Encoding": "gzip"}))
    with pytest.raises(FormatError, match="Content-Encoding"):
        client.small(archive.url("/bomb.json"))


# where it may go


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest",
        "https://example.org/x",
        "http://user:secret@127.0.0.1/x",
        "//evil.example/x",
        "http://127.0.0.1:1/x",
        "http://[::1]:99999/x",
    ],
)
def test_a_redirect_elsewhere_is_refused_before_connecting(archive, client, target):
    archive.fail("/x.mrcs", Fault(status=301, headers={"Location": target}))
    with pytest.raises(UnsafeAddressError):
        read(client, archive)
    assert len(archive.requests) == 1


def test_a_redirect_with_a_user_name_is_refused_even_on_the_same_host(archive, client):
    target = archive.url("/x.mrcs").replace("http://", "http://user:secret@")
    archive.fail("/x.mrcs", Fault(status=301, headers={"Location": target}))
    with pytest.raises(UnsafeAddressError, match="without a user name"):
        read(client, archive)
    assert len(archive.requests) == 1


def test_redirects_on_the_same_host_are_followed_five_times(archive, client):
    for hop in range(5):
        archive.fail(f"/hop{hop}", Fault(status=302, headers={"Location": f"/hop{hop + 1}" if hop < 4 else "/x.mrcs"}))
    assert bytes(client.read(archive.url("/hop0"), 0, 10)) == DATA[:10]
    archive.fail("/x.mrcs", *[Fault(status=301, headers={"Location": "/x.mrcs"})] * 9)
    with pytest.raises(HttpError, match="more than 5 redirects"):
        read(client, archive)


def test_hosts_that_were_not_named_are_not_contacted(client):
    with pytest.raises(UnsafeAddressError, match="none of the hosts named"):
        client.read("https://www.example.org/x", 0, 1)
    with pytest.raises(UnsafeAddressError):
        Client(["file:///etc"])


def test_no_credentials_of_a_netrc_are_sent(archive, client, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    read(client, archive, 0, 10)
    assert "Authorization" not in archive.requests[0].headers


def test_control_characters_of_remote_text_are_not_printed(archive, client):
    archive.fail("/x.mrcs", Fault(headers={"Content-Range": "\x1b[31mred"}))
    with pytest.raises(ChangedError) as caught:
        read(client, archive)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("where", ["ETag", "Content-Range", "Content-Encoding"])
def test_no_header_reaches_a_terminal_as_it_came(archive, client, where):
    known = client.head(archive.url("/x.mrcs"))
    archive.fail("/x.mrcs", *[Fault(headers={where: "\x1b[31m\x9b31mred"})] * 2)
    with pytest.raises(PercError) as caught:
        client.read(known.url, 0, 10, known)
    assert "red" in str(caught.value)
    assert not any(c in str(caught.value) for c in "\x1b\x9b")


def test_the_limits_are_those_of_the_contract():
    assert (Patience().connect, Patience().read, Patience().tries, Patience().longest_wait) == (10, 30, 5, 120)
    assert (Patience().least_bytes, Patience().rate_window) == (64 * 1024, 30)
    assert http.SMALL_ANSWER == 64 * 2**20
    assert (remote.CONNECTIONS, remote.BURST) == (8, 16)
    assert all(base.startswith("https://") for base in remote.BUILT_IN)


URLLIB3 = ("Pool", "Max retries", "Caused by", "urllib3", "_ssl.c")
"""What of an error's words is none of a user's business."""


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    """A server's certificate for this machine's loopback, which nobody else knows, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: it makes the certificate")
    folder = tmp_path_factory.mktemp("certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def secure(identity, monkeypatch):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*identity)
    with serve(context) as archive:
        archive.files["/x.mrcs"] = DATA
        yield archive


@pytest.mark.parametrize("named", [None, "/nowhere/bundle.pem", "/dev/null"])
def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(secure, monkeypatch, named):
    if named is not None:
        monkeypatch.setenv("SSL_CERT_FILE", named)
    with pytest.raises(HttpError, match=r": no connection in 1 try: .*certificate.*SSL_CERT_FILE") as caught:
        read(Client([secure.base], patience=QUICK), secure)
    assert not any(word in str(caught.value) for word in URLLIB3)
    assert not secure.requests


def test_a_certificate_for_another_host_is_refused_in_plain_words(secure, identity, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(identity[0]))
    base = secure.base.replace("127.0.0.1", "localhost")
    with pytest.raises(HttpError, match=r"in 1 try: its certificate is not to be trusted: .*'localhost'") as caught:
        Client([base], patience=QUICK).read(f"{base}/x.mrcs", 0, 10)
    assert not any(word in str(caught.value) for word in URLLIB3)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_the_environment_names_are_believed(secure, identity, monkeypatch, name, tmp_path):
    if name == "SSL_CERT_DIR":
        hashed = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", str(identity[0])], check=True, capture_output=True, text=True
        )
        shutil.copy(identity[0], tmp_path / f"{hashed.stdout.strip()}.0")
    monkeypatch.setenv(name, str(tmp_path if name == "SSL_CERT_DIR" else identity[0]))
    assert read(Client([secure.base], patience=QUICK), secure) == DATA[1000:201_000]


def test_certificates_that_are_not_there_are_named(secure, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    with pytest.raises(NotFoundError, match=r"/nowhere/bundle\.pem: no such file or folder of certificates"):
        read(Client([secure.base], patience=QUICK), secure)


@pytest.fixture
def usual_ports(archive, secure, identity, monkeypatch):
    """Both servers where browsers look for them: at the ports 80 and 443 of 127.0.0.1."""
    ports = {80: int(archive.base.rpartition(":")[2]), 443: int(secure.base.rpartition(":")[2])}
    connect = urllib3.util.connection.create_connection

    def mapped(address, *args, **kwargs):
        return connect((address[0], ports.get(address[1], address[1])), *args, **kwargs)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", mapped)
    monkeypatch.setenv("SSL_CERT_FILE", str(identity[0]))


@pytest.mark.usefixtures("usual_ports")
def test_a_host_that_was_named_may_send_us_on_to_its_https(archive, secure):
    archive.fail("/x.mrcs", *[Fault(status=301, headers={"Location": "https://127.0.0.1/x.mrcs"})] * 2)
    client = Client(["http://127.0.0.1"], patience=QUICK)
    found = client.head("http://127.0.0.1/x.mrcs")
    assert found.url == "https://127.0.0.1/x.mrcs"
    assert bytes(client.read("http://127.0.0.1/x.mrcs", 0, 10, found)) == DATA[:10]
    assert bytes(client.read(found.url, 0, 10, found)) == DATA[:10]
    assert len(secure.requests) == 3


@pytest.mark.usefixtures("usual_ports")
def test_no_other_way_between_schemes_and_ports_is_open(archive, secure):
    for base, target in (
        ("https://127.0.0.1", "http://127.0.0.1/x.mrcs"),
        ("http://127.0.0.1", "https://127.0.0.1:8443/x.mrcs"),
        (archive.base, "https://127.0.0.1/x.mrcs"),
        ("http://127.0.0.1", "https://localhost/x.mrcs"),
    ):
        for server in (archive, secure):
            server.faults.clear()
            server.fail("/x.mrcs", Fault(status=301, headers={"Location": target}))
        with pytest.raises(UnsafeAddressError, match="none of the hosts named"):
            Client([base], patience=QUICK).read(f"{base}/x.mrcs", 0, 10)


# where no connection is

NOBODY = "http://127.0.0.1:9"


def refuse(why):
    def refused(*_args, **_kwargs):
        raise why

    return refused


def tries_of(monkeypatch, client, url=f"{NOBODY}/x"):
    """What the error says, and how many connections were tried."""
    connect, tried = urllib3.util.connection.create_connection, []

    def counted(*args, **kwargs):
        tried.append(args)
        return connect(*args, **kwargs)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", counted)
    with pytest.raises(HttpError) as caught:
        client.read(url, 0, 10)
    return str(caught.value), len(tried)


def test_nobody_there(monkeypatch):
    told, tried = tries_of(monkeypatch, Client([NOBODY], patience=QUICK))
    assert told == (
        f"{NOBODY}/x: GET bytes 0-9: no connection in 2 tries: "
        "127.0.0.1:9 refuses connections: is a server running there?"
    )
    assert tried == 2


@pytest.mark.parametrize("why", [socket.EAI_NONAME, socket.EAI_AGAIN])
def test_a_host_that_is_not_known_is_asked_for_once(monkeypatch, why):
    monkeypatch.setattr("socket.getaddrinfo", refuse(socket.gaierror(why, "the system's words")))
    told, tried = tries_of(monkeypatch, Client(["https://ftp.ebi.ac.uk"]), "https://ftp.ebi.ac.uk/x")
    assert told == (
        "https://ftp.ebi.ac.uk/x: GET bytes 0-9: no connection in 1 try: "
        "no host 'ftp.ebi.ac.uk' is known here: is its name right, is this machine online?"
    )
    assert tried == 1


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (
            OSError(errno.ENETUNREACH, "Network is unreachable"),
            "there is no way to 127.0.0.1:9: is this machine online?",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "127.0.0.1:9: Too many open files"),
        (TimeoutError("timed out"), "127.0.0.1:9 does not answer"),
    ],
)
def test_what_the_system_says_is_said_in_plain_words(monkeypatch, why, words):
    monkeypatch.setattr(socket.socket, "connect", refuse(why))
    client = Client([NOBODY], patience=QUICK)
    with pytest.raises(PercError) as caught:
        client.read(f"{NOBODY}/x", 0, 10)
    assert str(caught.value) == f"{NOBODY}/x: GET bytes 0-9: no connection in 2 tries: {words}"
    assert isinstance(caught.value, TimeoutError if isinstance(why, TimeoutError) else ConnectionError)


def test_a_host_that_has_answered_is_waited_for(archive, client, monkeypatch):
    read(client, archive)
    client._idle.clear()
    monkeypatch.setattr("socket.getaddrinfo", refuse(socket.gaierror(socket.EAI_AGAIN, "later")))
    told, tried = tries_of(monkeypatch, client, archive.url("/x.mrcs"))
    assert "no connection in 5 tries: no host '127.0.0.1' is known here" in told
    assert tried == 5


class Refusing(BaseHTTPRequestHandler):
    """A proxy that wants a password, or has too much to do."""

    status = 407

    def do_CONNECT(self):
        self.send_error(self.status)

    do_GET = do_CONNECT

    def log_message(self, *_args):
        pass


PROXY = "of the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names: "


@pytest.mark.parametrize(
    ("proxy", "words", "tries"),
    [
        ("http://127.0.0.1:9", f"{PROXY}127.0.0.1:9 refuses connections", 2),
        ("http://proxy.invalid:3128", f"{PROXY}no host 'proxy.invalid' is known here", 1),
        ("http://", "the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names cannot be used", 1),
        ("socks5://127.0.0.1:9", "names cannot be used: Missing dependencies for SOCKS support", 1),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_none_is_told(monkeypatch, scheme, proxy, words, tries):
    monkeypatch.setenv(f"{scheme}_proxy", proxy)
    resolve = socket.getaddrinfo

    def resolved(host, *args, **kwargs):
        if str(host).endswith("invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr("socket.getaddrinfo", resolved)
    with pytest.raises(HttpError) as caught:
        Client([f"{scheme}://host"], patience=QUICK).read(f"{scheme}://host/x", 0, 10)
    assert words in str(caught.value)
    assert f"no connection in {tries} tr" in str(caught.value)


@pytest.mark.parametrize(("scheme", "status", "tries"), [("http", 407, 1), ("https", 407, 1), ("https", 503, 2)])
def test_a_proxy_that_does_not_let_us_through(monkeypatch, scheme, status, tries):
    server = HTTPServer(("127.0.0.1", 0), type("Proxy", (Refusing,), {"status": status}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://me:secret@127.0.0.1:{server.server_port}")
        with pytest.raises((UnreachableError, AccessError), match=str(status)) as caught:
            Client([f"{scheme}://host"], patience=QUICK).read(f"{scheme}://host/x", 0, 10)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "secret" not in str(caught.value)
    assert f"try {tries}" in str(caught.value) or f"in {tries} tr" in str(caught.value)


def test_a_connection_that_breaks_off_is_told_in_few_words(archive, client):
    archive.fail("/x.mrcs", *[Fault(cut=0, reset=True, headers={"Content-Length": None})] * 5)
    with pytest.raises(PercError) as caught:
        client.small(archive.url("/x.mrcs"))
    assert not any(word in str(caught.value) for word in URLLIB3)


def test_https_where_http_is_spoken(archive):
    base = archive.base.replace("http:", "https:")
    with pytest.raises(HttpError, match="in 1 try: what answers there speaks no TLS: is it an http:// address"):
        Client([base], patience=QUICK).read(f"{base}/x.mrcs", 0, 10)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "it has no TLS in common with this machine: sslv3 alert handshake failure"),
        ("UNSUPPORTED_PROTOCOL", "it has no TLS in common with this machine: unsupported protocol"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "it asks for a client certificate, and none is set"),
        ("NO_CERTIFICATE_OR_CRL_FOUND", "the certificates to believe cannot be read"),
    ],
)
def test_what_tls_does_not_come_to_is_told_in_plain_words_and_tried_once(reason, words):
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1006)")
    error.reason = reason
    cause = cause_of(requests.exceptions.SSLError(urllib3.exceptions.MaxRetryError(None, "/x", error)))
    assert cause.words.startswith(words)
    assert cause.tries == 1
    assert "_ssl" not in cause.words


def test_it_says_what_it_waits_for_but_not_without_end(archive, client, monkeypatch, caplog):
    monkeypatch.setattr(retrying, "_SILENT", 0.0)
    archive.fail("/x.mrcs", *[Fault(status=503)] * 2)
    read(client, archive)
    archive.fail("/x.mrcs", *[Fault(status=503)] * 2)
    read(client, archive)
    assert [record.message for record in caplog.records] == [f"{archive.base}: HTTP 503: waiting (said once)"]


def test_it_says_that_no_answer_comes_before_it_gives_up(archive, monkeypatch, caplog):
    monkeypatch.setattr(http, "_SILENT", 0.05)
    archive.fail("/x.mrcs", Fault(silence=0.3))
    read(Client([archive.base]), archive)
    assert [record.message for record in caplog.records] == [f"{archive.base}: no answer for 0 s: waiting (said once)"]
