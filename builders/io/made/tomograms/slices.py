"""Lines through the spectra of planes: what tilted projections are of a volume, by the central slice theorem.

The tilt axis is y, so that each plane (z, x) of a volume is a problem of its own. Its spectrum is wanted on a polar
grid: a non-uniform FFT, by gridding with a window of Kaiser and Bessel. Fessler and Sutton, "Nonuniform fast Fourier
transforms using min-max interpolation", IEEE Trans. Signal Process. 51, 2003; the window's width and shape as Beatty et
al. have them, IEEE Trans. Med. Imaging 24, 2005.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from perc_transforms.functional.grids import offsets

_TAPS = 6
"""Samples along each axis that the window weighs."""
_REACH = _TAPS // 2
_BETA = math.pi * math.sqrt((_TAPS / 2) ** 2 * 1.5**2 - 0.8)
"""Of the window, for spectra that are sampled twice as finely as need be."""
_LEAST = 16
_AT_ONCE = 2**23
"""Samples of spectra that are held at a time."""


class Slices:
    """Lines through the centres of planes' spectra, one at each tilt, there and back.

    What lies at (x, z) of a plane, counted from its centre `n // 2`, is seen at `u = x cos(tilt) + z sin(tilt)`. Both
    ways are right to 1e-5 of the root mean square.

    Args:
        sizes: of planes, `(nz, nx)`.
        angles: tilts in degrees, from -90 to 90.
        width: m, pixels of projections along u.

    Example:
        >>> volume = torch.rand(4, 3, 6)
        >>> lines = Slices((4, 6), [0.0], 6).of(volume)
        >>> bool((lines[0, 0] - volume.sum((0, 2))).abs().max() < 1e-4)
        True
    """

    def __init__(self, sizes: Sequence[int], angles: Sequence[float], width: int) -> None:
        self.sizes, self.angles, self.width = tuple(sizes), tuple(angles), width
        self._grid = tuple(fast_size(max(2 * n, _LEAST)) for n in sizes)
        index, weights = self._taps()
        self._index, self._weights = index, weights
        order = torch.argsort(index.flatten(), stable=True)
        self._lines = (order // index.shape[1]).to(torch.int32)
        self._back = weights.flatten()[order]
        self._counts = torch.bincount(index.flatten(), minlength=math.prod(self._sampled))
        self._correction = [_window_transform(n, g).float() for n, g in zip(self.sizes, self._grid, strict=True)]

    @property
    def _sampled(self) -> tuple[int, int]:
        """Samples of a spectrum's right half, with those beyond its edges that the window reaches."""
        return self._grid[0], self._grid[1] // 2 + 1 + 2 * _REACH

    def _taps(self) -> tuple[Tensor, Tensor]:
        """For each point of the lines, the samples that it is made of and their weights."""
        tilts = torch.deg2rad(torch.tensor(self.angles, dtype=torch.float64))
        k = torch.arange(self.width // 2 + 1, dtype=torch.float64) / self.width
        # cos(90 degrees) is 6e-17, and may be below 0: half a spectrum has none of that
        around, weights = zip(
            *(
                _window((tilt[:, None] * k).flatten() * g)
                for tilt, g in zip((tilts.sin(), tilts.cos().clamp(min=0)), self._grid, strict=True)
            ),
            strict=True,
        )
        z, x = around[0] % self._grid[0], around[1] + _REACH
        index = (z[:, :, None] * self._sampled[1] + x[:, None]).flatten(1)
        return index.to(torch.int32), (weights[0][:, :, None] * weights[1][:, None]).flatten(1).float()

    def of(self, volume: Tensor) -> Tensor:
        """The spectra along u of projections at each tilt.

        Args:
            volume: `(nz, ny, nx)`, float32.

        Returns:
            Complex, `(tilts, m // 2 + 1, ny)`: what `rfft` gives of lines of m pixels, their centre at pixel 0.
        """
        parts = [self._of(rows.permute(0, 2, 1)) for rows in torch.split(volume, self._at_once, dim=1)]
        return torch.cat(parts, -1)

    def back(self, lines: Tensor) -> Tensor:
        """The volume that has the lines as its spectrum: the sum of `lines exp(2 pi i k u)`, its real part.

        Args:
            lines: `(tilts, m // 2 + 1, ny)`, complex64; frequencies above 0 stand for those below 0, too, if doubled.

        Returns:
            `(nz, ny, nx)`.
        """
        volume = torch.empty(self.sizes[0], lines.shape[-1], self.sizes[1])
        for rows, part in zip(
            torch.split(volume, self._at_once, dim=1), torch.split(lines, self._at_once, dim=-1), strict=True
        ):
            rows.copy_(self._spread(part).permute(0, 2, 1))
        return volume

    @property
    def _at_once(self) -> int:
        return max(1, _AT_ONCE // math.prod(self._grid))

    def _of(self, planes: Tensor) -> Tensor:
        """Lines of planes `(nz, nx, rows)`."""
        (nz, nx), (gz, gx) = self.sizes, self._grid
        rows = planes.shape[-1]
        corrected = planes / self._correction[0][:, None, None] / self._correction[1][:, None]
        spread = torch.zeros(nz, gx, rows)
        _placed(spread, corrected, 1, nx)
        half = torch.fft.rfft(spread, dim=1)
        spread = torch.zeros(gz, gx // 2 + 1, rows, dtype=half.dtype)
        _placed(spread, half, 0, nz)
        samples = self._framed(torch.fft.fft(spread, dim=0))
        found = torch.nn.functional.embedding_bag(
            self._index, torch.view_as_real(samples).view(-1, 2 * rows), per_sample_weights=self._weights, mode="sum"
        )
        return torch.view_as_complex(found.view(len(self.angles), -1, rows, 2))

    def _spread(self, lines: Tensor) -> Tensor:
        """Planes `(nz, nx, rows)` of lines: each step of `_of` the other way."""
        (nz, nx), (gz, gx) = self.sizes, self._grid
        rows = lines.shape[-1]
        starts = torch.cat([torch.zeros(1, dtype=torch.int32), self._counts.cumsum(0).to(torch.int32)])
        samples = torch.nn.functional.embedding_bag(
            self._lines,
            torch.view_as_real(lines.contiguous()).view(-1, 2 * rows),
            starts,
            per_sample_weights=self._back,
            mode="sum",
            include_last_offset=True,
        )
        half = self._folded(torch.view_as_complex(samples.view(*self._sampled, rows, 2)))
        planes = torch.fft.ifft(half, dim=0, norm="forward")
        planes = torch.cat([planes[gz - nz // 2 :], planes[: nz - nz // 2]])
        planes = torch.fft.irfft(planes, n=gx, dim=1, norm="forward")
        planes = torch.cat([planes[:, gx - nx // 2 :], planes[:, : nx - nx // 2]], 1)
        return planes.div_(self._correction[0][:, None, None]).div_(self._correction[1][:, None])

    def _framed(self, half: Tensor) -> Tensor:
        """A half spectrum with what stands beyond its edges: the conjugates of the opposite frequencies."""
        left = half[:, 1 : 1 + _REACH].flip(1)
        right = half[:, -1 - _REACH : -1].flip(1)
        return torch.cat([_opposite(left), half, _opposite(right)], 1)

    def _folded(self, samples: Tensor) -> Tensor:
        """A half spectrum for `irfft` with what stands beyond its edges added to the opposite frequencies."""
        half = samples[:, _REACH:-_REACH].clone()
        half[:, 1 : 1 + _REACH] += _opposite(samples[:, :_REACH]).flip(1)
        half[:, -1 - _REACH : -1] += _opposite(samples[:, -_REACH:]).flip(1)
        half[:, 1:-1] *= 0.5  # irfft counts them twice
        return half


def fast_size(n: int) -> int:
    """The least even number of at least n that has no prime factors but 2, 3 and 5.

    Example:
        >>> fast_size(127), fast_size(131)
        (128, 144)
    """
    size = n + n % 2
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 2


def _placed(into: Tensor, values: Tensor, axis: int, n: int) -> None:
    """Put an axis of n, counted from its centre, where an FFT has it: the centre first."""
    centre, g = n // 2, into.shape[axis]
    into.narrow(axis, 0, n - centre).copy_(values.narrow(axis, centre, n - centre))
    into.narrow(axis, g - centre, centre).copy_(values.narrow(axis, 0, centre))


def _opposite(columns: Tensor) -> Tensor:
    """Conjugates at minus the frequency along the first axis."""
    return columns.flip(0).roll(1, 0).conj()


def _window(places: Tensor) -> tuple[Tensor, Tensor]:
    """The samples around places and the window's values there, `(P, taps)` each."""
    around = places.floor().long()[:, None] + torch.arange(1 - _REACH, 1 + _REACH)
    inside = (1 - ((places[:, None] - around) / _REACH).square()).clamp(min=0).sqrt()
    beta = torch.tensor(_BETA, dtype=torch.float64)
    return around, torch.special.i0e(beta * inside) * torch.exp(beta * (inside - 1)) / torch.special.i0e(beta)


def _window_transform(n: int, g: int) -> Tensor:
    """What the window multiplies an axis of n by, among g samples of its spectrum."""
    inside = (_BETA**2 - (math.pi * _TAPS * offsets(n, torch.zeros(())) / g).square()).sqrt()
    beta = torch.tensor(_BETA, dtype=torch.float64)
    values: Tensor = _TAPS * inside.sinh() / inside / torch.special.i0(beta)
    return values
