"""Publishing to the Hub, a loopback one: what it then holds, and what of others it leaves alone."""

import json
import os
from pathlib import Path

import huggingface_hub
import pytest

from builders.errors import ChangedError, NotEmptyError, OptionError, ReadError
from builders.publishing.hub import repository as hub_module
from builders.publishing.hub.repository import LEDGER, HubRepository, parse_address
from builders.publishing.parts import CARD, MARKER, SHEET, Finished
from tests.publishing.hub.hub_runs import (
    BEGIN,
    END,
    REPO,
    TO,
    both_storages,
    check_history,
    check_published,
    commits,
    data_of,
    digest,
    lfs_only,
    parquet,
    shards,
)
from tests.publishing.plain_reader import run_plainly

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub to its own


@both_storages
def test_a_repository_is_made_and_holds_what_was_published(hub, publish, tmp_path, capfd):
    made = shards(3)
    assert publish(made) == {}
    check_published(hub, made)
    check_history(hub, made)
    assert hub.repositories[REPO].private is False
    assert not [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert capfd.readouterr() == ("", ""), "no progress bar where there is no terminal"


def test_what_went_through_xet_comes_back_through_it(hub, publish, tmp_path):
    made = shards(2)
    publish(made)
    assert not [request for request in hub.requests if "/info/lfs/" in request.path]
    for name, data in made.items():
        copy = huggingface_hub.hf_hub_download(
            *(REPO, name), repo_type="dataset", cache_dir=tmp_path / "cache", endpoint=hub.base, token="hf_me"
        )
        assert Path(copy).read_bytes() == data
    assert len([request for request in hub.requests if request.path.startswith("/xorb/")]) == len(made)


@both_storages
def test_what_is_no_shard_of_ours_goes_though_nothing_else_changes(hub, publish):
    made = shards(2)
    publish(made)
    hub.meddle(REPO, {"data/stray.parquet": parquet(7)})
    publish(made, begin={})
    check_published(hub, made)


@both_storages
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


@lfs_only
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


@both_storages
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


def test_private(hub, publish):
    made = shards(1)
    publish(made, private=True)
    assert hub.repositories[REPO].private is True
    publish(made, private=True)
    assert publish(made).keys() == made.keys(), "what is private stays so"
    assert hub.repositories[REPO].private is True


def test_who_may_see_a_repository_is_left_to_its_owners_settings(hub, publish):
    publish(shards(1))
    (wanted,) = hub.created
    assert wanted.get("private") is None  # false: public, also where an organisation's are private by themselves
    assert wanted.get("visibility") is None


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


def test_a_branch_is_made_and_only_it_is_written(hub, publish):
    made = shards(2)
    publish(made, to=f"{TO}@v2")
    check_published(hub, made, "v2")
    assert len(commits(hub)) == 1
    assert publish(made, to=f"{TO}@v2").keys() == made.keys()


def test_a_shard_that_is_gone(hub, tmp_path):
    target = HubRepository(TO, tmp_path, token="hf_me", endpoint=hub.base)
    target.open(False)
    target.begin(BEGIN)
    with pytest.raises(ReadError, match=r"^data/a\.parquet: "):
        target.add(Finished("data/a.parquet", "train", "recipe", 1, 1, 1))


@both_storages
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
    "hf://datasets/me/a--b",
    "https://huggingface.co/a",
    *(f"hf://datasets/me/{name}" for name in ("x.git", ".x", "x-", "x" * 97, "x..y", "é")),
    *(f"hf://datasets/me/grains@{branch}" for branch in ("v[1]", "v*", "a::b", "a..b", "/v", "v/", "v.lock", "-v")),
]


@pytest.mark.parametrize("address", [*BAD_ADDRESSES, f"{TO}@{'a' * 40}"])
def test_what_is_no_address_is_told(address):
    assert parse_address(f"{TO}@feature/v1.2-x_y") == (REPO, "feature/v1.2-x_y")
    with pytest.raises(OptionError, match="expected"):
        parse_address(address)


LOAD = """
import json
from datasets import load_dataset
for revision in sys.argv[1:]:
    try:
        rows = load_dataset("me/grains", split="train", revision=revision)
        stream = load_dataset("me/grains", split="train", streaming=True, revision=revision)
        print(json.dumps([rows["number"][:], [row["number"] for row in stream]]))
    except FileNotFoundError as err:
        print(json.dumps(str(err)))
"""


@both_storages
def test_plain_datasets_loads_what_was_published_and_nothing_that_is_not_complete(hub, publish, tmp_path):
    publish(shards(3))
    unfinished = commits(hub)[-2].oid
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.base, "HF_HOME": str(tmp_path), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    told = run_plainly(LOAD, unfinished, "main", cwd=tmp_path, env=environment)
    error, loaded = (json.loads(line) for line in told.splitlines())
    assert "not-there-yet.parquet" in error
    numbers = [10 * number + i for number in range(3) for i in range(10)]
    assert loaded == [numbers, numbers]
