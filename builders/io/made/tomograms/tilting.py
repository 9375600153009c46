"""The tilt series of a slab, image by image: projected, through the microscope, with noise.

Images are taken in the dose-symmetric order (Hagen et al., J. Struct. Biol. 197, 2017): from the least tilt outwards,
now to one side and now to the other. All have one defocus, the slab's in its middle: neither its depth nor, of tilted
images, how it changes across them is followed. Nor do thicker views lose electrons. Images are wider than the slab,
which lies in ice without an end.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from builders.errors import OptionError
from builders.io.made.draws import Indices
from builders.io.made.imaging import mean_square, recorded, transfer
from builders.io.made.recipe import Recipe
from builders.io.made.tomograms.scene import Scene
from builders.io.made.tomograms.slices import fast_size
from builders.io.made.views import optics_of, snr_of
from perc_transforms.functional import dose_weights, electron_wavelength


@dataclass(frozen=True)
class Field:
    """Of images of a slab at any tilt.

    Attributes:
        ny: rows that the slab has.
        nx: columns that it has untilted.
        height: rows of an image, the slab's first.
        width: columns of an image, counted from the slab's middle, those before it last.
    """

    ny: int
    nx: int
    height: int
    width: int

    def part(self, image: Tensor) -> Tensor:
        """The slab's rows and columns of an image `(height, width)`, in any order."""
        right = (self.nx + 1) // 2
        rows = image[: self.ny]
        return torch.cat([rows[:, :right], rows[:, self.width - self.nx // 2 :]], 1)


def field_of(recipe: Recipe, scene: Scene) -> Field:
    """Of a recipe's images: as wide as the slab gets, and as far as defocus carries detail, but half a side at most."""
    nz, ny, nx = scene.tomogram_shape
    optics, size = recipe.optics, recipe.pixel_size
    angle = float(electron_wavelength(optics.voltage)) / (2 * size)
    farthest = max(map(abs, optics.defocus)) + optics.astigmatism / 2
    carried = angle * farthest + 1e7 * optics.spherical_aberration * angle**3
    margin = math.ceil(min(carried / size, max(ny, nx) / 2)) + 4
    return Field(ny, nx, fast_size(ny + margin), fast_size(math.ceil(math.hypot(nx, nz)) + margin))


def acquired(angles: tuple[float, ...]) -> list[int]:
    """When each tilt is taken, from 0.

    Example:
        >>> acquired((-6.0, -3.0, 0.0, 3.0, 6.0))
        [4, 2, 0, 1, 3]
    """
    order = sorted(range(len(angles)), key=lambda tilt: (round(abs(angles[tilt]), 6), -angles[tilt]))
    places: list[int] = np.argsort(order).tolist()
    return places


def exposures(recipe: Recipe, scene: Scene) -> list[float] | None:
    """The dose before each tilt's image, e/Å²; None: there is no dose."""
    if recipe.noise.dose is None:
        return None
    each = recipe.noise.dose / len(scene.tilts)
    return [each * when for when in acquired(scene.tilts)]


def images_of(recipe: Recipe, scene: Scene, field: Field, lines: Tensor, index: int) -> Tensor:
    """What the microscope makes of the projections of a slab.

    With `snr`, the noise has one variance in all images: the mean of those of the images without noise, over the slab's
    own rows and columns, divided by it. With `dose`, each image has an equal share of that.

    Args:
        recipe: how.
        scene: of it.
        field: of images.
        lines: the spectra along x of projections of contrast: `(tilts, width // 2 + 1, ny)`.
        index: of the row.

    Returns:
        Contrast, as many spectra of its images, cut to the slab's rows.

    Raises:
        OptionError: there is more noise in the ice than `snr` leaves.
    """
    row, sizes = np.array([index]), (field.height, field.width)
    passed = transfer(recipe, sizes, optics_of(recipe, row), torch.zeros(()))
    doses = exposures(recipe, scene)
    images = []
    for tilt, line in enumerate(lines):
        spectrum = _spectrum(line, field).mul_(passed[0])
        if scene.fading and doses is not None:
            spectrum.mul_(_left(recipe, sizes, doses[tilt] + 0.5 * _share(recipe, scene)))
        images.append(torch.fft.irfft2(spectrum, s=sizes))
    noise = _noise_of(recipe, scene, field, lines, images, passed, row)
    found = torch.empty_like(lines)
    for tilt, image in enumerate(images):
        noisy = noise.added(image[None], f" of tilt {tilt}")[0]
        found[tilt] = torch.fft.rfft(noisy[: field.ny], dim=1).T
    return found


@dataclass(frozen=True)
class _Noise:
    """Of all images of a series.

    Attributes:
        seed: of the recipe.
        row: its index.
        variance: of all noise in an image; None: by electrons, or none.
        electrons: a pixel; None: there is no dose.
        ice: variance of the ice's before the CTF, and what that passes; None: there is none.
    """

    seed: int
    row: Indices
    variance: float | None
    electrons: float | None
    ice: tuple[Tensor, Tensor] | None

    def added(self, image: Tensor, purpose: str) -> Tensor:
        """Contrast `(1, height, width)` with noise."""
        snr = None
        if self.variance is not None:
            snr = (image.var((-2, -1), correction=0) / self.variance).numpy()
        noisy = recorded(
            image, self.seed, self.row, snr=snr, electrons=self.electrons, ice=self.ice, purpose=purpose
        ).image
        return noisy if self.electrons is None else noisy / self.electrons - 1


def _noise_of(
    recipe: Recipe, scene: Scene, field: Field, lines: Tensor, images: list[Tensor], passed: Tensor, row: Indices
) -> _Noise:
    """The noise of a series, given its images without any.

    Raises:
        OptionError: there is more of it in the ice than `snr` leaves.
    """
    asked, ratio, ice = snr_of(recipe, row), recipe.noise.ice_snr, None
    signal = _variance(field, images)
    if ratio is not None:
        sizes = (field.height, field.width)
        thin = (torch.fft.irfft2(_spectrum(line, field), s=sizes) for line in lines)
        ice = torch.tensor([_variance(field, thin) / ratio]), passed
    if recipe.noise.dose is not None:
        return _Noise(recipe.seed, row, None, _share(recipe, scene) * recipe.pixel_size**2, ice)
    if asked is None:
        return _Noise(recipe.seed, row, None, None, ice)
    snr = float(asked[0])
    if ice is not None and (carried := float(ice[0] * mean_square(passed, field.width))) > signal / snr:
        msg = f"row {int(row[0])}: snr={snr:.4g} with ice_snr: the ice alone makes it {signal / carried:.4g}: expected "
        msg += "a lower snr or a higher ice_snr"
        raise OptionError(msg)
    return _Noise(recipe.seed, row, signal / snr, None, ice)


def _variance(field: Field, images: Iterable[Tensor]) -> float:
    """Of images over the slab's rows and columns: the mean of theirs."""
    return float(np.mean([float(field.part(image).var(correction=0)) for image in images]))


def _share(recipe: Recipe, scene: Scene) -> float:
    """The dose of an image, e/Å²."""
    return (recipe.noise.dose or 0.0) / len(scene.tilts)


def _left(recipe: Recipe, sizes: tuple[int, int], dose: float) -> Tensor:
    """Of each component of an image, what some dose, e/Å², left of it."""
    options = {"pixel_size": recipe.pixel_size, "voltage": recipe.optics.voltage}
    return dose_weights(sizes, [dose], restore_noise=False, like=torch.zeros(()), **options)[0]


def _spectrum(line: Tensor, field: Field) -> Tensor:
    """The spectrum of an image, `(height, width // 2 + 1)`, of those of its first rows, `(width // 2 + 1, ny)`."""
    spectrum: Tensor = torch.fft.fft(line.T, n=field.height, dim=0)
    return spectrum
