"""Transforms of a recipe's volumes, which projections are made of: each process keeps them, as many as fit.

Where those of a recipe do not fit, they are files beside its volumes, which are mapped: processes share the system's
memory for them, and no batch of many classes waits until one more transform is made.
"""

import contextlib
import hashlib
import itertools
import os
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from builders.io.made.imaging import contrast_of
from builders.io.made.maker import Volumes
from builders.io.made.recipe import Recipe
from builders.io.made.recipe_file import MappedVolumes
from builders.io.net.threads import fork_safe_lock
from perc_transforms.functional import VolumeTransform, volume_transform
from perc_transforms.functional.grids import spatial_frequency

MOST = 2**30
"""Bytes of transforms in the memory of a process, those that were used last; or one, if that is larger."""

_ARITHMETIC = 1
"""Counts changes of what transforms come out as: files of others are not read."""
_NOTHING, _LEAKS = 1e-8, 1e-5
"""Shares of a volume's power that are left out beyond a cutoff: at its own frequencies, and between them, where there
is what its box has cut off. In projections that is some 1e-3 at the most, root mean square, as is what interpolation
does.
"""

_kept: "OrderedDict[tuple[int, int], tuple[VolumeTransform, int]]" = OrderedDict()
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
        about = 6.4 * (2 * recipe.box_size + 5) ** 3 * len(recipe.sources)
        self._folder = volumes.folder if isinstance(volumes, MappedVolumes) and about > MOST else None

    def __getitem__(self, number: int) -> VolumeTransform:
        key = self._own, number
        with _alone:
            if key in _kept:
                _kept.move_to_end(key)
                return _kept[key][0]
        found = self._mapped(number) if self._folder is not None else None
        made = self._made(number) if found is None else found
        with _alone:
            _kept[key] = made, made.values.nbytes if found is None else 0
            while len(_kept) > 1 and sum(size for _, size in _kept.values()) > MOST:
                _kept.popitem(last=False)
        return made

    def _made(self, number: int) -> VolumeTransform:
        volume = contrast_of(self._recipe, self._volumes[number])
        return volume_transform(volume, cutoff=finest(volume))

    def _mapped(self, number: int) -> VolumeTransform | None:
        """One that is in a file, which is written if need be; None where it cannot be."""
        assert self._folder is not None
        recipe = self._recipe
        scale = repr((_ARITHMETIC, recipe.optics.voltage, recipe.pixel_size)).encode()
        stem = f"{Path(recipe.sources[number].file).stem}-{hashlib.blake2b(scale, digest_size=6).hexdigest()}"
        paths = self._folder / f"{stem}.part.npy", self._folder / f"{stem}.all.npy"  # with a cutoff, and without
        if not any(path.exists() for path in paths):
            made = self._made(number)
            with contextlib.suppress(OSError):
                _write(paths[made.cutoff is None], made.values)
        n = recipe.box_size
        for path in paths:
            with contextlib.suppress(OSError, ValueError, EOFError):
                values = torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
                highest = len(values) // 2 - 2
                if values.dtype == torch.complex64 and values.shape == (*(2 * highest + 5,) * 2, highest // 5 + 1, 8):
                    return VolumeTransform(values, n, 2 * n, highest / (2 * n) if path == paths[0] else None)
        return None


def _write(path: Path, values: Tensor) -> None:
    """A file that is there whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid():x}-{threading.get_ident():x}.tmp")
    try:
        with part.open("wb") as file:
            np.save(file, values.numpy(), allow_pickle=False)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def finest(volume: Tensor) -> float | None:
    """The frequency, in cycles a voxel, beyond which slices through a volume have nothing; None: they may have.

    Slices lie between the volume's own frequencies, too: those that are farthest from these are looked at as well.

    Example:
        >>> finest(torch.eye(8).expand(8, 8, 8)) is None
        True
    """
    n = volume.shape[-1]
    whole = torch.fft.rfftn(volume).abs().square()
    turns = torch.polar(torch.ones(n), -torch.pi * (torch.arange(n) - n // 2) / n)  # half a frequency along each axis
    apart = torch.fft.fftn(volume * turns * turns[:, None] * turns[:, None, None]).abs().square()
    k = torch.fft.fftfreq(n) * n + 0.5
    between = (k[:, None, None].square() + k[:, None].square() + k.square()).sqrt()
    own = _beyond(whole, spatial_frequency((n, n, n), whole) * n) > _NOTHING
    highest = max(int(own.sum()), int((_beyond(apart, between) > _LEAKS).sum())) - 1
    return highest / n if 0 < highest <= n / 2 else None


def _beyond(power: Tensor, radii: Tensor) -> Tensor:
    """Which share of all power but DC's lies in each shell, and all after it."""
    shells = radii.ceil().long().flatten()
    sums = torch.zeros(int(shells.max()) + 1, dtype=torch.float64).index_add_(0, shells, power.flatten().double())
    return sums.flip(0).cumsum(0).flip(0) / sums[1:].sum()
