"""What there is to say of micrographs: the `scene` of a recipe, checked."""

import math
import numbers
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor

from builders.errors import OptionError
from builders.io.made.maker import Volumes
from builders.io.made.micrographs.backdrop import least_share
from builders.io.made.micrographs.placing import about_how_many
from builders.io.made.recipe import Recipe
from perc_transforms.functional.fourier.dose import DAMAGE
from perc_transforms.functional.grids import radii

_NEEDED = 3
"""Of the scene's fields, the first that a recipe always has."""
_USUAL = 50, 200
"""Particles."""
_LEAST = 16
"""Pixels of a side."""
_MOST_PARTICLES, _MOST_PIXELS = 100_000, 2**32
_CLOSEST = 10.0
"""Å: whatever is smaller is no particle, and not worth a fine grid."""
_SOLID = 0.1
"""Of a volume's largest value: what counts as the molecule."""


@dataclass(frozen=True)
class Scene:
    """What a recipe's `scene` says of micrographs: its keys are these; the first three are there.

    Attributes:
        micrograph_shape: pixels, `(ny, nx)`.
        particles: the fewest and the most of a micrograph, uniformly drawn; those of aggregates come on top.
        min_distance: Å that the centres of particles keep from each other, but in aggregates; 0: none.
        ice_gradient: how much the ice's thickness changes across the micrograph, from its thinnest corner to its
            thickest, relative to the mean: 0 to 2. See `backdrop`.
        aggregates: how many of them a micrograph has on average (Poisson); each is of 5 to 16 overlapping particles.
        carbon: the probability of a carbon edge: an arc of a hole's rim, with no particles beyond it. See `backdrop`.
        frames: of a movie, `(frames, ny, nx)`; None: an image.
        frame_dose: e/Å² of a frame. None: the recipe's dose over `frames`, or 1.
        drift: Å between the places of the specimen in the first and in the last frame.
        clean: whether there are images without noise, too.
    """

    micrograph_shape: tuple[int, int]
    particles: tuple[int, int]
    min_distance: float
    ice_gradient: float = 0.0
    aggregates: float = 0.0
    carbon: float = 0.0
    frames: int | None = None
    frame_dose: float | None = None
    drift: float = 0.0
    clean: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image, or a movie."""
        return self.micrograph_shape if self.frames is None else (self.frames, *self.micrograph_shape)

    @property
    def field(self) -> tuple[float, float]:
        """How far centres of particles can be apart along x and y, pixels: they lie on pixels, or between some."""
        ny, nx = self.micrograph_shape
        return nx - 1.0, ny - 1.0


def scene_of(recipe: Recipe) -> Scene:
    """What a recipe says of micrographs, checked.

    Raises:
        OptionError: a value that is not allowed, one that nothing comes of, or more particles than there is room for.
    """
    names = [field.name for field in fields(Scene)]
    if set(recipe.scene) - set(names) or not set(names[:_NEEDED]) <= set(recipe.scene):
        msg = f"a micrograph's scene has {', '.join(sorted(recipe.scene))}: expected {', '.join(names)}, the first "
        msg += f"{_NEEDED} at least"
        raise OptionError(msg)
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in recipe.scene.items()
    }
    scene = Scene(**given)
    _check_numbers(scene)
    _check_movie(scene, recipe)
    if recipe.max_shift != 0:
        msg = f"max_shift is {recipe.max_shift:g}: expected 0: particles of micrographs lie where picks say"
        raise OptionError(msg)
    side = recipe.box_size * recipe.pixel_size
    if scene.drift > side / 2:
        msg = f"drift is {scene.drift:g}: expected at most half of the box of {side:g} Å: what leaves a micrograph "
        msg += "farther than that would come in on the other side"
        raise OptionError(msg)
    _check_room(scene, recipe.pixel_size)
    if scene.frames is not None and scene.frame_dose is None:
        dose = 1.0 if recipe.noise.dose is None else recipe.noise.dose / scene.frames
        return replace(scene, frame_dose=dose)
    return scene


def completed(recipe: Recipe, volumes: Volumes) -> Recipe:
    """A recipe of micrographs with numbers where its scene has None: of `particles` and `min_distance`, checked.

    Particles keep the diameter of the largest volume; 50 to 200 of them are there, or fewer where there is no room.

    Args:
        recipe: how.
        volumes: of its sources.

    Raises:
        OptionError: see `scene_of`.
    """
    scene = {"particles": None, "min_distance": None} | recipe.scene
    if scene.get("min_distance") is None:
        scene["min_distance"] = max(_CLOSEST, *(diameter(volume, recipe.pixel_size) for volume in volumes))
    if scene.get("particles") is None:
        scene["particles"] = (1, 1)
        checked = scene_of(replace(recipe, scene=scene))
        most = _room(checked, recipe.pixel_size) if checked.min_distance else _USUAL[1]
        scene["particles"] = min(_USUAL[0], -(-most // 4)), min(_USUAL[1], most)
    made = replace(recipe, scene=scene) if scene != recipe.scene else recipe
    scene_of(made)
    return made


def diameter(volume: Tensor, pixel_size: float) -> float:
    """How large a molecule is, Å: twice the distance from the box's centre to where its farthest part is.

    That is the farthest voxel of at least a tenth of the largest value. Particles whose centres are that far apart do
    not overlap.

    Args:
        volume: `(n, n, n)`.
        pixel_size: Å.

    Example:
        >>> import torch
        >>> volume = torch.zeros(16, 16, 16)
        >>> volume[8, 8, 4] = 1.0
        >>> diameter(volume, 2.0)
        18.0
    """
    solid = volume >= _SOLID * volume.max()
    farthest = float(radii(tuple(volume.shape), volume)[solid].max())
    return (2 * farthest + 1) * pixel_size


def _check_numbers(scene: Scene) -> None:
    _pair("micrograph_shape", scene.micrograph_shape, _LEAST, "(ny, nx)")
    _pair("particles", scene.particles, 1, "(fewest, most)")
    if scene.particles[1] > _MOST_PARTICLES:
        msg = f"particles is {scene.particles!r}: expected at most {_MOST_PARTICLES:,}"
        raise OptionError(msg)
    if math.prod(scene.micrograph_shape) > _MOST_PIXELS:
        msg = f"micrograph_shape is {scene.micrograph_shape!r}: expected at most {_MOST_PIXELS:,} pixels"
        raise OptionError(msg)
    if scene.particles[0] > scene.particles[1]:
        msg = f"particles is {scene.particles!r}: expected (fewest, most), the fewest first"
        raise OptionError(msg)
    _number("min_distance", scene.min_distance, 0, math.inf, "Å")
    if 0 < scene.min_distance < _CLOSEST:
        msg = f"min_distance is {scene.min_distance!r}: expected 0, or {_CLOSEST:g} Å or more"
        raise OptionError(msg)
    _number("ice_gradient", scene.ice_gradient, 0, 2, "of the mean thickness")
    _number("aggregates", scene.aggregates, 0, 100, "a micrograph")
    if scene.aggregates and not scene.min_distance:
        msg = (
            f"aggregates is {scene.aggregates!r}, and min_distance 0: expected the distance that their members do not "
        )
        msg += "keep"
        raise OptionError(msg)
    _number("carbon", scene.carbon, 0, 1, "a probability")
    _number("drift", scene.drift, 0, math.inf, "Å")
    if not isinstance(scene.clean, bool):
        msg = f"clean is {scene.clean!r}: expected True or False"
        raise OptionError(msg)


def _pair(name: str, value: Any, least: int, what: str) -> None:
    is_pair = isinstance(value, tuple) and len(value) == 2
    if not is_pair or not all(_is_whole(one) and one >= least for one in value):
        msg = f"{name} is {value!r}: expected {what}, whole numbers of at least {least}"
        raise OptionError(msg)


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _number(name: str, value: Any, least: float, most: float, unit: str) -> None:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not least <= value <= most:
        between = f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        msg = f"{name} is {value!r}: expected a number {between}, {unit}"
        raise OptionError(msg)


def _check_movie(scene: Scene, recipe: Recipe) -> None:
    if scene.frames is None:
        for name, usual in (("frame_dose", None), ("drift", 0)):
            if getattr(scene, name) != usual:
                msg = f"{name} is {getattr(scene, name)!r}, and frames is None: expected frames=, how many a movie has"
                raise OptionError(msg)
        return
    if not _is_whole(scene.frames) or scene.frames < 1:
        msg = f"frames is {scene.frames!r}: expected a whole number of at least 1, or None"
        raise OptionError(msg)
    if math.prod(scene.shape) > _MOST_PIXELS:
        msg = f"frames is {scene.frames} of micrograph_shape={scene.micrograph_shape!r}: expected at most "
        msg += f"{_MOST_PIXELS:,} pixels in all of them"
        raise OptionError(msg)
    if round(recipe.optics.voltage) not in DAMAGE:
        known = ", ".join(map(str, DAMAGE))
        msg = f"voltage is {recipe.optics.voltage:g}: expected {known} kV, for which it is known how frames fade"
        raise OptionError(msg)
    if scene.frame_dose is None:
        return
    _number("frame_dose", scene.frame_dose, 0, math.inf, "e/Å²")
    dose, total = recipe.noise.dose, scene.frames * scene.frame_dose
    if scene.frame_dose == 0 or (dose is not None and not math.isclose(dose, total, rel_tol=1e-6)):
        expected = (
            "a number above 0" if dose is None else f"{dose / scene.frames:g}, for dose={dose:g} over all of them"
        )
        msg = f"frame_dose is {scene.frame_dose!r} and frames is {scene.frames}: expected {expected}"
        raise OptionError(msg)


def _check_room(scene: Scene, pixel_size: float) -> None:
    """Refuse more particles than there is room for.

    Raises:
        OptionError: says about how many fit, and what to change.
    """
    most = scene.particles[1]
    if most == 1 or scene.min_distance == 0:
        return
    fit = _room(scene, pixel_size)
    if most > fit:
        closer, larger = scene, scene
        while _room(closer, pixel_size) < most:
            closer = replace(closer, min_distance=0.98 * closer.min_distance)
        while _room(larger, pixel_size) < most:
            ny, nx = (math.ceil(1.02 * side) for side in larger.micrograph_shape)
            larger = replace(larger, micrograph_shape=(ny, nx))
        hole = " off the carbon" if scene.carbon else ""
        msg = f"impossible distances: particles is {scene.particles!r}, min_distance {scene.min_distance:.4g} Å: in "
        msg += f"{scene.micrograph_shape!r} pixels of {pixel_size:g} Å some {fit} fit{hole}: expected particles of no "
        msg += f"more, min_distance of {math.floor(closer.min_distance)} Å, or micrograph_shape of "
        msg += f"{larger.micrograph_shape!r}"
        raise OptionError(msg)


def _room(scene: Scene, pixel_size: float) -> int:
    """For about how many particles there is room."""
    share = least_share(scene.micrograph_shape, pixel_size) if scene.carbon else 1.0
    return max(1, math.floor(about_how_many(scene.field, scene.min_distance / pixel_size) * share))
