"""The pixels of micrographs: particles, ice and carbon, through the microscope, on the detector."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.errors import OptionError
from builders.io.made.draws import Floats
from builders.io.made.electrons import counts, white
from builders.io.made.imaging import mean_square, transfer
from builders.io.made.maker import Volumes
from builders.io.made.micrographs.backdrop import Backdrop, blur, texture
from builders.io.made.micrographs.motion import faded, fading
from builders.io.made.micrographs.scene import Scene
from builders.io.made.micrographs.specimen import Specimen
from builders.io.made.projecting import Transforms
from builders.io.made.recipe import Recipe
from perc_transforms.functional.fourier.projection import project
from perc_transforms.functional.grids import shift_phases
from perc_transforms.functional.spatial.euler import matrices_of

_FACTORS = 2, 3, 5
"""Of sides whose transforms are fast."""


class Painter:
    """Makes images of what was drawn.

    Args:
        recipe: how.
        scene: of it.
        volumes: of its sources.
    """

    def __init__(self, recipe: Recipe, scene: Scene, volumes: Volumes) -> None:
        self._recipe, self._scene, self.transforms = recipe, scene, Transforms(recipe, volumes)
        ny, nx = scene.micrograph_shape
        self._sizes = _fast(ny + recipe.box_size), _fast(nx + recipe.box_size)
        self._first = recipe.box_size // 2  # pixel of this field that is the micrograph's first

    def paint(
        self,
        index: int,
        specimen: Specimen,
        optics: Mapping[str, NDArray[np.float32]],
        snr: float | None,
        path: Floats,
        images: Mapping[str, NDArray[np.float32]],
    ) -> None:
        """Make the images of a row.

        Args:
            index: of the row.
            specimen: what is there.
            optics: of the row, each of one number.
            snr: that is asked for.
            path: `(frames, 2)`: by how many pixels the specimen has moved in each.
            images: of columns, `(frames, ny, nx)`, to be filled.

        Raises:
            OptionError: there is more noise in the ice than `snr` leaves.
        """
        recipe, frames, dose = self._recipe, self._scene.frames, self._dose
        particles, variance = self._particles(specimen)
        over = transfer(recipe, self._sizes, optics, particles.real)[0]
        amorphous, through, shot = None, None, 0.0
        if "image" in images:
            ice = 0.0 if recipe.noise.ice_snr is None else variance / recipe.noise.ice_snr
            amorphous = self._amorphous(index, specimen.backdrop, ice)
            through = specimen.backdrop.transmission(self._scene.micrograph_shape)
            if snr is not None:
                carried = ice * float(mean_square(over[None], self._sizes[1]))
                shot = _left(self._signal(self._seen(particles, over), specimen), carried, snr, index) * (frames or 1)
        rate = None if frames is None else fading(self._sizes, recipe.pixel_size, recipe.optics.voltage, over)
        for frame, moved in enumerate(path):
            here = over
            if moved.any():
                here = over * shift_phases(self._sizes, torch.from_numpy(moved[None]), over)[0]
            left = here if rate is None else here * faded(rate, frame, self._scene.frame_dose or 0.0)
            clean = self._seen(particles, left)
            if "clean" in images:
                images["clean"][frame] = (clean if dose is None else dose * (1 + clean)).numpy()
            if "image" in images:
                contrast = clean if amorphous is None else clean + self._seen(amorphous, here)
                name = "" if frames is None else f"/{frame}"
                seen = self._recorded(self._before(contrast, through), shot, index, name)
                images["image"][frame] = seen.numpy()

    @property
    def _dose(self) -> float | None:
        """Electrons a pixel, of an image or a frame."""
        if self._recipe.noise.dose is None:
            return None
        dose = self._recipe.noise.dose if self._scene.frames is None else self._scene.frame_dose
        return (dose or 0.0) * self._recipe.pixel_size**2

    def _particles(self, specimen: Specimen) -> tuple[Tensor, float]:
        """The spectrum of their contrast before the CTF, and the mean variance of their projections over boxes."""
        n, first = self._recipe.box_size, self._first
        field = torch.zeros(self._sizes)
        whole = np.rint(specimen.places)
        corners = whole.astype(np.int64) - n // 2 + first
        total = 0.0
        for source in np.unique(specimen.sources).tolist():
            some = np.flatnonzero(specimen.sources == source)
            matrices = matrices_of(torch.from_numpy(specimen.angles[some].astype(np.float64)))
            shifts = torch.from_numpy(specimen.places[some] - whole[some])
            images = project(self.transforms[source], matrices, shifts=shifts)
            total += float(images.var((-2, -1), correction=0).sum())
            for (x, y), image in zip(corners[some].tolist(), images, strict=True):
                field[y : y + n, x : x + n] += image
        return torch.fft.rfft2(field), total / len(specimen.sources)

    def _amorphous(self, index: int, backdrop: Backdrop, ice: float) -> Tensor | None:
        """The spectrum of ice, of noise of some variance, and of film before the CTF."""
        recipe, sizes, row, spectrum = self._recipe, self._sizes, np.array([index]), None
        if ice > 0:
            field = white(recipe.seed, "ice", row, sizes)[0].mul_(ice**0.5)
            thickness = backdrop.thickness(self._scene.micrograph_shape, sizes, -self._first)
            spectrum = torch.fft.rfft2(field if thickness is None else field.mul_(thickness.sqrt_()))
        if backdrop.rim is not None:
            film = white(recipe.seed, "film", row, sizes)[0]
            film.mul_(texture(recipe.pixel_size, recipe.optics.voltage) ** 0.5)
            atoms = torch.fft.rfft2(film.mul_(backdrop.rim.film(sizes, -self._first)))
            atoms *= blur(sizes, recipe.pixel_size, film)
            spectrum = atoms if spectrum is None else spectrum.add_(atoms)
        return spectrum

    def _seen(self, spectrum: Tensor, over: Tensor) -> Tensor:
        """What a spectrum gives in the micrograph when the microscope has gone over it."""
        ny, nx = self._scene.micrograph_shape
        field: Tensor = torch.fft.irfft2(spectrum * over, s=self._sizes)
        return field[self._first : self._first + ny, self._first : self._first + nx]

    def _signal(self, clean: Tensor, specimen: Specimen) -> float:
        """The variance of a clean image over boxes about picks; the mean of those that are not crowded, if any are."""
        n = self._recipe.box_size
        chosen = specimen.places if specimen.crowded.all() else specimen.places[~specimen.crowded]
        corners = np.rint(chosen).astype(np.int64) - n // 2
        boxes = (clean[max(y, 0) : y + n, max(x, 0) : x + n] for x, y in corners.tolist())
        return sum(float(box.var(correction=0)) for box in boxes) / len(corners)

    def _before(self, contrast: Tensor, through: Tensor | None) -> Tensor:
        """Contrast before a background that lets not all electrons through."""
        if through is None:
            return contrast
        return (1 + contrast) * through - 1 if self._recipe.contrast == "dark" else 1 - (1 - contrast) * through

    def _recorded(self, contrast: Tensor, shot: float, index: int, name: str) -> Tensor:
        """What the detector makes of contrast."""
        seed, row = self._recipe.seed, np.array([index])
        if self._dose is not None:
            return counts(self._dose * (1 + contrast[None]), seed, f"electrons{name}", row)[0]
        if shot == 0:
            return contrast
        return white(seed, f"shot{name}", row, tuple(contrast.shape))[0].mul_(shot**0.5).add_(contrast)


def _left(signal: float, carried: float, snr: float, index: int) -> float:
    """The variance of noise that is left for the detector.

    Raises:
        OptionError: none is.
    """
    left = signal / snr - carried
    if left < 0:
        msg = (
            f"row {index}: snr={snr:.4g} with ice_snr: the ice alone makes it {signal / carried:.4g}: expected a lower "
        )
        msg += "snr or a higher ice_snr"
        raise OptionError(msg)
    return left


def _fast(least: int) -> int:
    """The smallest even side of at least some pixels whose transform is fast.

    Example:
        >>> _fast(1151), _fast(1153)
        (1152, 1200)
    """
    side = least + least % 2
    while True:
        rest = side
        for factor in _FACTORS:
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return side
        side += 2
