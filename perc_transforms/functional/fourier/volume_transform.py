"""The transforms of volumes, in rows that slices through them are read of."""

import itertools
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from perc_transforms.errors import TransformError
from perc_transforms.functional.fourier.kernels import KERNELS, ROW
from perc_transforms.functional.grids import offsets

_PRECISIONS = torch.float32, torch.float64
MARGIN = 2
"""Samples beyond the highest frequency, so that those at it have all their neighbours."""


@dataclass(frozen=True)
class VolumeTransform:
    """The transform of a volume, as `volume_transform` makes it for `central_slices` and `project`.

    Attributes:
        values: complex, `(d, d, rows, 8)`: frequencies `(z, y, x)` of the volume about its centre, with the gridding
            correction, along z and y from -h - 2 to h + 2, where h is the highest, of m / 2 of the padded volume.
            Those along x, from -1 on, lie in rows of 8, each of which begins `9 - taps` after the one before.
        size: n, voxels of a side of the volume, and pixels of one of its projections.
        padded: m, voxels of a side of the padded volume.
        cutoff: the frequency, in cycles a voxel, beyond which slices are 0; None: that of Nyquist along each axis.
        taps: samples along each axis that interpolation weighs.
    """

    values: Tensor
    size: int
    padded: int
    cutoff: float | None = None
    taps: int = 4

    def to(self, device: str | torch.device) -> "VolumeTransform":
        """The same on another device."""
        return replace(self, values=self.values.to(device))


def volume_transform(
    volume: Tensor, *, oversampling: float = 2.0, cutoff: float | None = None, taps: int = 4
) -> VolumeTransform:
    """The transform of a volume that is sampled finely enough for slices through it at any angle.

    The volume is divided along each axis by what interpolation will multiply it by, `sinc(x / m)^4` for cubic
    B-splines, and padded to m voxels; the rest is an FFT. The volume's centre is voxel `n // 2`.

    Args:
        volume: `(n, n, n)`, `(z, y, x)`.
        oversampling: m / n, 1 or more; m is even.
        cutoff: the highest frequency of slices, in cycles a voxel, above 0 and at most 0.5: a volume that holds
            nothing finer than some resolution, as those that were low-passed, has slices sooner and takes less memory
            with `cutoff = voxel_size / resolution`. None: all that the cube of frequencies holds.
        taps: samples along each axis that slices are interpolated from. 4: by cubic B-splines. 3: by a kernel of Kaiser
            and Bessel (Jackson et al., IEEE Trans. Med. Imaging 10, 473, 1991), nearly twice as fast, with errors that
            `project` has, too.

    Returns:
        What takes some `6.4 (2 h + 5)^3` bytes for float32, with h = m / 2, or with a cutoff h = m * cutoff.

    Raises:
        TransformError: no cube, or an option out of its range.

    Example:
        >>> volume_transform(torch.ones(8, 8, 8)).values.shape
        torch.Size([21, 21, 2, 8])
    """
    n = volume.shape[-1] if volume.ndim else 0
    if volume.ndim != 3 or n == 0 or len(set(volume.shape)) > 1 or volume.dtype not in _PRECISIONS:
        msg = f"volume_transform: {volume.dtype} of shape {tuple(volume.shape)}: expected a cube of floats, (n, n, n), "
        msg += "of 32 or 64 bits"
        raise TransformError(msg)
    if not 1 <= oversampling < math.inf:
        msg = f"volume_transform: oversampling is {oversampling!r}: expected 1 or more"
        raise TransformError(msg)
    if cutoff is not None and not 0 < cutoff <= 0.5:
        msg = f"volume_transform: cutoff is {cutoff!r}: expected cycles a voxel, above 0 and at most 0.5"
        raise TransformError(msg)
    if taps not in KERNELS:
        msg = f"volume_transform: taps is {taps!r}: expected 3 or 4"
        raise TransformError(msg)
    m = max(2 * MARGIN, 2 * math.ceil(oversampling * n / 2))
    correction = KERNELS[taps].transform(offsets(n, volume) / m).reciprocal().to(volume.dtype)
    corrected = volume * correction * correction[:, None] * correction[:, None, None]
    highest = m // 2 if cutoff is None else math.ceil(cutoff * m)
    values = _in_rows(torch.fft.rfftn(_padded(corrected, m)), highest, KERNELS[taps].step)
    return VolumeTransform(values, n, m, cutoff, taps)


def _padded(volume: Tensor, m: int) -> Tensor:
    """A volume `(n, n, n)` as one of m voxels a side, zeros about it, whose centre is voxel 0."""
    n = len(volume)
    padded = volume.new_zeros(m, m, m)
    from_centre, to_centre = (slice(n // 2, n), slice(n - n // 2)), (slice(n // 2), slice(m - n // 2, m))
    for octant in itertools.product((from_centre, to_centre), repeat=3):
        old, new = zip(*octant, strict=True)
        padded[new] = volume[old]
    return padded


def _in_rows(half: Tensor, highest: int, step: int) -> Tensor:
    """Half a spectrum `(m, m, m // 2 + 1)` as far as some frequency and its margin: the values of a transform."""
    m = len(half)
    around = torch.arange(-highest - MARGIN, highest + MARGIN + 1, device=half.device) % m
    half = half[around[:, None], around]
    # beyond a half spectrum stand the conjugates of the opposite frequencies
    more = range(m // 2 + 1, highest + MARGIN + 1)
    below, above = (half[..., list(at)].flip(0, 1).conj() for at in ([1], [m - k for k in more]))
    length = highest // step * step + ROW
    rest = half.new_zeros(*half.shape[:2], max(0, length - (highest + MARGIN + 2)))
    line = torch.cat([below, half[..., : highest + MARGIN + 1], above, rest], -1)
    return line[..., :length].unfold(-1, ROW, step).contiguous()
