"""Tasks done by several processes: each once, whatever goes wrong."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from builders.errors import DiskFullError, OptionError, PercError, WorkerDiedError
from builders.io.net import remote
from builders.publishing import running
from builders.publishing.parts import Finished, Task

ROOT = Path(__file__).resolve().parents[2]
TASKS = [Task(f"data/train-{part:05d}-of-00007.parquet", "train", part, f"recipe {part}") for part in range(7)]


def shards_of(task):
    """What a task is to make: the second one makes two files."""
    names = [task.name, task.name.replace(".parquet", "_001.parquet")] if task.part == 1 else [task.name]
    return [Finished(name, "train", task.recipe, task.part, 1, 2, last=name is names[-1]) for name in names]


ALL = [shard for task in TASKS for shard in shards_of(task)]


def by_name(shards):
    return sorted(shards, key=lambda shard: shard.name)


def wait_until(is_so):
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("num_proc", [None, 1, 2, 20])
def test_every_task_is_done_once_whatever_the_number_of_processes(tmp_path, num_proc):
    def write(task):  # no pickle can hold it
        with (tmp_path / str(task.part)).open("x") as file:
            file.write(str(os.getpid()))
        return shards_of(task)

    assert by_name(running.run(write, TASKS, num_proc)) == ALL
    pids = {path.read_text() for path in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == len(TASKS)
    assert pids == {str(os.getpid())} if (num_proc or 1) == 1 else str(os.getpid()) not in pids
    assert not multiprocessing.active_children()


def test_nothing_to_do_is_done():
    assert list(running.run(shards_of, [], 4)) == []


def test_processes_share_the_archives_limit_and_keep_to_one_thread():
    import torch

    torch.set_num_threads(2)
    try:
        told = [
            shard.rows
            for shard in running.run(
                lambda task: [Finished(task.name, "", "", 10 * remote.sharers() + torch.get_num_threads(), 0, 0)],
                TASKS,
                3,
            )
        ]
    finally:
        torch.set_num_threads(1)
    assert told == [31] * len(TASKS)
    assert remote.sharers() == 1


def test_a_share_is_of_connections_and_of_requests():
    try:
        remote.share(1)
        alone = remote.client()
        remote.share(4)
        shared = remote.client()
        remote.share(4)
        assert remote.client() is shared
        assert shared.connections == alone.connections // 4
        assert shared.limit.a_second == pytest.approx(remote.LIMIT.a_second / 4)
        assert shared.limit.at_once == 1  # what may be sent at once was the first client's
    finally:
        remote.share(1)


class PlainError(Exception):
    def __init__(self, what):
        super().__init__(what)
        self.lock = threading.Lock()  # no pickle can hold it


@pytest.mark.parametrize("num_proc", [1, 3])
def test_an_error_comes_out_as_it_is_and_ends_the_others(tmp_path, num_proc):
    def write(task):
        (tmp_path / str(task.part)).touch()
        if task.part == 2:
            msg = "disk: no room"
            raise DiskFullError(msg)
        if num_proc > 1:
            time.sleep(60)
        return shards_of(task)

    with pytest.raises(DiskFullError) as caught:
        list(running.run(write, TASKS, num_proc))
    assert str(caught.value) == "disk: no room"
    if num_proc > 1:
        assert "in the process that wrote data/train-00002-of-00007.parquet" in caught.value.__notes__[0]
    assert not (tmp_path / "3").exists()
    assert not multiprocessing.active_children()


def test_an_error_that_cannot_travel_is_told_all_the_same():
    def write(task):
        msg = "pixels: all of them"
        raise PlainError(msg)

    with pytest.raises(PercError, match=r"data/train-0000.-of-00007.parquet: PlainError: pixels: all of them"):
        list(running.run(write, TASKS, 2))


def test_a_killed_process_is_one_error_that_says_what_to_do(tmp_path):
    def write(task):
        if task.part == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return shards_of(task)

    with pytest.raises(WorkerDiedError) as caught:
        list(running.run(write, TASKS, 2))
    assert re.match(r"data/train-00004.*killed \(exit code -9\).*num_proc=2.*kept.*run it again", str(caught.value))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("how", ["close", "interrupt"])
def test_who_stops_early_leaves_no_process_and_nothing_half_written(tmp_path, how):
    def write(task):
        if task.part == 0:
            wait_until(lambda: (tmp_path / "half").exists())
            return shards_of(task)
        try:
            (tmp_path / "half").touch()
            time.sleep(60)
        finally:
            (tmp_path / "half").rename(tmp_path / "removed")
        return []

    shards = running.run(write, TASKS[:2], 2)
    assert next(shards) == ALL[0]
    if how == "close":
        shards.close()
    else:
        with pytest.raises(KeyboardInterrupt):
            shards.throw(KeyboardInterrupt())
    assert (tmp_path / "removed").exists()
    assert not multiprocessing.active_children()


def test_a_worker_that_misses_the_first_signal_gets_a_second_one(tmp_path):
    def write(task):
        if task.part == 0:
            wait_until(lambda: (tmp_path / "half").exists())
            return shards_of(task)
        # as when the first one comes just before a wait begins, which it then does not end
        signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, running._end))
        try:
            (tmp_path / "half").touch()
            wait_until(lambda: False)
        finally:
            (tmp_path / "half").unlink()
        return []

    shards = running.run(write, TASKS[:2], 2)
    next(shards)
    shards.close()
    assert not list(tmp_path.iterdir())


SCRIPT = """
import os, pathlib, sys, time
from builders.publishing import parts, running
folder = pathlib.Path(sys.argv[1])
def write(task):
    (folder / f"{os.getpid()}.part").touch()
    try:
        (folder / f"{os.getpid()}.part").rename(folder / str(os.getpid()))
        time.sleep(60)
    finally:
        (folder / str(os.getpid())).unlink()
list(running.run(write, [parts.Task(f"{n}", "train", n, "") for n in range(9)], 2))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_one_that_began_them(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_until(lambda: len([path for path in tmp_path.iterdir() if path.suffix != ".part"]) == 2)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert errors.count("KeyboardInterrupt") == (number == signal.SIGINT)  # once: the workers say nothing
    wait_until(lambda: not any(map(alive, workers)))
    assert not list(tmp_path.iterdir())


def test_where_processes_are_spawned_what_does_not_pickle_is_told(monkeypatch):
    spawn = multiprocessing.get_context("spawn")
    monkeypatch.setattr(running, "_context", lambda: spawn)
    with pytest.raises(OptionError, match=r"num_proc=2: the dataset cannot be sent .*local object.*top level"):
        list(running.run(lambda task: [], TASKS, 2))
    worker = running._Worker(spawn, shards_of, 2)
    try:
        worker.give(TASKS[1])
        assert worker.pipe.poll(60)
        assert worker.take() == ALL[1:3]
    finally:
        worker.give(None)
        worker.end()
