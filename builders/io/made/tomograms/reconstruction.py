"""Weighted back-projection.

A tomogram is the integral over tilts of |k| times each image's spectrum: Radon's inversion, with the images that there
are, each standing for the angles nearest to it. So what no image has seen, the missing wedge, is missing.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from builders.io.made.tomograms.slices import Slices


def reconstructed(slices: Slices, lines: Tensor) -> Tensor:
    """The volume that has some projections.

    It has the unit of what was projected: with tilts all around, each voxel's own value comes back. The spectrum is
    weighted by |k| up to the Nyquist frequency, and at 0 by the mean of that over its sample.

    Args:
        slices: of the volume's planes at the tilts.
        lines: spectra of images along x, `(tilts, m // 2 + 1, ny)`. They are changed.

    Returns:
        `(nz, ny, nx)`.
    """
    m = slices.width
    ramp = torch.arange(m // 2 + 1, dtype=torch.float64) / m
    ramp[0] = 1 / (4 * m)
    counts = torch.full_like(ramp, 2.0)  # frequencies below 0 are not among them
    counts[0] = 1
    if m % 2 == 0:
        counts[-1] = 1
    weights = torch.tensor(shares(slices.angles), dtype=torch.float64)[:, None] * (ramp * counts / m)
    torch.view_as_real(lines).mul_(weights.float()[..., None, None])
    return slices.back(lines)


def shares(angles: Sequence[float]) -> list[float]:
    """The angle that each tilt stands for, in radians: to the middle between it and its neighbours.

    The outermost ones reach as far outwards as inwards, unless they meet from behind.

    Args:
        angles: degrees, from -90 to 90, of which the outer two are one line.

    Example:
        >>> [round(math.degrees(share), 6) for share in shares([0.0, -60.0, 30.0])]
        [45.0, 60.0, 30.0]
    """
    order = sorted(range(len(angles)), key=angles.__getitem__)
    sides = [angles[order[place + 1]] - angles[order[place]] for place in range(len(order) - 1)]
    behind = 180 - (angles[order[-1]] - angles[order[0]])
    below = [min(sides[0] if sides else 180.0, behind), *sides]
    above = [*sides, min(sides[-1] if sides else 180.0, behind)]
    found = [0.0] * len(angles)
    for place, tilt in enumerate(order):
        found[tilt] = math.radians((below[place] + above[place]) / 2)
    return found
