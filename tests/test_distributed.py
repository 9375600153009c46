"""Training by several processes, as the example does it: each row once an epoch, also when one is killed on the way."""

import importlib
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch.distributed as dist

from builders.io import mrc
from examples import distributed
from tests.empiar import deposit
from tests.server import serve

ROOT = Path(__file__).resolve().parents[1]
SLICES, SIDE, BATCH = 203, 128, 8
"""Twelve pieces of the stack, which two processes do not share evenly; and a last batch that is not full."""


def options(archive, out):
    """Of both runs."""
    given = ["--entry", "10943", "--archive", archive, "--out", str(out), "--epochs", "2", "--save-every", "5"]
    return [*given, "--batch-size", str(BATCH)]


def train_until_killed(monkeypatch, archive, out, steps):
    """Two processes, told of each other as torchrun does it, but forked: they need not import torch. Exit codes."""
    importlib.import_module("torch._dynamo")  # as optimizers do, which takes seconds: once, and not in each fork
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    told = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    fork = multiprocessing.get_context("fork")
    processes = []
    for rank in range(2):
        with monkeypatch.context() as patched:
            for name, value in {**told, "RANK": rank, "GLOO_SOCKET_IFNAME": "lo"}.items():
                patched.setenv(name, str(value))
            arguments = [*options(archive, out), "--stop-after", str(steps)]
            processes.append(fork.Process(target=distributed.main, args=(arguments,)))
            processes[-1].start()
    for process in processes:
        process.join(120)
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def train_to_the_end(archive, out):
    """What the processes print that torchrun starts."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]
    command += ["-m", "examples.distributed", *options(archive, out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr
    return run.stdout


def rows_of(out):
    """What each process has trained on, in order: epoch, path, index."""
    logs = [(out / f"rows-{rank}.tsv").read_text().splitlines() for rank in range(2)]
    return [[tuple(line.split("\t")) for line in log] for log in logs]


def has_libuv():
    """Whether torchrun works: it asks for libuv, whatever USE_LIBUV says, and Debian's torch is built without it."""
    try:
        dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    except dist.DistStoreError:
        return False
    return True


@pytest.mark.skipif(not has_libuv(), reason="torch is built without libuv, which torchrun needs")
def test_each_row_is_seen_once_an_epoch_also_when_a_process_is_killed_on_the_way(tmp_path, monkeypatch):
    stack = np.random.default_rng(0).standard_normal((SLICES, SIDE, SIDE)).astype(np.float32)
    data = tmp_path / "archive" / "10943" / "data"
    data.mkdir(parents=True)
    mrc.write(data / "stack.mrcs", stack, 2.0, stack=True)
    deposit.write_xml(tmp_path / "archive", [("A stack", "data", "particles")])
    out = tmp_path / "run"
    with serve() as archive:
        archive.publish(tmp_path / "archive")
        assert train_until_killed(monkeypatch, archive.base, out, 18) == [1, -signal.SIGKILL]
        before, read = rows_of(out), archive.bytes_sent
        said = train_to_the_end(archive.base, out)
        read = archive.bytes_sent - read
    assert "goes on after step 15" in said
    assert re.search(r"epoch 2: \d+ steps, loss of the last one \d\.\d+", said)
    assert read < 1.1 * stack.nbytes  # of two epochs, the one that was not finished
    after = rows_of(out)
    for earlier, later in zip(before, after, strict=True):
        assert earlier
        assert later[: len(earlier)] == earlier
    everything = sorted((str(epoch), "data/stack.mrcs", str(index)) for epoch in range(2) for index in range(SLICES))
    assert sorted(after[0] + after[1]) == everything
    assert len(after[0]) != len(after[1])
