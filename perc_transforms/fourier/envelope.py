"""Transforms by the envelope of an image's amplitudes."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Rows
from perc_transforms.core.sizing import is_number, known_pixel_sizes
from perc_transforms.errors import TransformError
from perc_transforms.functional.fourier.envelope import envelope
from perc_transforms.functional.fourier.filters import filter_rows


@dataclass(repr=False)
class Envelope(Transform):
    """Let amplitudes fade with frequency, as partial coherence, motion and radiation damage make them; the mean stays.

    The spectrum is multiplied by `exp(-B k^2 / 4)`, k in 1/Å: the B-factor of RELION's post-processing and of Rosenthal
    & Henderson (2003). It stands behind `CTF`, which has no envelope of its own.

    Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`.

    Args:
        b_factor: B, in Å^2; 0 changes nothing, and below 0 it sharpens.

    Raises:
        TransformError: no finite number, or a row without pixel size.

    Example:
        >>> import torch
        >>> row = {"image": torch.ones(8, 8), "pixel_size": 2.0}
        >>> Envelope(80.0)(row)["image"].mean()
        tensor(1.)
    """

    columns: ClassVar[tuple[str, ...]] = ("pixel_size",)

    b_factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_number(self.b_factor):
            msg = f"Envelope: b_factor is {self.b_factor!r}: expected Å^2, a finite number"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Filter the images of one shape in one go, each by its pixel size."""
        sizes = known_pixel_sizes(rows, self)
        distinct = {size: place for place, size in enumerate(dict.fromkeys(sizes))}
        steps = torch.tensor(list(distinct), dtype=torch.float64)
        weights = envelope(rows.sizes, pixel_size=steps, b_factor=self.b_factor, like=rows.images)
        if len(distinct) > 1:
            weights = weights[[distinct[size] for size in sizes]]
        return rows.through(partial(filter_rows, weights=weights, spatial_dims=rows.spatial_dims))
