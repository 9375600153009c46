"""Every row of the fault table, against a server that fails on demand; never a wrong byte."""

import email.utils
import logging
import multiprocessing
import pickle
import random
import threading
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders.errors import (
    AccessError,
    ChangedError,
    FormatError,
    HttpError,
    NotFoundError,
    PercError,
    StalledError,
    TruncatedError,
    UnsafeAddressError,
)
from builders.io import threads
from builders.io.http import Client, Patience
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


def in_a_child(client, url, results):
    results.put([bytes(client.read(url, i, i + 50)) for i in range(20)])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("start", ["fork", "spawn"])
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


@given(st.lists(st.sampled_from(sorted(PASSING)), max_size=4), st.sampled_from([read, stream]))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_row_of_faults_gives_the_bytes_or_an_error(archive, client, names, way):
    archive.faults.clear()
    archive.fail("/x.mrcs", *[PASSING[name] for name in names])
    assert way(client, archive) == (DATA if way is stream else DATA[1000:201_000])


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
        (Fault(status=403), AccessError, "refuses it"),
        (Fault(status=401), AccessError, "refuses it"),
        (Fault(status=416), ChangedError, "shorter than it was"),
        (Fault(status=400), HttpError, "HTTP 400"),
        (Fault(whole=True), HttpError, "does not do ranges"),
        (Fault(headers={"Content-Range": "bytes 0-199999/300000"}), ChangedError, "expected bytes 1000"),
        (Fault(headers={"Content-Range": "bytes 1000-5000/300000"}), ChangedError, "expected bytes 1000"),
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
    if fault.whole:
        assert archive.bytes_sent <= len(DATA)


def test_builtin_exceptions_catch_them():
    assert issubclass(NotFoundError, FileNotFoundError)
    assert issubclass(AccessError, PermissionError)
    assert issubclass(StalledError, TimeoutError)
    assert issubclass(HttpError, OSError)


@pytest.mark.parametrize("way", ["other content", "other size", "other etag alone"])
def test_a_file_that_changes_between_ranges_is_never_spliced(archive, client, way):
    known = client.head(archive.url("/x.mrcs"))
    if way == "other etag alone":
        archive.fail("/x.mrcs", Fault(headers={"ETag": '"other"'}))
    else:
        archive.files["/x.mrcs"] = DATA[::-1] if way == "other content" else DATA + b"more"
    with pytest.raises((ChangedError, HttpError)):
        client.read(known.url, 0, 100, known)


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
    archive.fail("/x.mrcs", Fault(cut=70_000), Fault(whole=True, headers={"ETag": '"other"'}))
    with pytest.raises(ChangedError):
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


def test_nobody_there():
    port = random.randrange(1, 1000)
    client = Client([f"http://127.0.0.1:{port}"], patience=QUICK)
    with pytest.raises(HttpError, match="no connection in 5 tries"):
        client.read(f"http://127.0.0.1:{port}/x", 0, 10)
