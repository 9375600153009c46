"""Volumes of classes of structures, kept in the cache."""

import hashlib
import io
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from builders.errors import PercError
from builders.io.files.whole_file import write_whole
from builders.io.made.recipe_file import mapped_volume
from builders.synthetic.potentials.densities import box_of, drawing_of, tell, volume_in
from builders.synthetic.potentials.sources import Endpoints, classes_of

ARITHMETIC = 1
"""Counts changes of what volumes come out as: others are kept beside them."""


@dataclass(frozen=True, slots=True)
class Made:
    """A volume that is kept.

    Attributes:
        name: of its class.
        label: number of its class, from 0, in the order in which classes were named.
        state: which state of the class, from 0.
        path: of the file: `.npy`, float32 `(n, n, n)`, `(z, y, x)`, V.
    """

    name: str
    label: int
    state: int
    path: Path


def volumes_of(
    structures: Any,
    *,
    pixel_size: float,
    box: int | None = None,
    resolution: float | None = None,
    b_factor: float | None = None,
    solvent: bool = True,
    folder: Path,
    endpoints: Endpoints = None,
    anew: bool = False,
) -> list[Made]:
    """Volumes of all states of some structures, in boxes of one size, each made once.

    Args:
        structures: one or several as `density` takes them, or such by the name of their class.
        pixel_size: Å.
        box: voxels of a side; None: what the largest takes.
        resolution: Å, as `density` has it, and the three that follow.
        b_factor: Å².
        solvent: subtract it.
        folder: of the cache; they are kept in `synthetic` in it, named for what went into them.
        endpoints: of `structures`, for ids.
        anew: make those that are kept, too.

    Raises:
        PercError: as `density`; or the disk fails.
    """
    drawing = drawing_of(pixel_size, resolution, b_factor, solvent)
    classes = classes_of(structures, endpoints)
    bodies = [body for states in classes.values() for body in states]
    n = box_of(bodies, box, drawing.pixel_size)
    tell(bodies, drawing)
    made = []
    with tqdm(total=len(bodies), desc="Drawing", unit=" volumes", disable=None, delay=1, leave=False) as progress:
        for label, (name, states) in enumerate(classes.items()):
            for state, body in enumerate(states):
                options = repr((ARITHMETIC, n, astuple(drawing))).encode()
                digest = hashlib.blake2b(body.digest + options, digest_size=16).hexdigest()
                path = folder / "synthetic" / f"{digest}.npy"
                if anew or not _is_kept(path, n):
                    content = io.BytesIO()
                    np.save(content, volume_in(body, n, drawing))
                    write_whole(path, content.getvalue())
                made.append(Made(name, label, state, path))
                progress.update()
    return made


def _is_kept(path: Path, n: int) -> bool:
    """Whether a file holds a volume of n voxels a side: one that was damaged does not."""
    try:
        mapped_volume(path, n)
    except PercError:
        return False
    return True
