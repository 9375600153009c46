"""Runs of publishing to a loopback Hub: what they publish, and what the repository must then hold."""

import hashlib
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.publishing.hub.repository import LEDGER
from builders.publishing.parts import CARD, MARKER, SHEET

TO = "hf://datasets/me/grains"
REPO = "me/grains"
API = "/api/datasets/me/grains"
COMMIT = f"POST {API}/commit/main"
PREUPLOAD = f"POST {API}/preupload/main"
both_storages = pytest.mark.parametrize("hub", ["lfs", "xet"], indirect=True)
lfs_only = pytest.mark.parametrize("hub", ["lfs"], indirect=True)


def card(path):
    return f"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {path}\n---\n# Grains\n"


BEGIN = {CARD: card("not-there-yet.parquet").encode(), MARKER: b'{"dataset": "d", "complete": false}'}
END = {CARD: card("data/train-*").encode(), MARKER: b'{"dataset": "d", "complete": true}', SHEET: b"\x89PNG sheet"}


def parquet(number):
    sink = io.BytesIO()
    pq.write_table(pa.table({"number": [10 * number + i for i in range(10)]}), sink)
    return sink.getvalue()


def shards(count, first=0):
    return {f"data/train-{i:05d}-of-{count:05d}.parquet": parquet(first + i) for i in range(count)}


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


def forget(hub):
    hub.repositories.clear()
    hub.stored.clear()
    hub.xet.hashes.clear()  # xorbs are there for ever, and its client knows that
    hub.xet.received.clear()
    hub.uploads.clear()
    hub.requests.clear()
