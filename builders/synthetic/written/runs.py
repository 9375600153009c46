"""A run of a simulator: a stack of images, the sample that it shows, and all that is known of each image."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.reports import report_once
from builders.stacks.files import SourceFile
from builders.synthetic.written.configs import Config, Floats, Molecules
from builders.synthetic.written.geometry import Seen, View
from builders.synthetic.written.names import labels_of
from builders.synthetic.written.stacks import Stack

_NEAR = 1e-3


@dataclass(frozen=True, slots=True)
class Run:
    """A stack and its sample.

    Attributes:
        name: of the stack: its path without a suffix.
        file: of the stack.
        stack: what it says; nothing is missing in `told`.
        config: what was asked of the program; None where it is not there.
        molecules: of the sample.
        labels: of each of their kinds.
        centre: of the sample, x, y, z, Å.
        axes: `(images, 3)`, of length 1, or 0 where the sample is not turned.
        binning: pixels of the detector, along a side, that are one of the images.
        pixel_size: of the images, Å.
    """

    name: str
    file: SourceFile
    stack: Stack
    config: Config | None
    molecules: Molecules
    labels: tuple[str, ...]
    centre: Floats
    axes: Floats
    binning: int
    pixel_size: float

    @property
    def count(self) -> int:
        """How many images there are."""
        return self.stack.shape[0]

    @property
    def is_tilted(self) -> bool:
        """Whether its images are those of a tilt series."""
        angles = self.stack.told["tilt_alpha"]
        return self.has_axis and bool((angles != angles[0]).any())

    @property
    def has_axis(self) -> bool:
        """Whether the sample is turned about one axis in all images, or not at all."""
        turned = self.axes[np.abs(self.axes).max(1) > 0]
        return not len(turned) or bool((np.abs(turned - turned[0]) < _NEAR).all())

    @property
    def ranks(self) -> NDArray[np.int64]:
        """Of each image, how many were taken before it, fractions counting as images."""
        images, fractions = (self.stack.told[name].astype(np.int64) for name in ("image_number", "fraction_number"))
        ranks: NDArray[np.int64] = images * (int(fractions.max()) + 1) + fractions
        return ranks

    @property
    def pre_exposures(self) -> Floats:
        """e/Å² before each image; NaN where images are missing whose dose is not that of all others."""
        doses, ranks = self.stack.told["dose"], self.ranks
        if (doses == doses[0]).all():
            return doses * ranks
        order = np.argsort(ranks, kind="stable")
        if not (ranks[order] == np.arange(len(ranks))).all():
            return np.full(len(doses), np.nan)
        sums = np.cumsum(doses[order]) - doses[order]
        exposures: Floats = sums[np.argsort(order)]
        return exposures

    def seen(self, image: int) -> Seen:
        """The molecules in an image."""
        told, config = self.stack.told, self.config
        names = (("shift_x", "shift_offset_x"), ("shift_y", "shift_offset_y"), ("stage_z", "stage_offset_z"))
        shift = np.array([sum(float(told[name][image]) for name in both if name in told) for both in names])
        turn = self.axes[image] * np.radians(told["tilt_alpha"][image])
        origin = np.zeros(2) if config is None else config.origin
        own = self.pixel_size, self.binning, self.stack.shape[1:]
        positions = self.molecules.positions
        if config is not None and config.drift.any():  # a step before each fraction, the first one, too
            positions = positions + np.append((self.ranks[image] + 1) * config.drift, 0)
        return View(self.centre, turn, shift, origin, *own).of(positions, self.molecules.orientations)


def run_of(file: SourceFile, stack: Stack, config: Config | None, sample: tuple[Molecules, Floats] | None) -> Run:
    """A stack with all that belongs to it.

    Args:
        file: of the stack.
        stack: what it says.
        config: of the program; None where it is not there.
        sample: molecules and their centre; None: the configuration's.

    Raises:
        FormatError: what is known does not suffice, or contradicts itself.
    """
    if sample is None and (config is None or config.molecules is None):
        why = "neither a sample nor a configuration beside it" if config is None else f"{config.name}: {config.unknown}"
        msg = f"{file.path}: {why}: expected sample.h5, or a configuration with a position and an orientation of each"
        raise FormatError(msg)
    if sample is None:
        assert config is not None
        assert config.molecules is not None
        sample = config.molecules, config.centre
    molecules, centre = sample
    stack = _filled(stack, config, file.path)
    pixel_size, binning = _pixels(stack, config, file.path)
    if config is not None and config.velocity:
        said = f"molecules moved by {config.velocity:g} Å a fraction, in directions that no file tells"
        report_once(f"{said}: picks are where they began", config.name)
    labels = labels_of(molecules.names, () if config is None else config.files)
    name = file.path.rpartition(".")[0]
    return Run(
        name, file, stack, config, molecules, labels, centre, _axes(stack, config, file.path), binning, pixel_size
    )


def _filled(stack: Stack, config: Config | None, path: str) -> Stack:
    """A stack whose images are known, of what the configuration says where the file does not."""
    told, count = dict(stack.told), stack.shape[0]
    if not told:
        if config is None or config.mode != "still" or count % config.fractions:
            how = "nothing tells them" if config is None else f"{config.name} has mode {config.mode!r}, "
            how += "" if config is None else f"{config.fractions} fractions an image"
            msg = f"{path}: {count} images without Parakeet's extended header, and {how}: expected stills"
            raise FormatError(msg)
        numbers = np.arange(count, dtype=np.float64)
        told |= {"image_number": numbers // config.fractions, "fraction_number": numbers % config.fractions}
        x, y, z = config.axis * config.place
        same = {"tilt_alpha": config.angle, "shift_x": x, "shift_y": y, "stage_z": z, "c_10": config.defocus}
        same |= {"energy": config.voltage, "dose": config.dose / config.fractions}
        told |= {name: np.full(count, value) for name, value in same.items()}
    for name, known in (("c_12", "astigmatism"), ("phi_12", "azimuth"), ("c_30", "spherical_aberration")):
        if name not in told:
            value = 0.0 if name != "c_30" else np.nan
            told[name] = np.full(count, value if config is None else getattr(config, known))
    return replace(stack, told=told)


def _pixels(stack: Stack, config: Config | None, path: str) -> tuple[float, int]:
    """The pixel size of images, and how many of the detector's pixels are one of theirs."""
    if config is None:
        if stack.pixel_size is None:
            msg = f"{path}: no pixel size: expected a number above 0, or a configuration beside it"
            raise FormatError(msg)
        return stack.pixel_size, 1
    size = stack.pixel_size or config.pixel_size
    times = size / config.pixel_size
    binning = max(1, round(times))
    ny, nx = config.shape
    if abs(times - binning) > _NEAR * binning or (ny // binning, nx // binning) != stack.shape[1:]:
        own = f"{stack.shape[1]} x {stack.shape[2]} pixels of {size:g} Å"
        msg = f"{path}: images of {own}, where {config.name} has {ny} x {nx} of {config.pixel_size:g} Å: "
        msg += "expected all of the detector, binned or not"
        raise FormatError(msg)
    return size, binning


def _axes(stack: Stack, config: Config | None, path: str) -> Floats:
    """What the sample is turned about, as vectors of length 1; Parakeet's default where nothing tells it."""
    axes = stack.axes
    if axes is None and config is not None and config.mode == "single_particle":
        msg = (
            f"{path}: {config.name} has mode 'single_particle', whose axes MRC files do not keep: expected the .h5 file"
        )
        raise FormatError(msg)
    if axes is None:
        axis = np.array([0.0, 1.0, 0.0]) if config is None else config.axis
        axes = np.broadcast_to(axis / (np.linalg.norm(axis) or 1), (stack.shape[0], 3))
    return axes
