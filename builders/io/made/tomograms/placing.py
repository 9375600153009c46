"""Where the molecules of tomograms lie: anywhere, but not in each other."""

import numpy as np
from numpy.typing import NDArray

from builders.io.made.draws import Floats
from builders.io.made.tomograms.membranes import Vesicles

_FIRST, _DARTS = 4, 64
"""Places that are tried at first, and at a time from then on."""
ROUNDS = 32
"""How often that is done for a molecule, before there is no room for it."""


def placed(
    random: np.random.Generator,
    sizes: tuple[int, int, int],
    radii: Floats,
    distance: float | None,
    vesicles: Vesicles,
    rounds: int = ROUNDS,
) -> Floats:
    """Centres of molecules, one after another, the largest ones first: `(N, 3)`, (x, y, z), NaN where there is no room.

    A molecule is the ball about its centre. It lies in the volume, overlaps no membrane, and none before it.

    Args:
        random: of the row.
        sizes: of the volume, voxels `(nz, ny, nx)`.
        radii: `(N,)`, voxels.
        distance: voxels between centres at the least; None: the two radii.
        vesicles: that are there.
        rounds: see `ROUNDS`.
    """
    centres = np.full((len(radii), 3), np.nan)
    there: list[int] = []
    too_large = np.inf  # for what there is no room already, there is none later
    room = np.array(sizes[::-1]) - 1.0
    for number in np.argsort(-radii, kind="stable").tolist():
        radius = radii[number]
        if radius >= too_large or (room < 2 * radius).any():
            continue
        others = centres[there]
        apart = radii[there] + radius if distance is None else np.full(len(there), distance)
        for turn in range(rounds):
            darts = radius + random.random((_DARTS if turn else _FIRST, 3)) * (room - 2 * radius)
            free = _is_free(darts, others, apart) & vesicles.leave_room(darts, radius)
            if free.any():
                centres[number] = darts[free.argmax()]
                there.append(number)
                break
        else:
            too_large = radius
    return centres


def _is_free(darts: Floats, others: Floats, apart: Floats) -> NDArray[np.bool_]:
    squares = np.square(darts[:, None] - others).sum(-1)
    free: NDArray[np.bool_] = (squares >= np.square(apart)).all(1)
    return free
