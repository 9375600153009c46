"""A loopback Hub for a test, and runs of publishing to it; a cluster."""

import logging
import ssl
from types import SimpleNamespace

import huggingface_hub.constants
import huggingface_hub.file_download
import huggingface_hub.utils._http
import pytest
from huggingface_hub.utils import close_session
from huggingface_hub.utils._xet import abort_xet_session

from builders.publishing.hub.repository import HubRepository
from builders.publishing.parts import Finished
from builders.publishing.writing import preview
from tests.publishing.hub.hub_runs import BEGIN, END, TO, Clock
from tests.publishing.hub.hub_server import serve_hub


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch):
    """Most of what publishing a few tiny images takes is to pack a large sheet of them, which here nobody looks at."""
    monkeypatch.setattr(preview, "_TILE", 56)


@pytest.fixture(scope="module")
def started():
    """Two workers of one thread each, on this machine, forked from the server that children of tests come from."""
    dask = pytest.importorskip("dask", reason="the extra 'dask' is not installed")
    distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    by_fork = {"distributed.worker.multiprocessing-method": "forkserver"}
    options = {"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1", "silence_logs": logging.CRITICAL}
    with pytest.MonkeyPatch.context() as patch, dask.config.set(by_fork):
        patch.setattr(distributed.utils, "_forkserver_preload_set", True)  # to what tests/conftest.py says
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster:
            yield cluster


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    for module in (huggingface_hub.utils._http, huggingface_hub.file_download):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=made.sleep))
    return made


@pytest.fixture
def hub(request, monkeypatch, clock, tmp_path):
    """A running Hub, whose client uploads through Xet, as it does by itself, or else ("lfs") as it did before."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", getattr(request, "param", "xet") == "lfs")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet"))  # it says what a storage at this address holds already
    # on loopback nobody asks whom the system trusts, and each client would read all of them
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_args, **_options: None)
    abort_xet_session()
    with serve_hub() as server:
        yield server
    close_session()
    abort_xet_session()


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
