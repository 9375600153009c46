"""The missing wedge of tomography."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from perc_transforms.functional.grids import frequencies, multiply

_SLACK = 1e-9
"""In radians: what lies on the edge of the range belongs to it, whatever the rounding of sines and cosines."""


def missing_wedge(x: Tensor, *, min_angle: float, max_angle: float, axis: Literal["x", "y"] = "y") -> Tensor:
    """Zero what a tilt series does not see of volumes `(..., nz, ny, nx)`.

    The beam is z, the tilts are `min_angle` to `max_angle` about `axis`, both included. Kept are the components with
    `min_angle <= atan(kz / kx) <= max_angle` for tilts about y, of ky in place of kx for tilts about x, and all of
    those with `kx = kz = 0`; k is in cycles a pixel, so that the angles are true in volumes of unequal sides.

    Example:
        >>> x = torch.rand(5, 6, 7)
        >>> torch.allclose(missing_wedge(x, min_angle=-90, max_angle=90), x, atol=1e-6)
        True
    """
    sizes = tuple(x.shape[-3:])
    kept = wedge(sizes, min_angle=min_angle, max_angle=max_angle, axis=axis, like=x)
    spectrum = multiply(torch.fft.rfftn(x, dim=(-3, -2, -1)), kept)
    y: Tensor = torch.fft.irfftn(spectrum, s=sizes, dim=(-3, -2, -1))
    return y


def wedge(sizes: Sequence[int], *, min_angle: float, max_angle: float, axis: Literal["x", "y"], like: Tensor) -> Tensor:
    """1 where `missing_wedge` keeps a component, else 0, as `rfftn` orders them; 1 long along the tilt axis.

    A component of the Nyquist frequency of an even side is both +1/2 and -1/2: it is kept if either is in the range.

    Example:
        >>> wedge((2, 4, 4), min_angle=-40, max_angle=40, axis="y", like=torch.zeros(1)).squeeze()
        tensor([[1., 1., 1.],
                [0., 0., 0.]])
    """
    z, y, x = frequencies(sizes, like)
    along = z.view(-1, 1, 1)
    across = y.view(1, -1, 1) if axis == "x" else x.view(1, 1, -1)
    kept = _seen(along, across, min_angle, max_angle)
    both = (along.abs() == 0.5) | (across.abs() == 0.5)
    return (kept | (both & _seen(-along, across, min_angle, max_angle))).to(like.dtype)


def _seen(along: Tensor, across: Tensor, min_angle: float, max_angle: float) -> Tensor:
    """Whether frequencies along and across the beam lie between two planes through the tilt axis."""
    below, above = (
        across * math.sin(math.radians(angle)) - along * math.cos(math.radians(angle))
        for angle in (min_angle, max_angle)
    )
    return below * above <= _SLACK * (along.square() + across.square())
