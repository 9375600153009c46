"""Filters of the length of the frequency vector: by resolution, and by an image's own spectrum."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from perc_transforms.functional.axes import spatial_axes
from perc_transforms.functional.grids import filtered, half_counts, multiply, spatial_frequency

_SHARPEST = 1e-9
"""Width in cycles a pixel of an edge of width 0: wider than the rounding of a frequency, narrower than any shell."""
_EMPTY = 64.0
"""Roundings of the strongest shell's amplitude below which a shell holds no more than those."""


def lowpass(
    x: Tensor, *, resolution: float, pixel_size: float | Sequence[float], width: float = 2.0, spatial_dims: int
) -> Tensor:
    """Remove what is finer than `resolution`: 1 up to a raised cosine about that shell, 0 beyond it.

    With n pixels on the longest side, the edge is centred on shell `round(n * pixel_size / resolution)`, and falls from
    `(shell - width / 2) / n` to `(shell + width / 2) / n` cycles a pixel; its start is at least 0, so that the mean is
    always kept. RELION's `lowPassFilterMap`, which halves the width as an integer (so that 1 is 0, and 3 is 2).

    Args:
        x: images; along the first axis if there is a pixel size for each.
        resolution: in Å.
        pixel_size: in Å; one number, or one for each image.
        width: of the edge, in shells; 0 is a step, and keeps the shell itself.
        spatial_dims: 2 or 3.

    Example:
        >>> float(lowpass(torch.ones(8, 8), resolution=8.0, pixel_size=2.0, spatial_dims=2).mean())
        1.0
    """

    def weights(transmitted: list[Tensor]) -> Tensor:
        return transmitted[0]

    return filter_rows(x, _by_resolution(x, [resolution], pixel_size, width, weights, spatial_dims), spatial_dims)


def highpass(
    x: Tensor, *, resolution: float, pixel_size: float | Sequence[float], width: float = 2.0, spatial_dims: int
) -> Tensor:
    """Remove what is coarser than `resolution`: what `lowpass` of the same options leaves out. The mean is removed.

    Example:
        >>> float(highpass(torch.ones(8, 8), resolution=8.0, pixel_size=2.0, spatial_dims=2).abs().max())
        0.0
    """

    def weights(transmitted: list[Tensor]) -> Tensor:
        return 1 - transmitted[0]

    return filter_rows(x, _by_resolution(x, [resolution], pixel_size, width, weights, spatial_dims), spatial_dims)


def bandpass(
    x: Tensor, *, low: float, high: float, pixel_size: float | Sequence[float], width: float = 2.0, spatial_dims: int
) -> Tensor:
    """Keep what lies between two resolutions: `lowpass` at the finer and `highpass` at the coarser, in one go.

    Example:
        >>> x = torch.rand(8, 8)
        >>> y = bandpass(x, low=16.0, high=4.0, pixel_size=2.0, spatial_dims=2)
        >>> z = lowpass(x, resolution=4.0, pixel_size=2.0, spatial_dims=2)
        >>> torch.allclose(y, highpass(z, resolution=16.0, pixel_size=2.0, spatial_dims=2), atol=1e-6)
        True
    """

    def weights(transmitted: list[Tensor]) -> Tensor:
        return transmitted[0] * (1 - transmitted[1])

    resolutions = sorted([low, high])
    return filter_rows(x, _by_resolution(x, resolutions, pixel_size, width, weights, spatial_dims), spatial_dims)


def _by_resolution(
    x: Tensor,
    resolutions: Sequence[float],
    pixel_size: float | Sequence[float],
    width: float,
    weights: Callable[[list[Tensor]], Tensor],
    spatial_dims: int,
) -> Tensor:
    """The filter of each row, `(rows, *half)`, from the low-pass filters of the resolutions; one row if all agree."""
    sizes = tuple(x.shape[-spatial_dims:])
    n = max(sizes)
    sides = [n * size for size in (pixel_size if isinstance(pixel_size, Sequence) else [pixel_size])]
    shells = [tuple(math.floor(side / resolution + 0.5) for resolution in resolutions) for side in sides]
    distinct = {shell: place for place, shell in enumerate(dict.fromkeys(shells))}
    frequency = spatial_frequency(sizes, x)
    centres = torch.tensor(list(distinct), dtype=torch.float64, device=x.device).T
    filters = weights([_transmitted(frequency, c.view(-1, *[1] * spatial_dims), width, n) for c in centres]).to(x.dtype)
    return filters if len(distinct) == 1 else filters[[distinct[shell] for shell in shells]]


def _transmitted(frequency: Tensor, shell: Tensor, width: float, n: int) -> Tensor:
    """A raised cosine that falls from 1 to 0 over `width` shells about `shell`."""
    start = ((shell - width / 2) / n).clamp(min=0)
    stop = (shell + width / 2) / n
    return 0.5 + 0.5 * torch.cos(math.pi * ((frequency - start) / (stop - start).clamp(min=_SHARPEST)).clamp(0, 1))


def filter_rows(x: Tensor, weights: Tensor, spatial_dims: int) -> Tensor:
    """Multiply the spectra of images by real weights, a filter a row: one real FFT there and one back for all.

    Args:
        x: `(rows, ..., ny, nx)` or `(rows, ..., nz, ny, nx)`; with one filter, rows may be missing.
        weights: `(rows, ny, nx // 2 + 1)` or `(rows, nz, ny, nx // 2 + 1)`, or one row for all.
        spatial_dims: 2 or 3.

    Example:
        >>> filter_rows(torch.ones(2, 4, 4), torch.tensor([0.5, 2.0]).view(2, 1, 1).expand(2, 4, 3), 2).mean((1, 2))
        tensor([0.5000, 2.0000])
    """
    leading = x.ndim - spatial_dims
    if len(weights) == 1:
        weights = weights[0]
    else:
        weights = weights.view(-1, *[1] * (leading - 1), *weights.shape[1:])
    return filtered(x, weights, spatial_dims=spatial_dims)


def whiten(x: Tensor, *, spatial_dims: int, by: Tensor | None = None) -> Tensor:
    """Divide each image's spectrum by its own radial amplitude: white noise of variance 1 in every shell.

    The amplitude is `sqrt(mean |F|^2)` over the components of a shell, all of the full spectrum; shell s holds those
    of `round(n * |f|) == s`, with n pixels on the longest side and f in cycles a pixel. Shells that hold no more than
    the rounding of the others, or of the mean, become 0; so a constant image comes out constant.

    Args:
        x: `(..., ny, nx)` or `(..., nz, ny, nx)`.
        spatial_dims: 2 or 3.
        by: images whose amplitudes are taken, such as those that `x` is the target of. Default: `x`.

    Example:
        >>> y = whiten(torch.rand(9, 9), spatial_dims=2)
        >>> torch.allclose(y, whiten(5 * y, spatial_dims=2), atol=1e-5)
        True
    """
    axes, sizes = spatial_axes(spatial_dims), x.shape[-spatial_dims:]
    root = math.sqrt(math.prod(sizes))
    of = x if by is None else by
    mean = of.mean(axes, keepdim=True)
    centred = of - mean
    largest = torch.linalg.vector_norm(centred, ord=math.inf, dim=axes, keepdim=True)
    scale = torch.where(largest > 0, largest, 1.0)
    spectrum = torch.fft.rfftn(centred / scale, dim=axes, norm="ortho").flatten(-spatial_dims)
    shells, share = _shells(tuple(sizes), x)
    power = _shell_means(spectrum.real.square().addcmul(spectrum.imag, spectrum.imag), shells, share)
    mean = mean / scale
    strongest = power[..., 1:].amax(-1).sqrt().view_as(mean) if power.shape[-1] > 1 else torch.zeros_like(mean)
    least = _EMPTY * torch.finfo(x.dtype).eps * torch.maximum(strongest, mean.abs())
    empty = power <= least.flatten(-spatial_dims).square()
    empty[..., 0] = True
    gain = torch.where(empty, 0.0, torch.where(empty, 1.0, power).rsqrt())
    if by is not None:
        own = x.mean(axes, keepdim=True)
        spectrum = torch.fft.rfftn((x - own) / scale, dim=axes, norm="ortho").flatten(-spatial_dims)
    whitened = multiply(spectrum, gain[..., shells]).reshape(*x.shape[:-1], sizes[-1] // 2 + 1)
    offset = torch.where(mean.abs() * root > least, mean.sign() / root, 0.0)
    if by is not None:
        offset = offset * own / (scale * torch.where(mean == 0, 1.0, mean))
    y: Tensor = torch.fft.irfftn(whitened, s=sizes, dim=axes, norm="ortho") + offset
    return y


def _shells(sizes: tuple[int, ...], like: Tensor) -> tuple[Tensor, Tensor]:
    """The shell of each component of a half spectrum, and how many of the full spectrum it stands for; both flat."""
    shells = (spatial_frequency(sizes, like) * max(sizes) + 0.5 + _SHARPEST).long()  # halves up, despite rounding
    return shells.flatten(), half_counts(sizes[-1], like).expand_as(shells).flatten()


def _shell_means(power: Tensor, shells: Tensor, share: Tensor) -> Tensor:
    """The mean over each shell, `(..., shells)`, of values of the components, `(..., components)`."""
    number = int(shells.max()) + 1
    members = torch.zeros(number, dtype=share.dtype, device=share.device).index_add_(0, shells, share)
    values = (power * share).reshape(-1, len(shells)).T
    sums = values.new_zeros(number, values.shape[1]).index_add(0, shells, values)
    return (sums / members.clamp(min=1)[:, None]).T.reshape(*power.shape[:-1], number).to(power.dtype)
