import pytest

from builders.io.made import projecting


@pytest.fixture
def finely(monkeypatch):
    """Projections as exact as they can be had: what is left of a difference is not that of interpolation."""
    monkeypatch.setattr(projecting, "_OVERSAMPLING", 2.0)
    monkeypatch.setattr(projecting, "_TAPS", 4)
