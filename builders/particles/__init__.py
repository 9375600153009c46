"""Particles: the rows of a table, joined to their images."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builders.particles.checking.check import Checked, check
    from builders.particles.writing import Written, write

__all__ = ["Checked", "Written", "check", "write"]

_HOMES = {
    "Checked": "builders.particles.checking.check",
    "check": "builders.particles.checking.check",
    "Written": "builders.particles.writing",
    "write": "builders.particles.writing",
}
"""Where what this package has to offer is found, which is imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_HOMES[name]), name)
