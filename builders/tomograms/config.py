"""Options of `tomograms`, and the tomograms that they ask for."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Any

import datasets

from builders.archive.builder import files_folder
from builders.archive_licences import ARCHIVES, entry_of
from builders.errors import OptionError
from builders.hf.features import check_dtype
from builders.options import (
    EDGES,
    ON_ERROR,
    READ_WITH,
    check_box_size,
    check_choice,
    check_flag,
    check_fraction,
    check_integer,
    check_pixel_size,
    check_positive,
)
from builders.quarantine import check_quarantine
from builders.stacks.rows import Reading
from builders.tomograms import options
from builders.tomograms.sources import Asked, Found, find

_OF_NO_ROWS = ("archive", "api", "quarantine", "shuffle_memory", "data_dir", "copick", "portal")
"""Options that do not tell datasets apart, or whose meaning is told otherwise."""
_UNTOLD = ("entry", *_OF_NO_ROWS, "download", "on_error", "on_missing", "non_finite")
"""Options that a description of rows does not name: they make no row, or are of one machine."""


@dataclass
class TomogramsConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """Options of `tomograms`.

    One of `data_dir`, `entry`, `copick` and `portal` names the source.

    Attributes:
        data_dir: a folder of `.mrc` and `.rec` files and OME-Zarr groups, with picks and masks.
        entry: an entry of EMPIAR, such as `10943`.
        copick: path or URL of the config JSON of a copick project.
        portal: folder, or address, that holds datasets as the CryoET Data Portal lays them out.
        directory: of an entry: the path inside it that tomograms are below.
        pattern: of an entry: a glob of their paths below that.
        archive: base URL of another server, or folder of a mirror, that holds `<entry>/data/...`.
        api: base URL of the archive's API.
        tomogram: which reconstruction, where there are several: copick's `type` or `type@spacing`, the portal's name of
            it; in a folder, a glob.
        level: which level of a pyramid, from 0, the finest and the default.
        pixel_size: Å of a voxel: the level that has it, within 2 %; of files that do not say it, their own.
        unit: what a row is: `"tomogram"`; `"tile"`, a box of a grid that covers it; `"subtomogram"`, a cube at a pick.
        tile: voxels of a tile's sides, or of each, (z, y, x).
        overlap: voxels that neighbouring tiles have in common, or along each axis, (z, y, x).
        picks: which picks: copick's `object:user/session`, the portal's names of objects, in a folder paths or globs; a
            list of these, or `"*"`: all that there are. In a folder also a dict, `{"rod": "rods/*.star"}`, of the class
            of those picks whose files tell none (STAR files, Dynamo's tables, often CSV and IMOD's models), which are
            all `"particle"` without it.
        picks_pixel_size: Å of a voxel of tables whose coordinates are in voxels, where these are others than the
            tomogram's.
        classes: take only picks of these, and give them the ids 0, 1, ...; default: all, in the project's order or
            naturally sorted.
        box_size: of a subtomogram's sides: voxels, or Å as in `"400 Å"`.
        edge: what a tile or a cube that reaches beyond its tomogram does: `"fill"`, with the background's mean, or
            `"drop"`.
        align: cut cubes upright by their picks' rotations, with one interpolation: what was picked comes as it stands,
            its centre at voxel `n // 2`.
        background: so many cubes of each tomogram without a pick, of the class `"background"`, the last one.
        background_distance: Å that their centres are from every pick at the least, also from those of classes that are
            not taken; default: a side of the cube.
        segmentation: masks in a column `segmentation`: copick's `name:user/session@spacing`, the portal's names, in a
            folder a path or glob; of a list of names, in columns `segmentation_NAME`.
        pairs: the two halves of a tomogram, of even and odd frames or tilts, as `image` and `target`.
        tomograms: names of those that are wanted; default: all.
        validation_fraction: move that share of the tomograms to a split `validation`.
        seed: decides which, and where the background is.
        dtype: type of the decoded images; None keeps each file's own.
        download: bring the files into the cache first.
        on_error: what a tomogram that is damaged or not there, or a pick outside of its tomogram does: `"raise"`, or
            `"skip"` to leave it out, with a warning.
        on_missing: what a chunk of Zarr that is not there does: `"zeros"`, counted with a warning, or `"raise"`.
        quarantine: write a table of what was left out (path, tab, reason) here; goes with `on_error="skip"`.
        non_finite: what NaN and infinite voxels do when an image is read: `"pass"` (one warning) or `"raise"`.
        shuffle_memory: MiB of voxels, as they are in their files, that a shuffled stream holds at most; of chunks of
            Zarr that further rows need, a stream keeps half as many besides, at most 256.
    """

    data_dir: str | None = None
    entry: int | str | None = None
    copick: str | None = None
    portal: str | None = None
    directory: str = ""
    pattern: str | None = None
    archive: str | None = None
    api: str | None = None
    tomogram: str | None = None
    level: int | None = None
    pixel_size: float | None = None
    unit: str = "tomogram"
    tile: int | Sequence[int] | None = None
    overlap: int | Sequence[int] = 0
    picks: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None
    picks_pixel_size: float | None = None
    classes: Sequence[str] | None = None
    box_size: int | str | None = None
    edge: str = "fill"
    align: bool = False
    background: int = 0
    background_distance: float | None = None
    segmentation: str | Sequence[str] | None = None
    pairs: bool = False
    tomograms: Sequence[str] | None = None
    validation_fraction: float | None = None
    seed: int = 42
    dtype: str | None = "float32"
    download: bool = False
    on_error: str = "raise"
    on_missing: str = "zeros"
    quarantine: str | None = None
    non_finite: str = "pass"
    shuffle_memory: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data_files:
            msg = "tomograms reads data_dir='FOLDER', entry=, copick= or portal=, not data_files: tomogram= is a glob"
            raise OptionError(msg)
        self._check_values()
        self._check_together()
        self.quarantine = check_quarantine(self.quarantine, self.on_error)
        self.cache = files_folder()
        words, labels = options.words_of(self.picks)
        self.asked = Asked(
            **{name: getattr(self, name) for name in ("entry", "copick", "portal", "directory", "pattern", "archive")},
            **{name: getattr(self, name) for name in ("api", "tomogram", "level", "pixel_size", "pairs", "on_error")},
            data_dir=self.data_dir,
            picks=words,
            labels=labels,
            picks_pixel_size=self.picks_pixel_size,
            segmentation=tuple(self.segmentation or ()),
            tomograms=None if self.tomograms is None else tuple(self.tomograms),
            cache=self.cache,
        )

    def _check_values(self) -> None:
        """Check each option by itself, and keep it in the form in which it is used."""
        for name, what in options.TEXTS.items():
            setattr(self, name, options.check_text(name, getattr(self, name), what))
        if not isinstance(self.directory, str):
            msg = f"directory is {self.directory!r}: expected a path inside the entry"
            raise OptionError(msg)
        check_choice("unit", self.unit, options.UNITS)
        self.tile_sides = options.check_tile(self.tile)
        self.overlap_sides = options.check_overlap(self.overlap, self.tile_sides)
        self.box = check_box_size(self.box_size)
        self.pixel_size = check_pixel_size(self.pixel_size)
        self.picks_pixel_size = check_positive("picks_pixel_size", self.picks_pixel_size, "Å")
        self.background_distance = check_positive("background_distance", self.background_distance, "Å")
        self.picks = options.check_picks(self.picks)
        for name, what in (("segmentation", "the mask"), ("classes", "the class")):
            setattr(self, name, options.check_names(name, getattr(self, name), what))
        self.tomograms = options.check_names("tomograms", self.tomograms, "the tomogram")
        if self.level is not None:
            check_integer("level", self.level, least=0)
        for name, least in (("background", 0), ("seed", 0), ("shuffle_memory", 1)):
            check_integer(name, getattr(self, name), least=least)
        if self.validation_fraction is not None:
            check_fraction("validation_fraction", self.validation_fraction)
        self.dtype = check_dtype(self.dtype)
        choices = {"edge": EDGES, "on_error": ON_ERROR, "on_missing": options.ON_MISSING}
        for name, allowed in {**choices, "non_finite": ("pass", "raise")}.items():
            check_choice(name, getattr(self, name), allowed)
        for flag in ("align", "pairs", "download"):
            check_flag(flag, getattr(self, flag))

    def _check_together(self) -> None:
        named = {*options.ONLY_FOR, "picks", "classes", "picks_pixel_size"}
        defaults = {name: (getattr(self, name), getattr(type(self), name)) for name in named}
        options.check_meaning(self.unit, defaults)

    @functools.cached_property
    def found(self) -> Found:
        """The tomograms, with what belongs to them.

        Raises:
            PercError: as `sources.find`.
        """
        return find(self.asked)

    @property
    def reading(self) -> Reading:
        """How files become rows."""
        wants_complex = self.dtype is None or "complex" in self.dtype
        own = "volume", "file", wants_complex, self.on_error
        return Reading("tomograms", self.found.name, (), *own, strict=self.on_missing == "raise")

    @property
    def mask_columns(self) -> dict[str, str]:
        """The columns of masks, and what was asked for in each."""
        asked = list(self.segmentation or ())
        if len(asked) == 1:
            return {"segmentation": asked[0]}
        return {f"segmentation_{options.column_name(name)}": name for name in asked}

    @property
    def facts(self) -> dict[str, str]:
        """What `datasets` keeps beside the rows: the source, the options that made them, an entry's citation."""
        given = {name: getattr(self, name) for name in _DEFAULTS if name not in _UNTOLD}
        told = ", ".join(f"{name}={value!r}" for name, value in given.items() if value != _DEFAULTS[name])
        entry = None if self.entry is None else entry_of("empiar", f"EMPIAR-{self.entry}")
        place = self.data_dir or self.copick or self.portal or self.found.name
        name = PurePath(str(place)).name if entry is None else entry.name
        description = "\n".join(filter(None, (f"Tomograms of {name}", told and f"{READ_WITH}{told}")))
        if entry is None:
            return {"description": description}
        citation = f"{entry.name}, https://doi.org/{entry.doi}"
        return {
            "description": description,
            "citation": citation,
            "homepage": entry.url,
            "license": ARCHIVES["empiar"].license,
        }

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Name the cache folder for the options and for the state of all files: it is never stale."""
        kept = {k: v for k, v in config_kwargs.items() if k not in _OF_NO_ROWS}
        kept |= {"source": self.found.version, "reading": repr(self.reading)}
        return str(super().create_config_id(kept, custom_features=custom_features))


_DEFAULTS = {
    field.name: field.default
    for field in fields(TomogramsConfig)
    if field.name not in {inherited.name for inherited in fields(datasets.BuilderConfig)}
}
"""Options of this builder's own."""
