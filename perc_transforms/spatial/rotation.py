"""Transforms that rotate images by any angle."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from perc_transforms.core.batch import Rows
from perc_transforms.core.random_draws import RandomTransform
from perc_transforms.core.sizing import is_number
from perc_transforms.errors import TransformError
from perc_transforms.functional.spatial.rotation import Padding, rotate
from perc_transforms.spatial.motion import COLUMNS, Matrix, Motion, moved


@dataclass(repr=False)
class RandomRotate(RandomTransform):
    """Rotate about the centre, pixel `n // 2`, with linear interpolation.

    An image is rotated in its plane, by an angle that is uniform in +-max_angle. A volume is rotated about a uniform
    axis, by an angle from the uniform distribution on SO(3), of density proportional to 1 - cos(angle), as far as
    max_angle. A positive angle takes content from +x towards +y (axes of the array): content at p goes to `R @ p`, with
    R = [[cos, -sin], [sin, cos]] for p = (x, y). `pose`, `ctf` and coordinates follow. Volumes are (z, y, x), as in
    torch-grid-utils; interpolation is that of scipy.ndimage's `affine_transform(order=1)`.

    Recorded: of an image `angle` (degrees), of a volume `quaternion` (w, x, y, z), that of R for p = (x, y, z).

    Args:
        max_angle: in degrees, 0 to 180; "uniform", the default, is 180: every rotation is as likely as another.
        padding: what comes in from beyond the image: "mean", the default: its mean, so that a constant image stays
            constant; "zeros"; "border", its outermost pixels; "reflection", the image mirrored at their centres.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: an angle outside 0 to 180, or no such padding.

    Example:
        >>> import torch
        >>> rotated = RandomRotate(10.0)(torch.ones(8, 8, 8))
        >>> rotated.shape, bool((rotated == 1).all())
        (torch.Size([8, 8, 8]), True)
    """

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    max_angle: float | Literal["uniform"] = "uniform"
    padding: Padding = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        angle = 180.0 if self.max_angle == "uniform" else self.max_angle
        if not is_number(angle) or not 0 <= angle <= 180:
            msg = f"{self!r}: max_angle is {self.max_angle!r}: expected degrees, 0 to 180, or 'uniform'"
            raise TransformError(msg)
        if self.padding not in ("mean", "zeros", "border", "reflection"):
            msg = f"{self!r}: padding is {self.padding!r}: expected 'mean', 'zeros', 'border' or 'reflection'"
            raise TransformError(msg)

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw an angle, or a rotation of space."""
        reach = 180.0 if self.max_angle == "uniform" else float(self.max_angle)
        if rows.spatial_dims == 2:
            return {"angle": float(rng.uniform(-reach, reach))}
        axis = rng.standard_normal(3)
        axis /= np.linalg.norm(axis)
        half = _haar_angle(float(rng.uniform()), math.radians(reach)) / 2
        return {"quaternion": [math.cos(half), *(math.sin(half) * axis).tolist()]}

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Rotate images of one shape in one go, each by its own rotation."""
        needed = "angle" if rows.spatial_dims == 2 else "quaternion"
        for values in params:
            if values.get(needed) is None:
                msg = f"{self!r}: {values} for an image {rows.sizes} of {rows.spatial_dims} spatial axes: "
                msg += f"expected {needed!r}"
                raise TransformError(msg)
        turn = _in_plane if rows.spatial_dims == 2 else _in_space
        matrices = [turn(values[needed]) for values in params]
        stacked = torch.from_numpy(np.stack(matrices))
        turned = partial(rotate, matrices=stacked, spatial_dims=rows.spatial_dims, padding=self.padding)
        return moved(rows, turned, [Motion(matrix=matrix) for matrix in matrices], owner=type(self).__name__)


def _in_plane(angle: float) -> Matrix:
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.array([[cos, -sin], [sin, cos]])


def _in_space(quaternion: Sequence[float]) -> Matrix:
    """The matrix of a quaternion (w, x, y, z) of any length."""
    given = np.asarray(quaternion, np.float64)
    w, x, y, z = given / np.linalg.norm(given)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _haar_angle(share: float, reach: float) -> float:
    """The angle, in 0 to `reach` (radians), below which that share of the rotations of space lies.

    It solves `angle - sin(angle) = share * (reach - sin(reach))`, by bisection: the left side is flat at 0.
    """
    target = share * (reach - math.sin(reach))
    low, high = 0.0, reach
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle - math.sin(middle) < target else (low, middle)
    return (low + high) / 2
