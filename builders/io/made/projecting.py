"""Transforms of a recipe's volumes, which projections are made of: kept by each process, as many as fit."""

import itertools
from collections import OrderedDict

import torch
from torch import Tensor

from builders.io.made.imaging import contrast_of
from builders.io.made.maker import Volumes
from builders.io.made.recipe import Recipe
from builders.io.net.threads import fork_safe_lock
from perc_transforms.functional import VolumeTransform, volume_transform
from perc_transforms.functional.grids import spatial_frequency

MOST = 2**30
"""Bytes of transforms that a process keeps, those that were used last; or one, if that is larger."""

_NOTHING = 1e-8
"""The share of a volume's power that is left out beyond a cutoff: 1e-4 of its projections, root mean square."""

_kept: "OrderedDict[tuple[int, int], VolumeTransform]" = OrderedDict()
_numbers = itertools.count()
_alone = fork_safe_lock()


class Transforms:
    """Those of the sources of a recipe, as contrast: what is projected through them is I / I0 - 1 before the CTF.

    Args:
        recipe: of which.
        volumes: its sources.
    """

    def __init__(self, recipe: Recipe, volumes: Volumes) -> None:
        self._recipe, self._volumes, self._own = recipe, volumes, next(_numbers)

    def __getitem__(self, number: int) -> VolumeTransform:
        key = self._own, number
        with _alone:
            found = _kept.get(key)
            if found is not None:
                _kept.move_to_end(key)
                return found
        volume = contrast_of(self._recipe, self._volumes[number])
        made = volume_transform(volume, cutoff=finest(volume))
        with _alone:
            _kept[key] = made
            while len(_kept) > 1 and sum(one.values.nbytes for one in _kept.values()) > MOST:
                _kept.popitem(last=False)
        return made


def finest(volume: Tensor) -> float | None:
    """The frequency, in cycles a voxel, beyond which a volume has nothing; None: it has something everywhere.

    Example:
        >>> finest(torch.eye(8).expand(8, 8, 8)) is None
        True
    """
    n = volume.shape[-1]
    power = torch.fft.rfftn(volume).abs().square().double()
    shells = (spatial_frequency((n, n, n), power) * n).ceil().long()
    sums = torch.zeros(int(shells.max()) + 1, dtype=torch.float64).index_add_(0, shells.flatten(), power.flatten())
    beyond = sums.flip(0).cumsum(0).flip(0)  # in this shell and all after it
    highest = int((beyond > _NOTHING * sums[1:].sum()).sum()) - 1
    return highest / n if 0 < highest <= n / 2 else None
