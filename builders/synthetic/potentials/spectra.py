"""Fourier transforms of what is drawn finely, cropped to the frequencies that coarser voxels hold."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FINENESS = 1.25
"""Voxels of a side of a fine grid for each of the volume's: what is drawn there aliases beyond the kept frequencies."""
_EDGE = 2.0
"""Width in shells of the raised cosine that ends at Nyquist's frequency."""
_SLAB = 4
"""Planes that are transformed at a time, so that what is thrown away is little."""


@dataclass(frozen=True)
class Grids:
    """A box of n voxels a side, and the grid of the same box that is drawn on.

    Attributes:
        n: voxels of a side of the volume.
        voxel: Å.
        fine: voxels of a side of the grid.
    """

    n: int
    voxel: float
    fine: int

    @classmethod
    def of(cls, n: int, voxel: float, coarsest: float = math.inf) -> "Grids":
        """Of a volume, with a grid `FINENESS` times as fine, or whose voxels have this many Å at most."""
        return cls(n, voxel, good_size(max(math.ceil(FINENESS * n), math.ceil(n * voxel / coarsest))))

    @property
    def step(self) -> float:
        """Å, of the grid's voxels."""
        return self.n * self.voxel / self.fine

    @functools.cached_property
    def shells(self) -> Tensor:
        """Squared length of each frequency of the volume's `rfftn`, times the box squared; flat; the last is beyond."""
        along = torch.fft.ifftshift(torch.arange(self.n, dtype=torch.int32) - self.n // 2).square()
        half = torch.arange(self.n // 2 + 1, dtype=torch.int32).square()
        squares = along[:, None, None] + along[:, None] + half
        shells: Tensor = squares.clamp_(max=self.n**2 // 4 + 1).view(-1)
        return shells

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """1/Å, of each of the shells."""
        lengths: NDArray[np.float64] = np.sqrt(np.arange(self.n**2 // 4 + 2)) / (self.n * self.voxel)
        return lengths

    def limit(self, coarsest: float = 0.0) -> NDArray[np.float64]:
        """What is kept of each shell: a ball of frequencies that ends at Nyquist's, for no direction to have more.

        Args:
            coarsest: Å, of voxels that the content comes from, if those may be larger.
        """
        last = self.n / 2 * min(1.0, self.voxel / coarsest if coarsest else 1.0)
        start = max(last - _EDGE, 0.0)
        at = (self.frequencies * self.n * self.voxel - start) / (last - start)
        kept: NDArray[np.float64] = 0.5 + 0.5 * np.cos(np.pi * at.clip(0, 1))
        return kept

    def radial(self, values: NDArray[np.float64]) -> Tensor:
        """Values of the shells at each frequency of the volume's `rfftn`, float32."""
        by_shell = torch.from_numpy(values.astype(np.float32))
        at_each: Tensor = by_shell.index_select(0, self.shells).view(self.n, self.n, self.n // 2 + 1)
        return at_each


def good_size(least: int) -> int:
    """The next even number without prime factors above 5: FFTs of such sides are fast.

    Example:
        >>> good_size(191), good_size(257)
        (192, 270)
    """
    size = least + least % 2
    while not _is_smooth(size):
        size += 2
    return size


def _is_smooth(size: int) -> bool:
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    return size == 1


def cropped_transform(block: Tensor, grids: Grids) -> Tensor:
    """The frequencies of a volume that what was drawn has, of a block of the fine grid; zeros are elsewhere.

    The axes are transformed one by one, and each cropped at once; so lines of zeros take no time.

    Args:
        block: `(z, y, x)`; where it is longer than the grid, it goes on at the other side.
        grids: of the volume and of the block.

    Returns:
        Complex, `(n, n, n // 2 + 1)`, about the block's first voxel.
    """
    n, fine = grids.n, grids.fine
    for axis in range(3):
        block = _wrapped(block, axis, fine)
    lines = torch.fft.rfft(block, n=fine)[..., : n // 2 + 1]
    planes = lines.new_empty(len(lines), n, n // 2 + 1)
    for some in _slabs(len(lines)):
        _keep(torch.fft.fft(lines[some], n=fine, dim=1), planes[some], 1)
    spectrum: Tensor = lines.new_empty(n, n, n // 2 + 1)
    for some in _slabs(n):
        _keep(torch.fft.fft(planes[:, some], n=fine, dim=0), spectrum[:, some], 0)
    return spectrum


def _slabs(count: int) -> list[slice]:
    return [slice(start, start + _SLAB) for start in range(0, count, _SLAB)]


def _keep(whole: Tensor, kept: Tensor, axis: int) -> None:
    """Take the lowest frequencies of an axis, in the order of an FFT of as many."""
    size = kept.shape[axis]
    positive = (size + 1) // 2
    kept.narrow(axis, 0, positive).copy_(whole.narrow(axis, 0, positive))
    kept.narrow(axis, positive, size - positive).copy_(whole.narrow(axis, whole.shape[axis] - size // 2, size // 2))


def _wrapped(block: Tensor, axis: int, size: int) -> Tensor:
    if block.shape[axis] <= size:
        return block
    first, *others = torch.split(block, size, axis)
    first = first.clone()
    for other in others:
        first.narrow(axis, 0, other.shape[axis]).add_(other)
    return first


def placed(spectrum: Tensor, origin: NDArray[np.int64], grids: Grids) -> Tensor:
    """A block's spectrum, in place, about the box's first voxel, for the block to lie where it is.

    Args:
        spectrum: of `cropped_transform`.
        origin: `(z, y, x)` of the block's first voxel, in voxels of the fine grid from the middle of voxel n // 2.
        grids: of the volume and of the block.
    """
    n = grids.n
    shifts = n // 2 + origin * (grids.step / grids.voxel)  # in voxels
    along = torch.fft.ifftshift(torch.arange(n, dtype=torch.float64) - n // 2)
    for axis, shift in enumerate(shifts):
        k = along if axis < 2 else torch.arange(n // 2 + 1, dtype=torch.float64)
        phases = torch.polar(torch.ones_like(k), -2 * math.pi * float(shift) / n * k).to(spectrum.dtype)
        spectrum *= phases.view(-1, *[1] * (2 - axis))
    return spectrum


def volume_of(spectrum: Tensor) -> Tensor:
    """The volume of a spectrum, float32, which is what the spectrum is not any more."""
    n = len(spectrum)
    volume = torch.empty(n, n, n)
    for some in _slabs(n):
        spectrum[:, some] = torch.fft.ifft(spectrum[:, some], dim=0)
    for some in _slabs(n):
        volume[some] = torch.fft.irfft2(spectrum[some], s=(n, n))
    return volume
