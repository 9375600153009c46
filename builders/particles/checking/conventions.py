"""What tables get wrong about particles, each as a change of what they state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from builders.particles.checking.gathering import Particles
from perc_transforms.functional import matrices_of

Ctf = dict[str, Tensor]


@dataclass(frozen=True)
class Break:
    """One way in which particles may be other than their table states.

    Attributes:
        name: as in `scores`.
        says: what that means, and what can be done, for people.
        change: what is to be taken instead of what is stated; its argument and result depend on `PARTS`.
    """

    name: str
    says: str
    change: Callable[[Any], Any]


def _flipped(images: Tensor) -> Tensor:
    """Images upside down, but for pixel n // 2, which stays where it is."""
    return images.flip(-2).roll(1 - images.shape[-2] % 2, -2)


def _between(*before: float) -> Callable[[Any], Tensor]:
    """The map mirrored along axes by -1: rotations of it as it is whose images are those, `diag(1, 1, z) A M`."""
    mirror = torch.diag(torch.tensor(before, dtype=torch.float64))
    behind = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))

    def change(angles: Tensor) -> Tensor:
        return behind @ matrices_of(angles) @ mirror

    return change


def _negative(ctf: Ctf) -> Ctf:
    return {**ctf, "defocus_u": -ctf["defocus_u"], "defocus_v": -ctf["defocus_v"]}


def _swapped(ctf: Ctf) -> Ctf:
    return {**ctf, "defocus_u": ctf["defocus_v"], "defocus_v": ctf["defocus_u"]}


def _mirrored(ctf: Ctf) -> Ctf:
    return {**ctf, "defocus_angle": -ctf["defocus_angle"]}


@dataclass(frozen=True)
class Shift:
    """Pixels by which content is moved: `factor * origin / pixel_size ** power`, x and y exchanged or not."""

    factor: float
    power: int
    is_exchanged: bool = False

    def __call__(self, particles: Particles) -> Tensor:
        """The shifts of particles, pixels (x, y)."""
        origins = particles.origins.flip(-1) if self.is_exchanged else particles.origins
        return self.factor * origins / particles.pixel_size**self.power


CONTRAST = "contrast inverted"
RANDOM = "random orientations"
"""The control: what a volume scores that is seen from anywhere."""
SAYS_CONTRAST = "the contrast is inverted, dark particles on a bright ground: T.InvertContrast() turns it"

IMAGES = [
    Break("images flipped in y", "the images are upside down against the table, as TIFF files are stored", _flipped),
]
ANGLES = [
    Break(
        "rotations inverse",
        "the angles are of the inverse rotations, A.T in place of RELION's A: (-psi, -tilt, -rot) is meant",
        lambda angles: matrices_of(angles).mT,
    ),
    Break(
        "rot and psi swapped",
        "rot and psi stand in each other's place",
        lambda angles: matrices_of(angles.flip(-1)),
    ),
    Break(
        "angles negated",
        "the angles have the opposite sign: -rot, -tilt, -psi are meant",
        lambda angles: matrices_of(-angles),
    ),
    Break("hand mirrored (z)", "the map has the other hand: mirrored along z it fits", _between(1.0, 1.0, -1.0)),
    Break("hand mirrored (y)", "the map has the other hand: mirrored along y it fits", _between(1.0, -1.0, 1.0)),
    Break("hand mirrored (x)", "the map has the other hand: mirrored along x it fits", _between(-1.0, 1.0, 1.0)),
    Break("hand inverted", "the map has the other hand: mirrored at its centre it fits", _between(-1.0, -1.0, -1.0)),
]
SHIFTS = [
    Break("shifts opposite", "the shifts have the opposite sign", Shift(1.0, 1)),
    Break("shifts in pixels", "the shifts are pixels, where Å are stated", Shift(-1.0, 0)),
    Break("shifts in pixels, opposite", "the shifts are pixels, where Å are stated, of opposite sign", Shift(1.0, 0)),
    Break("shifts in Å", "the shifts were Å already, and were multiplied by the pixel size", Shift(-1.0, 2)),
    Break("shifts in Å, opposite", "the shifts were Å already, and of opposite sign", Shift(1.0, 2)),
    Break("shifts x and y swapped", "the shifts along x and y stand in each other's place", Shift(-1.0, 1, True)),
    Break("shifts applied", "the images are centred already: the shifts have been applied", Shift(0.0, 1)),
]
PARAMETERS = [
    Break(
        "defocus negative",
        "the defocus has the opposite sign: negative is underfocus, or the CTF is minus ours",
        _negative,
    ),
    Break(
        "defocus U and V swapped",
        "U and V stand in each other's place, or the angle is off by 90 degrees",
        _swapped,
    ),
    Break("defocus angle mirrored", "the angle of U turns the other way, as where y points up", _mirrored),
    Break(
        "defocus angle from y",
        "the angle of U is from y: 90 degrees minus it is meant",
        lambda ctf: _swapped(_mirrored(ctf)),
    ),
]
FILTERS = [
    Break("CTF premultiplied", "the images were multiplied by their CTF", torch.square),
    Break("CTF phase flipped", "the images' phases were flipped: PhaseFlip is not to be done again", torch.abs),
    Break("CTF absent", "the images show no CTF: it was corrected for, or is of other images", torch.ones_like),
]


def says(names: tuple[str, ...]) -> list[str]:
    """What breaks mean, for people."""
    known: Mapping[str, str] = {
        CONTRAST: SAYS_CONTRAST,
        **{each.name: each.says for each in (*IMAGES, *ANGLES, *SHIFTS, *PARAMETERS, *FILTERS)},
    }
    return [known[name] for name in names]
