"""Filters by resolution, and the missing wedge: where edges lie, and what becomes of DC."""

import math
from collections.abc import Iterator

import numpy as np
from acryo.tilt import single_axis
from torch_fourier_filter import bandpass
from torch_grid_utils import wedge

from conformance.images import Values, response
from conformance.references import relion_filter
from conformance.table import Row
from perc_transforms import Bandpass, Highpass, Lowpass, MissingWedge

SIDE = 64
RESOLUTION = 8.0
CUTOFF = 8
"""Shell = round(64 · 1 Å / 8 Å)."""
SHELLS = (0, 8, 9, 11)
WORDS = f"{SIDE} x {SIDE} at 1 Å, {RESOLUTION:.0f} Å is shell {CUTOFF}"
QUARTER = "1 up to the cut-off, then cos(pi/2 d / width) over the width beyond it; ours is half-way at the cut-off"


def rows() -> Iterator[Row]:
    """Low-pass, high-pass, band-pass, wedge."""
    for width in (0, 2, 5):
        yield from _lowpass(width)
        yield from _highpass(width)
    yield from _relion()
    yield from _bandpass()
    yield from _wedges()


def _quarter(shells: Values, width: float, *, start: float, stop: float) -> Values:
    """torch-fourier-filter's band: (start, stop], and a quarter of a cosine on either side."""
    distance = np.minimum(np.abs(shells - start), np.abs(shells - stop))
    edge = np.cos(math.pi / 2 * distance / max(width, 1e-9))
    inside = (shells > start) & (shells <= stop)
    near = (shells > start - width) & (shells <= stop + width)
    return np.where(inside, 1.0, np.where(near, edge, 0.0))


def _lowpass(width: int) -> Iterator[Row]:
    ours = response(Lowpass(RESOLUTION, width), SIDE, SIDE, pixel_size=1.0)[0, list(SHELLS)]
    options = {"image_shape": (SIDE, SIDE), "rfft": True, "fftshift": False}
    theirs = bandpass.low_pass_filter(CUTOFF / SIDE, width / SIDE, **options)[0, list(SHELLS)]
    predicted = _quarter(np.array(SHELLS), width, start=0, stop=CUTOFF)
    what, case = "gain of a low-pass at shells 0 (DC), 8 (cut-off), 9, 11", f"{WORDS}, width {width} shells"
    why = QUARTER
    if width == 0:
        why = "a band of 0 < k: without a width, DC is removed"
    yield Row(what, case, ours, theirs, "torch-fourier-filter", "`low_pass_filter`", predicted, why)


def _highpass(width: int) -> Iterator[Row]:
    ours = response(Highpass(RESOLUTION, width), SIDE, SIDE, pixel_size=1.0)[0, [0, 6, 8, 9]]
    options = {"image_shape": (SIDE, SIDE), "rfft": True, "fftshift": False}
    theirs = bandpass.high_pass_filter(CUTOFF / SIDE, width / SIDE, **options)[0, [0, 6, 8, 9]]
    predicted = _quarter(np.array([0, 6, 8, 9]), width, start=CUTOFF, stop=SIDE)
    what, case = "gain of a high-pass at shells 0 (DC), 6, 8 (cut-off), 9", f"{WORDS}, width {width} shells"
    why = "1 beyond the cut-off, before it cos(pi/2 d / width) over the width; ours is half-way at the cut-off"
    same = np.abs(predicted - ours).max() < 1e-9
    predicted, why = (None, "") if same else (predicted, why)
    yield Row(what, case, ours, theirs, "torch-fourier-filter", "`high_pass_filter`", predicted, why)


def _relion() -> Iterator[Row]:
    for sizes in ((64, 64), (65, 65)):
        shells = np.hypot(np.fft.fftfreq(sizes[0], 1 / sizes[0])[:, None], np.arange(sizes[1] // 2 + 1))
        for width in (2, 5):
            for high, kind, name in ((False, Lowpass, "low-pass"), (True, Highpass, "high-pass")):
                ours = response(kind(RESOLUTION, width), *sizes, pixel_size=1.0)
                given = {"size": sizes[0], "pixel_size": 1.0, "resolution": RESOLUTION, "high": high}
                theirs = relion_filter(shells, width=width, **given)
                predicted, why = None, ""
                if width % 2:
                    predicted = response(kind(RESOLUTION, width - 1), *sizes, pixel_size=1.0)
                    why = "halves the width as an integer: 5 is 4"
                case = f"{sizes[0]} x {sizes[1]} at 1 Å, 8 Å, width {width} shells"
                yield Row(f"a whole {name}", case, ours, theirs, "RELION", "`lowPassFilterMap`", predicted, why)


def _bandpass() -> Iterator[Row]:
    ours = response(Bandpass(16.0, 4.0, width=2), SIDE, SIDE, pixel_size=1.0)[0, [0, 4, 8, 16]]
    options = {"image_shape": (SIDE, SIDE), "rfft": True, "fftshift": False}
    theirs = bandpass.bandpass_filter(4 / SIDE, 16 / SIDE, 2 / SIDE, **options)[0, [0, 4, 8, 16]]
    predicted = _quarter(np.array([0, 4, 8, 16]), 2, start=4, stop=16)
    what, case = "gain of a band-pass at shells 0 (DC), 4, 8, 16", "64 x 64 at 1 Å, 16 Å to 4 Å, width 2 shells"
    yield Row(what, case, ours, theirs, "torch-fourier-filter", "`bandpass_filter`", predicted, QUARTER)


def _wedges() -> Iterator[Row]:
    what = "components that a missing wedge keeps"
    for sizes in ((16, 16, 16), (15, 15, 15), (12, 16, 21)):
        for axis in ("y", "x"):
            for low, high in ((-60, 60), (-40, 55)):
                kept = response(MissingWedge(low, high, axis=axis), *sizes)
                theirs = _acryo(sizes, low, high, axis)
                case = f"{' x '.join(map(str, sizes))}, {low}° to {high}° about {axis}"
                inner = _below_nyquist(sizes)
                yield Row(what, case, kept * inner, theirs * inner, "acryo", "`single_axis`")
    ours, theirs = response(MissingWedge(-40, 55), 16, 16, 16)[8, 0, 6], _acryo((16, 16, 16), -40, 55, "y")[8, 0, 6]
    case = "16 x 16 x 16, -40° to 55° about y, (kz, kx) = (±8, 6): ±53.1°"
    why = "one of Nyquist's two signs is in the range: half of the component is kept, ours keeps it whole"
    yield Row("gain of a missing wedge", case, ours, theirs, "acryo", "`single_axis`, real part", 0.5, why)
    kept = response(MissingWedge(-60, 60), 15, 15, 15)[:, 0, :]
    theirs = 1 - np.fft.ifftshift(wedge(60.0, (15, 15), (1, 0)).numpy())[:, :8]
    theirs[0, 0] = 1.0
    yield Row(what, "15 x 15 of (kz, kx), -60° to 60° about y", kept, theirs, "torch-grid-utils", "`1 - wedge(60)`")


def _acryo(sizes: tuple[int, ...], low: int, high: int, axis: str) -> Values:
    """What the real part of a volume that acryo's mask was applied to keeps of each component."""
    mask = single_axis((low, high), axis).create_mask(shape=sizes)
    return np.asarray(np.fft.rfftn(np.fft.ifftn(mask).real).real)


def _below_nyquist(sizes: tuple[int, ...]) -> Values:
    """1 where no frequency is that of Nyquist, whose two signs are one component of a real volume."""
    axes = [np.abs(np.fft.fftfreq(n)) < 0.5 for n in sizes[:-1]] + [np.fft.rfftfreq(sizes[-1]) < 0.5]
    return np.asarray(axes[0][:, None, None] & axes[1][None, :, None] & axes[2], np.float64)
