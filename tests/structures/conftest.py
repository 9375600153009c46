"""The databases that the tests of structures ask: invented proteins under real ids, on loopback."""

import pytest

from builders.io.net import remote
from builders.io.net.retrying import Patience
from tests.structures.databases.served import serve_databases, standard


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(remote.client(), "patience", Patience(backoff=0.001, read=2, tries=2))


@pytest.fixture
def databases():
    with serve_databases() as databases:
        standard(databases)
        yield databases


@pytest.fixture
def endpoints(databases):
    return databases.endpoints
