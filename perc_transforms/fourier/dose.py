"""Transforms of movies by dose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Rows
from perc_transforms.core.sizing import is_number, known_pixel_sizes
from perc_transforms.errors import TransformError
from perc_transforms.functional.fourier.dose import DAMAGE, dose_weighted, dose_weights


@dataclass(repr=False)
class DoseWeight(Transform):
    """Weight the frames of a movie by what the dose has left of each frequency, and sum them.

    Frame i, from 0, ends at dose `D = pre_dose + (i + 1) dose_per_frame` and its spectrum is multiplied by
    `q = exp(-D / (2 Ne))`, with `Ne = 0.245 k^-1.665 + 2.81` e/Å^2 at 300 kV (k in 1/Å), 0.8 of it at 200 kV and 0.64
    at 100 kV. The sum is divided by `sqrt(sum q^2)`, so that its noise stays white. Grant & Grigorieff 2015 (unblur);
    RELION's motion correction.

    Shape `(..., frames, ny, nx)`, which becomes `(..., ny, nx)`; needs each row's `pixel_size`.

    Args:
        dose_per_frame: in e/Å^2.
        pre_dose: before the first frame, in e/Å^2; default 0. It fades all frames alike, and so matters only without
            `restore_noise`.
        sum_frames: True, the default, or False: give the weighted frames, `(..., frames, ny, nx)`; their sum is that
            of True.
        voltage: in kV: 300, 200 or 100. Default: that of the row's column `ctf`, or else 300.
        restore_noise: True, the default, or False: do not divide by `sqrt(sum q^2)`.
        spatial_dims: 2, and no other: a movie is no volume.

    Raises:
        TransformError: an option out of range, a row without pixel size, a voltage for which there is no critical
            dose, or an image without an axis of frames.

    Example:
        >>> import torch
        >>> DoseWeight(1.2)({"image": torch.ones(4, 8, 8), "pixel_size": 1.5})["image"].mean()
        tensor(2.)
    """

    columns: ClassVar[tuple[str, ...]] = ("pixel_size", "ctf")

    dose_per_frame: float
    pre_dose: float = 0.0
    sum_frames: bool = True
    voltage: float | None = field(default=None, kw_only=True)
    restore_noise: bool = field(default=True, kw_only=True)
    spatial_dims: int | None = field(default=2, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("dose_per_frame", "pre_dose"):
            value = getattr(self, name)
            if not is_number(value) or value < 0:
                msg = f"DoseWeight: {name} is {value!r}: expected a dose in e/Å^2, finite and not negative"
                raise TransformError(msg)
        if self.spatial_dims != 2:
            msg = f"DoseWeight: spatial_dims is {self.spatial_dims}: expected 2: the frames of a movie are images"
            raise TransformError(msg)
        if self.voltage is not None:
            _supported(self.voltage, "voltage")

    def apply(self, rows: Rows) -> Rows:
        """Weight the movies of one shape in one go."""
        x = rows.images
        if x.ndim < 4:
            msg = f"{self!r}: an image of shape {tuple(x.shape[1:])}: expected a movie (frames, ny, nx)"
            raise TransformError(msg)
        voltages = [self._voltage(given) for given in rows.columns["ctf"]]
        kinds = list(zip(known_pixel_sizes(rows, self), voltages, strict=True))
        distinct = {kind: place for place, kind in enumerate(dict.fromkeys(kinds))}
        doses = [self.pre_dose + (frame + 1) * self.dose_per_frame for frame in range(x.shape[-3])]
        weigh = partial(dose_weights, rows.sizes, doses, restore_noise=self.restore_noise, like=x)
        weights = torch.stack([weigh(pixel_size=size, voltage=voltage) for size, voltage in distinct])
        if len(distinct) > 1:
            weights = weights[[distinct[kind] for kind in kinds]]
        weights = weights.view(-1, *[1] * (x.ndim - 4), *weights.shape[1:])
        return rows.through(partial(dose_weighted, weights=weights, sum_frames=self.sum_frames))

    def _voltage(self, given: Any) -> float:
        """The voltage of a row with some value of the column `ctf`."""
        if self.voltage is not None:
            return _supported(self.voltage, "voltage")
        value = given.get("voltage") if isinstance(given, Mapping) else None
        return 300.0 if value is None else _supported(value, "the row's ctf: voltage")


def _supported(voltage: Any, name: str) -> float:
    """A voltage, if there is a critical dose for it."""
    if not is_number(voltage) or round(voltage) not in DAMAGE:
        known = ", ".join(map(str, DAMAGE))
        msg = f"DoseWeight: {name} is {voltage!r}: expected {known} kV, for which critical doses are known"
        raise TransformError(msg)
    return float(voltage)
