"""Transforms that add noise."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from perc_transforms.core.batch import Rows
from perc_transforms.core.random_draws import RandomTransform, draw_seed, noise
from perc_transforms.core.sizing import is_number
from perc_transforms.errors import TransformError
from perc_transforms.functional.intensity.noise import add_noise, noise_std


@dataclass(repr=False)
class AddNoise(RandomTransform):
    """Add Gaussian noise to each image: white, or of a given power spectrum.

    Its variance is `var(image) / snr`, where the whole image counts as signal, or `std^2`. So a constant image gets
    none for an `snr`. The variance is that of the pixels of one row, with the leading axes that it has (a movie's
    frames); it is a number that no gradient flows through. A row's `target` gets none:
    Noise2Noise learns from noise that image and target do not share. Recorded: `seed`, of the noise, and `std`.

    Args:
        snr: signal-to-noise ratio, a ratio of variances, above 0.
        std: standard deviation of the noise instead, in the units of the image; 0 adds none. One of the two is given.
        color: `"white"`, the default, or the noise's power spectrum: its power at evenly spaced frequencies from 0 (the
            mean) to 0.5 cycles/pixel (Nyquist), by any unit, linear in between; the corners of the spectrum, beyond
            Nyquist, get the last value. It is scaled so that the expected variance is as stated.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: neither or both of `snr` and `std` are given, one is out of its range, or `color` is no
            spectrum.

    Example:
        >>> noisy = AddNoise(snr=0.1)(torch.tensor([[1.0, -1.0]]).expand(64, 2))
        >>> noisy.shape
        torch.Size([64, 2])
        >>> AddNoise(std=2.0, color=np.array([0, 1.0]))
        AddNoise(std=2.0, color=(0.0, 1.0))
    """

    snr: float | None = None
    std: float | None = field(default=None, kw_only=True)
    color: Any = field(default="white", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [value for value in (self.snr, self.std) if value is not None]
        if len(given) != 1 or not is_number(given[0]) or given[0] < 0 or self.snr == 0:
            msg = f"AddNoise(snr={self.snr!r}, std={self.std!r}): expected snr > 0 or std >= 0, one of them"
            raise TransformError(msg)
        if not isinstance(self.color, str):
            self.color = _spectrum(self.color)
        elif self.color != "white":
            msg = f"AddNoise: color is {self.color!r}: expected 'white', or a power spectrum, a sequence of numbers"
            raise TransformError(msg)

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw the seed of one row's noise, and tell its strength."""
        seed = draw_seed(rng)
        if self.snr is None:
            return {"seed": seed, "std": float(self.std or 0.0)}
        image = rows.images[place].detach().flatten(0, -rows.spatial_dims)
        return {"seed": seed, "std": float(noise_std(image, float(self.snr), spatial_dims=rows.spatial_dims))}

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Add the noise to the images of one shape in one go."""
        white = noise([int(drawn["seed"]) for drawn in params], rows.images)
        leading = rows.images.ndim - rows.spatial_dims - 1
        std = torch.tensor([float(drawn["std"]) for drawn in params], dtype=torch.float64).reshape(-1, *[1] * leading)
        spectrum = None if isinstance(self.color, str) else self.color
        images = add_noise(rows.images, white, std, spatial_dims=rows.spatial_dims, spectrum=spectrum)
        return replace(rows, images=images)


def _spectrum(color: Any) -> tuple[float, ...]:
    """A power spectrum as numbers, whatever they came in."""
    try:
        values = np.asarray(color.detach().cpu() if isinstance(color, torch.Tensor) else color, np.float64)
    except (TypeError, ValueError) as err:
        msg = f"AddNoise: color is {color!r}: expected 'white', or a power spectrum, a sequence of numbers"
        raise TransformError(msg) from err
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all() or values.min() < 0 or not values.any():
        msg = f"AddNoise: color is {color!r}: expected powers along one axis, finite, not negative, not all 0"
        raise TransformError(msg)
    return tuple(values.tolist())
