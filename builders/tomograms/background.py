"""Cubes of `label` `"background"`: drawn so that no pick is near."""

import hashlib
import logging

import numpy as np
from numpy.typing import NDArray

from builders.errors import OptionError

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

LABEL = "background"
_ROUNDS = 64
_DRAWN = 256
"""Places of a round, at least: where picks leave one place in a thousand, it is found nevertheless."""
_AT_ONCE = 2**20
"""Distances in memory at once."""


def places(count: int, side: int, volume: tuple[int, ...], picks: Floats, distance: float, key: str) -> Numbers:
    """Centres of cubes that lie in a volume, far from all picks; as many as are wanted, or as are found.

    They are drawn evenly from all such places, no two the same, and depend on nothing but the arguments.

    Args:
        count: how many are wanted.
        side: of the cubes, in voxels.
        volume: `(nz, ny, nx)`.
        picks: `(N, 3)`, x, y, z, in voxels.
        distance: how far a centre is from every pick at the least, in voxels.
        key: what tells one drawing from others, such as a seed and a tomogram's name.

    Returns:
        Voxels, `(found, 3)`, z, y, x.

    Example:
        >>> places(2, 4, (4, 4, 40), np.array([[10.0, 2.0, 2.0]]), 20, "42").tolist()
        [[2, 2, 33], [2, 2, 38]]
    """
    first, room = side // 2, np.array(volume) - side + 1
    if (room < 1).any():
        return np.zeros((0, 3), np.int64)
    draws = _draws(key)
    found: dict[tuple[int, ...], None] = {}
    for _ in range(_ROUNDS):
        drawn = first + (draws.random((max(_DRAWN, 4 * count), 3)) * room).astype(np.int64)
        for place in drawn[_are_far(drawn, picks, distance)].tolist():
            if len(found) < count:
                found[tuple(place)] = None
        if len(found) == count:
            break
    return np.array(list(found), np.int64).reshape(-1, 3)


def turns(count: int, key: str) -> tuple[Floats, Floats]:
    """Moves by up to half a voxel, `(count, 3)`, and rotations, `(count, 3, 3)`, drawn evenly from all there are.

    Rotations are those of quaternions of normal numbers (Shoemake, Graphics Gems III, 1992).

    Args:
        count: how many.
        key: what tells one drawing from others.
    """
    draws = _draws(f"turns\0{key}")
    moves = draws.random((count, 3)) - 0.5
    quaternions = draws.standard_normal((count, 4))
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return moves, np.stack(rows, -1).reshape(count, 3, 3)


def _draws(key: str) -> np.random.Generator:
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def _are_far(voxels: Numbers, picks: Floats, distance: float) -> NDArray[np.bool_]:
    far = np.ones(len(voxels), bool)
    points = voxels[:, ::-1].astype(np.float64)
    step = max(1, _AT_ONCE // len(voxels))
    for start in range(0, len(picks), step):
        some = picks[start : start + step]
        squares = sum((points[:, None, axis] - some[None, :, axis]) ** 2 for axis in range(3))
        far &= (np.asarray(squares) >= distance**2).all(1)
    return far


def require(found: int, wanted: int, distance: float, picks: int, name: str, skip: bool) -> str | None:
    """What is to be said where a tomogram has no room for all cubes; None where it has.

    Args:
        found: how many there are.
        wanted: how many were asked for.
        distance: in Å.
        picks: of the tomogram, in all.
        name: of it.
        skip: whether fewer will do.

    Raises:
        OptionError: they will not.
    """
    if found == wanted:
        return None
    msg = f"{name}: background={wanted}: {found} cubes found that lie in the tomogram and are {distance:g} Å away from "
    msg += f"each of its {picks} picks"
    if not skip:
        msg += ": background_distance= may be less (on_error='skip' takes as many as there are)"
        raise OptionError(msg)
    return msg
