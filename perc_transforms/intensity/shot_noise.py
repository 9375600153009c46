"""Transforms that count electrons."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch

from perc_transforms.core.batch import Rows
from perc_transforms.core.forms import TARGETS
from perc_transforms.core.random_draws import RandomTransform, draw_seed, noise
from perc_transforms.core.sizing import is_length, known_pixel_size
from perc_transforms.errors import TransformError
from perc_transforms.functional.intensity.shot_noise import shot_noise


@dataclass(repr=False)
class ShotNoise(RandomTransform):
    """Count electrons: each pixel of an image of contrast becomes a number of Poisson's distribution.

    The image is contrast, I / I0 - 1 (dark particles are negative), not a normalised image: after the CTF, a projection
    of `-2 s d V`, for a potential V in volts, s of `functional.interaction_constant` and voxels of d Å. A pixel of
    contrast c gets a number about `n (1 + c)`, with n the dose times the pixel's area; none where c is below -1. The
    images of a movie's row get the dose each. A row's `target` or `clean` becomes what is expected, `n (1 + c)`:
    Noise2Noise learns from noise that image and target do not share. Gradients are those of the expected counts.
    Recorded: `seed`, of the noise, and `electrons`, n.

    Shape `(..., ny, nx)`; for movies, `spatial_dims=2`.

    Args:
        dose: in e/Å^2, above 0, by each row's `pixel_size`; two numbers: drawn uniformly between them for each row.
        electrons: the same a pixel, n. One of the two is given.
        counts: True, the default, or False: give contrast again, counts / n - 1.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: neither or both are given, one is not above 0, a dose is asked for where no pixel size is known,
            or the image is a volume.

    Example:
        >>> counted = ShotNoise(40.0)({"image": torch.zeros(64, 64), "pixel_size": 1.5})["image"]
        >>> bool((counted == counted.round()).all()), round(float(counted.mean()))
        (True, 90)
    """

    columns: ClassVar[tuple[str, ...]] = ("pixel_size",)

    dose: float | Sequence[float] | None = None
    electrons: float | Sequence[float] | None = field(default=None, kw_only=True)
    counts: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [value for value in (self.dose, self.electrons) if value is not None]
        if len(given) != 1 or not _is_strength(given[0]):
            msg = f"{self!r}: expected dose (e/Å^2) or electrons (a pixel), one of them, a number above 0 or "
            msg += "(low, high) of such"
            raise TransformError(msg)
        if self.spatial_dims == 3:
            msg = "ShotNoise: spatial_dims is 3: expected 2: detectors count images, not volumes"
            raise TransformError(msg)

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw the seed of one row's noise, and how many electrons it gets."""
        if rows.spatial_dims != 2:
            shape = tuple(rows.images.shape[1:])
            msg = f"{self!r}: a volume of shape {shape}: expected an image, or spatial_dims=2 for a stack of images"
            raise TransformError(msg)
        seed = draw_seed(rng)
        given = self.electrons or self.dose or 0.0
        low, high = given if isinstance(given, Sequence) else (given, given)
        drawn = rng.uniform(low, high)
        if self.dose is not None:
            drawn *= known_pixel_size(rows.columns["pixel_size"][place], self, "electrons") ** 2
        return {"seed": seed, "electrons": float(drawn)}

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Count the electrons of images of one shape in one go."""
        white = noise([int(drawn["seed"]) for drawn in params], rows.images)
        leading = [1] * (rows.images.ndim - 3)
        each = torch.tensor([float(drawn["electrons"]) for drawn in params], dtype=torch.float64)
        each = each.to(rows.images).reshape(-1, *leading)
        counted = shot_noise(rows.images, white, each)
        each = each[..., None, None]
        if not self.counts:
            return replace(rows, images=counted / each - 1)
        expected = {name: each * (1 + images) for name, images in rows.beside.items() if name in TARGETS}
        return replace(rows, images=counted, beside={**rows.beside, **expected})


def _is_strength(value: Any) -> bool:
    """Whether something is a number above 0, or two in ascending order."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return len(value) == 2 and all(map(is_length, value)) and value[0] <= value[1]
    return is_length(value)
