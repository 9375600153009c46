"""The names of our builders, and what people may have meant by others."""

import difflib
import logging
import os
import re
from pathlib import Path
from typing import Any

from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES as _DISPATCH_TABLE

logger = logging.getLogger(__name__)

MODULES = {
    "empiar": "builders.empiar.empiar",
    "local_classes": "builders.local_classes.local_classes",
    "particles": "builders.particles.particles",
    "structures": "builders.structures.structures",
    "synthetic": "builders.synthetic.synthetic",
    "tilt_series": "builders.tilt_series.tilt_series",
    "tomograms": "builders.tomograms.tomograms",
}
"""Name for `load_dataset` -> module that holds the builder, imported when it is asked for."""

_NEARLY = 0.75
"""How alike a name and one of ours are, from 0 to 1, where the one is taken for the other, misspelt."""

_BUCKETS = "buckets/"
"""What the names of the Hub's buckets begin with."""

_PACKAGE = Path(__file__).parents[1]


def named(path: Any) -> str | None:
    """The builder of ours that somebody names by a path to it, as loading scripts were named; None for other names.

    That is a path, with either separator, that ends in `builders/NAME` or `builders/NAME/NAME.py`, whatever the working
    directory: of our package as it is installed or checked out, or one at which nothing lies. Where anything else lies,
    as somebody's folder of data, it is left to `datasets`. A repository `builders/NAME` of the Hub is hidden by ours,
    unless it is named by `hf://datasets/builders/NAME`, as `datasets` 5 can.
    """
    name, script = _in_builders(path)
    if name != script or name not in MODULES:
        return None
    if not os.path.lexists(path):
        return name
    folder = Path(path).parent if Path(path).is_file() else Path(path)
    package = [folder.parent / "__init__.py", folder / "__init__.py", folder / f"{name}.py"]
    if not all(file.is_file() for file in package):
        return None
    if not package[0].samefile(_PACKAGE / "__init__.py"):
        logger.warning("%s: the builder that runs is that of the imported package, %s", path, _PACKAGE)
    return name


def meant(name: Any) -> str | None:
    """The builder of ours whose name, or a path to which, somebody misspelt; None where it may be anything else."""
    if not isinstance(name, str) or name in _DISPATCH_TABLE or os.path.lexists(name):
        return None
    word = _in_builders(name)[1] if "/" in name or "\\" in name else name
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")
    return next(iter(difflib.get_close_matches(plain, MODULES, n=1, cutoff=_NEARLY)), None)


def _in_builders(path: Any) -> tuple[str, str]:
    """The folder within a folder `builders` that a path names, and the script therein; both empty for other paths."""
    if not isinstance(path, str) or "://" in path or path.startswith(_BUCKETS):
        return "", ""
    *folders, last = [part for part in re.split(r"[/\\]", path) if part not in ("", ".")] or [""]
    if folders[-1:] == ["builders"]:
        return last, last
    is_script = folders[-2:-1] == ["builders"] and last.endswith(".py")
    return (folders[-1], last.removesuffix(".py")) if is_script else ("", "")
