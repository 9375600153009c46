"""The names of our builders, and what people may have meant by others."""

import difflib
import os
from typing import Any

from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES as _DISPATCH_TABLE

MODULES = {
    "empiar": "builders.empiar.empiar",
    "local_classes": "builders.local_classes.local_classes",
    "structures": "builders.structures.structures",
}
"""Name for `load_dataset` -> module that holds the builder, imported when it is asked for."""

_NEARLY = 0.75
"""How alike a name and one of ours are, from 0 to 1, where the one is taken for the other, misspelt."""


def meant(name: Any) -> str | None:
    """The builder of ours whose name somebody misspelt; None where it may be anything else, as of the Hub."""
    is_ours = isinstance(name, str) and "/" not in name and name not in _DISPATCH_TABLE and not os.path.lexists(name)
    plain = name.strip().lower().replace("-", "_").replace(" ", "_") if is_ours else ""
    return next(iter(difflib.get_close_matches(plain, MODULES, n=1, cutoff=_NEARLY)), None)
