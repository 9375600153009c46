"""The whole of `publish`, onto a Hub and by a cluster: the same rows, the same bytes, whatever dies."""

import functools
import hashlib
import os
import signal
import sys

import pytest

import builders.publishing.hub.repository
from builders import publish
from builders.errors import AccessError, OptionError
from tests.publishing.datasets_made import assert_same_rows, classes, contents, write_classes
from tests.publishing.plain_reader import run_plainly

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub to its own

TO = "hf://datasets/me/noise"
READ = """
import hashlib
import datasets
rows = datasets.load_dataset("me/noise", split="train", cache_dir=sys.argv[1]).with_format("numpy")
print(len(rows), hashlib.sha256(b"".join(row["image"].tobytes() for row in rows)).hexdigest())
"""


@pytest.fixture
def hub(hub, monkeypatch, tmp_path):
    there = functools.partial(builders.publishing.hub.repository.HubRepository, endpoint=hub.base)
    monkeypatch.setattr(builders.publishing.hub.repository, "HubRepository", there)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_TOKEN", "hf_me")
    return hub


def test_a_dataset_on_the_hub_is_the_one_in_a_folder(hub, tmp_path):
    source = classes(write_classes(tmp_path / "source"))
    done = publish(source, TO, max_shard_size=6_000, license="mit")
    publish(source, tmp_path / "folder", max_shard_size=6_000, license="mit")
    files = hub.files_of("me/noise", "main")
    assert {n.removeprefix("data/"): d for n, d in files.items() if n.startswith("data/")} == contents(
        tmp_path / "folder"
    )
    assert done.where == TO
    assert b"me/noise" in files["README.md"]
    assert not any(b"hf_me" in data for data in files.values())
    assert not list((tmp_path / "home").rglob("*.parquet"))
    environment = os.environ | {"HF_ENDPOINT": hub.base, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "reader")}
    told = run_plainly(READ, tmp_path / "reader", cwd=tmp_path, env=environment)
    expected = hashlib.sha256(b"".join(row["image"].tobytes() for row in source)).hexdigest()
    assert told.split() == [str(len(source)), expected]


def test_without_a_token_nothing_is_written(hub, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(AccessError, match="hf auth login"):
        publish(classes(write_classes(tmp_path / "source")), TO)
    assert not hub.repositories


def test_a_cluster_and_the_hub_need_a_folder_that_workers_share(tmp_path):
    with pytest.raises(OptionError, match="work_dir"):
        publish(classes(write_classes(tmp_path / "source")), TO, dask="tcp://127.0.0.1:1")


class KillsOnce:
    """A transform that kills the process of the first worker that comes to it."""

    def __init__(self, note):
        self.note = note

    def __call__(self, batch):
        try:
            os.close(os.open(self.note, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return {name: [value + 0 if name == "image" else value for value in batch[name]] for name in batch}
        os.kill(os.getpid(), signal.SIGKILL)

    def __reduce__(self):
        return KillsOnce, (self.note,)

    def __repr__(self):
        return "KillsOnce()"


def test_a_cluster_whose_worker_is_killed_makes_the_same_bytes(started, tmp_path):
    source = classes(write_classes(tmp_path / "source"))
    publish(source, tmp_path / "alone", max_shard_size=6_000)
    publish(source, tmp_path / "out", max_shard_size=6_000, dask=started.scheduler_address)
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")
    note = str(tmp_path / "killed")
    open(note, "x").close()  # not this process, which looks at the first rows  # noqa: PTH123
    killing = classes(tmp_path / "source").with_transform(KillsOnce(note))
    publish(killing, tmp_path / "whole", max_shard_size=6_000)
    module = sys.modules["builders.publishing.publish"]
    sample = module._sample

    def sampled(*arguments):
        rows = sample(*arguments)
        os.unlink(note)  # noqa: PTH108 - from here on
        return rows

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_sample", sampled)
        publish(killing, tmp_path / "killed-out", max_shard_size=6_000, dask=started.scheduler_address)
    assert os.path.exists(note)  # noqa: PTH110 - a worker was killed
    assert contents(tmp_path / "killed-out") == contents(tmp_path / "whole")
    assert len(contents(tmp_path / "whole")) > 2
    assert_same_rows(killing, source)
