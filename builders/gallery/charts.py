"""What a picture does not show of a transform: histograms of values, and curves along the frequency."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.gallery.spectra import Plane, power

BINS = 64
"""Bars of a histogram, and points of a curve at the most."""
_SECTOR = 0.35
"""Of a curve along kx: components whose |ky / kx| is no more."""


@dataclass(frozen=True)
class Chart:
    """A curve on a sheet, in the place of a picture.

    Attributes:
        heights: from 0, the bottom, to 1, the top, at even steps from left to right; NaN: nothing there.
        lines: what is written below.
        before: another curve, pale.
        zero: the height of a line that marks 0; None: none.
        is_filled: bars, rather than a line.
    """

    heights: NDArray[np.float64]
    lines: tuple[str, ...]
    before: NDArray[np.float64] | None = None
    zero: float | None = None
    is_filled: bool = False


def histograms(arrays: Sequence[NDArray[np.float64]]) -> tuple[Chart, ...]:
    """How often each value comes, of arrays one after another: all over one axis, from the least to the most of any.

    Bars are logarithmic, so that a single pixel is seen; the highest one of each reaches the top.

    Example:
        >>> [int(chart.heights.argmax()) for chart in histograms([np.full(9, 40.0), np.arange(9.0)])]
        [63, 0]
    """
    low, high = min(float(one.min()) for one in arrays), max(float(one.max()) for one in arrays)
    charts: list[Chart] = []
    for values in arrays:
        counts, _ = np.histogram(values, BINS, (low, high))
        heights = np.log1p(counts) / np.log1p(counts.max())
        words = (f"axis {low:.3g} … {high:.3g}", f"values {values.min():.3g} … {values.max():.3g}")
        charts.append(Chart(heights, words, charts[0].heights if charts else None, is_filled=True))
    return tuple(charts)


def falloffs(images: Sequence[Plane], steps: Sequence[float]) -> tuple[Chart, ...]:
    """The power at each frequency, means over rings, of images or volumes one after another; logarithmic.

    Args:
        images: of any number of axes.
        steps: Å a pixel of each.
    """
    edge = 0.5 / min(steps)
    curves = [_ringed(power(image), step, edge) for image, step in zip(images, steps, strict=True)]
    known = np.concatenate([curve[np.isfinite(curve)] for curve in curves])
    top = float(known.max())
    bottom = max(float(known.min()), top - 8)
    charts: list[Chart] = []
    for curve in curves:
        heights = np.clip((curve - bottom) / max(top - bottom, 1e-9), 0, 1)
        words = (f"0 … 1/{1 / edge:.3g} Å", f"{top - bottom:.1f} decades")
        charts.append(Chart(heights, words, charts[0].heights if charts else None))
    return tuple(charts)


def gains(images: Sequence[Plane], step: float) -> tuple[Chart, ...]:
    """The amplitude at each frequency, means over rings, in units of that of the first of some images.

    Args:
        images: `(ny, nx)`, one after another.
        step: Å a pixel.
    """
    edge = 0.5 / step
    curves = [_ringed(power(image), step, edge) for image in images]
    ratios = [10 ** ((curve - curves[0]) / 2) for curve in curves]
    most = max(2.0, *(float(np.nanmax(ratio)) for ratio in ratios))
    charts: list[Chart] = []
    for ratio in ratios:
        words = (f"0 … 1/{2 * step:.3g} Å", f"0 … {most:.2g} times")
        charts.append(Chart(ratio / most, words, charts[0].heights if charts else None, 1 / most))
    return tuple(charts)


def _ringed(spectrum: Plane, step: float, edge: float) -> NDArray[np.float64]:
    """The logarithm of means over rings of `BINS` widths up to a frequency (1/Å); NaN where there is no component."""
    axes = [(np.arange(n) - n // 2) / (n * step) for n in spectrum.shape]
    radii = np.sqrt(sum(np.square(axis) for axis in np.meshgrid(*axes, indexing="ij", sparse=True)))
    rings = min(BINS, spectrum.shape[-1] // 2)
    place = np.rint(radii / edge * rings).astype(int).ravel()
    inside = (place > 0) & (place <= rings)  # DC is left out
    sums = np.bincount(place[inside], spectrum.ravel()[inside], rings + 1)
    counts = np.bincount(place[inside], minlength=rings + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.log10(np.maximum(sums / counts, 1e-30))
    return np.asarray(np.where(counts > 0, means, np.nan)[1:])


def transfers(images: Sequence[Plane], reference: Plane, step: float) -> tuple[Chart, ...]:
    """What images have of each frequency of a reference along kx, with its sign: 1 is all of it, -1 all inverted.

    Args:
        images: `(ny, nx)`, one after another.
        reference: `(ny, nx)`, what was seen.
        step: Å a pixel.
    """
    truth = np.fft.fft2(reference)
    ky, kx = np.meshgrid(*(np.fft.fftfreq(n) for n in reference.shape), indexing="ij")
    rings = reference.shape[-1] // 2
    place = np.rint(np.hypot(ky, kx) * 2 * rings).astype(int)
    there = (np.abs(ky) <= _SECTOR * np.abs(kx)) & (place > 0) & (place <= rings)
    weight = np.bincount(place[there], (np.abs(truth) ** 2)[there], rings + 1)[1:]
    curves = []
    for image in images:
        common = (np.fft.fft2(image) * truth.conj()).real
        curves.append(np.bincount(place[there], common[there], rings + 1)[1:] / np.maximum(weight, 1e-30))
    known = weight > 1e-6 * weight.max()  # finer, the reference has nothing
    most = max(1.0, *(float(np.abs(curve[known]).max()) for curve in curves))
    charts: list[Chart] = []
    for curve in curves:
        heights = np.where(known, 0.5 + 0.5 * curve / most, np.nan)
        words = (f"0 … 1/{2 * step:.3g} Å", f"-{most:.2g} … {most:.2g}; line: 0")
        charts.append(Chart(heights, words, charts[0].heights if charts else None, 0.5))
    return tuple(charts)
