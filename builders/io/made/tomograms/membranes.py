"""Vesicles: spheres of a lipid bilayer.

Its potential, relative to the ice's, has a peak of 2 V for the head groups of each leaflet, Gaussian with a standard
deviation of 5 Å, and a trough of -0.8 V, of 4 Å, between the two, where the tails end. That is about what neutral atoms
have (Peng et al., Acta Cryst. A52, 1996), 47.9 V Å² times their f(0) over volumes: phosphocholine with glycerol, 58 Å
in 319 Å³ and half of what is there, 2 V more than water; the methyl groups, 4.1 Å in 54 Å³ each, 1.2 V less.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.io.made.draws import Floats, generator

_HEADS, _TAILS = 2.0, -0.8
"""V."""
_HEAD_WIDTH, _TAIL_WIDTH = 5.0, 4.0
"""Å, standard deviations."""
_DEVIATIONS = 3.0
_TRIES = 100
_MOST = 1000


@dataclass(frozen=True)
class Vesicles:
    """Of a tomogram.

    Attributes:
        centres: `(N, 3)`, (x, y, z), voxels.
        radii: `(N,)`, voxels, of the middle of the bilayer.
        thickness: voxels between the planes of the head groups.
        pixel_size: Å.
    """

    centres: Floats
    radii: Floats
    thickness: float
    pixel_size: float

    @property
    def half(self) -> float:
        """Voxels from the middle of the bilayer to where hardly anything is left of it."""
        return self.thickness / 2 + _DEVIATIONS * _widened(_HEAD_WIDTH, self.pixel_size)[0]

    def leave_room(self, places: Floats, radius: float) -> NDArray[np.bool_]:
        """Which balls about places `(P, 3)`, inside or outside of vesicles, overlap no membrane."""
        distances = np.sqrt(np.square(places[:, None] - self.centres).sum(-1))
        room: NDArray[np.bool_] = (np.abs(distances - self.radii) >= radius + self.half).all(1)
        return room

    def add_to(self, volume: Tensor | None, mask: Tensor | None, number: int) -> None:
        """Add the bilayers' potential to a volume, V, and set a mask to a number where it lies, head groups and all.

        Args:
            volume: `(nz, ny, nx)`, or None.
            mask: of the same shape, or None.
            number: what the mask is set to.
        """
        for centre, radius in zip(self.centres, self.radii, strict=True):
            self._add(volume, mask, number, centre, float(radius))

    def _add(self, volume: Tensor | None, mask: Tensor | None, number: int, centre: Floats, radius: float) -> None:
        like = volume if volume is not None else mask
        assert like is not None
        reach = radius + self.half
        bounds = [
            slice(max(0, math.ceil(place - reach)), max(0, math.floor(place + reach) + 1)) for place in centre[::-1]
        ]
        z, y, x = (
            torch.arange(n, dtype=torch.float32)[side] - float(place)
            for n, side, place in zip(like.shape, bounds, centre[::-1], strict=True)
        )
        within = self.thickness / 2 + _HEAD_WIDTH / self.pixel_size
        square = y.square()[:, None] + x.square()
        for section, height in zip(range(*bounds[0].indices(like.shape[0])), z.tolist(), strict=True):
            depth = (square + height**2).sqrt_().sub_(radius)
            if volume is not None:
                volume[section, bounds[1], bounds[2]] += self._profile(depth)
            if mask is not None:
                mask[section, bounds[1], bounds[2]].masked_fill_(depth.abs_() <= within, number)

    def _profile(self, depth: Tensor) -> Tensor:
        """V at voxels' distances from the middle of the bilayer."""
        width, height = _widened(_HEAD_WIDTH, self.pixel_size)
        total = torch.zeros_like(depth)
        for side in (-0.5, 0.5):
            total += (_HEADS * height) * ((depth + side * self.thickness).square_() / (-2 * width**2)).exp_()
        width, height = _widened(_TAIL_WIDTH, self.pixel_size)
        return total.add_((_TAILS * height) * (depth.square() / (-2 * width**2)).exp_())


def _widened(width: float, pixel_size: float) -> tuple[float, float]:
    """The width in voxels of a Gaussian of some Å, averaged over each voxel, and how high that leaves it."""
    wide = math.hypot(width, pixel_size / math.sqrt(12))
    return wide / pixel_size, width / wide


def vesicles(
    seed: int,
    index: int,
    sizes: tuple[int, int, int],
    pixel_size: float,
    expected: float,
    radii: tuple[float, float],
    thickness: float,
) -> Vesicles:
    """Those of a tomogram: their centres lie anywhere in it, but no bilayer crosses another one.

    Args:
        seed: of the recipe.
        index: of the row.
        sizes: of the volume, voxels `(nz, ny, nx)`.
        pixel_size: Å.
        expected: how many there are on average, by Poisson's distribution; there may be no room for all of them.
        radii: Å, the least and the greatest.
        thickness: Å.
    """
    random = generator(seed, "vesicles", index)
    empty = Vesicles(np.zeros((0, 3)), np.zeros(0), thickness / pixel_size, pixel_size)
    count = _poisson(random.random(), expected)
    centres: list[Floats] = []
    found: list[float] = []
    for _ in range(count):
        radius = (radii[0] + (radii[1] - radii[0]) * random.random()) / pixel_size
        for place in random.random((_TRIES, 3)) * (np.array(sizes[::-1]) - 1.0):
            distances = [math.dist(place, other) for other in centres]
            if all(
                distance >= radius + other + 2 * empty.half or distance <= abs(radius - other) - 2 * empty.half
                for distance, other in zip(distances, found, strict=True)
            ):
                centres.append(place)
                found.append(radius)
                break
    return Vesicles(np.array(centres).reshape(-1, 3), np.array(found), empty.thickness, pixel_size)


def _poisson(uniform: float, mean: float) -> int:
    """The quantile of Poisson's distribution."""
    probability = below = math.exp(-mean)
    count = 0
    while below < uniform and count < _MOST:
        count += 1
        probability *= mean / count
        below += probability
    return count
