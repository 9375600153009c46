"""Tasks done by a cluster: each once, also when workers are killed; what cannot be is told before the work."""

import contextlib
import importlib.metadata
import os
import re
import signal
import socket
import sys
import time

import pytest

from builders import publish, release
from builders.errors import (
    DiskFullError,
    MissingPackageError,
    OptionError,
    StalledError,
    UnreachableError,
    WorkerDiedError,
)
from builders.io.net import remote, threads
from builders.publishing import cluster, running
from builders.publishing.parts import Finished, Task
from tests.publishing.datasets_made import classes, write_classes

distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
TASKS = [Task(f"data/train-{part:05d}-of-00008.parquet", "train", part, "") for part in range(8)]


class Write:
    """Makes real files, as shards are made: a temporary one is put in its place. It notes each attempt."""

    def __init__(self, folder, before=lambda task, attempt: None):
        self.folder, self.before = folder, before
        folder.mkdir()
        (folder / "attempts").mkdir()

    def __call__(self, task):
        note = self.folder / "attempts" / f"{task.part} {os.getpid()}"
        note.touch()
        self.before(task, self.attempts(task.part))
        temporary = self.folder / f"{note.name}.tmp"
        temporary.write_bytes(b"%d" % task.part * 1000)
        temporary.replace(self.folder / f"{task.part}.parquet")
        return [Finished(task.name, task.split, task.recipe, task.part, 1000, remote.sharers())]

    def attempts(self, part):
        return len(list((self.folder / "attempts").glob(f"{part} *")))

    def written(self):
        return {path.name: path.read_bytes() for path in self.folder.glob("*.parquet")}


def files_of(folder):
    """All files of a repository."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def workers(started):
    """Two processes of one thread each, on this machine; those that were killed have been replaced."""
    try:
        started.wait_for_workers(2, timeout=20)
    except TimeoutError:  # now and then, dask does not start one again
        started.scale(len(started.workers) + 1)
        started.wait_for_workers(2, timeout=60)
    return started


@pytest.fixture
def alone(tmp_path):
    """What one process makes of the tasks: the shards, but for what they were told, and their files."""
    write = Write(tmp_path / "alone")
    shards = list(running.run(write, TASKS))
    return sorted(shard.name for shard in shards), write.written()


def test_workers_are_told_when_there_are_more(workers):
    with distributed.Client(workers.scheduler_address, set_as_default=False) as client:
        client.run(remote.share, 1)
        before = set(client.run(remote.sharers).values())
        shards = cluster.run_on_cluster(
            lambda task: [Finished("", "", "", 0, 0, 0)], TASKS[:1], workers.scheduler_address
        )
        assert len(list(shards)) == 1
        assert before == {1}
        assert set(client.run(remote.sharers).values()) == {2}


def test_an_error_comes_out_as_it_is_and_nothing_is_written_after_it(tmp_path, workers):
    def before(task, attempt):
        if task.part == 1:
            msg = "disk: no room"
            raise DiskFullError(msg)
        until = time.monotonic() + 60
        while task.part == 0 and time.monotonic() < until:
            time.sleep(0.01)
            threads.check()  # as every read does

    write = Write(tmp_path / "shared", before)
    with pytest.raises(DiskFullError) as caught:
        list(cluster.run_on_cluster(write, TASKS[:2], workers.scheduler_address))
    assert str(caught.value) == "disk: no room"
    assert not write.written()
    with distributed.Client(workers.scheduler_address, set_as_default=False) as client:
        assert not any(client.processing().values())


def test_versions_are_compared_before_the_work(tmp_path, workers, monkeypatch):
    write = Write(tmp_path / "shared")
    cluster._versions.cache_clear()
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9" if name == "pyarrow" else real(name))
    monkeypatch.setattr(cluster, "_check_versions", lambda *_: None)
    try:
        with pytest.raises(OptionError, match=r"the worker at tcp://127.0.0.1.* has pyarrow .* \(not 9.9\)"):
            list(cluster.run_on_cluster(write, TASKS, workers.scheduler_address))  # one that came later
    finally:
        cluster._versions.cache_clear()
    assert not write.written()


def test_a_worker_without_the_library_is_told(workers, monkeypatch):
    for missing in ("builders.no_such_module:VERSION", "builders.release:NO_SUCH_NAME"):
        monkeypatch.setattr(cluster, "_OURS", missing)
        message = r"dask='tcp://127.*': the worker at tcp://127.* has perc-cryoem none \(not [0-9.]+\): install"
        with pytest.raises(OptionError, match=message):
            next(cluster.run_on_cluster(print, TASKS, workers.scheduler_address))


def test_a_checkout_is_enough(workers, monkeypatch):
    def not_installed(name):
        raise importlib.metadata.PackageNotFoundError(name)

    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: not_installed(name) if "perc" in name else real(name)
    )
    cluster._versions.cache_clear()
    assert cluster._versions()["perc-cryoem"] == release.VERSION
    shards = cluster.run_on_cluster(lambda task: [Finished("", "", "", 0, 0, 0)], TASKS[:1], workers.scheduler_address)
    assert len(list(shards)) == 1


def test_what_cannot_be_sent_is_told(workers):
    lock = socket.socket()
    with lock, pytest.raises(OptionError, match=r"the dataset cannot be sent to the workers"):
        next(cluster.run_on_cluster(lambda task: lock, TASKS, workers.scheduler_address))


def test_no_scheduler_is_told_in_time(monkeypatch):
    monkeypatch.setattr(cluster, "_TO_CONNECT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UnreachableError, match=rf"dask='tcp://127.0.0.1:{port}': no scheduler answers there"):
        next(cluster.run_on_cluster(print, TASKS, f"tcp://127.0.0.1:{port}"))


@pytest.mark.parametrize("address", ["nonsense", "nonsense://here", "tcp://here", "tcp://here:port", "", 8786])
def test_what_is_no_address_is_told_before_a_client_is_begun(address, monkeypatch):
    monkeypatch.setattr(distributed, "Client", None)  # half made, it is waited for when it is collected
    message = rf"dask={re.escape(repr(address))}: expected the address of a scheduler"
    with pytest.raises(OptionError, match=message):
        next(cluster.run_on_cluster(print, TASKS, address))


def test_without_dask_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError, match=r"distributed is not installed: pip install 'perc-cryoem\[dask\]'"):
        next(cluster.run_on_cluster(print, TASKS, "tcp://127.0.0.1:1"))


def test_a_killed_workers_task_is_done_elsewhere(tmp_path, workers, alone):
    def before(task, attempt):
        if task.part == 3 and attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    write = Write(tmp_path / "shared", before)
    shards = list(cluster.run_on_cluster(write, TASKS, workers.scheduler_address))
    assert (sorted(shard.name for shard in shards), write.written()) == alone
    assert write.attempts(3) == 2
    assert {shard.data_bytes for shard in shards} <= {1, 2}  # how many workers divide what the archive allows


def test_a_result_that_is_lost_with_its_worker_is_made_again(tmp_path, workers, alone, monkeypatch):
    result, lost = distributed.Future.result, []

    def once(self, timeout=None):
        if "data/train-00003" in str(self.key) and not lost:
            lost.append(self.key)
            raise TimeoutError  # what dask says when it waits in vain
        return result(self, timeout)

    monkeypatch.setattr(distributed.Future, "result", once)
    write = Write(tmp_path / "shared")
    shards = list(cluster.run_on_cluster(write, TASKS, workers.scheduler_address))
    assert lost
    assert (sorted(shard.name for shard in shards), write.written()) == alone


def test_a_time_out_of_a_task_is_not_that_of_its_result(tmp_path, workers):
    def before(task, attempt):
        msg = "the archive said nothing for 30 s"
        raise StalledError(msg)

    write = Write(tmp_path / "shared", before)
    with pytest.raises(StalledError, match="the archive said nothing"):
        list(cluster.run_on_cluster(write, TASKS[:1], workers.scheduler_address))
    assert write.attempts(0) == 1


def test_a_worker_that_dies_while_versions_are_compared_is_no_other_version(workers, monkeypatch):
    run, asked = distributed.Client.run, []

    def dying(self, function, *given, **options):
        found = run(self, function, *given, **options)
        asked.append(given)
        if len(asked) > 1 and function is importlib.metadata.version:
            last = max(found)
            found[last] = OSError("its connection has been closed")
            if len(asked) > 2:
                del found[last]
        return found

    monkeypatch.setattr(distributed.Client, "run", dying)
    shards = cluster.run_on_cluster(lambda task: [Finished("", "", "", 0, 0, 0)], TASKS, workers.scheduler_address)
    assert len(list(shards)) == len(TASKS)
    assert len(asked) >= len(cluster.PACKAGES) > 3


@pytest.mark.parametrize("layout", ["lists", "bytes"])
def test_a_dataset_that_a_cluster_publishes_is_the_same_bytes(layout, tmp_path, workers):
    killed = tmp_path / "killed"

    def mapped(rows):
        import distributed

        if "b_5.mrc" in rows["path"] and not killed.exists():
            with contextlib.suppress(ValueError):  # in the process of the test, there is no worker
                distributed.get_worker()
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return {**rows, "image": [-image for image in rows["image"]]}

    rows = classes(write_classes(tmp_path / "classes", 12)).with_transform(mapped)
    options = {"max_shard_size": 3000, "license": "cc0-1.0", "layout": layout}
    alone = publish(rows, tmp_path / "alone" / "set", **options)
    spread = publish(rows, tmp_path / "spread" / "set", **options, dask=workers.scheduler_address)
    assert killed.exists()
    assert alone.shards == spread.shards > 3
    assert files_of(tmp_path / "alone" / "set") == files_of(tmp_path / "spread" / "set")


def test_a_task_that_kills_every_worker_is_one_error_that_names_it(tmp_path, workers):
    def before(task, attempt):
        if task.part == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    workers.scheduler.allowed_failures = 1  # set as `distributed.scheduler.allowed-failures` of its configuration
    with pytest.raises(WorkerDiedError, match=r"^data/train-00000-of-00008.parquet: 2 workers died .*run it again"):
        list(cluster.run_on_cluster(Write(tmp_path / "shared", before), TASKS[:1], workers.scheduler_address))
