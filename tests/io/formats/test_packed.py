"""Answers that come packed by gzip, and questions that are posted."""

import gzip
import json

import numpy as np
import pytest

from builders.errors import ChangedError, FormatError, HttpError
from builders.io.files.cache import Cache
from builders.io.net.http import Client, Patience
from tests.server import Fault, serve

QUICK = Patience(connect=2, read=0.4, backoff=0.001, rate_window=0.3, least_bytes=1000)
TEXT = np.random.default_rng(1).integers(65, 91, 300_000, np.uint8).tobytes()
PACKED = gzip.compress(TEXT)
GZIP = {"Content-Encoding": "gzip"}


@pytest.fixture
def archive():
    with serve() as archive:
        archive.files["/x.cif"] = PACKED
        archive.files["/x.json"] = b'{"a": 1}'
        yield archive


@pytest.fixture
def client(archive):
    return Client([archive.base], patience=QUICK)


def test_a_packed_file_comes_as_it_is_sent(archive, client):
    archive.fail("/x.cif", Fault(headers=GZIP))
    assert b"".join(client.stream(archive.url("/x.cif"), packed=True)) == PACKED
    assert archive.requests[-1].headers["Accept-Encoding"] == "gzip"


def test_a_packed_file_that_breaks_off_is_gone_on_with(archive, client):
    archive.fail("/x.cif", Fault(cut=70_000, headers=GZIP), Fault(cut=40_000, reset=True, headers=GZIP))
    archive.fail("/x.cif", Fault(headers=GZIP))
    assert b"".join(client.stream(archive.url("/x.cif"), packed=True)) == PACKED
    assert [request.headers.get("Range") for request in archive.requests][1:] == ["bytes=70000-", "bytes=110000-"]


def test_packed_and_unpacked_bytes_are_never_spliced(archive, client):
    archive.fail("/x.cif", Fault(cut=70_000, headers=GZIP))  # the rest comes as something else
    with pytest.raises(ChangedError, match="encoding gzip before, identity now"):
        b"".join(client.stream(archive.url("/x.cif"), packed=True))


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_another_packing_than_asked_for_is_refused(archive, client, encoding):
    archive.fail("/x.cif", Fault(headers={"Content-Encoding": encoding}))
    with pytest.raises(FormatError, match="expected the bytes as they are"):
        b"".join(client.stream(archive.url("/x.cif"), packed=True))


def test_a_packed_answer_is_inflated(archive, client):
    body = json.dumps({"a": list(range(10_000))}).encode()
    archive.fail("/x.json", Fault(body=gzip.compress(body), headers=GZIP))
    assert client.ask(archive.url("/x.json"), packed=True).body == body


def test_who_did_not_ask_for_gzip_gets_none(archive, client):
    archive.fail("/x.json", Fault(body=gzip.compress(b"{}"), headers=GZIP))
    with pytest.raises(FormatError, match="Content-Encoding 'gzip'"):
        client.ask(archive.url("/x.json"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(gzip.compress(bytes(50_000_000), mtime=0), "more than 1000 bytes", id="bomb"),
        pytest.param(gzip.compress(b"x" * 500, mtime=0)[:-12], "breaks off", id="cut"),
        pytest.param(b"no gzip at all", "damaged", id="plain"),
        pytest.param(gzip.compress(b"x" * 500, mtime=0)[:-8] + bytes(8), "damaged", id="wrong sum"),
    ],
)
def test_a_packed_answer_that_is_too_long_or_damaged_is_an_error(archive, client, body, message):
    archive.fail("/x.json", Fault(body=body, headers=GZIP))
    with pytest.raises(FormatError, match=message):
        client.ask(archive.url("/x.json"), packed=True, limit=1000)


def test_an_answer_of_a_status_that_means_something_is_given(archive, client):
    archive.fail("/x.json", Fault(status=204, body=b""))
    assert client.ask(archive.url("/x.json"), good=(200, 204)).status == 204
    archive.fail("/x.json", Fault(status=400))
    with pytest.raises(HttpError, match="HTTP 400"):
        client.ask(archive.url("/x.json"))


def test_a_redirect_that_means_something_is_not_followed(archive, client):
    archive.fail("/x.json", Fault(status=303, headers={"Location": "/elsewhere"}, body=b'{"moved": true}'))
    answer = client.ask(archive.url("/x.json"), good=(200, 303))
    assert (answer.status, answer.body) == (303, b'{"moved": true}')
    assert [request.path for request in archive.requests] == ["/x.json"]


def test_a_question_is_posted_again_after_a_fault(archive, client):
    archive.fail("/x.json", Fault(cut=2), Fault(status=503))
    assert client.ask(archive.url("/x.json"), b'{"q": 1}').body == b'{"a": 1}'
    assert [request.method for request in archive.requests] == ["POST"] * 3


def test_a_cached_file_of_no_version_begins_anew(tmp_path):
    cache = Cache(tmp_path)

    def breaks(offset):
        yield b"old"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        cache.fetch("k", "", None, breaks, resume=False)
    offsets = []

    def whole(offset):
        offsets.append(offset)
        yield b"new!"

    assert cache.fetch("k", "", None, whole, resume=False).read_bytes() == b"new!"
    assert offsets == [0]
