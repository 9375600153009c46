"""What every test gets: a cache of its own, no network beyond loopback, no file left open."""

import gc
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# As images of containers have it: then each of the processes that tests start, a hundred of them, compiles all of ours.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_HOME = tempfile.TemporaryDirectory(prefix="perc-tests-")
os.environ["HF_HOME"] = _HOME.name
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_XET_CLIENT_RETRY_BASE_DELAY"] = "1ms"
os.environ["HF_XET_LOG_DEST"] = f"{_HOME.name}/logs/"  # which stays open, wherever a test has its cache
os.environ["HF_XET_TELEMETRY_ENABLED"] = "false"  # its requests come whenever they come

import datasets.config  # noqa: E402
import pytest  # noqa: E402
import torch.utils.data  # noqa: E402
from hypothesis import settings  # noqa: E402

import builders.hf.features  # noqa: E402
from builders.io import casting, reports  # noqa: E402
from builders.io.net import remote, retrying  # noqa: E402
from builders.io.scattered import missing  # noqa: E402
from perc_transforms.spatial import motion  # noqa: E402

torch.set_num_threads(1)
datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0  # five seconds after each shuffled stream of files of its own
# A loader that failed goes as garbage, perhaps after the queues that tell its workers: it waits so long for each.
torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.5
gc.disable()  # until all tests are known: see below
# Children of "forkserver" know no more of us than those of "spawn" (nothing but what was pickled), but what is dear to
# import and none of ours is there already: with spawn each of them takes some five seconds.
multiprocessing.set_forkserver_preload(["torch", "datasets"])
settings.register_profile("perc", deadline=None, max_examples=60)
settings.load_profile("perc")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests of servers and of processes wait a part of their time."""
    return (os.cpu_count() or 1) + 1


SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_finish() -> None:
    """Torch and thousands of tests are there to stay: no collection of garbage looks at them again."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture
def shared() -> Path:
    """The folder of third-party files that stands beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"no third-party test files in {SHARED}")
    return SHARED


@pytest.fixture(autouse=True)
def _said_once_again() -> None:
    """Warnings that are given once a process are given once a test."""
    reports._warned.clear()
    casting._warned.clear()
    builders.hf.features._warned_non_finite = False
    motion._warned.clear()
    retrying._said.clear()
    missing._missing.clear()


@pytest.fixture(autouse=True)
def _hosts_are_those_of_the_test() -> Iterator[None]:
    """A feature takes the hosts that were named to wherever it is copied: not those of a thousand tests before."""
    before = remote.named()
    yield
    remote._named[:] = before


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def checked(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        assert host in ("127.0.0.1", "::1", "localhost"), f"a test reached for {address}"
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", checked)


@pytest.fixture(autouse=True)
def _no_open_files(request: pytest.FixtureRequest) -> Iterator[None]:
    if "tmp_path" not in request.fixturenames or not Path("/proc/self/fd").exists():
        yield  # most tests write no file: no folder is made for them
        return
    tmp_path = request.getfixturevalue("tmp_path")
    yield
    until = time.monotonic() + 5  # a read that was broken off is let go of by its own thread
    while (left := _open_files(tmp_path)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not left, f"files left open: {left}"


def _open_files(folder: Path) -> list[str]:
    links = [_target(link) for link in Path("/proc/self/fd").iterdir()]
    return [link for link in links if link.startswith(str(folder)) and not link.endswith((".arrow", ".lock"))]


def _target(link: Path) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - a broken link, too, says where it points
    except OSError:
        return ""
