"""What a tilt series is, whichever file tells it: images with their angles, doses and alignment, in one vocabulary."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from builders.io.reports import report_once

MOST_BYTES = 64 * 2**20
"""Of a file that tells of a tilt series: some ten thousand times what one takes."""
MOST_TILTS = 100_000
"""Of a series: as a number of rows in memory; those of microscopes have some hundred."""
MOST_SHIFT = 1e7
"""Pixels that an image may be moved by."""
_GAP = 1.75
"""Times the usual step of a sum of doses, from which on an image between two is taken to be missing."""
_NONE = 1e-3
"""e/Å² that are as good as no dose."""


@dataclass(frozen=True, slots=True)
class Tilt:
    """What is known of one image of a tilt series; None is unknown.

    Attributes:
        image: its file, as the table spells it.
        section: which section of that file, or of the series' stack, from 0; None: all of it.
        tilt_angle: degrees, in the stage's sign.
        axis_angle: degrees from the image's y axis to the tilt axis, counter-clockwise.
        pre_exposure: e/Å² that the specimen had seen before.
        exposure: e/Å² of the image.
        acquisition_order: which of the series' images was taken when, from 0.
        defocus: Å, underfocus positive: the mean of the CTF's two, or what the microscope was set to.
        ctf: fields of `builders.io.tables.CTF`, where the CTF was estimated.
        shift_x: Å by which the image's content has to be moved along x, before it is turned by `-axis_angle`, to come
            into register with the others.
        shift_y: the same along y.
        pixel_size: Å per pixel.
    """

    image: str | None = None
    section: int | None = None
    tilt_angle: float | None = None
    axis_angle: float | None = None
    pre_exposure: float | None = None
    exposure: float | None = None
    acquisition_order: int | None = None
    defocus: float | None = None
    ctf: Mapping[str, float | None] | None = None
    shift_x: float | None = None
    shift_y: float | None = None
    pixel_size: float | None = None


@dataclass(frozen=True, slots=True)
class TiltSeries:
    """The images of one tilt series.

    Attributes:
        name: the series'.
        source: the file that tells of it, for messages.
        tilts: its images, as they stand there.
        image_size: `(nx, ny)` of the stack that `tilts[].pixel_size` is of, where that is told.
    """

    name: str
    source: str
    tilts: tuple[Tilt, ...]
    image_size: tuple[int, int] | None = None


def ranks(keys: Sequence[float]) -> list[int]:
    """Of each number, how many come before it; equal ones in their order.

    Example:
        >>> ranks([5.0, 1.0, 5.0])
        [1, 0, 2]
    """
    order = sorted(range(len(keys)), key=keys.__getitem__)
    found = [0] * len(keys)
    for rank, place in enumerate(order):
        found[place] = rank
    return found


def with_sums(tilts: Sequence[Tilt]) -> tuple[Tilt, ...]:
    """Images with their order and exposures -> with what the specimen had seen before each: sums without its own.

    Example:
        >>> taken = [Tilt(acquisition_order=1, exposure=3.0), Tilt(acquisition_order=0, exposure=2.0)]
        >>> [tilt.pre_exposure for tilt in with_sums(taken)]
        [2.0, 0.0]
    """
    if any(tilt.acquisition_order is None or tilt.exposure is None for tilt in tilts):
        return tuple(tilts)
    found, total = list(tilts), 0.0
    for place in sorted(range(len(tilts)), key=lambda place: tilts[place].acquisition_order or 0):
        found[place] = replace(tilts[place], pre_exposure=total)
        total += tilts[place].exposure or 0.0
    return tuple(found)


def with_doses(
    tilts: Sequence[Tilt], sums: Sequence[float | None], source: str, holds_own: bool | None = None
) -> tuple[Tilt, ...]:
    """Images with what a table says of the dose up to each -> with their order, exposure and pre-exposure.

    The exposure of an image is the step to the next sum, or from the one before where sums hold it; the usual step
    where there is no other, or where an image is missing between two.

    Args:
        tilts: the images.
        sums: e/Å², of each.
        source: the table, for messages.
        holds_own: whether a sum holds the image's own exposure, as RELION's do that are made of an mdoc's exposures: it
            is taken off. None: if none of them is 0.

    Example:
        >>> [(tilt.pre_exposure, tilt.exposure) for tilt in with_doses([Tilt()] * 3, [6.0, 3.0, 9.0], "x.star")]
        [(3.0, 3.0), (0.0, 3.0), (6.0, 3.0)]
    """
    known = [value for value in sums if value is not None]
    if len(known) < len(sums) or not known or (len(known) > 1 and max(known) < _NONE):
        return tuple(tilts)
    order, rising = ranks(known), sorted(known)
    steps = [after - before for before, after in pairwise(rising)]
    usual = median(steps) if steps else None
    if holds_own is None:
        holds_own = rising[0] >= _NONE
        if holds_own and usual is not None and not usual / _GAP <= rising[0] <= usual * _GAP:
            said = f"its smallest dose is {rising[0]:g} e/Å² and the usual step {usual:g}: read as sums that hold each "
            report_once(f"{said}image's own exposure", source)
    own = [rising[0] if usual is None else min(rising[0], usual * _GAP), *steps] if holds_own else [*steps, usual]
    own = [_step(step, usual) for step in own]
    before = [value - (step or 0.0) if holds_own else value for value, step in zip(rising, own, strict=True)]
    return tuple(
        replace(tilt, acquisition_order=rank, pre_exposure=max(0.0, before[rank]), exposure=own[rank])
        for tilt, rank in zip(tilts, order, strict=True)
    )


def _step(step: float | None, usual: float | None) -> float | None:
    """An image's exposure: the step, but for one over an image that is missing."""
    if step is None or usual is None:
        return step
    return usual if usual > _NONE and step > _GAP * usual else step


def turned(angle: float) -> float:
    """An angle of an axis between -180 (left out) and 180 degrees.

    Example:
        >>> turned(-265.0), turned(85.3)
        (95.0, 85.3)
    """
    angle = math.remainder(angle, 360.0)
    return 180.0 if angle == -180.0 else angle
