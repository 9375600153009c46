"""An entry of EMPIAR's kind for the recipes: made up, and served on this machine as the archive serves its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from examples.deposit import ENTRY, generate
from tests.server import serve


@contextmanager
def served(out: Path, micrographs: int) -> Iterator[tuple[dict[str, Any], Tensor]]:
    """Options by which `load_dataset("empiar", ...)` reads the particles, and what they are, which no file tells.

    Args:
        out: folder for the entry, which is made once, and for what `datasets` keeps.
        micrographs: how many; each has 64 particles.
    """
    folder = out / f"archive-{micrographs}"
    told = folder / "shown.json"
    if not told.exists():
        told.write_text(json.dumps(generate(folder, out, micrographs)))
    shown = json.loads(told.read_text())
    names = sorted(set(shown))
    with serve() as server:
        server.publish(folder)
        where = {"entry": ENTRY, "imageset": "Picked particles", "archive": server.base}
        yield (
            {**where, "split": "train", "cache_dir": out / "cache"},
            torch.tensor([names.index(name) for name in shown]),
        )
