"""Every convention tried on the same particles."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from builders.particles.checking import conventions
from builders.particles.checking.conventions import CONTRAST, RANDOM, Break, Shift
from builders.particles.checking.gathering import Particles
from builders.particles.checking.scoring import Band, correlations, gains
from perc_transforms import functional as F
from perc_transforms.functional import VolumeTransform, matrices_of

Names = tuple[str, ...]
"""Breaks, in the order of `PARTS` and that of the contrast last; none: as stated."""
PARTS = ("images", "angles", "shifts", "filters")
_ALIKE = 0.05
"""Pixels that no shift differs by more, or values of a CTF: one cannot be told from the other."""
_MOST = 2
"""Breaks at once, beside that of the contrast."""


@dataclass
class Comparison:
    """Particles beside what they should look like.

    Attributes:
        band: the components that are compared.
        parts: for each of `PARTS`, what is stated (named "") and what may be instead: components of the images,
            rotations, phases of the shifts, values of the CTF.
        templates: components of projections at rotations `(N, 3, 3)`.
        untold: breaks that would change nothing that matters: not among the parts.
        bound: see `scoring.gains`.
    """

    band: Band
    parts: dict[str, dict[str, Tensor]]
    templates: Callable[[Tensor], Tensor]
    untold: list[str] = field(default_factory=list)
    bound: int | None = None
    _projected: dict[str, Tensor] = field(default_factory=dict)

    def scores(self) -> Iterator[tuple[Names, Tensor]]:
        """The correlation of each image, `(N,)`, by breaks: as stated, each alone, in pairs; with either contrast."""
        of_images = {name: self.band.power(images).sum(1) for name, images in self.parts["images"].items()}
        for angles, filters in itertools.product(self.parts["angles"], self.parts["filters"]):
            if RANDOM in (angles, filters):
                continue
            templates = self._filtered(angles, filters)
            powers = self.band.power(templates)
            for shifts, images in itertools.product(self.parts["shifts"], self.parts["images"]):
                names = tuple(filter(None, (images, angles, shifts, filters)))
                if len(names) > _MOST:
                    continue
                products = self._products(images, templates, shifts)
                for more, sign in (((), 1.0), ((CONTRAST,), -1.0)):
                    yield (*names, *more), correlations(products, powers, of_images[images], sign, self.bound)

    def score(self, names: Names, angles: str | None = None) -> Tensor:
        """The correlation of each image for some breaks; `angles`: at other rotations."""
        chosen = self._chosen(names)
        templates = self._filtered(chosen["angles"] if angles is None else angles, chosen["filters"])
        products = self._products(chosen["images"], templates, chosen["shifts"])
        power = self.band.power(self.parts["images"][chosen["images"]]).sum(1)
        sign = -1.0 if CONTRAST in names else 1.0
        return correlations(products, self.band.power(templates), power, sign, self.bound)

    def pictures(self, names: Names, like: Names, count: int) -> tuple[Tensor, Tensor]:
        """The first images and their projections, `(count, side, side)`, for people.

        Args:
            names: breaks.
            like: those by which shells are scaled as they fit all images: projections to that, images to as much as is
                signal (a Wiener filter).
            count: how many.
        """
        scale, share = self._fit(self._chosen(like), -1.0 if CONTRAST in like else 1.0)
        chosen = self._chosen(names)
        images = self.parts["images"][chosen["images"]][:count] * share[self.band.shell]
        templates = self._filtered(chosen["angles"], chosen["filters"])[:count] * scale.abs()[self.band.shell]
        fitted = templates * self.parts["shifts"][chosen["shifts"]][:count]
        return self.band.images(images), self.band.images(-fitted if CONTRAST in names else fitted)

    def _fit(self, chosen: dict[str, str], sign: float) -> tuple[Tensor, Tensor]:
        """The scale of each shell, and the share of its power that projections explain then."""
        templates = self._filtered(chosen["angles"], chosen["filters"])
        powers = self.band.power(templates)
        scale = gains(self._products(chosen["images"], templates, chosen["shifts"]), powers, sign, self.bound)
        of_images = self.band.power(self.parts["images"][chosen["images"]]).sum(0)
        return scale, scale.square() * powers.sum(0) / of_images.clamp(min=1e-30)

    def _chosen(self, names: Names) -> dict[str, str]:
        return {part: next((name for name in names if name in self.parts[part]), "") for part in PARTS}

    def _filtered(self, angles: str, filters: str) -> Tensor:
        if angles not in self._projected:
            self._projected[angles] = self.templates(self.parts["angles"][angles])
        return self._projected[angles] * self.parts["filters"][filters]

    def _products(self, images: str, templates: Tensor, shifts: str) -> Tensor:
        return self.band.product(self.parts["images"][images], templates * self.parts["shifts"][shifts])


def with_volume(particles: Particles, volume_ft: VolumeTransform, step: float, band: Band) -> Comparison:
    """Particles with poses beside projections of a volume, of `step` voxels a pixel of theirs."""
    assert particles.angles is not None
    untold: list[str] = []
    stated = matrices_of(particles.angles)
    parts = {
        "images": _images(particles, band, conventions.IMAGES),
        "angles": {
            "": stated,
            **{each.name: each.change(particles.angles) for each in conventions.ANGLES},
            RANDOM: _random_rotations(len(stated)),
        },
        "shifts": _shifts(particles, band, untold),
        "filters": _filters(particles, band, untold),
    }
    scaled = step * band.pixel_size / particles.pixel_size

    def templates(rotations: Tensor) -> Tensor:
        return band.of_spectra(F.central_slices(volume_ft, rotations, size=band.side, step=scaled))

    return Comparison(band, parts, templates, untold)


def alone(particles: Particles, band: Band) -> Comparison:
    """Particles beside their own average, which is round: its first shell tells the sign of its density."""
    untold: list[str] = []
    count = len(particles.images)
    parts = {
        "images": _images(particles, band, []),
        "angles": {"": torch.eye(3).expand(count, -1, -1)},
        "shifts": _shifts(particles, band, untold),
        "filters": {"": _ctf(particles, band, particles.ctf)},
    }

    def templates(rotations: Tensor) -> Tensor:
        return torch.ones(len(rotations), len(band.places), dtype=torch.complex64)

    return Comparison(band, parts, templates, untold, bound=1)


def _images(particles: Particles, band: Band, breaks: list[Break]) -> dict[str, Tensor]:
    others = {each.name: band.of_images(each.change(particles.images)) for each in breaks}
    return {"": band.of_images(particles.images), **others}


def _shifts(particles: Particles, band: Band, untold: list[str]) -> dict[str, Tensor]:
    pixels = {"": Shift(-1.0, 1)(particles)}
    for each in conventions.SHIFTS:
        other = each.change(particles)
        if any((other - known).abs().max() < _ALIKE for known in pixels.values()):
            untold.append(each.name)
        else:
            pixels[each.name] = other
    return {name: band.phases(by * particles.pixel_size / band.pixel_size) for name, by in pixels.items()}


def _filters(particles: Particles, band: Band, untold: list[str]) -> dict[str, Tensor]:
    values = {"": _ctf(particles, band, particles.ctf)}
    if particles.ctf is None:
        return values
    for each in conventions.PARAMETERS:
        _add(each.name, _ctf(particles, band, each.change(particles.ctf)), values, untold)
    for each in conventions.FILTERS:
        _add(each.name, each.change(values[""]), values, untold)
    return values


def _add(name: str, value: Tensor, values: dict[str, Tensor], untold: list[str]) -> None:
    if any((value - known).square().mean().sqrt() < _ALIKE for known in values.values()):
        untold.append(name)
    else:
        values[name] = value


def _ctf(particles: Particles, band: Band, parameters: dict[str, Tensor] | None) -> Tensor:
    if parameters is None:
        return torch.ones(len(particles.images), len(band.places))
    values = F.ctf((band.side,) * 2, pixel_size=band.pixel_size, **parameters, like=torch.zeros(1))
    return band.of_spectra(values)


def _random_rotations(count: int) -> Tensor:
    """Orientations of which any is as likely as another, and which are the same each time."""
    normal = torch.randn(count, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w, x, y, z = torch.nn.functional.normalize(normal, dim=1).unbind(1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], -1),
        torch.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], -1),
        torch.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], -1),
    ]
    return torch.stack(rows, 1)
