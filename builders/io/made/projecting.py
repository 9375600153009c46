"""Transforms of a recipe's volumes, which projections are made of.

Each process keeps as many as fit. Of a recipe that has more, such as states by the hundred, all lie in files beside
its volumes, which every process maps: rows come in any order, and making a transform takes as long as many images.
"""

import contextlib
import hashlib
import itertools
import logging
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
from builders.io.net.threads import fork_safe_lock
from perc_transforms.functional import VolumeTransform, volume_transform
from perc_transforms.functional.grids import spatial_frequency

MOST = 2**30
"""Bytes of transforms that a process keeps, those that were used last; or one, if that is larger."""

_OVERSAMPLING, _TAPS = 1.5, 3
"""Of transforms: projections of what lies within 0.4 n of the centre are right to 6e-3, root mean square."""
_NOTHING, _LEAKS = 1e-8, 1e-5
"""Shares of a volume's power that are left out beyond a cutoff: at its own frequencies, and between them, where there
is what its box has cut off. In projections that is some 1e-3 at the most, root mean square."""

logger = logging.getLogger(__name__)

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
        self._mapped: dict[int, VolumeTransform] = {}

    def __getitem__(self, number: int) -> VolumeTransform:
        if number in self._mapped:
            return self._mapped[number]
        key = self._own, number
        with _alone:
            found = _kept.get(key)
            if found is not None:
                _kept.move_to_end(key)
                return found
        file = self._file(number)
        if file is not None and (there := _read(file, self._recipe.box_size)) is not None:
            self._mapped[number] = there
            return there
        volume = contrast_of(self._recipe, self._volumes[number])
        made = volume_transform(volume, oversampling=_OVERSAMPLING, cutoff=finest(volume), taps=_TAPS)
        if file is not None and made.values.nbytes * len(self._volumes) > MOST:
            _write(file, made)
        with _alone:
            _kept[key] = made
            while len(_kept) > 1 and sum(one.values.nbytes for one in _kept.values()) > MOST:
                _kept.popitem(last=False)
        return made

    def _file(self, number: int) -> Path | None:
        """Where the transform of a source is, or would be, without what follows its cutoff; None: nowhere."""
        folder: Path | None = getattr(self._volumes, "folder", None)
        if folder is None:
            return None
        recipe = self._recipe
        told = repr((recipe.sources[number].file, recipe.pixel_size, recipe.optics.voltage, _OVERSAMPLING, _TAPS))
        return folder / f"transform-{hashlib.blake2b(told.encode(), digest_size=16).hexdigest()}"


def _read(file: Path, size: int) -> VolumeTransform | None:
    """A transform that lies in a file, mapped; None where it is not there, or is none."""
    for path in file.parent.glob(f"{file.name}.*.npy"):
        with contextlib.suppress(OSError, ValueError, EOFError):
            padded, shells = map(int, path.name.split(".")[1].split("-"))
            values = np.load(path, mmap_mode="c", allow_pickle=False)
            if values.dtype == np.complex64 and values.ndim == 4:
                return VolumeTransform(torch.from_numpy(values), size, padded, shells / size if shells else None, _TAPS)
    return None


def _write(file: Path, made: VolumeTransform) -> None:
    """Put a transform into a file, which is there whole or not at all; where the disk will not have it, into none."""
    shells = 0 if made.cutoff is None else round(made.cutoff * made.size)
    part = file.with_name(f".{file.name}.{os.getpid():x}-{threading.get_ident():x}.tmp")
    try:
        with part.open("wb") as sink:
            np.save(sink, made.values.numpy())
        part.replace(file.with_name(f"{file.name}.{made.padded}-{shells}.npy"))
    except OSError as err:
        logger.warning(
            "%s: %s: transforms of volumes are not cached, and are computed each time", file.parent, err.strerror or err
        )
        with contextlib.suppress(OSError):
            part.unlink()


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
