"""What becomes of a row's other columns when its image is scaled, cropped, turned, mirrored or shifted."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from perc_transforms.core.batch import FRAME, Rows
from perc_transforms.core.forms import like_value
from perc_transforms.core.sizing import is_number
from perc_transforms.errors import TransformError
from perc_transforms.spatial.euler import angles_of, matrix_of

Matrix = NDArray[np.float64]

COLUMNS = ("pixel_size", "coordinate_x", "coordinate_y", "coordinate_z", "micrograph", "pose", "ctf", FRAME)
"""Every column that a change of geometry may change, or needs: a transform that makes one names these."""

logger = logging.getLogger(__name__)
_warned: set[str] = set()


@dataclass(frozen=True)
class Motion:
    """Where the content of an image goes: from `p` to `matrix @ p / step + shift`, in pixels from the centres.

    The centre of an axis of n pixels is pixel `n // 2`, before and after. Vectors are in the order `(x, y)` or
    `(x, y, z)`, other than shapes.

    Attributes:
        matrix: a rotation or a reflection; None: neither.
        shift: pixels of the new image; None: none.
        step: old pixels per new pixel along each axis; None: 1.
    """

    matrix: Matrix | None = None
    shift: tuple[float, ...] | None = None
    step: tuple[float, ...] | None = None


def moved(rows: Rows, images: Any, motions: Motion | Sequence[Motion], owner: str) -> Rows:
    """Rows with their new images, and every column that depends on the geometry kept true.

    - `pixel_size` (Å, along x) grows with the step.
    - `coordinate_x`, `coordinate_y`: pixels of the image as it now is. In a row with a `micrograph` they are where the
      centre of the image lies in it; in others, one place or a list of places in the image itself. (A shift after a
      rotation moves the centre along turned axes, which only transforms of one call, as in a `Compose`, know.)
    - `pose`: RELION's angles follow a rotation; the origin `shift_x`, `shift_y` (Å) turns with it, and changes by -d
      where the content moves by +d; that of a volume that moves gets a `shift_z`, which the features of a
      `Dataset.map` must have. A mirror changes the hand, which no angles describe: the pose becomes null.
    - `ctf`: `defocus_angle` turns and mirrors with the image.

    Args:
        rows: as they were, with the columns `COLUMNS`.
        images: the new images.
        motions: one for all rows, or one for each.
        owner: the transform's name, for what is said once: that a pose was lost.
    """
    count = len(rows.images)
    each = [motions] * count if isinstance(motions, Motion) else list(motions)
    kept = {name: list(values) for name, values in rows.columns.items() if name != "micrograph"}  # only read here
    new = replace(rows, images=images, columns=kept)
    known = {name for name in COLUMNS if any(value is not None for value in rows.columns[name])}
    if not known - {FRAME, "micrograph"}:
        return new
    for place, motion in enumerate(each):
        row = {name: rows.columns[name][place] for name in COLUMNS}
        for name, value in _moved(row, motion, rows.sizes, new.sizes, owner).items():
            new.columns[name][place] = value
    return new


def _moved(
    row: Mapping[str, Any], motion: Motion, sizes: tuple[int, ...], shape: tuple[int, ...], owner: str
) -> dict[str, Any]:
    """One row's columns after a motion."""
    dims = len(sizes)
    step = np.array(motion.step or (1.0,) * dims)
    shift = np.array(motion.shift or (0.0,) * dims)
    matrix = np.eye(dims) if motion.matrix is None else motion.matrix
    size = row["pixel_size"]
    if size is not None and not is_number(size):
        msg = f"{owner}: the row's pixel_size is {size!r}: expected Å, a number or null"
        raise TransformError(msg)
    new_size = None if size is None else size * float(step[0])
    frame = matrix @ (np.eye(dims) if row[FRAME] is None else row[FRAME])
    columns = {"pixel_size": new_size, **_coordinates(row, matrix, step, shift, frame, sizes, shape)}
    if motion.matrix is not None:
        columns[FRAME] = frame
    distorted = (step.max() - step.min()) * max(shape) > step.min()
    if distorted:
        _say_once(owner, row, "a stretched image has no angles any more: pose and ctf become null")
        return {**columns, "pose": None, "ctf": None}
    if row["ctf"] is not None and motion.matrix is not None:
        columns["ctf"] = _turned_ctf(_as_dict(row, "ctf", owner), matrix)
    if row["pose"] is not None:
        if np.linalg.det(matrix) < 0:
            _say_once(owner, row, "a mirror changes the hand: the pose of mirrored rows becomes null")
        columns["pose"] = _turned_pose(_as_dict(row, "pose", owner), motion, matrix, shift, new_size)
    return columns


def _as_dict(row: Mapping[str, Any], name: str, owner: str) -> Mapping[str, Any]:
    value = row[name]
    if not isinstance(value, Mapping):
        keys = "rot, tilt, psi, shift_x, shift_y" if name == "pose" else "defocus_u, defocus_v, defocus_angle"
        msg = f"{owner}: the row's {name} is {value!r}: expected a dict with keys such as {keys}"
        raise TransformError(msg)
    return value


def _say_once(owner: str, row: Mapping[str, Any], what: str) -> None:
    told = f"{owner}: {what}"
    if (row["pose"] is not None or row["ctf"] is not None) and told not in _warned:
        _warned.add(told)
        logger.warning(told)


def _coordinates(
    row: Mapping[str, Any],
    matrix: Matrix,
    step: Matrix,
    shift: Matrix,
    frame: Matrix,
    sizes: tuple[int, ...],
    shape: tuple[int, ...],
) -> dict[str, Any]:
    names = ("coordinate_x", "coordinate_y", "coordinate_z")[: len(sizes)]
    given = [row[name] for name in names]
    if all(value is None for value in given):
        return {}
    on_host = [value.cpu() if isinstance(value, Tensor) else value for value in given]
    values = [np.nan if value is None else np.asarray(value, np.float64) for value in on_host]
    old = np.stack(np.broadcast_arrays(*values))
    by_axis = (slice(None), *(None,) * (old.ndim - 1))
    if row["micrograph"] is not None:
        new = old / step[0] - (frame.T @ shift)[by_axis]  # of pixel_size, which is x's
    else:
        centre = np.array([n // 2 for n in reversed(sizes)])[by_axis]
        new_centre = np.array([n // 2 for n in reversed(shape)])[by_axis]
        new = new_centre + _product(matrix, old - centre) / step[by_axis] + shift[by_axis]
    return {name: _as_given(value, new[axis]) for axis, (name, value) in enumerate(zip(names, given, strict=True))}


def _product(matrix: Matrix, vectors: Matrix) -> Matrix:
    """A matrix by vectors `(dims, ...)`; a NaN, which is not known, spoils nothing that it has no part in."""
    parts = matrix[(..., *(None,) * (vectors.ndim - 1))]
    return np.asarray(np.where(parts == 0, 0.0, parts * vectors[None]).sum(1))


def _as_given(value: Any, new: Matrix) -> Any:
    """A coordinate as a number or null, coordinates as a list or as the array or tensor they were."""
    if value is None:
        return None
    if new.ndim == 0:
        return None if math.isnan(new) else float(new)
    return new.tolist() if isinstance(value, list | tuple) else like_value(value, new)


def _turned_ctf(ctf: Mapping[str, Any], matrix: Matrix) -> dict[str, Any]:
    angle = ctf.get("defocus_angle")
    if angle is None:
        return dict(ctf)
    if len(matrix) == 3 and not math.isclose(abs(matrix[2, 2]), 1.0, abs_tol=1e-9):
        return {**ctf, "defocus_angle": None}  # of a volume that lies on its side
    turned = matrix[:2, :2] @ (math.cos(math.radians(angle)), math.sin(math.radians(angle)))
    return {**ctf, "defocus_angle": math.degrees(math.atan2(turned[1], turned[0])) % 180.0}


def _turned_pose(
    pose: Mapping[str, Any], motion: Motion, matrix: Matrix, shift: Matrix, pixel_size: float | None
) -> dict[str, Any] | None:
    """RELION's pose after a motion: `A' = R A` for the matrix A of its angles, `s' = R s - d` for its origin s."""
    if np.linalg.det(matrix) < 0:
        return None
    new = dict(pose)
    names = ["shift_x", "shift_y", "shift_z"][: len(matrix)]
    origin = np.array([np.nan if pose.get(name, 0.0) is None else pose.get(name, 0.0) for name in names])
    if motion.matrix is not None:
        origin = _product(matrix, origin)
        new.update(_turned_angles(pose, matrix))
    if shift.any():
        origin = origin - shift * (np.nan if pixel_size is None else pixel_size)
    for name, value in zip(names, origin.tolist(), strict=True):
        if name in pose or (name == "shift_z" and (motion.matrix is not None or motion.shift is not None)):
            new[name] = None if math.isnan(value) else value
    return new


def _turned_angles(pose: Mapping[str, Any], matrix: Matrix) -> dict[str, float | None]:
    rot, tilt, psi = (pose.get(name) for name in ("rot", "tilt", "psi"))
    if len(matrix) == 2:
        turn = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
        return {} if psi is None else {"psi": 180.0 - (180.0 - (psi - turn)) % 360.0}
    names = [name for name in ("rot", "tilt", "psi") if name in pose]
    if rot is None or tilt is None or psi is None:
        return dict.fromkeys(names)
    return dict(zip(("rot", "tilt", "psi"), angles_of(matrix @ matrix_of(rot, tilt, psi)), strict=True))
