"""CryoEM transforms for tensors, rows and batches. Needs torch and NumPy only.

Example:
    >>> import perc_transforms as T
    >>> T.Compose([T.Rescale(32), T.Normalize()])
    Compose([Rescale(shape=32), Normalize()])
"""

import importlib
from typing import TYPE_CHECKING, Any

from perc_transforms.errors import PercError, TransformError

if TYPE_CHECKING:
    from perc_transforms.base import Compose, ToTensor, Transform
    from perc_transforms.blur import GaussianBlur
    from perc_transforms.collation import collate
    from perc_transforms.intensity import MinMax, Normalize
    from perc_transforms.spatial import Rescale

__all__ = [
    "Compose",
    "GaussianBlur",
    "MinMax",
    "Normalize",
    "PercError",
    "Rescale",
    "ToTensor",
    "Transform",
    "TransformError",
    "collate",
]

_HOMES = {
    "Compose": "base",
    "GaussianBlur": "blur",
    "MinMax": "intensity",
    "Normalize": "intensity",
    "Rescale": "spatial",
    "ToTensor": "base",
    "Transform": "base",
    "collate": "collation",
    "functional": "functional",
}


def __getattr__(name: str) -> Any:
    """Import a transform when it is first asked for: the errors alone, which `builders` takes, need no torch."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return module if name == "functional" else getattr(module, name)
