"""Projections of volumes, by central slices of their transforms."""

import functools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from perc_transforms.errors import TransformError
from perc_transforms.functional.fourier.kernels import COLUMNS, KERNELS, ROW, Kernel, powers_of, weights_of
from perc_transforms.functional.fourier.volume_transform import MARGIN, VolumeTransform
from perc_transforms.functional.grids import frequencies, multiply, shift_phases

_AT_ONCE = {"cpu": 2**15}
"""Points of slices that are interpolated at a time: what they take stays near a CPU."""
_AT_ONCE_ELSEWHERE = 2**20
_PIXELS = 2**22
"""Pixels of projections whose spectra are held at a time."""


def central_slices(
    volume_ft: VolumeTransform,
    rotations: Tensor,
    *,
    shifts: Tensor | None = None,
    size: int | None = None,
    step: float = 1.0,
) -> Tensor:
    """The spectra of a volume's projections: what `rfftn` gives of the images of `project`, which see.

    At the frequency k = (kx, ky) of the image it is the volume's transform at `A.T @ (kx, ky, 0)`, interpolated; 0
    where that lies beyond the transform's cutoff, or the Nyquist frequency of one of its axes.

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
        >>> from perc_transforms.functional import volume_transform
        >>> volume = torch.zeros(4, 4, 4)
        >>> volume[2, 2, 2] = 1.0
        >>> central_slices(volume_transform(volume), torch.eye(3)[None])[0, 0].real.round(decimals=2)
        tensor([ 1., -1.,  1.])
    """
    _check(volume_ft, rotations, shifts, size)
    if not torch.compiler.is_compiling() and not bool(rotations.isfinite().all()):
        msg = "rotations that are NaN or infinite: expected matrices of numbers"
        raise TransformError(msg)
    values, sizes, m = volume_ft.values, (volume_ft.size if size is None else size,) * 2, volume_ft.padded
    if not (min(sizes) > 0 and 0 < step * sizes[0] <= m):
        msg = f"{sizes[0]} pixels of {step} voxels each: expected both above 0, and no more than {m} voxels in all, "
        msg += "which the transform was padded to: make it with a larger oversampling"
        raise TransformError(msg)
    real = values.real
    grid = _grid if torch.compiler.is_compiling() else _grid_kept
    plane = grid(sizes[0], step, volume_ft.cutoff, real.dtype, real.device)
    to_x, to_y = (rotations.to(real)[:, :2] * m).permute(1, 2, 0)[..., None]
    points = (to_x * plane.x + to_y * plane.y).flatten(1)
    kernel = KERNELS[volume_ft.taps]
    at_once = _AT_ONCE.get(values.device.type, _AT_ONCE_ELSEWHERE)
    found = torch.cat([_interpolated(values, part, kernel) for part in torch.split(points, at_once, 1)])
    slices = found.view(len(rotations), -1)
    if plane.held is not None:
        slices = slices.new_zeros(len(slices), plane.centre.numel()).index_copy(1, plane.held, slices)
    slices = slices.view(len(rotations), *plane.centre.shape)
    if shifts is None:
        return multiply(slices, plane.centre)
    return multiply(slices, shift_phases(sizes, shifts.to(values.device) + sizes[0] // 2, real) / step**2)


class _Plane(NamedTuple):
    """The frequencies of an image of s pixels a side.

    Attributes:
        x: cycles a voxel along x, of all that the transform holds: `(P,)`.
        y: along y.
        held: which those are of the spectrum; None: all.
        centre: what moves the image's pixel 0 to its centre, and makes sums over pixels of sums over voxels:
            `(s, s // 2 + 1)`.
    """

    x: Tensor
    y: Tensor
    held: Tensor | None
    centre: Tensor


def _grid(s: int, step: float, cutoff: float | None, dtype: torch.dtype, device: torch.device) -> _Plane:
    real = torch.zeros(1, dtype=dtype, device=device)
    y, x = (k / step for k in frequencies((s, s), real))
    y, x = torch.broadcast_tensors(y[:, None], x)  # type: ignore[no-untyped-call]
    centre = shift_phases((s, s), torch.full((1, 2), s // 2, device=device), real)[0] / step**2
    if cutoff is None:
        return _Plane(x.flatten().to(dtype), y.flatten().to(dtype), None, centre)
    held = (y.square() + x.square() <= (cutoff * (1 + 1e-6)) ** 2).flatten().nonzero()[:, 0]
    return _Plane(x.flatten()[held].to(dtype), y.flatten()[held].to(dtype), held, centre)


_grid_kept = functools.lru_cache(maxsize=8)(torch.inference_mode(False)(_grid))
"""The same again and again for images that are made one by one."""


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
    the volume, rotations and shifts, whose gradients take some half a kB a pixel.

    Sums are exact but for interpolation, whose error grows towards the box's rim. Relative to the projection (root mean
    square), with the default oversampling of 2: 1e-4 for content within 0.2 n of the centre, 5e-4 within 0.3 n, 2e-3
    within 0.4 n, and 1e-2 of all of a box of noise; with 3, a sixth of that. With `taps=3` it is 6e-3 wherever the
    content lies, and at an oversampling of 1.5 as much within 0.4 n. What lies farther than n / 2 from the
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
        TransformError: no transform of a volume, rotations or shifts of another shape, rotations that are not finite,
            or images larger than the padded volume.

    Example:
        >>> from perc_transforms.functional import volume_transform
        >>> volume = torch.zeros(8, 8, 8)
        >>> volume[4, 5, 4] = 1.0
        >>> quarter = torch.tensor([[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
        >>> project(volume_transform(volume), quarter)[0, 4].round(decimals=2) + 0.0
        tensor([0., 0., 0., 0., 0., 1., 0., 0.])
    """
    _check(volume_ft, rotations, shifts, size)
    n = volume_ft.size if size is None else size
    count = max(1, _PIXELS // max(1, n**2))
    pieces = torch.split(rotations, count)
    moves = [None] * len(pieces) if shifts is None else torch.split(shifts, count)
    if len(rotations) == 0:  # of which there is no FFT
        return volume_ft.values.real.new_zeros(0, n, n)
    parts = [
        torch.fft.irfftn(central_slices(volume_ft, some, shifts=by, size=n, step=step), s=(n, n), dim=(-2, -1))
        for some, by in zip(pieces, moves, strict=True)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _check(volume_ft: object, rotations: Tensor, shifts: Tensor | None, size: object) -> None:
    if not isinstance(volume_ft, VolumeTransform):
        msg = f"a {type(volume_ft).__name__} where a volume's transform is expected: volume_transform(volume) makes one"
        raise TransformError(msg)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int | np.integer)):
        msg = f"size is {size!r}: expected pixels of a side, a whole number"
        raise TransformError(msg)
    if rotations.ndim != 3 or rotations.shape[1:] != (3, 3):
        msg = f"rotations of shape {tuple(rotations.shape)}: expected matrices (N, 3, 3)"
        raise TransformError(msg)
    if shifts is not None and shifts.shape != (len(rotations), 2):
        msg = f"shifts of shape {tuple(shifts.shape)} for {len(rotations)} rotations: expected (x, y) of each, (N, 2)"
        raise TransformError(msg)


def _interpolated(values: Tensor, points: Tensor, kernel: Kernel) -> Tensor:
    """The transform at points `(3, P)`, (x, y, z) in its samples from DC: complex, `(P,)`."""
    highest, step, count = len(values) // 2 - MARGIN, kernel.step, len(kernel.factors[0])
    # only half of the transform is there: elsewhere it is the conjugate
    sign = torch.copysign(points.new_ones(()), points[0].detach())
    points = points * sign
    inside = points.detach().abs().amax(0) <= highest * (1 + 1e-5)
    points = points.clamp(-highest, highest)
    middle = points.detach().round() if kernel.nearest else points.detach().floor()
    powers = powers_of(points - middle, len(kernel.factors))

    planes, rows, taps = len(values), values.shape[2], torch.arange(count, dtype=torch.int32, device=values.device)
    row = torch.floor((middle[0] + 0.5) / step)  # exact: the quotients lie 0.08 or more from whole numbers
    start = ((middle[2].int() + (highest + 1)) * planes + middle[1].int() + (highest + 1)) * rows + row.int()
    around = ((taps[:, None] * planes + taps) * rows).flatten()
    along_z, along_y = weights_of(powers[:, 2], kernel, each=count), weights_of(powers[:, 1], kernel, whole=count)
    weights = along_z * along_y if powers.requires_grad else along_z.mul_(along_y)
    lines = torch.nn.functional.embedding_bag(
        start[:, None] + around,
        torch.view_as_real(values).view(-1, 2 * ROW),
        per_sample_weights=weights[:, : count**2],
        mode="sum",
    )
    of_line = torch.arange(0, ROW * len(lines), ROW, dtype=torch.int32, device=values.device)
    start = of_line + (middle[0] - row * step).int()
    taps = torch.arange(COLUMNS, dtype=torch.int32, device=values.device).clamp(max=count - 1)  # some weigh nothing
    found = torch.nn.functional.embedding_bag(
        start[:, None] + taps, lines.view(-1, 2), per_sample_weights=weights_of(powers[:, 0], kernel), mode="sum"
    )
    real, imaginary = found.unbind(-1)
    return torch.complex(real * inside, imaginary * (inside * sign))
