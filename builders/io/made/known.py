"""The makers of recipes that a process has read: which class makes a unit, and the images of rows by reference."""

import importlib
import math
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, OptionError, PercError
from builders.io.files import location
from builders.io.net.threads import fork_safe_lock

if TYPE_CHECKING:
    from builders.io.made.draws import Indices
    from builders.io.made.maker import Maker, Volumes
    from builders.io.made.recipe import Recipe

MAKERS = {
    "particle": "particles.ParticleMaker",
    "micrograph": "micrographs.maker.MicrographMaker",
    "tomogram": "tomograms.maker.TomogramMaker",
}
"""Unit -> what makes its rows: a module beside this one, and a class in it; imported when one is wanted."""

_LARGEST = 2**32
"""Pixels of an image, or voxels."""
_MOST = 64
"""Recipes whose makers are kept: those that were used last."""

_makers: "OrderedDict[tuple[str, str], Known]" = OrderedDict()
_alone = fork_safe_lock()


def maker_for(recipe: "Recipe", volumes: "Volumes") -> "Maker":
    """What makes rows of a recipe.

    Args:
        recipe: how.
        volumes: of its sources.

    Raises:
        FormatError: nothing here makes such.
    """
    if recipe.unit not in MAKERS:
        msg = f"a recipe of unit {recipe.unit!r}: expected one of {', '.join(MAKERS)}"
        raise FormatError(msg)
    module, name = MAKERS[recipe.unit].rsplit(".", 1)
    kind: type[Maker] = getattr(importlib.import_module(f"builders.io.made.{module}"), name)
    return kind(recipe, volumes)


class Known:
    """A maker that remembers which columns of images are asked for together, and makes these at once.

    Args:
        maker: which.
        path: of its recipe, for errors.
    """

    def __init__(self, maker: "Maker", path: str) -> None:
        self.maker, self._path = maker, path
        self._together: set[str] = set()
        self._last: tuple[bytes, set[str], dict[str, NDArray[np.generic]]] = b"", set(), {}

    def images(self, indices: "Indices", column: str) -> NDArray[np.generic]:
        """Images of rows, `(rows, *shape)`, which are the caller's.

        Args:
            indices: of the rows.
            column: which of their images.
        """
        key = indices.tobytes()
        with _alone:
            last, asked, left = self._last
            is_further = last == key and column not in asked
            if is_further:
                self._together |= {column} | asked  # from the next rows on
                asked.add(column)
                if column in left:
                    return left.pop(column)
            else:
                self._together -= left.keys()  # nobody took them
            wanted = {column} if is_further else {column} | self._together
        try:
            made = self.maker.pixels(indices, sorted(wanted))
        except PercError as err:
            msg = f"{self._path}: {err}"
            raise type(err)(msg) from err
        with _alone:
            if not is_further:
                self._last = key, {column}, {name: images for name, images in made.items() if name != column}
        return made[column]


def forget(path: str) -> None:
    """Make what was made of a recipe anew, for its volumes are others now.

    Args:
        path: of the recipe.
    """
    with _alone:
        for key in [key for key in _makers if key[0] == path]:
            del _makers[key]


def known(path: str, digest: str | None) -> Known:
    """The maker of the recipe in a file, which is read once.

    Args:
        path: of the recipe.
        digest: of the recipe; None or empty: of whatever is there.

    Raises:
        NotFoundError: there is none.
        ChangedError: it is another one.
        FormatError: it is none, one of another version, or on a server.
    """
    from builders.io.made.recipe_file import MappedVolumes, read_recipe  # torch is slow to import

    key = path, digest or ""
    with _alone:
        if key in _makers and digest:
            _makers.move_to_end(key)
            return _makers[key]
    if location.is_remote(path) or "://" in path:
        msg = f"{path}: images are made of recipes on this machine: expected a path"
        raise FormatError(msg)
    recipe = read_recipe(path, digest)
    try:
        maker = maker_for(recipe, MappedVolumes(path, recipe))
    except OptionError as err:
        msg = f"{path}: {err}"
        raise FormatError(msg) from err
    if math.prod(maker.shape) > _LARGEST:
        msg = f"{path}: images of shape {maker.shape}: expected at most {_LARGEST} pixels each"
        raise FormatError(msg)
    found = Known(maker, path)
    with _alone:
        _makers[key] = found
        while len(_makers) > _MOST:
            _makers.popitem(last=False)
    return found
