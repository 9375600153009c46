"""Parakeet's configurations: what files of images do not say of the microscope and of the sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.synthetic.written.documents import Section, read_yaml

Floats = NDArray[np.float64]

_MOST = 1_000_000
"""Molecules of a sample."""


@dataclass(frozen=True, slots=True)
class Molecules:
    """What lies in a sample.

    Attributes:
        names: of the kinds, as the source spells them.
        kinds: of each molecule, the number of its kind.
        positions: `(N, 3)`: x, y, z in Å from the sample's corner.
        orientations: `(N, 3)`: rotation vectors, radians, of the structure about its centre.
    """

    names: tuple[str, ...]
    kinds: NDArray[np.int64]
    positions: Floats
    orientations: Floats


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration says, with the program's own defaults for what it does not.

    Attributes:
        name: of the file.
        centre: of the sample, about which it is turned: x, y, z, Å.
        origin: of the detector: x, y, Å.
        pixel_size: of the detector, Å.
        shape: `(ny, nx)` of the detector.
        voltage: kV.
        defocus: c_10, Å: negative is underfocus.
        astigmatism: c_12, Å.
        azimuth: phi_12, degrees as the program uses it.
        spherical_aberration: mm.
        phase_shift: degrees; 0 where the phase plate is off.
        dose: e/Å² of an image, all of its fractions together.
        mode: of the scan.
        axis: that the sample is turned about.
        angle: degrees: where the scan begins.
        place: Å along the axis: where it begins.
        fractions: of an image.
        drift: of all molecules: x, y, Å a fraction.
        velocity: Å a fraction, in a direction that is not kept.
        files: names of the structures, as they are spelt.
        molecules: None where they are not told: `unknown` says why.
        unknown: why they are not, in words.
    """

    name: str
    centre: Floats
    origin: Floats
    pixel_size: float
    shape: tuple[int, int]
    voltage: float
    defocus: float
    astigmatism: float
    azimuth: float
    spherical_aberration: float
    phase_shift: float
    dose: float
    mode: str
    axis: Floats
    angle: float
    place: float
    fractions: int
    drift: Floats
    velocity: float
    files: tuple[str, ...]
    molecules: Molecules | None
    unknown: str


def read_config(place: str, name: str) -> Config:
    """A configuration of a file.

    Raises:
        FormatError: it is none, or a value is none that it can have.
    """
    return config_of(read_yaml(place, name))


def config_of(document: Section) -> Config:
    """A configuration of a document; see `read_config`."""
    sample, microscope, scan = (document.section(key) for key in ("sample", "microscope", "scan"))
    detector, lens, beam = (microscope.section(key) for key in ("detector", "lens", "beam"))
    plate, motion = microscope.section("phase_plate"), sample.section("motion")
    centre = _given(sample.vector("centre", 3), (500, 500, 500))
    pixel_size = detector.number("pixel_size", 1)
    if not pixel_size > 0:
        msg = f"{document.name}: microscope.detector.pixel_size is {pixel_size:g}: expected a number above 0"
        raise FormatError(msg)
    files, molecules, unknown = _molecules(sample.section("molecules"), centre)
    return Config(
        name=document.name,
        centre=centre,
        origin=_given(detector.vector("origin", 2), (0, 0)),
        pixel_size=pixel_size,
        shape=(detector.count("ny", 1000), detector.count("nx", 1000)),
        voltage=beam.number("energy", 300),
        defocus=lens.number("c_10", -20000),
        astigmatism=lens.number("c_12", 0),
        azimuth=lens.number("phi_12", 0),
        spherical_aberration=lens.number("c_30", 2.7),
        phase_shift=plate.number("phase_shift", 90) if plate.flag("use") else 0.0,
        dose=beam.number("electrons_per_angstrom", 140),
        mode=scan.text("mode", "still"),
        axis=_given(scan.vector("axis", 3), (0, 1, 0)),
        angle=scan.number("start_angle", 0),
        place=0.0 if isinstance(scan.values.get("start_pos"), list) else scan.number("start_pos", 0),
        fractions=max(1, scan.count("num_fractions", 1)),
        drift=_given(motion.vector("global_drift", 2), (0, 0)),
        velocity=motion.number("velocity", 0),
        files=files,
        molecules=molecules,
        unknown=unknown,
    )


def _given(vector: Floats | None, default: Sequence[float]) -> Floats:
    return np.array(default, float) if vector is None else vector


def _molecules(section: Section, centre: Floats) -> tuple[tuple[str, ...], Molecules | None, str]:
    """Names of structures, and their molecules where these are told, or why they are not.

    One molecule alone that has no pose lies in the centre, as it is: so the program places it.
    """
    kinds = [(one, one.text("filename")) for one in section.sections("local")]
    kinds += [(one, one.text("id")) for one in section.sections("pdb")]
    names = tuple(name for _, name in kinds)
    total = sum(_count(one) for one, _ in kinds)
    if total > _MOST:
        msg = f"{section.name}: {total} molecules: expected at most {_MOST}"
        raise FormatError(msg)
    told = [_instances(one) for one, _ in kinds]
    if total == 1:
        told = [[(_given(p, centre.tolist()), _given(o, (0, 0, 0))) for p, o in poses] for poses in told]
    poses = [pose for own in told for pose in own]
    lacking = sum(position is None or orientation is None for position, orientation in poses)
    if lacking or not poses:
        why = f"{lacking} of {total} molecules have no position or orientation" if poses else "no molecules"
        return names, None, why
    numbers = np.repeat(np.arange(len(told)), [len(own) for own in told])
    positions = np.array([position for position, _ in poses])
    return names, Molecules(names, numbers, positions, np.array([orientation for _, orientation in poses])), ""


def _count(section: Section) -> int:
    """How many molecules of a kind there are."""
    found = section.values.get("instances")
    return len(found) if isinstance(found, list) else section.count("instances", 1)


def _instances(section: Section) -> "list[tuple[Floats | None, Floats | None]]":
    """Positions and orientations, None where they are drawn when the program runs."""
    if not isinstance(section.values.get("instances"), list):
        return [(None, None)] * _count(section)
    each = section.sections("instances")
    return [(one.vector("position", 3), one.vector("orientation", 3)) for one in each]
