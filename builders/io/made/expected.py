"""What signal-to-noise ratio a dose gives, without an image being made: of views of a source, on average."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.io.made.draws import Indices
from builders.io.made.imaging import transfer
from builders.io.made.projecting import Transforms
from builders.io.made.recipe import Recipe
from builders.io.made.views import OPTICS, orientations_of
from perc_transforms.functional import central_slices, matrices_of
from perc_transforms.functional.grids import half_counts, spatial_frequency

_VIEWS = 64
"""Of a source, whose power is averaged: those of the first rows."""
_FINER = 4
"""Rings of frequencies in a cycle a box."""


class ExpectedSnr:
    """Ratios of particles, by the power of their sources' projections, averaged over views, ring by ring.

    Args:
        recipe: how.
        transforms: of its sources.
        electrons: expected in a pixel.
    """

    def __init__(self, recipe: Recipe, transforms: Transforms, electrons: float) -> None:
        self._recipe, self._transforms, self._electrons = recipe, transforms, electrons
        self._powers: dict[int, Tensor] = {}

    @torch.inference_mode()
    def of(self, sources: Indices, optics: "Mapping[str, NDArray[np.float32]]") -> NDArray[np.float32]:
        """Those of some rows.

        Args:
            sources: of each, `(rows,)`.
            optics: their columns `ctf`.
        """
        found = np.empty(len(sources), np.float32)
        for source in np.unique(sources).tolist():
            rows = sources == source
            if source not in self._powers:
                self._powers[source] = self._power(source)
            own = {name: values[rows] for name, values in optics.items()}
            found[rows] = self._ratio(self._powers[source], own).numpy()
        return found

    def _power(self, source: int) -> Tensor:
        """Sums of the squares of a projection's spectrum over rings."""
        angles = orientations_of(self._recipe, np.arange(_VIEWS))[:, 0].astype(np.float64)
        slices = central_slices(self._transforms[source], matrices_of(torch.from_numpy(angles)))
        return _rings(slices.abs().square().mean(0), self._recipe.box_size)

    def _ratio(self, power: Tensor, optics: "Mapping[str, NDArray[np.float32]]") -> Tensor:
        """The variance of the clean image over the expected one of the noise, `(rows,)`."""
        recipe, n, electrons = self._recipe, self._recipe.box_size, self._electrons
        mean = 0.5 * (optics["defocus_u"] + optics["defocus_v"])
        round_ones = {**optics, "defocus_u": mean, "defocus_v": mean}
        line = 2 * (len(power) - 1)  # pixels of a line whose spectrum has as many components as there are rings
        finer = recipe.pixel_size * n * _FINER / line
        through = transfer(recipe, (1, line), {name: round_ones[name] for name in OPTICS}, power, finer)[:, 0]
        variances = power[1:] / n**4
        noise = electrons * (1 + through[:, 0] * power[0].sqrt() / n**2)
        if recipe.noise.ice_snr is not None:
            counts = _rings(torch.ones(n, n // 2 + 1), n)
            carried = (through.square() * counts).sum(-1) / counts.sum()
            noise += electrons**2 * variances.sum() / recipe.noise.ice_snr * carried
        return electrons**2 * (through[:, 1:].square() @ variances) / noise


def _rings(values: Tensor, n: int) -> Tensor:
    """Sums of a half spectrum over rings, each component as often as it stands in the whole one."""
    rings = (spatial_frequency((n, n), values) * (n * _FINER)).round().long().flatten()
    weighted = (values * half_counts(n, values).to(values)).flatten().double()
    count = int(rings.max()) + 1
    return torch.zeros(count, dtype=torch.float64).index_add_(0, rings, weighted).to(values)
