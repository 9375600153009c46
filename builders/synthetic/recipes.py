"""Recipes in the cache: `<name>.json`, beside the volumes of all of them."""

import hashlib
from pathlib import Path

from builders.errors import PercError
from builders.io.files.cache import default_folder, disk_error
from builders.io.made.known import forget, maker_for
from builders.io.made.recipe import Recipe, Source
from builders.io.made.recipe_file import MappedVolumes, read_recipe, write_recipe
from builders.synthetic.config import SyntheticConfig
from builders.synthetic.potentials.volumes import volumes_of


def recipe_for(config: SyntheticConfig, version: str, anew: bool = False) -> tuple[str, Recipe]:
    """The recipe of some options, in the cache: its path, and what it says.

    Args:
        config: the options.
        version: of the builder.
        anew: make it, and its volumes, whether they are there or not.

    Raises:
        OptionError: no rows can be made of them.
        PercError: a structure cannot be had, or does not fit into the box; or the cache cannot be written.
    """
    name = hashlib.blake2b(f"{version} {config.state}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    folder = Path(config.cache or default_folder())
    path = folder / "synthetic" / f"{name}.json"
    if not anew and (found := _there(path)) is not None:
        return str(path), found
    made = volumes_of(
        config.structures,
        pixel_size=config.pixel_size,
        box=int(config.box_size),
        resolution=config.resolution,
        b_factor=config.density_b_factor,
        solvent=config.solvent,
        folder=folder,
        endpoints=config.endpoints,
        anew=anew,
    )
    labels = {one.label: one.name for one in made}
    sources = [Source(one.path.name, one.label, one.state) for one in made]
    recipe = config.recipe([labels[label] for label in sorted(labels)], sources)
    maker = maker_for(recipe, MappedVolumes(str(path), recipe))
    maker.check()
    try:
        write_recipe(path, maker.recipe)
    except OSError as err:
        if isinstance(err, PercError):
            raise
        raise disk_error(err, path.parent, "a recipe of images") from err
    forget(str(path))
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
