"""What signal-to-noise ratio a dose gives, without an image being made: of views of a source, on average."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.io.made.draws import Indices
from builders.io.made.imaging import contrast_of, transfer
from builders.io.made.maker import Volumes
from builders.io.made.recipe import Recipe
from perc_transforms.functional.grids import half_counts, spatial_frequency


class ExpectedSnr:
    """Ratios of particles, by the spectra of their sources.

    A projection's spectrum is a slice through the volume's, so that the power of views from everywhere at a frequency
    is on average that of the volume there.

    Args:
        recipe: how.
        volumes: of its sources.
        electrons: expected in a pixel.
    """

    def __init__(self, recipe: Recipe, volumes: Volumes, electrons: float) -> None:
        self._recipe, self._volumes, self._electrons = recipe, volumes, electrons
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
                self._powers[source] = power_of(contrast_of(self._recipe, self._volumes[source]))
            own = {name: values[rows] for name, values in optics.items()}
            found[rows] = self._ratio(self._powers[source], own).numpy()
        return found

    def _ratio(self, power: Tensor, optics: "Mapping[str, NDArray[np.float32]]") -> Tensor:
        """The variance of the clean image over the expected one of the noise, `(rows,)`."""
        recipe, n, electrons = self._recipe, self._recipe.box_size, self._electrons
        through = transfer(recipe, (1, n), optics, power)[:, 0]
        counts = _counts(n, n, 2).to(power)
        variances = (power * counts / n**4)[1:]
        noise = electrons * (1 + through[:, 0] * power[0].sqrt() / n**2)
        if recipe.noise.ice_snr is not None:
            carried = (through.square() * counts).sum(-1) / counts.sum()
            noise += electrons**2 * variances.sum() / recipe.noise.ice_snr * carried
        return electrons**2 * (through[:, 1:].square() @ variances) / noise


def power_of(volume: Tensor) -> Tensor:
    """The mean of the squares of a volume's spectrum at 0, 1, ... n // 2 cycles a side, from shells of width 1."""
    n = volume.shape[-1]
    power = torch.fft.rfftn(volume).abs().square()
    return _sums(power, n) / _sums(torch.ones_like(power), n)


def _counts(n: int, last: int, axes: int) -> Tensor:
    ones = torch.ones(*(n,) * (axes - 1), last // 2 + 1)
    return _sums(ones, last)


def _sums(values: Tensor, n: int) -> Tensor:
    """Sums over shells of a half spectrum, each component as often as it stands in the whole one."""
    sizes = (*values.shape[:-1], n)
    shells = (spatial_frequency(sizes, values) * n).round().long().clamp(max=n // 2 + 1)
    weighted = values * half_counts(n, values).to(values)
    sums = torch.zeros(n // 2 + 2, dtype=torch.float64).index_add_(0, shells.flatten(), weighted.flatten().double())
    return sums[: n // 2 + 1].to(values)
