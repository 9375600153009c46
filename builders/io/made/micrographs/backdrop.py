"""What is about the particles of a micrograph: ice, thicker here than there, and the rim of the carbon's hole.

**Ice.** Its thickness is t = 1 + g u, relative to the mean: g is the `ice_gradient`, and u runs linearly from -1/2 in
the corner that lies farthest back along a drawn direction to +1/2 in the opposite one. The variance of the ice's noise
is t times what it is without a gradient. Thicker ice scatters more electrons into the energy filter: the background's
transmission relative to the mean is 1 - 0.076 (t - 1), which is, to first order, exp(-300 (t - 1) / 3950): ice of
300 Å, and a mean free path of 3950 Å (Rice et al., J. Struct. Biol. 204 (2018), for 300 kV).

**Carbon.** Outside of a circle lies a film of carbon, which lets 0.85 as many electrons through and is amorphous. Its
projection is that of atoms lying about at random, as many as scatter what 200 Å of 0.1 atoms/Å³ do whose structure
factor is 0.3; each of 47.878 V Å² times 2.51 Å, carbon's scattering factor at zero angle, and blurred by a B factor of
30 Å². The circle has a radius of 0.6 µm (or the micrograph's diagonal, if that is more), and cuts the line from the
micrograph's centre in a drawn direction at 0.3 to 0.9 of the way to the rim. From 20 Å within it to 20 Å outside, film
begins gradually.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.io.made.draws import Floats, uniforms
from perc_transforms.functional import interaction_constant
from perc_transforms.functional.grids import spatial_frequency

_ABSORBED = 300 / 3950
"""Share of electrons that one mean thickness of ice takes away."""
_RADIUS = 6000.0
"""Å, of a hole: those of grids called R1.2/1.3."""
_NEAREST, _FARTHEST = 0.3, 0.9
_EDGE = 20.0
"""Å."""
_OPAQUE = 0.15
_ATOMS = 200 * 0.1 * 0.3
"""A square Å."""
_ATOM = 47.878 * 2.509
"""V Å³."""
_BLUR = 30.0
"""Å²."""


@dataclass(frozen=True)
class Rim:
    """Of a hole.

    Attributes:
        x: of the hole's centre, pixels of the micrograph.
        y: along y.
        radius: in pixels.
        edge: half of the width over which film begins, pixels.
    """

    x: float
    y: float
    radius: float
    edge: float

    def inside(self, places: Floats) -> NDArray[np.bool_]:
        """Which of some places `(N, 2)`, x and y, lie in the hole, off all carbon."""
        distances = np.hypot(places[:, 0] - self.x, places[:, 1] - self.y)
        within: NDArray[np.bool_] = distances < self.radius - self.edge
        return within

    def film(self, sizes: tuple[int, int], first: int = 0) -> Tensor:
        """How much of each pixel is film: 0 in the hole to 1, `sizes`.

        Args:
            sizes: pixels, `(ny, nx)`.
            first: pixel of the micrograph that the first one is, along each axis.
        """
        y, x = (torch.arange(n, dtype=torch.float32) + first for n in sizes)
        distances = torch.hypot((y - self.y)[:, None], x - self.x)
        return (0.5 + (distances - self.radius) / (2 * self.edge)).clamp_(0, 1)


@dataclass(frozen=True)
class Backdrop:
    """Of a micrograph.

    Attributes:
        gradient: of the ice's thickness.
        angle: of the direction in which it gets thicker, from x to y, radians.
        rim: of a hole; None: there is no carbon.
    """

    gradient: float
    angle: float
    rim: Rim | None

    def thickness(self, shape: tuple[int, int], sizes: tuple[int, int], first: int = 0) -> Tensor | None:
        """Of the ice, relative to the mean, `sizes`; None: it is 1 everywhere.

        Args:
            shape: of the micrograph, `(ny, nx)`.
            sizes: pixels.
            first: pixel of the micrograph that the first one is, along each axis; beyond its rim, ice goes on, but
                never thinner than none.
        """
        if self.gradient == 0:
            return None
        steps = math.sin(self.angle), math.cos(self.angle)
        extent = sum(abs(step) * (n - 1) for step, n in zip(steps, shape, strict=True))
        y, x = (
            (torch.arange(size, dtype=torch.float32) + first - (n - 1) / 2) * (step * self.gradient / extent)
            for size, n, step in zip(sizes, shape, steps, strict=True)
        )
        return (1 + y[:, None] + x).clamp_(min=0)

    def transmission(self, shape: tuple[int, int]) -> Tensor | None:
        """Of the background, relative to that of the mean ice, `(ny, nx)`; None: it is 1 everywhere."""
        thickness = self.thickness(shape, shape)
        through = None if thickness is None else 1 + _ABSORBED * (1 - thickness)
        if self.rim is None:
            return through
        film = 1 - _OPAQUE * self.rim.film(shape)
        return film if through is None else film * through


def texture(pixel_size: float, voltage: float) -> float:
    """The variance of the contrast, before the CTF and the blur of its atoms, of a film of carbon in a pixel.

    Args:
        pixel_size: Å.
        voltage: kV.
    """
    return _ATOMS * (2 * float(interaction_constant(voltage)) * _ATOM / pixel_size) ** 2


def blur(sizes: tuple[int, int], pixel_size: float, like: Tensor) -> Tensor:
    """What the film's atoms are blurred by, as `rfftn` orders it.

    Args:
        sizes: pixels, `(ny, nx)`.
        pixel_size: Å.
        like: a tensor of the precision and device of the result.
    """
    squares = (spatial_frequency(sizes, like) / pixel_size).square()
    return torch.exp(-_BLUR / 4 * squares).to(like)


def backdrops(
    seed: int, indices: NDArray[np.int64], scene: Mapping[str, float], shape: tuple[int, int], pixel_size: float
) -> list[Backdrop]:
    """What is about the particles of rows.

    Args:
        seed: of the recipe.
        indices: of rows.
        scene: `ice_gradient` and `carbon`.
        shape: of micrographs.
        pixel_size: Å.
    """
    drawn = uniforms(seed, "backdrop", indices, 4)
    made = []
    for ice, chance, angle, place in drawn.tolist():
        away = _NEAREST + (_FARTHEST - _NEAREST) * place
        rim = _rim(shape, pixel_size, 2 * math.pi * angle, away) if chance < scene["carbon"] else None
        made.append(Backdrop(scene["ice_gradient"], 2 * math.pi * ice, rim))
    return made


def _rim(shape: tuple[int, int], pixel_size: float, angle: float, away: float) -> Rim:
    """A rim that crosses the line in a direction from the centre, at some share of its way to the micrograph's."""
    cosine, sine = math.cos(angle), math.sin(angle)
    ny, nx = shape
    reach = 0.5 * min(nx / max(abs(cosine), 1e-9), ny / max(abs(sine), 1e-9))
    radius = max(_RADIUS / pixel_size, math.hypot(nx, ny))
    back = away * reach - radius
    return Rim((nx - 1) / 2 + back * cosine, (ny - 1) / 2 + back * sine, radius, _EDGE / pixel_size)


def least_share(shape: tuple[int, int], pixel_size: float) -> float:
    """The share of a micrograph that lies in the hole where most of it is carbon, to a percent or so."""
    coarse = 64
    ny, nx = shape
    grid = np.stack(np.meshgrid(*((np.arange(coarse) + 0.5) * n / coarse - 0.5 for n in (nx, ny))), -1).reshape(-1, 2)
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    return min(float(_rim(shape, pixel_size, angle, _NEAREST).inside(grid).mean()) for angle in angles.tolist())
