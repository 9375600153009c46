"""What is drawn for the particles of rows: of what, from where, through which microscope."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from builders.io.made.draws import Floats, Indices, uniforms
from builders.io.made.recipe import Recipe

OPTICS = (
    *("defocus_u", "defocus_v", "defocus_angle", "voltage"),
    *("spherical_aberration", "amplitude_contrast", "phase_shift"),
)
"""Fields of the column `ctf`, in their order: `perc_transforms.functional.ctf` has parameters of these names."""

Numbers = NDArray[np.float32]
"""As columns have them: images are made of these, not of what they were rounded from."""


def sources_of(recipe: Recipe, indices: Indices, count: int = 1) -> Indices:
    """Which of the recipe's sources particles are of, `(rows, count)`: any class alike, and any of its states.

    Args:
        recipe: how.
        indices: of rows.
        count: particles of a row; the first ones are the same whatever their number. So it is with `orientations_of`.
    """
    numbers = [(source.label, source.state) for source in recipe.sources]
    order = np.array(sorted(range(len(numbers)), key=numbers.__getitem__))
    labels = np.array([numbers[place][0] for place in order])
    firsts = np.searchsorted(labels, np.unique(labels))
    counts = np.diff([*firsts, len(labels)])
    drawn = uniforms(recipe.seed, "source", indices, 2 * count).reshape(len(indices), count, 2)
    of = (drawn[..., 0] * len(counts)).astype(np.int64)
    which: Indices = order[firsts[of] + (drawn[..., 1] * counts[of]).astype(np.int64)]
    return which


def orientations_of(recipe: Recipe, indices: Indices, count: int = 1) -> Numbers:
    """Angles of particles as RELION has them, rot, tilt and psi, in degrees: `(rows, count, 3)`.

    Uniform ones are so over SO(3): rot and psi are uniform, and so is the cosine of tilt, which is what random unit
    quaternions give. With `axes`, directions of view are drawn of von Mises and Fisher's distribution about one of
    them, and psi uniformly: Wood, "Simulation of the von Mises Fisher distribution", 1994; in 3 dimensions the cosine
    has an inverse.
    """
    kind = recipe.orientations["kind"]
    drawn = uniforms(recipe.seed, "orientation", indices, 4 * count).reshape(len(indices), count, 4)
    if kind == "table":
        table = recipe.angles
        chosen: Numbers = table[(drawn[..., 0] * len(table)).astype(np.int64)]
        return chosen
    angles = np.empty((*drawn.shape[:2], 3), np.float32)
    angles[..., 2] = 360 * drawn[..., 2] - 180
    if kind == "uniform":
        angles[..., 0] = 360 * drawn[..., 0] - 180
        angles[..., 1] = np.rad2deg(np.arccos(1 - 2 * drawn[..., 1]))
        return angles
    axes = np.asarray(recipe.orientations["axes"], np.float64)
    x, y, z = np.moveaxis(_about(axes, float(recipe.orientations["kappa"]), drawn), -1, 0)
    angles[..., 0] = np.rad2deg(np.arctan2(y, x))
    angles[..., 1] = np.rad2deg(np.arccos(np.clip(z, -1, 1)))
    return angles


def _about(axes: Floats, kappa: float, drawn: Floats) -> Floats:
    """Directions of von Mises and Fisher's distribution about axes, one of which is drawn: `(..., 3)`."""
    axis = (axes / np.linalg.norm(axes, axis=-1, keepdims=True))[(drawn[..., 3] * len(axes)).astype(np.int64)]
    # 1 - cosine = -log(u + (1 - u) exp(-2 kappa)) / kappa, which is 2 (1 - u) for kappa = 0
    u = drawn[..., 1]
    below = 2 * (1 - u) if kappa == 0 else -np.log1p((1 - u) * np.expm1(-2 * kappa)) / kappa
    cosine, sine = 1 - below, np.sqrt(np.clip(below * (2 - below), 0, None))
    least = np.eye(3)[np.abs(axis).argmin(-1)]  # of the three, the one that the axis is least along
    one = np.cross(axis, least)
    one /= np.linalg.norm(one, axis=-1, keepdims=True)
    azimuth = 2 * np.pi * drawn[..., 0]
    across = np.cos(azimuth)[..., None] * one + np.sin(azimuth)[..., None] * np.cross(axis, one)
    directions: Floats = cosine[..., None] * axis + sine[..., None] * across
    return directions


def origins_of(recipe: Recipe, indices: Indices) -> Numbers:
    """RELION's origins x and y of rows' particles, Å, `(rows, 2)`: their content lies at minus that from the centre."""
    if recipe.max_shift == 0:
        return np.zeros((len(indices), 2), np.float32)
    drawn = 2 * uniforms(recipe.seed, "origin", indices, 2) - 1
    return (recipe.max_shift * drawn).astype(np.float32)


def optics_of(recipe: Recipe, indices: Indices) -> "Mapping[str, Numbers]":
    """The column `ctf` of rows: a number a row for each of `OPTICS`."""
    optics = recipe.optics
    drawn = uniforms(recipe.seed, "defocus", indices, 3)
    mean, half = between(optics.defocus, drawn[:, 0]), 0.5 * optics.astigmatism * drawn[:, 1]
    angle = 180 * drawn[:, 2] if optics.astigmatism else np.zeros(len(drawn))
    columns = {"defocus_u": mean + half, "defocus_v": mean - half, "defocus_angle": angle}
    columns |= {name: np.full(len(drawn), getattr(optics, name)) for name in OPTICS[3:]}
    return {name: values.astype(np.float32) for name, values in columns.items()}


def snr_of(recipe: Recipe, indices: Indices) -> Numbers | None:
    """The signal-to-noise ratio that is asked of each row; None: none is."""
    if recipe.noise.snr is None:
        return None
    return between(recipe.noise.snr, uniforms(recipe.seed, "snr", indices, 1)[:, 0]).astype(np.float32)


def between(values: tuple[float, float], drawn: Floats) -> Floats:
    """Numbers from the lower to the higher of two values, for uniform ones from 0 to 1.

    Example:
        >>> between((1.0, 3.0), np.array([0.0, 0.5])).tolist()
        [1.0, 2.0]
    """
    low, high = values
    numbers: Floats = low + (high - low) * drawn
    return numbers
