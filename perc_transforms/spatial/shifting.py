"""Transforms that shift images."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch

from perc_transforms.core.batch import Rows
from perc_transforms.core.random_draws import RandomTransform
from perc_transforms.core.sizing import is_number, known_pixel_size
from perc_transforms.errors import TransformError
from perc_transforms.functional.spatial.shifting import fourier_shift
from perc_transforms.spatial.motion import COLUMNS, Motion, moved


@dataclass(repr=False)
class RandomShift(RandomTransform):
    """Shift by fractions of a pixel along every spatial axis; what leaves on one side enters on the other.

    Each component of the shift d is uniform in +-max_shift, and the content moves by +d: along an axis the spectrum is
    multiplied by `exp(-2 pi i k d)` (see `functional.fourier_shift`). The origin in `pose`, `shift_x` and `shift_y`
    (Å), changes by `-d * pixel_size`, as RELION has it; coordinates follow. Recorded: `shift`, in pixels, in the order
    (x, y) or (x, y, z).

    Args:
        max_shift: in pixels; 0 changes nothing.
        max_shift_angstrom: the same in Å, by each row's `pixel_size`. One of the two is given.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: neither or both are given, one is negative, or Å are asked for where no pixel size is known.

    Example:
        >>> import torch
        >>> row = {"image": torch.rand(8, 8), "pixel_size": 2.0, "path": "a.mrcs", "index": 7}
        >>> x, y = RandomShift(max_shift_angstrom=6.0, record=True)(row)["transforms"][0]["shift"]
        >>> max(abs(x), abs(y)) <= 3.0
        True
    """

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    max_shift: float | None = None
    max_shift_angstrom: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [value for value in (self.max_shift, self.max_shift_angstrom) if value is not None]
        if len(given) != 1 or not is_number(given[0]) or given[0] < 0:
            msg = f"{self!r}: expected max_shift (pixels) or max_shift_angstrom (Å), one of them, not negative"
            raise TransformError(msg)

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw a shift."""
        return {"shift": (self._reach(rows, place) * rng.uniform(-1.0, 1.0, rows.spatial_dims)).tolist()}

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Shift images of one shape in one go, each by its own shift."""
        shifts = [tuple(map(float, values["shift"])) for values in params]
        for shift in shifts:
            if len(shift) != rows.spatial_dims:
                msg = f"{self!r}: a shift of {shift} for an image of {rows.spatial_dims} spatial axes {rows.sizes}: "
                msg += f"expected {rows.spatial_dims} numbers"
                raise TransformError(msg)
        by = torch.tensor(shifts, dtype=torch.float64)
        shifted = partial(fourier_shift, by=by, spatial_dims=rows.spatial_dims) if by.any() else torch.clone
        motions = [Motion(shift=shift, wraps=True) for shift in shifts]
        return moved(rows, shifted, motions, owner=type(self).__name__)

    def _reach(self, rows: Rows, place: int) -> float:
        if self.max_shift_angstrom is None:
            return float(self.max_shift or 0.0)
        pixel_size = known_pixel_size(rows.columns["pixel_size"][place], self, "max_shift")
        return self.max_shift_angstrom / pixel_size
