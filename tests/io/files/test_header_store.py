import os
import threading
import warnings

import pytest

from builders.io.files.head import Head
from builders.io.files.header_store import HeaderStore
from builders.io.net.answers import RemoteFile

URL = "http://host/x.mrcs"
HEAD = Head(b"head", 1000, '"tag"', {900: b"tail"})


@pytest.fixture
def store(tmp_path):
    return HeaderStore(tmp_path)


def test_a_head_is_known_while_the_listing_says_the_same(store):
    store.put({URL: ("monday", HEAD)})
    assert store.get({URL: "monday", "http://host/y": "monday"}) == {URL: HEAD}
    assert store.get({URL: "tuesday"}) == {}
    store.put({URL: ("tuesday", HEAD)})
    assert store.get({URL: "tuesday"}) == {URL: HEAD}
    store.forget([URL])
    assert store.get({URL: "tuesday"}) == {}


def test_without_a_stamp_nothing_is_remembered(store):
    store.put({URL: ("", HEAD)})
    store.put_version(RemoteFile(URL, 5, '"tag"'), "")
    assert store.get({URL: ""}) == {}
    assert store.version(URL, "") is None


def test_a_version_without_a_head_is_no_head(store):
    store.put_version(RemoteFile(URL, 1000, '"tag"'), "monday")
    assert store.version(URL, "monday") == RemoteFile(URL, 1000, '"tag"')
    assert store.version(URL, "tuesday") is None
    assert store.get({URL: "monday"}) == {}


def test_a_version_keeps_the_head_of_the_same_one_alone(store):
    store.put({URL: ("monday", HEAD)})
    assert store.version(URL, "monday") == RemoteFile(URL, 1000, '"tag"')
    store.put_version(RemoteFile(URL, 1000, '"tag"'), "tuesday")
    assert store.get({URL: "tuesday"}) == {URL: HEAD}
    store.put_version(RemoteFile(URL, 1000, '"other"'), "tuesday")
    assert store.get({URL: "tuesday"}) == {}


def test_what_no_listing_tells_of_is_known_until_it_is_of_another_version(store):
    assert store.last(URL) is None
    store.keep(URL, HEAD)
    assert (store.last(URL), store.get({URL: ""})) == (HEAD, {})
    other = Head(b"head", 900, '"other"', {800: b"tail"})
    store.keep(URL, other)
    assert store.last(URL) == other
    store.keep(URL, HEAD)
    assert store.last(URL) == HEAD
    store.keep(URL, Head(b"head", 900, ""))
    assert store.last(URL) == HEAD, "of a version that nothing tells, nothing can be known"
    store.forget([URL])
    assert store.last(URL) is None


@pytest.mark.parametrize("url", ["https://me:secret@host/x.tif", "https://host/x.tif?signature=secret"])
def test_secrets_in_an_address_are_not_written(store, url):
    store.keep(url, HEAD)
    assert store.last(url) is None
    assert not any(b"secret" in file.read_bytes() for file in store.path.parent.iterdir())


def test_what_a_listing_said_stays_while_the_version_does(store):
    store.put({URL: ("monday", HEAD)})
    store.keep(URL, Head(HEAD.data, HEAD.size, HEAD.etag, {500: b"middle"}))
    assert store.get({URL: "monday"}) == {URL: Head(HEAD.data, HEAD.size, HEAD.etag, {500: b"middle", 900: b"tail"})}
    store.keep(URL, Head(b"head", 900, '"other"'))
    assert store.get({URL: "monday"}) == {}
    assert store.last(URL) == Head(b"head", 900, '"other"')


@pytest.mark.parametrize("version", [RemoteFile(URL, None, '"tag"'), RemoteFile(URL, 5, None)])
def test_what_is_not_known_whole_is_not_remembered(store, version):
    store.put_version(version, "monday")
    assert store.version(URL, "monday") is None


def test_a_store_that_cannot_be_written_is_as_good_as_an_empty_one(tmp_path):
    (tmp_path / "file").write_text("")
    store = HeaderStore(tmp_path / "file" / "folder")
    store.put({URL: ("monday", HEAD)})
    store.put_version(RemoteFile(URL, 5, '"tag"'), "monday")
    store.keep(URL, HEAD)
    store.forget([URL])
    assert store.get({URL: "monday"}) == {}
    assert store.last(URL) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_children_that_are_forked_while_others_write_can_write(store):
    done = threading.Event()

    def write():
        number = 0
        while not done.is_set():
            number += 1
            store.put({f"http://host/{number % 7}": (str(number), HEAD)})

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    codes = []
    for number in range(4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            url = f"http://child/{number}"
            store.put({url: ("monday", HEAD)})
            os._exit(0 if store.get({url: "monday"}) == {url: HEAD} else 1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    done.set()
    for writer in writers:
        writer.join()
    assert codes == [0] * 4
