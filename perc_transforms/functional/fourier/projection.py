"""Projections of volumes, by central slices of their transforms."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from perc_transforms.errors import TransformError
from perc_transforms.functional.grids import frequencies, offsets, shift_phases

_TAPS = 4
"""Samples along each axis that a cubic B-spline weighs."""
_MARGIN = 2
"""Samples beyond the highest frequency, so that those at it have all their neighbours."""
_AT_ONCE = {"cpu": 2**13}
"""Points of slices that are interpolated at a time, each with 64 neighbours: what fits a CPU's cache."""
_AT_ONCE_ELSEWHERE = 2**18
_PIXELS = 2**22
"""Pixels of projections whose spectra are held at a time."""


@dataclass(frozen=True)
class VolumeTransform:
    """The transform of a volume, as `volume_transform` makes it for `central_slices` and `project`.

    Attributes:
        values: complex, `(m + 5, m + 5, m // 2 + 4)` for a padded side of m voxels: frequencies `(z, y, x)` from
            -m / 2 - 2 (along x: -1) to m / 2 + 2, of the volume about its centre, with the gridding correction.
        size: n, voxels of a side of the volume, and pixels of one of its projections.
    """

    values: Tensor
    size: int

    def to(self, device: str | torch.device) -> "VolumeTransform":
        """The same on another device."""
        return replace(self, values=self.values.to(device))


def volume_transform(volume: Tensor, *, oversampling: float = 2.0) -> VolumeTransform:
    """The transform of a volume that is sampled finely enough for slices through it at any angle.

    The volume is divided by `sinc(x / m)^4` along each axis, which is what interpolation by cubic B-splines will
    multiply it by, and padded to m voxels; the rest is an FFT. The volume's centre is voxel `n // 2`.

    Args:
        volume: `(n, n, n)`, `(z, y, x)`.
        oversampling: m / n, 1 or more; m is even, and `16 (m + 5)^3 / 4` bytes are taken for float32.

    Raises:
        TransformError: no cube, or less than 1.

    Example:
        >>> volume_transform(torch.ones(8, 8, 8)).values.shape
        torch.Size([21, 21, 12])
    """
    n = volume.shape[-1] if volume.ndim else 0
    if volume.ndim != 3 or n == 0 or len(set(volume.shape)) > 1 or not volume.is_floating_point():
        msg = f"volume_transform: {volume.dtype} of shape {tuple(volume.shape)}: expected a cube of floats, (n, n, n)"
        raise TransformError(msg)
    if not 1 <= oversampling < math.inf:
        msg = f"volume_transform: oversampling is {oversampling!r}: expected 1 or more"
        raise TransformError(msg)
    m = max(2 * _MARGIN, 2 * math.ceil(oversampling * n / 2))
    correction = torch.sinc(offsets(n, volume) / m).pow(-_TAPS).to(volume.dtype)
    corrected = volume * correction * correction[:, None] * correction[:, None, None]
    padded = torch.nn.functional.pad(corrected, (0, m - n) * 3).roll((-(n // 2),) * 3, (0, 1, 2))
    half = torch.fft.rfftn(padded)
    around = torch.arange(-m // 2 - _MARGIN, m // 2 + _MARGIN + 1, device=volume.device) % m
    half = half[around][:, around]
    # beyond a half spectrum stand the conjugates of the opposite frequencies: -1, m / 2 + 1 and m / 2 + 2
    beyond = half[..., [1, m // 2 - 1, m // 2 - 2]].flip(0, 1).conj()
    return VolumeTransform(torch.cat([beyond[..., :1], half, beyond[..., 1:]], -1), n)


def central_slices(
    volume_ft: VolumeTransform,
    rotations: Tensor,
    *,
    shifts: Tensor | None = None,
    size: int | None = None,
    step: float = 1.0,
) -> Tensor:
    """The spectra of a volume's projections: what `rfftn` gives of the images of `project`, which see.

    At the frequency k = (kx, ky) of the image it is the volume's transform at `A.T @ (kx, ky, 0)`, interpolated by
    cubic B-splines; 0 where that lies beyond the Nyquist frequency of one of the volume's axes.

    Args:
        volume_ft: of `volume_transform`.
        rotations: `(N, 3, 3)`, RELION's A.
        shifts: `(N, 2)`, pixels (x, y) by which content moves; None: none.
        size: s, pixels of a side of the images; None: n.
        step: voxels a pixel.

    Returns:
        Complex, `(N, s, s // 2 + 1)`, in the volume's precision.

    Raises:
        TransformError: as `project`.

    Example:
        >>> volume = torch.zeros(4, 4, 4)
        >>> volume[2, 2, 2] = 1.0
        >>> central_slices(volume_transform(volume), torch.eye(3)[None])[0, 0].real.round(decimals=2)
        tensor([ 1., -1.,  1.])
    """
    _check(rotations, shifts)
    values, sizes = volume_ft.values, (size or volume_ft.size,) * 2
    m = 2 * (values.shape[-1] - _TAPS)
    if not (min(sizes) > 0 and 0 < step * sizes[0] <= m):
        msg = f"{sizes[0]} pixels of {step} voxels each: expected both above 0, and no more than {m} voxels in all, "
        msg += "which the transform was padded to: make it with a larger oversampling"
        raise TransformError(msg)
    real = values.real
    y, x = (k.to(real.dtype) * (m / step) for k in frequencies(sizes, real))
    to_x, to_y = rotations.to(real)[:, :2, None, None].unbind(1)
    points = (to_x * x[:, None] + to_y * y[:, None, None]).reshape(-1, 3)
    at_once = _AT_ONCE.get(values.device.type, _AT_ONCE_ELSEWHERE)
    parts = [_interpolated(values, part) for part in torch.split(points, at_once)]
    by = torch.zeros(1, 2, device=values.device) if shifts is None else shifts.to(values.device)
    phases = shift_phases(sizes, by + sizes[0] // 2, real) / step**2
    return torch.cat(parts).view(len(rotations), len(y), len(x)) * phases


def project(
    volume_ft: VolumeTransform,
    rotations: Tensor,
    *,
    shifts: Tensor | None = None,
    size: int | None = None,
    step: float = 1.0,
) -> Tensor:
    """Images of a volume from many directions: at (x, y) the sum over z of the volume at `A.T @ (x, y, z)`.

    x, y and z are counted from pixel `n // 2`. With `shifts`, the content of each image is moved by +d; that is minus
    RELION's origin: `shifts = -origin / pixel_size`. With `size` and `step` images have other pixels than the volume:
    they are what `rescale` would make of projections, without the frequencies that they cannot hold. Differentiable in
    the volume, rotations and shifts, whose gradients take some 2 kB a pixel.

    Sums are exact but for interpolation, whose error grows towards the box's rim. Relative to the projection (root mean
    square), with the default oversampling of 2: 1e-4 for content within 0.2 n of the centre, 5e-4 within 0.3 n, 2e-3
    within 0.4 n, and 1e-2 of all of a box of noise; with 3, a sixth of that. What lies farther than n / 2 from the
    centre, in the corners of the box, may come in on the other side of an image: `soft_mask` removes it.

    Args:
        volume_ft: of `volume_transform`.
        rotations: `(N, 3, 3)`, RELION's A; `matrices_of` makes them of angles.
        shifts: `(N, 2)`, pixels (x, y); None: none.
        size: s, pixels of a side of the images; None: n.
        step: voxels a pixel, as pixel size over voxel size.

    Returns:
        `(N, s, s)`, on the transform's device and in its precision, in the volume's unit times voxels.

    Raises:
        TransformError: rotations or shifts of another shape, or images larger than the padded volume.

    Example:
        >>> volume = torch.zeros(8, 8, 8)
        >>> volume[4, 5, 4] = 1.0
        >>> quarter = torch.tensor([[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
        >>> project(volume_transform(volume), quarter)[0, 4].round(decimals=2) + 0.0
        tensor([0., 0., 0., 0., 0., 1., 0., 0.])
    """
    _check(rotations, shifts)
    n = size or volume_ft.size
    count = max(1, _PIXELS // n**2)
    pieces = torch.split(rotations, count)
    moves = [None] * len(pieces) if shifts is None else torch.split(shifts, count)
    if len(rotations) == 0:  # of which there is no FFT
        return volume_ft.values.real.new_zeros(0, n, n)
    parts = [
        torch.fft.irfftn(central_slices(volume_ft, some, shifts=by, size=n, step=step), s=(n, n), dim=(-2, -1))
        for some, by in zip(pieces, moves, strict=True)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _check(rotations: Tensor, shifts: Tensor | None) -> None:
    if rotations.ndim != 3 or rotations.shape[1:] != (3, 3):
        msg = f"rotations of shape {tuple(rotations.shape)}: expected matrices (N, 3, 3)"
        raise TransformError(msg)
    if shifts is not None and shifts.shape != (len(rotations), 2):
        msg = f"shifts of shape {tuple(shifts.shape)} for {len(rotations)} rotations: expected (x, y) of each, (N, 2)"
        raise TransformError(msg)


def _interpolated(values: Tensor, points: Tensor) -> Tensor:
    """The transform at points `(P, 3)`, (x, y, z) in its samples from DC: complex, `(P,)`."""
    highest = values.shape[-1] - _TAPS
    mirrored = points[:, :1] < 0  # only half of the transform is there: elsewhere it is the conjugate
    points = torch.where(mirrored, -points, points)
    inside = points.detach().abs().amax(-1) <= highest * (1 + 1e-5)
    points = points.clamp(-highest, highest)
    first = points.detach().floor()
    x, y, z = _cubic(points - first).unbind(1)
    weights = z[:, :, None, None] * y[:, None, :, None] * x[:, None, None, :]

    rows, columns = values.shape[1:]
    taps = torch.arange(_TAPS, device=values.device)
    around = (taps[:, None, None] * rows + taps[:, None]) * columns + taps
    start = first.long() + torch.tensor([0, highest + 1, highest + 1], device=values.device)
    corner = (start[:, 2] * rows + start[:, 1]) * columns + start[:, 0]
    found = torch.nn.functional.embedding_bag(
        corner[:, None] + around.flatten(),
        torch.view_as_real(values).view(-1, 2),
        per_sample_weights=weights.flatten(1),
        mode="sum",
    )
    real, imaginary = (found * inside[:, None]).unbind(-1)
    return torch.complex(real, torch.where(mirrored[:, 0], -imaginary, imaginary))


def _cubic(t: Tensor) -> Tensor:
    """Weights of a cubic B-spline at a place t, 0 to 1, after the second of four samples: one more axis, of 4."""
    u = 1 - t
    return torch.stack([u**3, 4 - 3 * t**2 * (1 + u), 4 - 3 * u**2 * (1 + t), t**3], -1) / 6
