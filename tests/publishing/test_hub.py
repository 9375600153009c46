"""Publishing to the Hub, against a loopback one, and through everything that goes wrong there."""

import hashlib
import io
import json
import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import huggingface_hub.constants
import huggingface_hub.file_download
import huggingface_hub.utils._http
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub.utils import close_session

from builders.errors import (
    AccessError,
    ChangedError,
    FormatError,
    HttpError,
    NotEmptyError,
    OptionError,
    PercError,
    ReadError,
    UnreachableError,
)
from builders.publishing import hub as hub_module
from builders.publishing.hub import LEDGER, HubRepository, parse_address
from builders.publishing.parts import CARD, MARKER, SHEET, Finished
from tests.publishing.hub_server import Lost, serve_hub
from tests.server import Fault

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub to its own

TO = "hf://datasets/me/grains"
REPO = "me/grains"
API = "/api/datasets/me/grains"
COMMIT = f"POST {API}/commit/main"
PREUPLOAD = f"POST {API}/preupload/main"


def card(path):
    return f"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {path}\n---\n# Grains\n"


BEGIN = {CARD: card("not-there-yet.parquet").encode(), MARKER: b'{"dataset": "d", "complete": false}'}
END = {CARD: card("data/train-*").encode(), MARKER: b'{"dataset": "d", "complete": true}', SHEET: b"\x89PNG sheet"}


def parquet(number):
    sink = io.BytesIO()
    pq.write_table(pa.table({"number": [10 * number + i for i in range(10)]}), sink)
    return sink.getvalue()


def shards(count):
    return {f"data/train-{i:05d}-of-{count:05d}.parquet": parquet(i) for i in range(count)}


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Killed(BaseException):
    """As the process is."""


class Clock:
    """Waits are noted; or they are when the process is killed: after its first request that went wrong."""

    def __init__(self):
        self.waited, self.is_deadly = [], False

    def sleep(self, seconds):
        if self.is_deadly:
            raise Killed
        self.waited.append(seconds)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    for module in (huggingface_hub.utils._http, huggingface_hub.file_download):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=made.sleep))
    return made


@pytest.fixture(autouse=True, scope="module")
def _client_is_closed():
    yield
    close_session()


@pytest.fixture
def hub(monkeypatch, clock):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serve_hub() as server:
        yield server


@pytest.fixture
def publish(hub, clock, tmp_path):
    """One run of publishing: what is missing is made, uploaded and committed; gives the shards that were there."""

    def run(made, to=TO, overwrite=False, begin=BEGIN, end=END, **options):
        work = tmp_path / "work"
        target = HubRepository(to, work, sleep=clock.sleep, endpoint=hub.base, **{"token": "hf_me"} | options)
        _, there = target.open(overwrite)
        target.begin(begin)
        for name, data in made.items():
            if name in there:
                continue
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            target.add(Finished(name, "train", "recipe", 10, len(data), 80))
        target.finish(end, made.keys())
        return there

    return run


def data_of(hub, branch="main"):
    return {name: data for name, data in hub.files_of(REPO, branch).items() if name.startswith("data/")}


def commits(hub, branch="main"):
    return hub.repositories[REPO].branches[branch]


def check_published(hub, made, branch="main"):
    files = hub.files_of(REPO, branch)
    assert data_of(hub, branch) == made
    assert {name: files[name] for name in END} == END
    ledger = json.loads(files[LEDGER])
    assert {name: entry["sha256"] for name, entry in ledger.items()} == {n: digest(d) for n, d in made.items()}


def check_history(hub, made):
    """Whatever commit the repository is at, it says no more than it holds, and all is there where its card says so."""
    for commit in commits(hub):
        ledger = json.loads(commit.files[LEDGER].data) if LEDGER in commit.files else {}
        assert {name: entry["sha256"] for name, entry in ledger.items()} == {
            name: file.sha256 for name, file in commit.files.items() if name.startswith("data/")
        }
        if CARD in commit.files and commit.files[CARD].data == END[CARD]:
            assert made.keys() <= commit.files.keys()


def test_a_repository_is_made_and_holds_what_was_published(hub, publish, tmp_path, capfd):
    made = shards(3)
    assert publish(made) == {}
    check_published(hub, made)
    check_history(hub, made)
    assert hub.repositories[REPO].private is False
    assert not [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert capfd.readouterr() == ("", ""), "no progress bar where there is no terminal"


def test_a_run_again_finds_all_and_changes_nothing(hub, publish):
    made = shards(3)
    publish(made)
    before, uploads = hub.files_of(REPO), list(hub.uploads)
    assert publish(made, begin={}).keys() == made.keys()
    assert (hub.files_of(REPO), hub.uploads) == (before, uploads)


@pytest.mark.parametrize(("files", "size"), [(2, 10**9), (50, 1000), (1, 1)])
def test_commits_are_bounded(hub, publish, monkeypatch, files, size):
    monkeypatch.setattr(hub_module, "COMMIT_FILES", files)
    monkeypatch.setattr(hub_module, "COMMIT_BYTES", size)
    made = shards(5)
    publish(made)
    check_published(hub, made)
    check_history(hub, made)
    for commit in commits(hub):
        added = [len(made[o["value"]["path"]]) for o in commit.operations if o["value"]["path"] in made]
        assert len(added) <= files
        assert sum(added[:-1]) < size


def test_the_bounds_are_those_that_the_hub_recommends():
    assert hub_module.COMMIT_FILES <= 50
    assert hub_module.COMMIT_BYTES <= 5 * 10**9


def test_large_files_go_in_parts(hub, publish):
    hub.part_size = 100
    made = shards(2)
    publish(made)
    check_published(hub, made)
    assert len([r for r in hub.requests if r.method == "PUT"]) > 2 * len(made)


def test_listings_of_several_pages(hub, publish):
    hub.page = 2
    made = shards(5)
    publish(made)
    assert publish(made).keys() == made.keys()


def test_shards_that_are_not_kept_go_and_not_all_at_once(hub, publish, monkeypatch):
    monkeypatch.setattr(hub_module, "COMMIT_DELETIONS", 2)
    publish(shards(7))
    made = shards(2)
    publish(made, end={CARD: END[CARD], MARKER: END[MARKER]})
    assert data_of(hub) == made
    assert SHEET not in hub.files_of(REPO)
    deleted = [[o for o in commit.operations if o["key"] == "deletedFile"] for commit in commits(hub)]
    assert max(map(len, deleted)) == 2
    assert [c.files[CARD].data for c in commits(hub) if c.title.startswith("Remove")] == 3 * [BEGIN[CARD]]


def test_a_shard_of_another_content_is_not_recognised(hub, publish):
    made = shards(3)
    publish(made)
    changed = list(made)[1]
    hub.meddle(REPO, {changed: b"PAR1 other PAR1"})
    assert publish(made).keys() == made.keys() - {changed}
    check_published(hub, made)


@pytest.mark.parametrize("ledger", [b"{", b"[]", b'{"data/train-00000-of-00002.parquet": 3}', b"\xff"])
def test_a_damaged_ledger_costs_work_and_nothing_else(hub, publish, ledger):
    made = shards(2)
    publish(made)
    hub.meddle(REPO, {LEDGER: ledger})
    assert publish(made) == {}
    check_published(hub, made)


def test_a_ledger_cannot_name_files_of_this_machine(hub, publish, tmp_path):
    made = shards(1)
    publish(made)
    entry = next(iter(json.loads(hub.files_of(REPO)[LEDGER]).values()))
    mine = tmp_path / "mine.parquet"
    mine.write_bytes(b"x" * entry["file_bytes"])
    name = "data/../../mine.parquet"
    ledger = {name: entry | {"name": name}, "../mine.parquet": entry | {"name": "../mine.parquet"}}
    hub.meddle(REPO, {LEDGER: json.dumps(ledger).encode(), name: made[next(iter(made))]})
    publish(made)
    assert mine.exists()


def forget(hub):
    hub.repositories.clear()
    hub.stored.clear()
    hub.uploads.clear()
    hub.requests.clear()


def killed(hub, publish, clock, made, number, done):
    """A run of which a request is lost, or its answer; whether it was killed by that."""
    hub.requests.clear()
    hub.numbered = {number: Lost(done=done)}
    clock.is_deadly = True
    try:
        publish(made)
    except Killed:
        return True
    finally:
        clock.is_deadly = False
        hub.numbered = {}
    return False


def test_killed_at_any_request_the_next_run_goes_on(hub, publish, clock, monkeypatch):
    monkeypatch.setattr(hub_module, "COMMIT_FILES", 1)
    made = shards(2)
    publish(made)
    count = len(hub.requests)
    for number in range(1, count + 2):  # what is lost before a request is what is lost after the one before
        forget(hub)
        assert killed(hub, publish, clock, made, min(number, count), done=number > count)
        held = data_of(hub) if REPO in hub.repositories else {}
        assert publish(made).keys() == held.keys()
        check_published(hub, made)
        check_history(hub, made)
        assert len(hub.uploads) == len(set(hub.uploads)), "nothing is uploaded twice"


@pytest.mark.parametrize("done", [False, True])
def test_killed_again_and_again_it_comes_to_the_same_end(hub, publish, clock, done):
    made, number = shards(2), 1
    while killed(hub, publish, clock, made, number, done):
        number += 1
    check_published(hub, made)
    check_history(hub, made)
    assert len(hub.uploads) == len(set(hub.uploads))


PATHS = [f"GET {API}", PREUPLOAD, "POST /datasets/me/grains.git/info/lfs/objects/batch", f"POST {API}/branch/v2"]
PATHS += ["POST /api/lfs/me/grains/verify", COMMIT, "POST /api/validate-yaml", "POST /api/repos/create"]
PASSING = [Fault(status=status) for status in (429, 500, 502, 503, 504)] + [Lost(), Lost(done=True), Fault(cut=3)]


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


def test_no_right_to_the_storage(hub, publish, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", False)
    hub.fail(f"GET {API}/xet-write-token/main", Fault(status=403))
    with pytest.raises(AccessError, match=r"data/train-00000.*: me may not do that"):
        publish(shards(1))
    with pytest.raises(HttpError, match="404"):
        publish(shards(1))


def test_private(hub, publish):
    made = shards(1)
    publish(made, private=True)
    assert hub.repositories[REPO].private is True
    publish(made, private=True)
    assert publish(made).keys() == made.keys(), "what is private stays so"
    assert hub.repositories[REPO].private is True


def test_nothing_private_goes_to_a_public_repository(hub, publish):
    hub.make(REPO)
    with pytest.raises(OptionError, match=rf"{TO} is public"):
        publish(shards(1), private=True)
    assert len(commits(hub)) == 1


OTHERS = [{"notes.txt": b"mine"}, {"README.md": b"# Mine\n"}, {"pictures/a.png": b"png"}, {"data/x.parquet": b"x"}]


@pytest.mark.parametrize("others", OTHERS, ids=lambda others: next(iter(others)))
def test_other_content_is_left_alone(hub, publish, others):
    hub.make(REPO, **others)
    with pytest.raises(NotEmptyError, match=rf"^{TO} holds other files \({next(iter(others)).split('/')[0]}"):
        publish(shards(1))
    assert len(commits(hub)) == 2
    publish(shards(1), overwrite=True)
    check_published(hub, shards(1))
    kept = [name for name in others if name != CARD and not name.startswith("data/")]
    assert {name: hub.files_of(REPO)[name] for name in kept} == {name: others[name] for name in kept}


def test_of_much_other_content_some_is_named(hub, publish):
    hub.make(REPO, **{f"{name}.txt": b"" for name in "edcba"})
    with pytest.raises(NotEmptyError, match=r"\(a\.txt, b\.txt, c\.txt and 2 more\)"):
        publish(shards(1))


@pytest.mark.parametrize("text", ["", "\n", "---\nlicense: mit\n---\n", "---\r\nlicense: mit\r\n---"])
def test_a_repository_made_in_the_browser_is_empty(hub, publish, text):
    hub.make(REPO, **{CARD: text.encode()})
    publish(shards(1))
    check_published(hub, shards(1))


def test_what_others_add_meanwhile_stays(hub, publish, monkeypatch):
    answer, notes = hub.answer, iter(range(3))

    def meddling(request):
        if request.path.endswith("/commit/main"):
            for number in notes:
                hub.meddle(REPO, {f"note{number}.txt": b"theirs"})
                break
        return answer(request)

    monkeypatch.setattr(hub, "answer", meddling)
    publish(shards(2))
    check_published(hub, shards(2))
    assert {f"note{number}.txt" for number in range(3)} <= hub.files_of(REPO).keys()


@pytest.mark.parametrize("name", [CARD, MARKER, LEDGER, "data/train-00000-of-00002.parquet"])
def test_what_others_change_of_ours_is_not_overwritten(hub, publish, monkeypatch, name):
    answer, theirs = hub.answer, b"theirs"

    def meddling(request):
        if request.path.endswith("/commit/main") and len(commits(hub)) == 2:
            hub.meddle(REPO, {name: theirs})
        return answer(request)

    monkeypatch.setattr(hub, "answer", meddling)
    with pytest.raises(ChangedError, match=f"someone else has changed {name} while"):
        publish(shards(2))
    assert hub.files_of(REPO)[name] == theirs
    publish(shards(2), overwrite=name == MARKER)
    check_published(hub, shards(2))


@pytest.mark.parametrize("status", [409, 412])
def test_conflicts_are_tried_again_a_few_times(hub, publish, status):
    hub.fail(COMMIT, *[Fault(status=status)] * 3)
    publish(shards(1))
    check_published(hub, shards(1))
    hub.fail(COMMIT, *[Fault(status=status)] * 30)
    with pytest.raises(HttpError, match=f"HTTP {status}.*someone else writes there, too"):
        publish(shards(2))
    assert len(hub.faults[COMMIT]) == 24


def test_a_branch_is_made_and_only_it_is_written(hub, publish):
    made = shards(2)
    publish(made, to=f"{TO}@v2")
    check_published(hub, made, "v2")
    assert len(commits(hub)) == 1
    assert publish(made, to=f"{TO}@v2").keys() == made.keys()


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
    with pytest.raises(HttpError, match="the Hub's answer is no JSON"):
        publish(shards(1))


def test_a_shard_that_is_gone(hub, tmp_path):
    target = HubRepository(TO, tmp_path, token="hf_me", endpoint=hub.base)
    target.open(False)
    target.begin(BEGIN)
    with pytest.raises(ReadError, match=r"^data/a\.parquet: "):
        target.add(Finished("data/a.parquet", "train", "recipe", 1, 1, 1))


def test_begun_again_in_another_form_the_later_shard_counts(hub, tmp_path):
    target = HubRepository(TO, tmp_path, token="hf_me", endpoint=hub.base)
    target.open(False)
    name = "data/train-00000-of-00001.parquet"
    for data in (parquet(1), parquet(2)):
        target.begin(BEGIN)
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
        target.add(Finished(name, "train", digest(data), 10, len(data), 80))
    target.finish(END, {name})
    check_published(hub, {name: parquet(2)})
    check_history(hub, {name: parquet(2)})
    assert json.loads(hub.files_of(REPO)[LEDGER])[name]["recipe"] == digest(parquet(2))


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


BAD_ADDRESSES = [
    "me/grains",
    "hf://me/grains",
    "hf://datasets/grains",
    "hf://datasets/me/grains/data",
    "hf://models/a/b",
]
BAD_ADDRESSES += [
    "hf://datasets/me/grains@",
    "hf://datasets/me/gr ains",
    "hf://datasets/../x",
    "https://huggingface.co/a",
]


@pytest.mark.parametrize("address", [*BAD_ADDRESSES, f"{TO}@{'a' * 40}"])
def test_what_is_no_address_is_told(address):
    with pytest.raises(OptionError, match="expected"):
        parse_address(address)


LOAD = """
import json, sys
sys.modules["builders"] = None
from datasets import load_dataset
for revision in sys.argv[1:]:
    try:
        rows = load_dataset("me/grains", split="train", revision=revision)
        stream = load_dataset("me/grains", split="train", streaming=True, revision=revision)
        print(json.dumps([rows["number"][:], [row["number"] for row in stream]]))
    except FileNotFoundError as err:
        print(json.dumps(str(err)))
"""


def test_plain_datasets_loads_what_was_published_and_nothing_that_is_not_complete(hub, publish, tmp_path):
    publish(shards(3))
    unfinished = commits(hub)[-2].oid
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.base, "HF_HOME": str(tmp_path), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    run = [sys.executable, "-c", LOAD, unfinished, "main"]
    told = subprocess.run(run, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path).stdout
    error, loaded = (json.loads(line) for line in told.splitlines())
    assert "not-there-yet.parquet" in error
    numbers = [10 * number + i for number in range(3) for i in range(10)]
    assert loaded == [numbers, numbers]
    assert not [request for request in hub.requests if "xet" in request.path]
