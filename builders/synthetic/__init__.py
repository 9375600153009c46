"""`load_dataset("synthetic", ...)`: images made of structures, and what other simulators wrote."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builders.synthetic.potentials.densities import densities, density

__all__ = ["densities", "density"]

_HOMES = {
    "densities": "builders.synthetic.potentials.densities",
    "density": "builders.synthetic.potentials.densities",
}
"""Where what this package has to offer is found, which is imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_HOMES[name]), name)
