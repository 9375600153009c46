"""What becomes of a row's other columns when its image is scaled, cropped, turned, mirrored or shifted."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perc_transforms.core.batch import FRAME, Change, Rows
from perc_transforms.core.forms import TARGETS, is_listed, like_value
from perc_transforms.core.sizing import is_number
from perc_transforms.errors import TransformError
from perc_transforms.functional.spatial.labels import nearest_labels
from perc_transforms.spatial.alignment import ALIGNMENT, move_alignment
from perc_transforms.spatial.euler import angles_of, matrix_of
from perc_transforms.spatial.moves import Matrix, Motion, Moves
from perc_transforms.spatial.picks import is_rotation, move_picks, move_point, turn_one
from perc_transforms.spatial.tilts import TILT, are_stacks, flat, regrouped

__all__ = ["COLUMNS", "Matrix", "Motion", "moved"]

COLUMNS = (
    *("pixel_size", "coordinate_x", "coordinate_y", "coordinate_z", "micrograph", "pose", "ctf", FRAME),
    *("picks", "pixels", "rotation", TILT, *ALIGNMENT),
)
"""Every column that a change of geometry may change, or needs: a transform that makes one names these."""

_READ = ("micrograph", TILT)
"""Those that no motion changes."""
logger = logging.getLogger(__name__)
_warned: set[str] = set()


def moved(
    rows: Rows, images: Tensor | Change, motions: Motion | Sequence[Motion], owner: str, target: Change | None = None
) -> Rows:
    """Rows with their new images, and every column that depends on the geometry kept true.

    - `pixel_size` (Å, along x) grows with the step.
    - `coordinate_x`, `coordinate_y`: pixels of the image as it now is. In a row with a `micrograph` they are where the
      centre of the image lies in it; in others, one place or a list of places in the image itself. (A shift after a
      rotation moves the centre along turned axes, which only transforms of one call, as in a `Compose`, know.)
    - `pose`: RELION's angles follow a rotation; the origin `shift_x`, `shift_y` (Å) turns with it, and changes by -d
      where the content moves by +d; that of a volume that moves gets a `shift_z`, which the features of a
      `Dataset.map` must have. A mirror changes the hand, which no angles describe: the pose becomes null.
    - `picks`, a dict of lists: `pixels` (x, y, z) follow the image, `rotation` (object -> image) turns with it, and
      picks that come to lie outside are dropped, with all that the dict tells of them. In `(N, 2)`, the places alone
      that micrographs have, all are kept, for their other columns are lists in this order. A row's own `pixels` and
      `rotation` follow, too. A mirror makes rotations null. `coordinates`, Å in the tomogram, never change.
    - masks (`segmentation`, `segmentation_NAME`, `labels`): each pixel takes the value of the old one that lies
      nearest, 0 beyond the old image; `target` and `clean` go through what the image went through.
    - `ctf`: `defocus_angle` turns and mirrors with the image.
    - `axis_angle`, `shift_x`, `shift_y` of images of tilt series follow it (`perc_transforms.spatial.alignment`).
    - Stacks of tilts, `(tilts, ny, nx)` with a list in the column `tilt`, have a list of poses and of CTFs: those of
      each section follow it, and the object's `rotation` stays, unless a mirror makes it null.

    Args:
        rows: as they were, with the columns `COLUMNS`.
        images: what makes the new images of the old ones; or these, where no row can have a `target`.
        motions: one for all rows, or one for each.
        owner: the transform's name, for errors, and for what is said once: that a pose was lost.
        target: what makes new targets of old ones, where it is not the same.

    Raises:
        TransformError: a value is none of these, there is a target and nothing to make a new one by, or a stack of
            tilts is moved as a volume.
    """
    count = len(rows.images)
    stacks = are_stacks(rows.columns, rows.spatial_dims, owner)
    each = [motions] * count if isinstance(motions, Motion) else list(motions)
    moves = Moves.of(each, rows.spatial_dims)
    changed = images if isinstance(images, Tensor) else images(rows.images)
    new = replace(rows, images=changed)
    new.beside = {name: _moved_beside(name, rows, new, moves, images, target, owner) for name in rows.beside}
    kept = {name: list(values) for name, values in rows.columns.items() if name not in _READ}
    new.columns = kept
    known = {name for name in COLUMNS if any(value is not None for value in rows.columns[name])}
    if not known - {FRAME, *_READ}:
        return new
    columns = new.columns
    columns["pixel_size"] = _sizes(rows.columns["pixel_size"], moves, owner)
    frames = moves.matrices @ _frames(rows)
    for place in moves.turns.nonzero()[0].tolist():
        columns[FRAME][place] = frames[place]
    _move_coordinates(columns, rows, moves, frames, new.sizes)
    spread = moves.steps.max(1) - moves.steps.min(1)
    distorted = spread * max(new.sizes) > moves.steps.min(1)
    for place in distorted.nonzero()[0].tolist():
        why = "a stretched image has no angles any more: pose, ctf and a tilt's alignment become null"
        _lose(columns, place, ("pose", "ctf", *ALIGNMENT), owner, why)
    for place in moves.mirrored.nonzero()[0].tolist():
        why = "a mirror changes the hand: the pose of mirrored rows, or a tilt's alignment, becomes null"
        _lose(columns, place, ("pose", *ALIGNMENT), owner, why)
    if moves.dims == 2 and known & {*ALIGNMENT}:
        move_alignment(columns, moves)
    if known & {"picks", "pixels", "rotation"}:
        _move_picks(columns, moves, rows.sizes, new.sizes, distorted | moves.mirrored, stacks, owner)
    ctfs, poses = columns["ctf"], columns["pose"]
    if any(map(is_listed, (*ctfs, *poses))):  # one for each pick, or for each tilt
        ctfs, where = flat(ctfs)
        _turn_ctfs(ctfs, moves.taken(where), owner)
        poses, where = flat(poses)
        _move_poses(poses, moves.taken(where), [columns["pixel_size"][place] for place in where], owner)
        columns["ctf"], columns["pose"] = regrouped(ctfs, columns["ctf"]), regrouped(poses, columns["pose"])
    else:
        _turn_ctfs(ctfs, moves, owner)
        _move_poses(poses, moves, columns["pixel_size"], owner)
    return new


def _moved_beside(
    name: str, rows: Rows, new: Rows, moves: Moves, images: Tensor | Change, target: Change | None, owner: str
) -> Tensor:
    """A column of images that stand beside the rows' own, after their motions."""
    old = rows.beside[name]
    if name not in TARGETS:
        inverse = moves.matrices.swapaxes(1, 2) * moves.steps[:, None, :]
        centres = np.array(rows.sizes[::-1]) // 2 - (inverse @ moves.shifts[:, :, None])[..., 0]
        sampled = torch.from_numpy(inverse), torch.from_numpy(centres)
        return nearest_labels(old, *sampled, new.sizes, wrap=moves.wraps.tolist())
    change = target or (None if isinstance(images, Tensor) else images)
    if change is None:
        msg = f"{owner}: a row with a {name!r}, which is to be moved as its image: give `motion.moved` the function "
        msg += "that moves images, in place of images"
        raise TransformError(msg)
    return change(old)


def _move_picks(
    columns: dict[str, list[Any]],
    moves: Moves,
    old: tuple[int, ...],
    new: tuple[int, ...],
    lost: NDArray[np.bool_],
    stacks: Sequence[bool],
    owner: str,
) -> None:
    """Picks of rows, and places and rotations of rows that are picks themselves."""
    for place, (picks, pixels, rotation) in enumerate(
        zip(*(columns[name] for name in ("picks", "pixels", "rotation")), strict=True)
    ):
        keeps_hand = not lost[place]
        is_turned = rotation is not None and is_rotation(rotation)
        if is_turned:
            turned = rotation if stacks[place] else turn_one(rotation, moves, place)
            columns["rotation"][place] = turned if keeps_hand else None
        if pixels is not None:
            columns["pixels"][place] = move_point(pixels, moves, place, old, new)
        if picks is not None:
            columns["picks"][place] = move_picks(picks, moves, place, old, new, keeps_hand)
        has_turns = is_turned or (isinstance(picks, Mapping) and picks.get("rotation") is not None)
        if has_turns and not keeps_hand:
            kind = "a mirror changes the hand" if moves.mirrored[place] else "a stretched image has no angles any more"
            _say_once(owner, f"{kind}: the rotation of its objects becomes null")


def _frames(rows: Rows) -> Matrix:
    eye = np.eye(len(rows.sizes))
    return np.array([eye if frame is None else frame for frame in rows.columns[FRAME]], np.float64)


def _sizes(sizes: Sequence[Any], moves: Moves, owner: str) -> list[float | None]:
    """Pixel sizes after a motion."""
    for size in sizes:
        if size is not None and not is_number(size):
            msg = f"{owner}: the row's pixel_size is {size!r}: expected Å, a number or null"
            raise TransformError(msg)
    steps = moves.steps[:, 0].tolist()
    return [None if size is None else size * step for size, step in zip(sizes, steps, strict=True)]


def _as_dict(value: Any, name: str, owner: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        keys = "rot, tilt, psi, shift_x, shift_y" if name == "pose" else "defocus_u, defocus_v, defocus_angle"
        msg = f"{owner}: the row's {name} is {value!r}: expected a dict with keys such as {keys}"
        raise TransformError(msg)
    return value


def _lose(columns: dict[str, list[Any]], place: int, names: Sequence[str], owner: str, why: str) -> None:
    """Make columns of a row null, and say so once where they were not."""
    if any(columns[name][place] is not None for name in names):
        _say_once(owner, why)
    for name in names:
        columns[name][place] = None


def _say_once(owner: str, what: str) -> None:
    told = f"{owner}: {what}"
    if told not in _warned:
        _warned.add(told)
        logger.warning(told)


def _move_coordinates(
    columns: dict[str, list[Any]], rows: Rows, moves: Moves, frames: Matrix, shape: tuple[int, ...]
) -> None:
    """Single places of all rows at once; lists of places row by row."""
    names = ("coordinate_x", "coordinate_y", "coordinate_z")[: moves.dims]
    given = list(zip(*(columns[name] for name in names), strict=True))
    in_micrograph = np.array([value is not None for value in rows.columns["micrograph"]])

    def moved_places(old: Matrix, of: Any) -> Matrix:
        shifts, steps = moves.shifts[of], moves.steps[of]
        centre, new_centre = (np.array([n // 2 for n in reversed(sides)]) for sides in (rows.sizes, shape))
        in_image = new_centre + _products(moves.matrices[of], old - centre) / steps + shifts
        across = old / steps[:, :1] - _products(frames[of].swapaxes(1, 2), shifts)  # of pixel_size, which is x's
        return np.asarray(np.where(in_micrograph[of][:, None], across, in_image))

    single = [place for place, values in enumerate(given) if all(isinstance(v, float | int | None) for v in values)]
    if single:
        old = np.array([[np.nan if v is None else v for v in given[place]] for place in single], np.float64)
        for place, new in zip(single, moved_places(old, single).tolist(), strict=True):
            for name, before, value in zip(names, given[place], new, strict=True):
                columns[name][place] = None if before is None or math.isnan(value) else value
    for place in sorted({*range(len(given))} - {*single}):
        on_host = [value.cpu() if isinstance(value, Tensor) else value for value in given[place]]
        values = [np.nan if value is None else np.asarray(value, np.float64) for value in on_host]
        whole = np.stack(np.broadcast_arrays(*values))
        flat = whole.reshape(len(whole), -1).T
        made = moved_places(flat, [place] * len(flat)).T.reshape(whole.shape)
        for axis, (name, value) in enumerate(zip(names, given[place], strict=True)):
            columns[name][place] = _as_given(value, made[axis])


def _products(matrices: Matrix, vectors: Matrix) -> Matrix:
    """Matrices `(rows, dims, dims)` by vectors `(rows, dims)`; NaN spoils nothing that it has no part in."""
    return np.asarray(np.where(matrices == 0, 0.0, matrices * vectors[:, None, :]).sum(-1))


def _as_given(value: Any, new: Matrix) -> Any:
    """A coordinate as a number or null, coordinates as a list or as the array or tensor they were."""
    if value is None:
        return None
    if new.ndim == 0:
        return None if math.isnan(new) else float(new)
    return new.tolist() if isinstance(value, list | tuple) else like_value(value, new)


def _turn_ctfs(ctfs: list[Any], moves: Moves, owner: str) -> None:
    """The angle of defocus turns with the image; of a volume that lies on its side it is not known."""
    for place in moves.turns.nonzero()[0].tolist():
        if ctfs[place] is None:
            continue
        ctf, matrix = _as_dict(ctfs[place], "ctf", owner), moves.matrices[place]
        angle = ctf.get("defocus_angle")
        if angle is not None and moves.dims == 3 and not math.isclose(abs(matrix[2, 2]), 1.0, abs_tol=1e-9):
            angle = None
        elif angle is not None:
            (xx, xy), (yx, yy) = matrix[:2, :2].tolist()
            cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            angle = math.degrees(math.atan2(yx * cosine + yy * sine, xx * cosine + xy * sine)) % 180.0
        ctfs[place] = {**ctf, "defocus_angle": angle} if "defocus_angle" in ctf else dict(ctf)


def _move_poses(poses: list[Any], moves: Moves, pixel_sizes: Sequence[float | None], owner: str) -> None:
    """RELION's poses after a motion: `A' = R A` for the matrix A of its angles, `s' = R s - d` for its origin s."""
    names = ["shift_x", "shift_y", "shift_z"][: moves.dims]
    places = [place for place, pose in enumerate(poses) if pose is not None]
    if not places:
        return
    origins = np.array([[_as_dict(poses[place], "pose", owner).get(name, 0.0) for name in names] for place in places])
    origins = origins.astype(np.float64)  # None becomes NaN
    origins = np.where(moves.turns[places][:, None], _products(moves.matrices[places], origins), origins)
    shifts = moves.shifts[places]
    sizes = np.array([pixel_sizes[place] for place in places], np.float64)
    origins = np.where(np.asarray(shifts.any(1))[:, None], origins - shifts * sizes[:, None], origins)
    for place, origin in zip(places, origins.tolist(), strict=True):
        pose, turns = poses[place], bool(moves.turns[place])
        new = {**pose, **_turned_angles(pose, moves.matrices[place])} if turns else dict(pose)
        for name, value in zip(names, origin, strict=True):
            if name in pose or (name == "shift_z" and (turns or moves.shifting[place])):
                new[name] = None if math.isnan(value) else value
        poses[place] = new


def _turned_angles(pose: Mapping[str, Any], matrix: Matrix) -> dict[str, float | None]:
    rot, tilt, psi = (pose.get(name) for name in ("rot", "tilt", "psi"))
    if len(matrix) == 2:
        turn = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
        return {} if psi is None else {"psi": 180.0 - (180.0 - (psi - turn)) % 360.0}
    names = [name for name in ("rot", "tilt", "psi") if name in pose]
    if rot is None or tilt is None or psi is None:
        return dict.fromkeys(names)
    return dict(zip(("rot", "tilt", "psi"), angles_of(matrix @ matrix_of(rot, tilt, psi)), strict=True))
