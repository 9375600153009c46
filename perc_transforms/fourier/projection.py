"""Transforms that make projections of volumes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from perc_transforms.core.batch import FRAME, Batch, Rows
from perc_transforms.core.forms import TARGETS
from perc_transforms.core.random_draws import RandomTransform
from perc_transforms.core.sizing import is_number, is_side
from perc_transforms.errors import TransformError
from perc_transforms.functional.fourier.projection import project
from perc_transforms.functional.fourier.volume_transform import volume_transform
from perc_transforms.spatial.euler import matrix_of
from perc_transforms.spatial.motion import COLUMNS, Motion, moved

POSE = {"rot": 0.0, "tilt": 0.0, "psi": 0.0, "shift_x": 0.0, "shift_y": 0.0}
"""Of a volume that is where it is."""
_ANGLES = tuple(POSE)[:3]
_KEPT = ("ctf",)
"""Columns that tell of the image that is to come, and do not turn with the volume."""


@dataclass(repr=False)
class Project(RandomTransform):
    """Make an image of a volume: its sums along the line of sight, from a direction that is random or given.

    The image at (x, y) from its centre is the sum over z of the volume at `A.T @ (x, y, z)`, with the matrix A of
    RELION's angles (degrees): see `functional.project`, also for the error. Its unit is the volume's times voxels:
    `ShotNoise` says what makes contrast of a potential. A volume has a transform of its own, which takes much longer
    than one projection: of one volume that many are made of, make it once, with `functional.volume_transform`.

    The column `pose` is written, whether the rows had one or not: RELION's angles and an origin (Å), with which the
    image is one of the volume; or, where the row has the pose of its volume, of what that is a pose of. Picks,
    coordinates and rotations of objects turn with the volume; `ctf` stays: it is that of the image that is to be made.
    A `target` or `clean` is projected from the same direction. Recorded: `angles`, rot, tilt and psi, one list of them
    or several.

    Shape `(..., n, n, n)`, which becomes `(..., n, n)`, or `(..., views, n, n)`: then `pose` is a list, what is told of
    places stays as it is in the volume, and transforms that come after need `spatial_dims=2`.

    Args:
        rotation: `"random"`, the default, uniform over SO(3) for each row; or (rot, tilt, psi), degrees; or a list of
            those, which makes as many views.
        views: how many random ones; default: a single one, with no axis of its own.
        oversampling: of the transform: 2 by default; `3.0` is six times as exact, and takes three times as long.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: an option is none of these, the image is no cube, or masks stand beside it.

    Example:
        >>> row = Project((0.0, 90.0, 0.0))({"image": torch.ones(8, 8, 8), "pixel_size": 2.0})
        >>> row["image"].shape, row["pose"]["tilt"]
        (torch.Size([8, 8]), 90.0)
    """

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    rotation: Literal["random"] | Sequence[Any] = "random"
    views: int | None = None
    oversampling: float = field(default=2.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rotation != "random" and not (_are_angles(self.rotation) or _are_lists(self.rotation)):
            msg = (
                f"Project: rotation is {self.rotation!r}: expected 'random', (rot, tilt, psi) in degrees, or a list of "
            )
            msg += "such"
            raise TransformError(msg)
        if self.views is not None and not (is_side(self.views) and self.rotation == "random"):
            msg = f"{self!r}: views is {self.views!r}: expected a number of random ones; given ones are counted"
            raise TransformError(msg)
        if not is_number(self.oversampling) or not self.oversampling >= 1:
            msg = f"Project: oversampling is {self.oversampling!r}: expected 1 or more"
            raise TransformError(msg)
        if self.spatial_dims == 2:
            msg = "Project: spatial_dims is 2: expected 3: images are projections already"
            raise TransformError(msg)

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw directions, or take those that are given."""
        if self.rotation != "random":
            lists = _are_lists(self.rotation)
            return {"angles": [list(map(float, one)) for one in self.rotation] if lists else list(self.rotation)}
        drawn = [_drawn(rng) for _ in range(self.views or 1)]
        return {"angles": drawn[0] if self.views is None else drawn}

    def transform(self, batch: Batch) -> None:
        """Project each volume; rows get a pose where they have none."""
        if batch.form in ("row", "batch") and not batch.has("pose"):
            batch.set_column("pose", [None] * len(batch))
        super().transform(batch)

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Project volumes of one shape, one after another."""
        self._check_rows(rows)
        lists = _are_lists(params[0]["angles"])
        angles = [list(drawn["angles"]) if lists else [drawn["angles"]] for drawn in params]
        matrices = [np.stack([matrix_of(*one) for one in some]) for some in angles]
        images = self._projected(rows.images, matrices)
        beside = {name: self._projected(of, matrices) for name, of in rows.beside.items() if name in TARGETS}
        columns = self._columns(rows, matrices, single=not lists)
        if not lists:
            images, beside = images.squeeze(-3), {name: of.squeeze(-3) for name, of in beside.items()}
        return Rows(images, 2, columns, beside)

    def _check_rows(self, rows: Rows) -> None:
        shape = tuple(rows.images.shape[1:])
        if rows.spatial_dims != 3 or len(set(rows.sizes)) > 1:
            msg = f"{self!r}: an image of shape {shape}: expected a cube (n, n, n), as CenterCrop and Pad make one"
            raise TransformError(msg)
        masks = [name for name in rows.beside if name not in TARGETS]
        if masks:
            msg = f"{self!r}: {', '.join(masks)} beside the volume, of which there is no projection: expected none: "
            msg += "remove the column before"
            raise TransformError(msg)

    def _projected(self, volumes: Tensor, matrices: Sequence[Any]) -> Tensor:
        """Volumes `(rows, ..., n, n, n)` as images `(rows, ..., views, n, n)`."""
        leading, n = volumes.shape[:-3], volumes.shape[-1]
        made = []
        for volume_row, turns in zip(volumes, matrices, strict=True):
            rotations = torch.from_numpy(turns).to(volumes.device)
            for volume in volume_row.reshape(-1, n, n, n):
                made.append(project(volume_transform(volume, oversampling=self.oversampling), rotations))
        return torch.stack(made).reshape(*leading, -1, n, n)

    def _columns(self, rows: Rows, matrices: Sequence[Any], single: bool) -> dict[str, list[Any]]:
        """What is told of rows' images: all of those that have one, poses of those that have several."""
        columns = {**rows.columns, "pose": [pose or POSE for pose in rows.columns["pose"]]}
        hidden = {**columns, **{name: [None] * len(matrices) for name in _KEPT}}
        views = []
        for place in range(len(matrices[0])):
            motions = [Motion(matrix=turns[place]) for turns in matrices]
            views.append(moved(replace(rows, columns=hidden, beside={}), rows.images, motions, "Project").columns)
        poses = [[_of_image(view["pose"][row], columns["pose"][row]) for view in views] for row in range(len(matrices))]
        changed = {name: values for name, values in views[0].items() if name not in _KEPT} if single else {}
        found = [some[0] for some in poses] if single else poses
        return {**changed, "pose": found, FRAME: [None] * len(matrices)}


def _of_image(pose: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """A turned volume's pose as that of an image: with a depth, `shift_z`, only where it had one."""
    return {name: value for name, value in pose.items() if name in before}


def _drawn(rng: np.random.Generator) -> list[float]:
    """Angles of a rotation, uniform over SO(3): rot and psi are uniform, and so is the cosine of tilt."""
    rot, cosine, psi = rng.uniform((-180.0, -1.0, -180.0), (180.0, 1.0, 180.0)).tolist()
    return [rot, float(np.rad2deg(np.arccos(cosine))), psi]


def _are_angles(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and len(value) == len(_ANGLES) and all(map(is_number, value))


def _are_lists(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and len(value) > 0 and all(map(_are_angles, value))
