"""Maps in place of structures: volumes of files, in voxels and a box of another size."""

import hashlib
import logging
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.errors import FormatError
from builders.io import image_file
from builders.io.casting import cast
from builders.synthetic.potentials.molecules import Drawing
from builders.synthetic.potentials.spectra import Grids, volume_of

logger = logging.getLogger(__name__)

SUFFIXES = (".mrc", ".map", ".ccp4", ".rec")
_WHOLE = 0.99
"""Of a map's squared density, below which it is told that a box cuts it."""


@dataclass(frozen=True)
class Map:
    """A map of a file, `.mrc`, also packed: it is taken to be in V as it is.

    Attributes:
        path: of the file.
    """

    path: Path

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    @cached_property
    def digest(self) -> bytes:
        """Of its voxels, and how large they are."""
        digest = hashlib.blake2b(repr((self._voxels.shape, self._voxel_sizes)).encode(), digest_size=16)
        digest.update(self._voxels.tobytes())
        return digest.digest()

    def box(self, pixel_size: float) -> int:
        """One as large as its own."""
        side = max(count * size for count, size in zip(self._voxels.shape, self._sizes_or(pixel_size), strict=True))
        return max(2, 2 * round(float(side) / pixel_size / 2))

    def check_box(self, n: int, pixel_size: float) -> None:
        """Nothing: what lies beyond the box is cut off."""

    def remark(self, drawing: Drawing) -> str | None:
        """That its header does not say how large voxels are."""
        if None not in self._voxel_sizes:
            return None
        return f"{self.name}: its header tells no size of voxels: taken to be {drawing.pixel_size:g} Å"

    def volume(self, n: int, drawing: Drawing) -> Tensor:
        """It, its middle voxel in the box's, without frequencies that its own voxels or the box's cannot hold.

        Each axis is cut to the box, and transformed to the box's frequencies.
        """
        voxel, sizes = drawing.pixel_size, self._sizes_or(drawing.pixel_size)
        whole = cut = torch.from_numpy(self._voxels)
        transforms = []
        for axis, size in enumerate(sizes):
            count = cut.shape[axis]
            at = (np.arange(count) - count // 2) * (size / voxel) + n // 2
            inside = np.flatnonzero((at > -0.5) & (at < n - 0.5))
            cut = cut.narrow(axis, int(inside[0]), len(inside))
            transforms.append(_transform(at[inside], n, half=axis == 2))
        kept = float(torch.linalg.vector_norm(cut) / torch.linalg.vector_norm(whole)) ** 2
        if kept < _WHOLE:
            msg = "%s: a box of %d voxels of %g Å holds %.1f %% of its squared density, one of %d all of it"
            logger.warning(msg, self.name, n, voxel, 100 * kept, self.box(voxel))
        spectrum = torch.einsum("zyx,kx->zyk", cut.to(torch.complex64), transforms[2])
        spectrum = torch.einsum("zyk,jy->zjk", spectrum, transforms[1])
        spectrum = torch.einsum("zjk,iz->ijk", spectrum, transforms[0])
        grids = Grids(n, voxel, n)
        weights = grids.radial(grids.limit(max(sizes)) * (math.prod(sizes) / voxel**3))
        return volume_of(spectrum * weights)

    @cached_property
    def _voxels(self) -> NDArray[np.float32]:
        voxels = cast(image_file.read(self.path), np.float32, self.name)
        if voxels.ndim != 3:
            msg = f"{self.name}: an image of shape {voxels.shape}: expected a volume, (nz, ny, nx)"
            raise FormatError(msg)
        if not np.isfinite(voxels).all():
            msg = f"{self.name}: it has voxels that are infinite or NaN: expected numbers"
            raise FormatError(msg)
        if not voxels.any():
            msg = f"{self.name}: all of its voxels are 0: expected a density"
            raise FormatError(msg)
        return np.ascontiguousarray(voxels, np.float32)

    @cached_property
    def _voxel_sizes(self) -> tuple[float | None, ...]:
        file = image_file.describe(self.path)
        sizes = (file.pixel_size,) * 3 if file.header is None else file.header.voxel_size[::-1]
        return tuple(file.pixel_size if size is None else size for size in sizes)

    def _sizes_or(self, pixel_size: float) -> list[float]:
        """Å, `(z, y, x)`; those of the box where the file does not say."""
        return [pixel_size if size is None else float(size) for size in self._voxel_sizes]


def _transform(at: NDArray[np.floating[Any]], n: int, *, half: bool) -> Tensor:
    """What takes samples at some places, in voxels, to the frequencies of an axis of n voxels: `(n, samples)`."""
    k = np.arange(n // 2 + 1) if half else np.fft.ifftshift(np.arange(n) - n // 2)
    return torch.from_numpy(np.exp(-2j * np.pi / n * np.outer(k, at)).astype(np.complex64))
