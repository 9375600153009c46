"""Recipes in the cache: `<name>.json`, and the volumes of all recipes beside it."""

import hashlib
import os
from pathlib import Path

import numpy as np
from torch import Tensor

from builders.errors import PercError
from builders.io.files.cache import default_folder, disk_error
from builders.io.made.recipe import Recipe, Source
from builders.io.made.recipe_file import MappedVolumes, read_recipe, write_recipe
from builders.synthetic.config import SyntheticConfig
from builders.synthetic.sources import volumes_of


def recipe_for(config: SyntheticConfig, version: str, anew: bool = False) -> tuple[str, Recipe]:
    """The recipe of some options, in the cache: its path, and what it says.

    Args:
        config: the options.
        version: of the builder.
        anew: make it whether it is there or not.

    Raises:
        PercError: a structure cannot be had, or the cache cannot be written.
    """
    name = hashlib.blake2b(f"{version} {config.state}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    path = Path(config.cache or default_folder()) / "synthetic" / f"{name}.json"
    if not anew and (found := _there(path)) is not None:
        return str(path), found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sources, labels = [], []
        for label, asked in enumerate(config.asked):
            labels.append(asked.label)
            for state, volume in enumerate(volumes_of(asked, config.box_size, config.pixel_size)):
                sources.append(Source(_written(path.parent, volume), label, state))
        write_recipe(path, config.recipe(labels, sources))
    except OSError as err:
        if isinstance(err, PercError):
            raise
        raise disk_error(err, path.parent, "volumes that images are made of") from err
    return str(path), read_recipe(str(path))


def _there(path: Path) -> Recipe | None:
    """The recipe in a file, if it is there with its volumes."""
    try:
        recipe = read_recipe(str(path))
        for _ in MappedVolumes(str(path), recipe):
            pass
    except PercError:
        return None
    return recipe


def _written(folder: Path, volume: Tensor) -> str:
    """Put a volume into a folder, under a name that follows from what is in it."""
    array = np.ascontiguousarray(volume.numpy())
    name = f"{hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest()}.npy"
    path = folder / name
    if not path.is_file() or path.stat().st_size <= array.nbytes:
        part = folder / f"{name}.{os.getpid()}.part"
        with part.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        part.replace(path)
    return name
