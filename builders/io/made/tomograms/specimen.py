"""What a tomogram is of: molecules and vesicles in a slab, as they are drawn and as a volume."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.io.made.draws import Floats, Indices, generator, uniforms
from builders.io.made.recipe import Recipe
from builders.io.made.tomograms.membranes import Vesicles, vesicles
from builders.io.made.tomograms.molecules import Molecule, set_down
from builders.io.made.tomograms.placing import ROUNDS, placed
from builders.io.made.tomograms.scene import Scene
from builders.io.made.views import orientations_of, sources_of
from perc_transforms.functional import matrices_of


@dataclass(frozen=True)
class Specimen:
    """Of one tomogram.

    Attributes:
        sources: of each molecule, its number among the recipe's, `(N,)`.
        centres: `(N, 3)`, (x, y, z), voxels.
        rotations: `(N, 3, 3)`, object -> tomogram, of vectors (x, y, z).
        vesicles: that there are.
    """

    sources: NDArray[np.int64]
    centres: Floats
    rotations: Floats
    vesicles: Vesicles


def count_of(recipe: Recipe, scene: Scene, index: int) -> int:
    """How many molecules a tomogram is to have."""
    low, high = scene.particles
    drawn = float(uniforms(recipe.seed, "count", np.array([index]), 1)[0, 0])
    return low + int(drawn * (high - low + 1))


def specimen(
    recipe: Recipe,
    scene: Scene,
    radii: Mapping[int, float],
    index: int,
    *,
    count: int | None = None,
    rounds: int = ROUNDS,
) -> Specimen:
    """What a row's tomogram is of; molecules that there was no room for are left out.

    Args:
        recipe: how.
        scene: of it.
        radii: of each source's molecule, voxels.
        index: of the row.
        count: how many molecules; None: as many as are drawn.
        rounds: of tries for each, see `placing.ROUNDS`.
    """
    count = count_of(recipe, scene, index) if count is None else count
    row: Indices = np.array([index])
    sources = sources_of(recipe, row, count)[0]
    rotations = matrices_of(orientations_of(recipe, row, count)[0].astype(np.float64))
    size = recipe.pixel_size
    bubbles = vesicles(
        *(recipe.seed, index, scene.tomogram_shape, size),
        *(scene.membranes, scene.membrane_radius, scene.membrane_thickness),
    )
    centres = placed(
        generator(recipe.seed, "places", index),
        scene.tomogram_shape,
        np.array([radii[source] for source in sources.tolist()], np.float64),
        None if scene.min_distance is None else scene.min_distance / size,
        bubbles,
        rounds,
    )
    # a place is what its pick says, in float32 of Å
    centres = (centres * size).astype(np.float32).astype(np.float64) / size
    there = ~np.isnan(centres[:, 0])
    return Specimen(sources[there], centres[there], rotations[there], bubbles)


def potential(made: Specimen, molecules: Mapping[int, Molecule], sizes: tuple[int, int, int]) -> Tensor:
    """The volume, `(nz, ny, nx)`, V above the ice's."""
    volume = torch.zeros(sizes)
    made.vesicles.add_to(volume, None, 0)
    for source, turn, centre in _each(made):
        found = molecules[source]
        cube, corner = set_down(found.fine, found.reach, turn, centre)
        inside, part = _overlap(corner, cube, sizes)
        volume[inside] += cube[part]
    return volume


def segmentation(
    made: Specimen, molecules: Mapping[int, Molecule], labels: Mapping[int, int], membrane: int, sizes: tuple[int, ...]
) -> NDArray[np.generic]:
    """Of what each voxel is, `(nz, ny, nx)`: 0 background, label + 1 of molecules, and a number for membranes.

    Args:
        made: what there is.
        molecules: of sources.
        labels: of sources.
        membrane: the number of membranes, which is the highest one.
        sizes: of the volume.
    """
    mask = torch.zeros(sizes, dtype=torch.uint8 if membrane < 2**8 else torch.int16)
    made.vesicles.add_to(None, mask, membrane)
    for source, turn, centre in _each(made):
        found = molecules[source]
        cube, corner = set_down(found.mask, found.reach, turn, centre, fill=-1.0)
        inside, part = _overlap(corner, cube, sizes)
        mask[inside].masked_fill_(cube[part] > 0, labels[source] + 1)
    return mask.numpy() if membrane < 2**8 else mask.numpy().view(np.uint16)


def _each(made: Specimen) -> list[tuple[int, Tensor, Tensor]]:
    turns, centres = torch.from_numpy(made.rotations), torch.from_numpy(made.centres)
    return list(zip(made.sources.tolist(), turns, centres, strict=True))


def _overlap(corner: Tensor, cube: Tensor, sizes: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a cube lies in a volume, and which part of it."""
    starts = corner.tolist()
    firsts = [max(0, start) for start in starts]
    lasts = [
        max(first, min(n, start + side))
        for start, side, n, first in zip(starts, cube.shape, sizes, firsts, strict=True)
    ]
    inside = tuple(slice(first, last) for first, last in zip(firsts, lasts, strict=True))
    part = tuple(slice(first - start, last - start) for first, last, start in zip(firsts, lasts, starts, strict=True))
    return inside, part
