"""Transforms of a recipe's volumes, which projections are made of: kept by each process, as many as fit."""

from collections import OrderedDict

from builders.io.made.imaging import contrast_of
from builders.io.made.maker import Volumes
from builders.io.made.recipe import Recipe
from builders.io.net.threads import fork_safe_lock
from perc_transforms.functional import VolumeTransform, volume_transform

MOST = 2**30
"""Bytes of transforms that a process keeps, those that were used last; or one, if that is larger."""

_kept: "OrderedDict[tuple[str, int], VolumeTransform]" = OrderedDict()
_alone = fork_safe_lock()


class Transforms:
    """Those of the sources of a recipe, as contrast: what is projected through them is I / I0 - 1 before the CTF.

    Args:
        recipe: of which.
        volumes: its sources.
    """

    def __init__(self, recipe: Recipe, volumes: Volumes) -> None:
        self._recipe, self._volumes, self._name = recipe, volumes, recipe.digest

    def __getitem__(self, number: int) -> VolumeTransform:
        key = self._name, number
        with _alone:
            found = _kept.get(key)
            if found is not None:
                _kept.move_to_end(key)
                return found
        made = volume_transform(contrast_of(self._recipe, self._volumes[number]))
        with _alone:
            _kept[key] = made
            while len(_kept) > 1 and sum(one.values.nbytes for one in _kept.values()) > MOST:
                _kept.popitem(last=False)
        return made
