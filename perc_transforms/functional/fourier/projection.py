"""Projections of volumes, by central slices of their transforms."""

import itertools
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from perc_transforms.errors import TransformError
from perc_transforms.functional.axes import without_autocast
from perc_transforms.functional.grids import frequencies, multiply, offsets, shift_phases

_MARGIN = 2
"""Samples beyond the highest frequency, so that those at it have all their neighbours."""
_ROW = 8
"""Samples of a row, which are read as one; the next begins so much later that neighbours are in one row."""
_AT_ONCE = {"cpu": 2**14}
"""Points of slices that are interpolated at a time: what they take stays near a CPU."""
_AT_ONCE_ELSEWHERE = 2**20
_PIXELS = 2**22
"""Pixels of projections whose spectra are held at a time."""


@dataclass(frozen=True)
class _Kernel:
    """What interpolation weighs samples by: polynomials of the place among them.

    Attributes:
        factors: of 1, t, t^2, ...: those of the weights of each sample, the first of which is at -1.
        nearest: whether t is counted from the nearest sample, and not from the one below.
    """

    factors: tuple[tuple[float, ...], ...]
    nearest: bool

    @property
    def step(self) -> int:
        """How many samples after a row the next one begins."""
        return _ROW - len(self.factors[0]) + 1

    def transform(self, frequencies: Tensor) -> Tensor:
        """The kernel's own transform at frequencies in cycles a sample: what interpolation multiplies content by."""
        t = (torch.arange(_QUADRATURE, dtype=torch.float64) + 0.5) / _QUADRATURE - (0.5 if self.nearest else 0.0)
        weights = (
            torch.stack([t**power for power in range(len(self.factors))], -1) @ torch.tensor(self.factors).double()
        )
        places = t[:, None] - torch.arange(-1, weights.shape[1] - 1)
        turns = 2 * math.pi * frequencies.double().cpu()[:, None] * places.flatten()
        return (turns.cos() @ weights.flatten() / _QUADRATURE).to(frequencies)


_COLUMNS = 16
_QUADRATURE = 1000
"""Places between two samples at which a kernel is looked at."""
_KERNELS = {
    # the Kaiser-Bessel function I0(6.75 sqrt(1 - (2 u / 3)^2)) / I0(6.75), by polynomials
    3: _Kernel(
        (
            (0.209402, 0.999877, 0.209402),
            (-0.754246, 0.0, 0.754246),
            (0.709444, -1.37501, 0.709444),
            (0.242133, 0.0, -0.242133),
            (-0.521787, 0.720073, -0.521787),
        ),
        nearest=True,
    ),
    # a cubic B-spline
    4: _Kernel(
        ((1 / 6, 4 / 6, 1 / 6, 0.0), (-0.5, 0.0, 0.5, 0.0), (0.5, -1.0, 0.5, 0.0), (-1 / 6, 0.5, -0.5, 1 / 6)),
        nearest=False,
    ),
}


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
    if volume.ndim != 3 or n == 0 or len(set(volume.shape)) > 1 or not volume.is_floating_point():
        msg = f"volume_transform: {volume.dtype} of shape {tuple(volume.shape)}: expected a cube of floats, (n, n, n)"
        raise TransformError(msg)
    if not 1 <= oversampling < math.inf:
        msg = f"volume_transform: oversampling is {oversampling!r}: expected 1 or more"
        raise TransformError(msg)
    if cutoff is not None and not 0 < cutoff <= 0.5:
        msg = f"volume_transform: cutoff is {cutoff!r}: expected cycles a voxel, above 0 and at most 0.5"
        raise TransformError(msg)
    if taps not in _KERNELS:
        msg = f"volume_transform: taps is {taps!r}: expected 3 or 4"
        raise TransformError(msg)
    m = max(2 * _MARGIN, 2 * math.ceil(oversampling * n / 2))
    correction = _KERNELS[taps].transform(offsets(n, volume) / m).reciprocal().to(volume.dtype)
    corrected = volume * correction * correction[:, None] * correction[:, None, None]
    highest = m // 2 if cutoff is None else math.ceil(cutoff * m)
    values = _in_rows(torch.fft.rfftn(_padded(corrected, m)), highest, _KERNELS[taps].step)
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
    around = torch.arange(-highest - _MARGIN, highest + _MARGIN + 1, device=half.device) % m
    half = half[around[:, None], around]
    # beyond a half spectrum stand the conjugates of the opposite frequencies
    more = range(m // 2 + 1, highest + _MARGIN + 1)
    below, above = (half[..., list(at)].flip(0, 1).conj() for at in ([1], [m - k for k in more]))
    length = highest // step * step + _ROW
    rest = half.new_zeros(*half.shape[:2], max(0, length - (highest + _MARGIN + 2)))
    line = torch.cat([below, half[..., : highest + _MARGIN + 1], above, rest], -1)
    return line[..., :length].unfold(-1, _ROW, step).contiguous()


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
        >>> volume = torch.zeros(4, 4, 4)
        >>> volume[2, 2, 2] = 1.0
        >>> central_slices(volume_transform(volume), torch.eye(3)[None])[0, 0].real.round(decimals=2)
        tensor([ 1., -1.,  1.])
    """
    _check(rotations, shifts)
    values, sizes, m = volume_ft.values, (size or volume_ft.size,) * 2, volume_ft.padded
    if not (min(sizes) > 0 and 0 < step * sizes[0] <= m):
        msg = f"{sizes[0]} pixels of {step} voxels each: expected both above 0, and no more than {m} voxels in all, "
        msg += "which the transform was padded to: make it with a larger oversampling"
        raise TransformError(msg)
    real = values.real
    y, x = (k / step for k in frequencies(sizes, real))
    shape = (len(rotations), len(y), len(x))
    y, x = (k.expand(shape[1:]).flatten() for k in (y[:, None], x))
    held = None if volume_ft.cutoff is None else y.square() + x.square() <= (volume_ft.cutoff * (1 + 1e-6)) ** 2
    if held is not None:
        y, x = y[held], x[held]
    to_x, to_y = (rotations.to(real)[:, :2] * m).permute(1, 2, 0)[..., None]
    points = (to_x * x.to(real.dtype) + to_y * y.to(real.dtype)).flatten(1)
    kernel = _KERNELS[volume_ft.taps]
    at_once = _AT_ONCE.get(values.device.type, _AT_ONCE_ELSEWHERE)
    found = torch.cat([_interpolated(values, part, kernel) for part in torch.split(points, at_once, 1)])
    slices = found.view(len(rotations), -1)
    if held is not None:
        slices = slices.new_zeros(len(slices), len(held)).masked_scatter(held, slices)
    by = torch.zeros(1, 2, device=values.device) if shifts is None else shifts.to(values.device)
    phases = shift_phases(sizes, by + sizes[0] // 2, real) / step**2
    return multiply(slices.view(shape), phases)


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


def _interpolated(values: Tensor, points: Tensor, kernel: _Kernel) -> Tensor:
    """The transform at points `(3, P)`, (x, y, z) in its samples from DC: complex, `(P,)`."""
    highest, step, count = len(values) // 2 - _MARGIN, kernel.step, len(kernel.factors[0])
    # only half of the transform is there: elsewhere it is the conjugate
    sign = torch.copysign(points.new_ones(()), points[0].detach())
    points = points * sign
    inside = points.detach().abs().amax(0) <= highest * (1 + 1e-5)
    points = points.clamp(-highest, highest)
    middle = points.detach().round() if kernel.nearest else points.detach().floor()
    powers = _powers(points - middle, len(kernel.factors))

    planes, rows, taps = len(values), values.shape[2], torch.arange(count, dtype=torch.int32, device=values.device)
    row = torch.floor((middle[0] + 0.5) / step)  # exact: the quotients lie 0.08 or more from whole numbers
    start = ((middle[2].int() + (highest + 1)) * planes + middle[1].int() + (highest + 1)) * rows + row.int()
    around = ((taps[:, None] * planes + taps) * rows).flatten()
    lines = torch.nn.functional.embedding_bag(
        start[:, None] + around,
        torch.view_as_real(values).view(-1, 2 * _ROW),
        per_sample_weights=_weights(powers[:, 2], kernel, each=count) * _weights(powers[:, 1], kernel, whole=count),
        mode="sum",
    )
    of_line = torch.arange(0, _ROW * len(lines), _ROW, dtype=torch.int32, device=values.device)
    start = of_line + (middle[0] - row * step).int()
    found = torch.nn.functional.embedding_bag(
        start[:, None] + taps, lines.view(-1, 2), per_sample_weights=_weights(powers[:, 0], kernel), mode="sum"
    )
    real, imaginary = found.unbind(-1)
    return torch.complex(real * inside, imaginary * (inside * sign))


def _powers(t: Tensor, count: int) -> Tensor:
    """1, t, t^2, ... along a new first axis."""
    powers = [torch.ones_like(t), t]
    for _ in range(count - 2):
        powers.append(powers[-1] * t)
    return torch.stack(powers)


def _weights(powers: Tensor, kernel: _Kernel, *, each: int = 1, whole: int = 1) -> Tensor:
    """What a kernel weighs samples by at places t.

    Args:
        powers: of t, `(degrees, P)`.
        kernel: which.
        each: how often the weight of each sample stands there.
        whole: how often all of them do.

    Returns:
        `(P, taps * each * whole)`.
    """
    factors = torch.tensor(kernel.factors, dtype=powers.dtype, device=powers.device)
    factors = factors.repeat_interleave(each, 1).repeat(1, whole)
    compiled, count = torch.compiler.is_compiling(), factors.shape[1]
    if powers.device.type == "cpu" and not compiled and torch.get_float32_matmul_precision() == "highest":
        # many times faster than sums of products, and with 16 columns than with 3 or 9; elsewhere it may be coarse
        with without_autocast("cpu"):
            return (powers.T @ torch.nn.functional.pad(factors, (0, -count % _COLUMNS)))[:, :count]
    return (powers[..., None] * factors[:, None]).sum(0)
