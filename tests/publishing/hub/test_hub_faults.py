"""Publishing to the Hub through everything that goes wrong there."""

import json
import logging

import huggingface_hub._commit_api
import huggingface_hub.constants
import pytest
from huggingface_hub.utils._xet import abort_xet_session

from builders.errors import (
    AccessError,
    DiskFullError,
    FormatError,
    HttpError,
    NotFoundError,
    PercError,
    ReadError,
    StalledError,
    UnreachableError,
)
from builders.publishing.hub import repository as hub_module
from builders.publishing.hub.repository import LEDGER, HubRepository
from builders.publishing.parts import MARKER
from tests.publishing.hub.hub_runs import (
    API,
    COMMIT,
    PREUPLOAD,
    REPO,
    TO,
    Killed,
    both_storages,
    check_history,
    check_published,
    commits,
    data_of,
    digest,
    forget,
    lfs_only,
    parquet,
    shards,
)
from tests.publishing.hub.hub_server import Lost
from tests.server import Fault

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub to its own


@pytest.fixture
def tried_once(monkeypatch):
    """The client of Xet does not try again."""
    monkeypatch.setenv("HF_XET_CLIENT_RETRY_MAX_ATTEMPTS", "0")
    abort_xet_session()


def killed(hub, publish, clock, made, number, done):
    """A run of which a request is lost, or its answer; whether it was killed by that, or broken off."""
    hub.requests.clear()
    hub.numbered = {number: Lost(done=done)}
    clock.is_deadly = True
    try:
        publish(made)
    except Killed:
        return True
    except UnreachableError:
        lost = hub.requests[number - 1]
        if "/xet-write-token/" in lost.path or lost.path.startswith(("/v1/", "/v2/")):  # not tried again by us
            return True
        raise
    finally:
        clock.is_deadly = False
        hub.numbered = {}
    return False


def is_forgiven(request):
    """Whether its client goes on when a request fails: what it could have spared, or saved."""
    return "/v1/chunks/" in request.path or "xorb-grants" in request.path


@both_storages
def test_killed_at_any_request_the_next_run_goes_on(hub, publish, clock, monkeypatch, tried_once):
    monkeypatch.setattr(hub_module, "COMMIT_FILES", 1)
    for first in (1000, 2000):  # Xet's client finds out what its storage speaks: once
        forget(hub)
        publish(shards(2, first))
    count = len(hub.requests)
    for number in range(1, count + 2):  # what is lost before a request is what is lost after the one before
        forget(hub)
        made = shards(2, 10 * number)  # what Xet's client has sent before it does not send again
        is_killed = killed(hub, publish, clock, made, min(number, count), done=number > count)
        assert is_killed or is_forgiven(hub.requests[number - 1])
        held = data_of(hub) if REPO in hub.repositories else {}
        assert publish(made).keys() == held.keys()
        check_published(hub, made)
        check_history(hub, made)
        again = len(hub.uploads) - len(set(hub.uploads))
        if hub.xet.received:  # its client sends a shard again that it did not see through
            again = len(hub.xet.received) - len(set(hub.xet.received)) - 1
        assert again <= 0, "nothing is uploaded twice"


@both_storages
@pytest.mark.parametrize("done", [False, True])
def test_killed_again_and_again_it_comes_to_the_same_end(hub, publish, clock, done, tried_once):
    made, number = shards(2), 1
    while killed(hub, publish, clock, made, number, done):
        number += 1
    check_published(hub, made)
    check_history(hub, made)
    assert len(hub.uploads) == len(set(hub.uploads))


PATHS = [f"GET {API}", PREUPLOAD, "POST /datasets/me/grains.git/info/lfs/objects/batch", f"POST {API}/branch/v2"]
PATHS += ["POST /api/lfs/me/grains/verify", COMMIT, "POST /api/validate-yaml", "POST /api/repos/create"]
PASSING = [Fault(status=status) for status in (429, 500, 502, 503, 504)] + [Lost(), Lost(done=True), Fault(cut=3)]


@lfs_only
@pytest.mark.parametrize("path", PATHS)
def test_what_goes_wrong_for_a_while_is_survived(hub, publish, path):
    made = shards(2)
    branch = "v2" if "v2" in path else "main"
    for fault in PASSING:
        forget(hub)
        hub.fail(path, fault)
        publish(made, to=f"{TO}@v2" if branch == "v2" else TO)
        check_published(hub, made, branch)
        assert not hub.faults[path]
        titles = [commit.title for commit in commits(hub, branch)]
        assert titles == ["initial commit", "Begin to publish", "Add 2 shards", "Publish"], "nothing is committed twice"


@lfs_only
def test_so_is_a_storage_that_fails(hub, publish):
    made = shards(1)
    oid = digest(made[next(iter(made))])
    for fault in PASSING:
        forget(hub)
        hub.fail(f"PUT /store/{oid}", fault)
        publish(made)
        check_published(hub, made)


@pytest.mark.parametrize("name", [MARKER, LEDGER])
def test_so_are_files_that_do_not_come(hub, publish, name):
    made = shards(1)
    publish(made)
    for method in ("HEAD", "GET"):
        for fault in PASSING:
            path = f"{method} /datasets/me/grains/resolve/{commits(hub)[-1].oid}/{name}"
            hub.fail(path, fault)
            assert publish(made).keys() == made.keys()
            assert not hub.faults[path]


def test_it_waits_as_long_as_the_hub_says_and_longer_each_time(hub, publish, clock):
    hub.fail(COMMIT, Fault(status=503), Fault(status=503), Fault(status=429, headers={"Retry-After": "77"}))
    hub.fail(COMMIT, Fault(status=429, headers={"RateLimit": '"api";r=0;t=99'}))
    publish(shards(1))
    assert clock.waited == [1, 2, 77, 99]


@pytest.mark.parametrize(("path", "status"), [(COMMIT, 503), (PREUPLOAD, 503), (COMMIT, 429), (f"GET {API}", 500)])
def test_it_does_not_try_for_ever_nor_what_the_client_has_tried(hub, publish, path, status):
    hub.fail(path, *[Fault(status=status)] * 50)
    with pytest.raises(HttpError, match=rf"^{TO}: .*HTTP {status}.*run it again later"):
        publish(shards(1))
    assert 50 - len(hub.faults[path]) == 6


def test_a_hub_that_is_not_there(hub, publish, monkeypatch):
    monkeypatch.setattr(hub, "base", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match=rf"^{TO}: look at the repository: no answer"):
        publish(shards(1))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnreachableError, match="HF_HUB_OFFLINE"):
        publish(shards(1))


def test_a_slow_hub_is_waited_for(hub, publish, clock):
    hub.fail(COMMIT, Fault(silence=0.3))
    publish(shards(1))
    assert not clock.waited


def test_no_token(hub, publish):
    with pytest.raises(AccessError, match="no token for the Hub: log in with `hf auth login`, or set HF_TOKEN"):
        publish(shards(1), token=None)
    assert not hub.requests


def test_the_token_of_the_environment(hub, publish, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_me")
    publish(shards(1), token=None)
    check_published(hub, shards(1))


@pytest.mark.parametrize("exists", [False, True])
def test_a_bad_token(hub, publish, exists):
    if exists:
        hub.make(REPO)
    with pytest.raises(AccessError, match=rf"^{TO}: the Hub does not accept the token .*hf auth login"):
        publish(shards(1), token="hf_bad")


@pytest.mark.parametrize("exists", [False, True])
def test_no_right_to_write_is_told_before_any_shard(hub, publish, exists, tmp_path):
    if exists:
        hub.make(REPO)
    with pytest.raises(AccessError, match=rf"^{TO}: .*: reader may not do that .*You don't have the rights"):
        publish(shards(1), token="hf_reader")
    assert not (tmp_path / "work").exists()


def test_a_right_that_is_lost_meanwhile(hub, publish):
    made = shards(1)
    publish(made)
    with pytest.raises(AccessError, match="reader may not do that"):
        publish(made, token="hf_reader")


ONE = "data/train-00000-of-00001.parquet"
XET = [f"GET {API}/xet-write-token/main", "POST /v1/xorbs/default/", "POST /v1/shards"]


def fail(hub, monkeypatch, start, fault, times=9):
    """Queue a fault for requests that begin so, as those for xorbs do, whose names are hashes."""
    left = iter(range(times))
    answer = hub.fault

    def faulty(path):
        return fault if path.startswith(start) and next(left, None) is not None else answer(path)

    monkeypatch.setattr(hub, "fault", faulty)
    return left


@pytest.mark.parametrize("start", XET)
def test_so_is_xet_that_fails(hub, publish, monkeypatch, start):
    for number, fault in enumerate(PASSING):
        forget(hub)
        with monkeypatch.context() as patched:
            left = fail(hub, patched, start, fault, 1)
            made = {ONE: parquet(100 + number)}  # what its client has uploaded before it does not upload again
            publish(made)
            assert next(left, None) is None
        check_published(hub, made)


REFUSED = [(400, HttpError), (404, NotFoundError), (413, HttpError), (429, HttpError), (503, HttpError)]


@pytest.mark.parametrize("start", XET)
def test_what_xet_answers_is_told(hub, publish, monkeypatch, start):
    who = "the Hub" if "token" in start else "the Hub's storage"
    for status, kind in REFUSED:
        with monkeypatch.context() as patched:
            fail(hub, patched, start, Fault(status=status))
            with pytest.raises(kind, match=rf"^{TO}: upload data/train-00000.*: {who} answers HTTP {status} \("):
                publish({ONE: parquet(status)})


@pytest.mark.parametrize("start", XET)
def test_xet_that_cannot_be_reached_is_told(hub, publish, monkeypatch, start, tried_once):
    fail(hub, monkeypatch, start, Lost())
    with pytest.raises(UnreachableError, match=r"upload data/train-00000.*: no answer from the Hub.*run it again"):
        publish(shards(1))


@pytest.mark.parametrize("start", XET[:2])  # for the answer to the last one its client waits for ever
def test_xet_that_falls_silent_is_told(hub, publish, monkeypatch, start, tried_once):
    monkeypatch.setenv("HF_XET_CLIENT_READ_TIMEOUT", "100ms")
    abort_xet_session()
    fail(hub, monkeypatch, start, Fault(silence=0.4))
    with pytest.raises(UnreachableError, match=r"upload data/train-00000.*: no answer from the Hub.*run it again"):
        publish(shards(1))


def test_no_right_to_the_storage(hub, publish):
    hub.fail(XET[0], Fault(status=403))
    with pytest.raises(AccessError, match=r"data/train-00000.*: me may not do that \(Forbidden\)"):
        publish(shards(1))
    hub.fail(XET[0], Fault(status=401))
    with pytest.raises(AccessError, match=r"the Hub does not accept the token"):
        publish(shards(1))


def test_a_cache_that_xet_cannot_write_to(hub, publish, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "file" / "xet"))
    (tmp_path / "file").touch()
    abort_xet_session()
    with pytest.raises(ReadError, match=r"upload data/train-00000.*: cannot be stored in .*: Not a directory"):
        publish(shards(1))


RARE = [
    (OSError("I/O error: I/O error: No space left on device (os error 28)"), DiskFullError, "no room left in .*xet"),
    (OSError("I/O error: I/O error: Read-only file system (os error 30)"), AccessError, ".*xet cannot be written"),
    (TimeoutError("Timeout: operation timed out"), StalledError, "no answer from the Hub"),
]


@pytest.mark.parametrize(("error", "kind", "told"), RARE)
def test_what_xets_client_seldom_says(hub, publish, monkeypatch, error, kind, told):
    def upload(*_arguments, **_options):
        raise error

    monkeypatch.setattr(huggingface_hub._commit_api, "_upload_xet_files", upload)
    with pytest.raises(kind, match=f"upload data/train-00000.*: {told}"):
        publish(shards(1))


@pytest.mark.parametrize("status", [409, 412])
def test_conflicts_are_tried_again_a_few_times(hub, publish, status):
    hub.fail(COMMIT, *[Fault(status=status)] * 3)
    publish(shards(1))
    check_published(hub, shards(1))
    hub.fail(COMMIT, *[Fault(status=status)] * 30)
    with pytest.raises(HttpError, match=f"HTTP {status}.*someone else writes there, too"):
        publish(shards(2))
    assert len(hub.faults[COMMIT]) == 24


@pytest.mark.parametrize("status", [400, 413, 422])
def test_the_hubs_words_reach_the_user(hub, publish, status):
    body = json.dumps({"error": "the moon is in the wrong quarter"}).encode()
    hub.fail(COMMIT, Fault(status=status, body=body))
    with pytest.raises(HttpError, match=f"HTTP {status} .*the moon is in the wrong quarter"):
        publish(shards(1))


def test_a_card_that_the_hub_does_not_accept(hub, publish):
    hub.card_errors = ['"license" must be one of [mit]']
    with pytest.raises(FormatError, match=r'does not accept the card.*"license" must be one of \[mit\]'):
        publish(shards(1))


def test_a_page_in_place_of_an_answer(hub, publish):
    hub.fail(f"GET {API}", *[Fault(status=200, body=b"<html>Sign in to the hotel</html>")] * 9)
    with pytest.raises(HttpError, match="the Hub's answer is not JSON"):
        publish(shards(1))


@both_storages
def test_the_token_is_told_nobody(hub, publish, caplog, capfd, tmp_path):
    secret = "hf_VerySecret"
    hub.users[secret] = "me"
    caplog.set_level(logging.DEBUG)
    publish(shards(2), token=secret)
    told = [repr(HubRepository(TO, tmp_path, token=secret, endpoint=hub.base))]
    echo = Fault(status=400, body=json.dumps({"error": f"Bearer {secret} is wrong"}).encode())
    for path in (COMMIT, PREUPLOAD, f"GET {API}"):
        for fault in (echo, Fault(status=403, body=echo.body), Fault(status=401, body=echo.body)):
            hub.fail(path, fault)
            with pytest.raises(PercError) as caught:
                publish(shards(3), token=secret)
            told.append(f"{caught.value!r} {caught.value}")
    told += [path.read_text("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    told += [data.decode("latin-1") for commit in commits(hub) for data in (f.data for f in commit.files.values())]
    assert secret not in " ".join([*told, caplog.text, *capfd.readouterr()])
    assert len(told) > 10


@pytest.mark.parametrize("token", ["hf_a\nb", "hf_a b", "hf_\u00e4"])
def test_a_token_that_can_be_none_is_not_quoted(hub, publish, token):
    with pytest.raises(AccessError, match="blanks or other signs") as caught:
        publish(shards(1), token=token)
    assert token not in str(caught.value)
    publish(shards(1), token="hf_me\n")
