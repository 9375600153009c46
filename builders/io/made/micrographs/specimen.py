"""What is drawn for micrographs: how many particles, where, of what and from where."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.errors import OptionError
from builders.io.made.draws import Floats, Indices, generator, uniforms
from builders.io.made.micrographs.backdrop import Backdrop, backdrops
from builders.io.made.micrographs.placing import crowded, heaped, scattered
from builders.io.made.micrographs.scene import Scene
from builders.io.made.recipe import Recipe
from builders.io.made.views import orientations_of, sources_of

_TAIL = 4.0
"""Standard deviations of Poisson's distribution above its mean, beyond which no number of aggregates is."""


@dataclass(frozen=True)
class Specimen:
    """The particles of a micrograph, and what is about them.

    Attributes:
        places: `(N, 2)`, x and y of their centres, pixels of the micrograph from 0, as the column `picks` has them.
        sources: `(N,)`: which of the recipe's sources they are of.
        angles: `(N, 3)`: rot, tilt, psi, degrees.
        crowded: `(N,)`: which ones lie closer to another one than `min_distance`: those of aggregates, and what is
            under them.
        backdrop: ice and carbon.
    """

    places: NDArray[np.float32]
    sources: Indices
    angles: NDArray[np.float32]
    crowded: NDArray[np.bool_]
    backdrop: Backdrop


def specimens(recipe: Recipe, scene: Scene, indices: Indices) -> list[Specimen]:
    """What is drawn for rows.

    Raises:
        OptionError: a row's particles found no room.
    """
    chances = {"ice_gradient": scene.ice_gradient, "carbon": scene.carbon}
    behind = backdrops(recipe.seed, indices, chances, scene.micrograph_shape, recipe.pixel_size)
    drawn = uniforms(recipe.seed, "particles", indices, 2)
    fewest, most = scene.particles
    counts = fewest + (drawn[:, 0] * (most - fewest + 1)).astype(np.int64)
    found = []
    for index, backdrop, count, chance in zip(indices, behind, counts.tolist(), drawn[:, 1].tolist(), strict=True):
        heaps = _poisson(scene.aggregates, chance)
        places = _places(recipe, scene, int(index), count, heaps, backdrop)
        row = np.array([index])
        found.append(
            Specimen(
                places.astype(np.float32),
                sources_of(recipe, row, len(places))[0],
                orientations_of(recipe, row, len(places))[0],
                crowded(places, scene.min_distance / recipe.pixel_size),
                backdrop,
            )
        )
    return found


def _places(recipe: Recipe, scene: Scene, index: int, count: int, heaps: int, backdrop: Backdrop) -> Floats:
    """Those of particles that keep their distance, then those of aggregates."""
    distance = scene.min_distance / recipe.pixel_size
    inside = _everywhere if backdrop.rim is None else backdrop.rim.inside
    lone = scattered(generator(recipe.seed, "places", index), count, distance, scene.field, inside)
    if lone is None:
        msg = f"row {index}: impossible distances: {count} particles {scene.min_distance:g} Å apart found no room in "
        msg += f"{scene.micrograph_shape!r} pixels of {recipe.pixel_size:g} Å: expected fewer particles, a lower "
        msg += "min_distance or a larger micrograph_shape"
        raise OptionError(msg)
    if heaps == 0:
        return lone
    random = generator(recipe.seed, "aggregates", index)
    return np.concatenate([lone, heaped(random, heaps, distance, scene.field, inside)])


def _everywhere(places: Floats) -> NDArray[np.bool_]:
    return np.ones(len(places), np.bool_)


def _poisson(mean: float, chance: float) -> int:
    """The quantile of Poisson's distribution."""
    most = math.ceil(mean + _TAIL * math.sqrt(mean))
    probability = math.exp(-mean)
    count = 0
    while chance > probability and count < most:
        chance -= probability
        count += 1
        probability *= mean / count
    return count
