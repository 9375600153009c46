"""Options of `synthetic`, and the recipe that they make."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import datasets

from builders.archive.builder import files_folder
from builders.errors import OptionError
from builders.hf.features import check_dtype
from builders.io.made.recipe import Noise, Optics, Recipe, Source
from builders.io.made.recipe_file import VERSION
from builders.options import ON_ERROR, check_choice, check_flag, check_integer
from builders.quarantine import check_quarantine
from builders.stacks.rows import Reading
from builders.synthetic import options
from builders.synthetic.facts import facts_of
from builders.synthetic.sources import named, state_of
from builders.synthetic.units import scene_of
from builders.synthetic.written.written import Written, find

_OF_WRITTEN = ("parakeet", "roodmus", "dtype", "on_error", "quarantine", "non_finite")
"""Options of images that other simulators wrote."""
_MOST_ROWS = 2**40
_OF_NO_ROWS = ("num_examples", "shuffle_memory", "endpoints", *_OF_WRITTEN)
"""Options that change no row that is made."""


@dataclass
class SyntheticConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """Options of `synthetic`.

    Attributes:
        structures: what images are of: files of structures (mmCIF, PDB) or of maps (`.mrc`, `.map`, in V), ids; one, a
            list, or a dict that gives classes their names, `{"ribosome": "4v1w"}`.
        unit: what a row is: `"particle"`, `"micrograph"` or `"tomogram"`.
        num_examples: how many rows; None: without end, of streams.
        box_size: pixels of a side of the volumes, and of particles: an even number.
        pixel_size: Å.
        resolution: Å: what volumes are low-passed to; None: as they are.
        density_b_factor: Å², of all atoms of structures instead of their own.
        solvent: whether structures displace water.
        defocus: Å, underfocus positive: a number, or the lowest and the highest of those that are drawn.
        astigmatism: Å: the difference of the two defoci is drawn from 0 to this, its angle uniformly.
        voltage: kV.
        spherical_aberration: mm.
        amplitude_contrast: 0 to 1.
        phase_shift: of a phase plate, degrees.
        b_factor: Å² of the envelope exp(-B k² / 4).
        snr: variance of the clean image over that of all noise in it: a number, or the lowest and the highest of those
            that are drawn; `"auto"`: 0.1, unless there is `dose`; None, and no `dose`: no noise.
        dose: e/Å² of an image: pixels are Poisson counts of electrons.
        ice_snr: variance of the projections over that of white noise that the CTF goes over, too; None: no such noise.
        max_shift: Å: particles lie uniformly within this of the middle, along each axis.
        orientations: `"uniform"`; `{"axes": [[x, y, z], ...], "kappa": number}`, von Mises and Fisher about these
            directions of view; or a table: rows of rot, tilt and psi, or a STAR file that has them.
        contrast: `"dark"`, as raw images are, or `"bright"`.
        clean: whether there is a column `clean`, the images without noise; of tomograms, the volume itself.
        micrograph_shape: pixels `(ny, nx)` of micrographs; default: (1024, 1024).
        particles: how many there are in a micrograph or a tomogram: a number, or the least and the most of those that
            are drawn; default: 50 to 200, or fewer where there is no room, and in tomograms 20 to 40.
        min_distance: Å between the centres of any two of them; default: they do not overlap.
        ice_gradient: how much the ice's thickness changes across a micrograph, relative to its mean: 0 to 2.
        aggregates: how many a micrograph has on average, each of some overlapping particles on top of the others.
        carbon: the probability that a micrograph shows the rim of a hole in carbon.
        frames: of movies `(frames, ny, nx)`; None: micrographs are images.
        frame_dose: e/Å² of a frame, by which particles fade; default: `dose` over `frames`, or 1.
        drift: Å between where the specimen is in a movie's first frame and in its last.
        tomogram_shape: voxels `(nz, ny, nx)` of tomograms; default: (128, 256, 256).
        tilts: degrees about y at which tomograms are seen: the first, the last and the step, or a list of angles other
            than three; default: (-60, 60, 3).
        membranes: how many vesicles a tomogram has on average.
        membrane_radius: Å, the least and the greatest of theirs; default: 200 to 600, or what half of the longest side
            holds.
        segmentation: whether tomograms have a column `segmentation`: 0 for background, label + 1 for particles, and one
            more than there are labels for membranes.
        seed: of all that is drawn.
        endpoints: of the databases of structures, as `structures` has them.
        shuffle_memory: MiB of pixels that a shuffled stream holds at most.
        parakeet: a folder that Parakeet wrote: its images are rows, with what its files say of them, and nothing is
            made. Options above, but for `shuffle_memory`, are of images that are made, those below of such as these.
        roodmus: a folder of Roodmus' micrographs.
        dtype: type of their decoded images; None keeps each file's own.
        on_error: what a file of theirs that is damaged, or lacks its partner, does: `"raise"`, or `"skip"` to leave it
            out, with a warning.
        quarantine: write a table of what was left out (path, tab, reason) here; goes with `on_error="skip"`.
        non_finite: what NaN and infinite pixels of theirs do when an image is read: `"pass"` (one warning) or
            `"raise"`.
    """

    structures: Any = None
    unit: str = "particle"
    num_examples: int | None = None
    box_size: int = 128
    pixel_size: float = 1.5
    resolution: float | None = None
    density_b_factor: float | None = None
    solvent: bool = True
    defocus: float | Sequence[float] = (8000.0, 25000.0)
    astigmatism: float = 0.0
    voltage: float = 300.0
    spherical_aberration: float = 2.7
    amplitude_contrast: float = 0.1
    phase_shift: float = 0.0
    b_factor: float = 0.0
    snr: float | Sequence[float] | str | None = "auto"
    dose: float | None = None
    ice_snr: float | None = None
    max_shift: float = 0.0
    orientations: str | Mapping[str, Any] | Sequence[Sequence[float]] = "uniform"
    contrast: str = "dark"
    clean: bool = False
    micrograph_shape: Sequence[int] | None = None
    particles: int | Sequence[int] | None = None
    min_distance: float | None = None
    ice_gradient: float = 0.0
    aggregates: float = 0.0
    carbon: float = 0.0
    frames: int | None = None
    frame_dose: float | None = None
    drift: float = 0.0
    tomogram_shape: Sequence[int] | None = None
    tilts: Sequence[float] | None = None
    membranes: float = 0.0
    membrane_radius: Sequence[float] | None = None
    segmentation: bool = True
    seed: int = 42
    endpoints: Mapping[str, str] | str | os.PathLike[str] | None = None
    shuffle_memory: int = 512
    parakeet: str | None = None
    roodmus: str | None = None
    dtype: str | None = "float32"
    on_error: str = "raise"
    quarantine: str | None = None
    non_finite: str = "pass"

    download = False  # what it reads is here

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data_files or self.data_dir:
            msg = "synthetic makes images of structures=[...], it reads no data_dir or data_files"
            raise OptionError(msg)
        for name in _DEFAULTS.keys() - {"structures"}:
            setattr(self, name, options.plain(getattr(self, name)))
        self.structures = named(self.structures)
        check_integer("shuffle_memory", self.shuffle_memory, least=1)
        self.cache = files_folder()
        self.written: Written | None = None
        is_written = self.parakeet is not None or self.roodmus is not None
        self._check_kind(is_written)
        if is_written:
            self._check_written()
        else:
            self._check_made()

    def _check_kind(self, is_written: bool) -> None:
        """Refuse options of images that are made together with those of written ones.

        Raises:
            OptionError: names the first of them.
        """
        other = _OF_WRITTEN if not is_written else _DEFAULTS.keys() - {*_OF_WRITTEN, "shuffle_memory"}
        given = [name for name in _DEFAULTS if name in other and getattr(self, name) != _DEFAULTS[name]]
        if given:
            name, value = given[0], getattr(self, given[0])
            goes = "images that are made, of structures=[...]" if is_written else "parakeet= and roodmus="
            msg = f"{name} is {value!r:.100}, which goes with {goes}: expected it without"
            raise OptionError(msg)

    def _check_written(self) -> None:
        self.dtype = check_dtype(self.dtype)
        check_choice("on_error", self.on_error, ON_ERROR)
        check_choice("non_finite", self.non_finite, ("pass", "raise"))
        self.quarantine = check_quarantine(self.quarantine, self.on_error)
        self.written = find(self.parakeet, self.roodmus, self.on_error == "skip")

    def _check_made(self) -> None:
        check_choice("unit", self.unit, options.UNITS)
        if self.num_examples is not None:
            what = "a number of rows (streams without it have no end)"
            options.check_count("num_examples", self.num_examples, 1, _MOST_ROWS, what)
        check_integer("box_size", self.box_size, least=8)
        options.check_count("seed", self.seed, 0, 2**63 - 1)
        options.check_box(self.box_size)
        for name in options.NUMBERS:
            setattr(self, name, options.check_number(name, getattr(self, name)))
        self.defocus = options.check_between("defocus", self.defocus)
        self.noise = options.check_noise(self.snr, self.dose, self.ice_snr)
        self.turns = options.check_orientations(self.orientations)
        options.check_shift(self.max_shift, self.box_size * self.pixel_size)
        check_choice("contrast", self.contrast, ("dark", "bright"))
        for flag in ("clean", "solvent", "segmentation"):
            check_flag(flag, getattr(self, flag))
        self.scene = scene_of(self.unit, {name: getattr(self, name) for name in _DEFAULTS}, _DEFAULTS)
        if self.endpoints is not None and not isinstance(self.endpoints, str | os.PathLike | Mapping):
            msg = f"endpoints is {self.endpoints!r:.200}: expected a dict of bases by service, or a folder"
            raise OptionError(msg)

    def recipe(self, labels: Sequence[str], sources: Sequence[Source]) -> Recipe:
        """How rows are made of some volumes."""
        named = {field.name for field in fields(Optics)} - {"defocus"}
        assert isinstance(self.defocus, tuple)
        return Recipe(
            self.unit,
            int(self.seed),
            int(self.box_size),
            self.pixel_size,
            tuple(labels),
            tuple(sources),
            Optics(self.defocus, **{name: getattr(self, name) for name in named}),
            Noise(*self.noise),
            self.max_shift,
            self.turns,
            self.contrast,
            self.scene,
        )

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Name the cache folder for the options and for the state of all files: it is never stale."""
        unnamed = ("shuffle_memory", "parakeet", "roodmus", "quarantine", "structures")
        kept = {name: value for name, value in config_kwargs.items() if name not in unnamed}
        kept |= {"state": self.state if self.written is None else self.written.version}
        return str(super().create_config_id(kept, custom_features=custom_features))

    @property
    def reading(self) -> Reading:
        """How files of images that were written become rows."""
        assert self.written is not None
        wants_complex = self.dtype is None or "complex" in self.dtype
        return Reading("synthetic", self.written.name, (), "slice", "slice", wants_complex, self.on_error)

    @property
    def state(self) -> str:
        """What tells the recipe from all others: the options that rows follow from, and the versions of files."""
        told = {name: getattr(self, name) for name in _DEFAULTS if name not in (*_OF_NO_ROWS, "structures")}
        return repr([VERSION, told | {"orientations": self.turns}, state_of(self.structures)])

    def facts(self, labels: Sequence[str]) -> dict[str, str]:
        """What `datasets` keeps beside the rows: that they are made, of what and how.

        Args:
            labels: names of the classes.
        """
        given = {name: getattr(self, name) for name in _DEFAULTS if name not in ("structures", *_OF_NO_ROWS)}
        told = {name: value for name, value in given.items() if value != _DEFAULTS[name] or name == "seed"}
        return facts_of(self.structures, labels, told)


_DEFAULTS = {
    field.name: field.default
    for field in fields(SyntheticConfig)
    if field.name not in {inherited.name for inherited in fields(datasets.BuilderConfig)}
}
"""Options of this builder's own."""
