"""A recipe: what there is to say of images that are made, and the file that says it."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Between = tuple[float, float]
"""The lowest and the highest of values that are drawn uniformly; twice the same: that one."""


@dataclass(frozen=True)
class Source:
    """A volume that particles are projections of.

    Attributes:
        file: beside the recipe: `.npy`, float32 `(n, n, n)`, `(z, y, x)`, V; voxels of the recipe's pixel size.
        label: number of its class.
        state: which state (model, alternate location) of the class, from 0.
    """

    file: str
    label: int
    state: int


@dataclass(frozen=True)
class Optics:
    """The microscope, as RELION names it.

    Attributes:
        defocus: Å, underfocus positive: the mean of U and V.
        astigmatism: Å: U - V is drawn from 0 to this, its angle uniformly.
        voltage: kV.
        spherical_aberration: mm.
        amplitude_contrast: 0 to 1.
        phase_shift: degrees.
        b_factor: Å² of the envelope exp(-B k² / 4).
    """

    defocus: Between = (8000.0, 25000.0)
    astigmatism: float = 0.0
    voltage: float = 300.0
    spherical_aberration: float = 2.7
    amplitude_contrast: float = 0.1
    phase_shift: float = 0.0
    b_factor: float = 0.0


@dataclass(frozen=True)
class Noise:
    """What is added: `snr` or `dose`, or neither.

    Attributes:
        snr: variance of the clean image over that of all noise in it.
        dose: e/Å² of an image: its pixels are Poisson counts of electrons.
        ice_snr: variance of the projections over that of white noise which is added before the CTF; None: no such.
    """

    snr: Between | None = None
    dose: float | None = None
    ice_snr: float | None = None


@dataclass(frozen=True)
class Recipe:
    """How images are made.

    Attributes:
        unit: `"particle"`, `"micrograph"` or `"tomogram"`.
        seed: of all that is drawn.
        box_size: pixels of a side of the sources.
        pixel_size: Å.
        labels: names of the classes.
        sources: what is there to be seen, all alike likely by class, then by state.
        optics: the microscope.
        noise: what is added.
        max_shift: Å: particles lie uniformly within this of the middle, along each axis.
        orientations: `{"kind": "uniform"}`, `{"kind": "axes", "axes": [[x, y, z], ...], "kappa": number}` (von Mises
            and Fisher about directions of view, equally likely), or `{"kind": "table", "angles": [[rot, tilt, psi],
            ...]}` (one of them, equally likely).
        contrast: `"dark"`, as raw images are, or `"bright"`.
        scene: what units other than particles have besides, options of their makers.
        version: of the arithmetic that makes rows of it.
    """

    unit: str
    seed: int
    box_size: int
    pixel_size: float
    labels: tuple[str, ...]
    sources: tuple[Source, ...]
    optics: Optics = field(default_factory=Optics)
    noise: Noise = field(default_factory=Noise)
    max_shift: float = 0.0
    orientations: dict[str, Any] = field(default_factory=lambda: {"kind": "uniform"})
    contrast: str = "dark"
    scene: dict[str, Any] = field(default_factory=dict)
    version: int = 1

    def text(self) -> str:
        """The JSON that its file holds."""
        return json.dumps({"perc_recipe": self.version} | asdict(self), sort_keys=True)

    @cached_property
    def digest(self) -> str:
        """What tells it from all others: the version of references to its rows."""
        return hashlib.blake2b(self.text().encode(), digest_size=16).hexdigest()

    @cached_property
    def angles(self) -> NDArray[np.float32]:
        """The table of orientations, `(rows, 3)`."""
        return np.asarray(self.orientations["angles"], np.float32)
