"""Gain references of detectors: factors by which the pixels of raw frames are multiplied."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from perc_transforms.errors import TransformError

GRIDS = (1, 2, 4)
"""How many times finer one grid may be than the other along each axis: 4K, 8K and 16K of one detector."""
OUTLYING = 5.0
"""Standard deviations from the mean beyond which a pixel of a gain reference is a defect."""
FLIPS = {0: (), 1: (-2,), 2: (-1,)}
"""Axes that are turned round, as MotionCor2 and RELION number it: 1 is upside down, 2 left to right."""


class GainDefects(NamedTuple):
    """How many pixels of a gain reference are no good.

    Attributes:
        dark: those that are 0.
        not_finite: those that are NaN or infinite.
        outlying: those that lie further than 5 standard deviations from the mean of all others.
    """

    dark: int
    not_finite: int
    outlying: int


def gain_factors(
    reference: Any, shape: Sequence[int], *, rotation: int = 0, flip: int = 0, counts: bool = False
) -> Tensor:
    """The factors by which the pixels of raw frames are multiplied, of a detector's gain reference.

    The reference g is turned by `numpy.rot90(g, -rotation)`, then flipped, then brought to the frames' grid: each pixel
    is repeated where that is 2 or 4 times finer (a 4K reference of 8K frames), and pixels are summed, 2x2 or 4x4, where
    it is coarser. That is all of a reference that is multiplied by. Where g holds `counts`, as that of EER movies does,
    the factor is `mean(g) / g`; the mean is that of all pixels of the grid, with those that are 0. A pixel that is 0
    stays 0, so that frames are 0 there, and so does one that is not finite. RELION (`EERRenderer::loadEERGain`) does
    the same; the sum, too, is its own: of a reference that is multiplied by, frames come out 4 or 16 times brighter.

    Args:
        reference: `(ny, nx)`, a tensor or an array.
        shape: of a frame, `(ny, nx)`.
        rotation: quarter turns, 0 to 3, clockwise where row 0 is at the top.
        flip: after that: 0, none; 1, upside down (`g[::-1]`); 2, left to right (`g[:, ::-1]`).
        counts: the reference is a mean of counts, by which frames are divided.

    Returns:
        `(ny, nx)`, float32, on the reference's device.

    Raises:
        TransformError: the reference fits the frames in no way; says what was tried, and which rotation would do.

    Example:
        >>> gain_factors(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), (2, 2), counts=True)
        tensor([[1.0000, 0.5000],
                [0.0000, 1.0000]])
    """
    given = _as_floats(reference)
    ny, nx = check_fits(tuple(given.shape), tuple(shape), rotation)
    turned = torch.rot90(given, -rotation, (-2, -1)).flip(FLIPS[flip])
    turned = torch.where(torch.isfinite(turned), turned, 0.0)
    factors = _summed(turned, ny, nx)
    if counts:
        mean = factors.mean(dtype=torch.float64).to(factors.dtype)
        factors = torch.where(factors == 0, 0.0, mean / torch.where(factors == 0, 1.0, factors))
    return _repeated(factors, ny, nx).contiguous()


def check_fits(reference: Sequence[int], shape: Sequence[int], rotation: int) -> tuple[int, int]:
    """The frames' shape, where a reference fits them on one of the grids.

    Raises:
        TransformError: it does not.
    """
    if len(reference) == 2 and len(shape) == 2 and _fits(reference[:: -1 if rotation % 2 else 1], shape):
        return int(shape[0]), int(shape[1])
    msg = f"a gain reference of {tuple(reference)} for frames of {tuple(shape)}"
    msg += f", rotated by {rotation % 4} x 90 degrees" if rotation % 4 else ""
    msg += ": expected the same size, or one 2 or 4 times finer or coarser along both axes"
    if len(reference) == 2 and len(shape) == 2 and _fits(reference[:: 1 if rotation % 2 else -1], shape):
        msg += f": a rotation of {'0 or 2' if rotation % 2 else '1 or 3'} would fit"
    raise TransformError(msg)


def gain_defects(reference: Any) -> GainDefects:
    """How many pixels of a gain reference are 0, not finite, or further than 5 standard deviations from the mean.

    Mean and standard deviation are those of the finite pixels that are not 0.

    Args:
        reference: `(ny, nx)`, a tensor or an array, as it is in the file.

    Example:
        >>> gain_defects(torch.tensor([[0.0, 1.0], [float("nan"), 1.0]]))
        GainDefects(dark=1, not_finite=1, outlying=0)
    """
    given = _as_floats(reference)
    finite = torch.isfinite(given)
    good = given[finite & (given != 0)]
    outlying = 0
    if good.numel():
        std, mean = torch.std_mean(good, correction=0)
        outlying = int(((good - mean).abs() > OUTLYING * std).sum())
    return GainDefects(int((given == 0).sum()), int((~finite).sum()), outlying)


def _as_floats(reference: Any) -> Tensor:
    given = reference if isinstance(reference, Tensor) else torch.from_numpy(np.array(reference, np.float32))
    return given.to(torch.float32)


def _fits(reference: Sequence[int], shape: Sequence[int]) -> bool:
    return any(
        all(n * step == m for n, m in zip(coarse, fine, strict=True))
        for step in GRIDS
        for coarse, fine in ((reference, shape), (shape, reference))
    )


def _summed(x: Tensor, ny: int, nx: int) -> Tensor:
    """A reference that fits, with the pixels summed that make one of a coarser grid."""
    step = x.shape[0] // ny
    return x.reshape(ny, step, nx, step).sum((1, 3)) if step > 1 else x


def _repeated(x: Tensor, ny: int, nx: int) -> Tensor:
    """A reference that fits, with each pixel for all that it makes of a finer grid."""
    step = ny // x.shape[0]
    return x[:, None, :, None].expand(-1, step, -1, step).reshape(ny, nx) if step > 1 else x
