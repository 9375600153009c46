"""Options of `tilt_series`, and what they say of a source: its files, and how these become rows."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import pyarrow as pa

from builders.archive.archive import Archive
from builders.archive.builder import files_folder
from builders.archive.catalogue import entry_number
from builders.archive.named.places import Place, place_of
from builders.archive_licences import ARCHIVES, entry_of
from builders.hf.features import check_dtype
from builders.options import ON_ERROR, check_choice, check_flag, check_integer, check_pixel_size, check_positive
from builders.quarantine import check_quarantine
from builders.stacks.movies.development import Development
from builders.stacks.movies.options import NAMES, MovieOptions
from builders.stacks.rows import Reading
from builders.tilt_series import movies, options
from builders.tilt_series.columns import TILT, TILT_SERIES
from builders.tilt_series.files import listing
from builders.tilt_series.relion import Project
from builders.tilt_series.sources import Asked, Files, Relion, Source

_OF_NO_ROWS = ("data_dir", "star", "root", "archive", "quarantine", "shuffle_memory", *NAMES)
"""Options that do not tell datasets apart, or whose meaning is told otherwise."""


@dataclass
class TiltSeriesConfig(MovieOptions, datasets.BuilderConfig):  # type: ignore[misc]
    """Options of `tilt_series`.

    Attributes:
        data_dir: a folder with images and their tables: `.mdoc`, `.rawtlt`, `.tlt`, `.xf`, `.aln`, Warp's `.xml`.
        entry: an entry of EMPIAR that has such: `10499` or `"EMPIAR-10499"`.
        star: RELION 5's `tilt_series.star` or `tomograms.star`, or an optimisation set, of this machine or
            `empiar://ENTRY/path`.
        root: folder that names in `star` are relative to; without, the table's own folder and those above it.
        directory: a path inside the entry. Default: `data`.
        pattern: which images, a glob of their paths below the folder or directory; tables are found whatever it says.
        recursive: look into folders, too.
        unit: what a row is: `"tilt"`, an image; `"tilt_series"`, a series `(tilts, ny, nx)`.
        order: of images: `"angle"`, rising, or `"acquisition"`, as they were taken.
        images: `"stack"`, sections of stacks, numbered as in `.mdoc` files; `"tilt"`, a file an image, as these name
            them; `"auto"`: stacks where there are any, but files where an option of movies is given, or where `.mdoc`
            files name some that are there and none is called as a stack with `.mdoc` behind it.
        tilt_series: names of the series that are wanted. Default: all.
        exposure: e/Å² of an image where no table tells it; what was before adds up in the order of acquisition.
        negated: Warp's tilt angles are minus the stage's, as WarpTools writes them; False: they are not, as with its
            `--dont_invert`.
        pixel_size: Å per pixel where neither a file nor a table says it.
        dtype: type of the decoded images; None keeps each file's own.
        download: bring the images into the cache first.
        on_error: what is damaged or missing does: `"raise"`, or `"skip"` to leave it out, with a warning; of
            `unit="tilt_series"`, the whole series.
        quarantine: write a table of what was left out (path, tab, reason) here; goes with `on_error="skip"`.
        non_finite: what NaN and infinite pixels do when an image is read: `"pass"` (one warning) or `"raise"`.
        shuffle_memory: MiB of pixels, as they are in their files, that a shuffled stream holds at most.
        archive: base URL of another server, or folder of a mirror, that holds `<entry>/data/...`.
    """

    data_dir: str | None = None
    entry: int | str | None = None
    star: str | None = None
    root: str | None = None
    directory: str | None = None
    pattern: str | None = None
    recursive: bool = True
    unit: str = "tilt"
    order: str = "angle"
    images: str = "auto"
    tilt_series: Sequence[str] | None = None
    exposure: float | None = None
    negated: bool = True
    pixel_size: float | None = None
    dtype: str | None = "float32"
    download: bool = False
    on_error: str = "raise"
    quarantine: str | None = None
    non_finite: str = "pass"
    shuffle_memory: int = 512
    archive: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        named = options.check_source(self)
        for name, allowed in (("unit", options.UNITS), ("order", options.ORDERS), ("images", options.IMAGES)):
            check_choice(name, getattr(self, name), allowed)
        self.check_movies("file")
        self.tilt_series = options.check_names(self.tilt_series)
        self.exposure = check_positive("exposure", self.exposure, "e/Å²")
        self.pixel_size = check_pixel_size(self.pixel_size)
        self.dtype = check_dtype(self.dtype)
        check_choice("on_error", self.on_error, ON_ERROR)
        self.quarantine = check_quarantine(self.quarantine, self.on_error)
        check_choice("non_finite", self.non_finite, ("pass", "raise"))
        check_integer("shuffle_memory", self.shuffle_memory, least=1)
        for flag in ("recursive", "negated", "download"):
            check_flag(flag, getattr(self, flag))
        self._folder = files_folder()
        self.source = self._source(named)

    def _source(self, named: str) -> Source:
        """Where series come from."""
        pattern = options.check_pattern(self.pattern)
        images = "tilt" if self.images == "auto" and movies.asked_for(self) else self.images
        asked = Asked(images, self.on_error == "skip", self.exposure, self.pixel_size, self.negated)
        self._places: list[Place] = []
        if named == "star":
            self._places = [options.check_star(self.star)]
            root = None if self.root is None else place_of("root", self.root)
            self._places += [] if root is None else [root]
        self.archive = options.check_archive(self.archive, named, self._places)
        self._archive = Archive(self.archive)
        if named == "star":
            root = self._places[1] if len(self._places) > 1 else None
            project = Project(self._places[0], root, self._archive, skip=asked.skip, cache=self._folder)
            return Relion(project, asked)
        if named == "data_dir":
            folder = self.data_dir = options.check_folder(self.data_dir)
            return Files(folder, lambda: listing.of_folder(folder, pattern, self.recursive), asked)
        entry = self.entry = entry_number(self.entry or "")
        where = self._archive, entry, options.check_directory(self.directory), pattern, self.recursive
        return Files(f"EMPIAR-{self.entry}", lambda: listing.of_entry(*where, self._folder), asked)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns besides `image`, `path` and `index`."""
        return TILT if self.unit == "tilt" else TILT_SERIES

    @functools.cached_property
    def reading(self) -> Reading:
        """How files become rows."""
        wants_complex = self.dtype is None or "complex" in self.dtype
        item = "slice" if self.source.has_stacks else "file"
        size = self.pixel_size
        how = item, wants_complex, self.on_error, None, size, self._developed
        return Reading("tilt_series", self.source.name, (), None, *how)

    @property
    def _developed(self) -> Development:
        """What becomes of the frames of images that are movies."""
        source = self.source
        if source.has_stacks:
            movies.refuse(self, source.name)
            return self.development("slice")
        files = source.files
        if self.gain is None and self.align is None:
            return self.development("file")
        place = self._places[-1] if self._places else None
        entry = self.entry if place is None else place.entry
        if entry is not None:
            return movies.of_entry(self, files, self._archive, str(entry))
        return movies.of_folder(self, files, self.data_dir or str(place and place.parent))

    @property
    def facts(self) -> dict[str, str]:
        """What `datasets` keeps beside the rows: of the archive's entry, where they are from one."""
        numbers = [self.entry, *(place.entry for place in self._places)]
        number = next((number for number in numbers if number is not None), None)
        entry = None if number is None else entry_of("empiar", f"EMPIAR-{number}")
        told = self.read_with("file", None)
        if entry is None:
            name = (self.data_dir or str(self._places[0])).rstrip("/").rpartition("/")[2]
            return {"description": "\n".join(filter(None, (f"Tilt series of {name}", told)))}
        return {
            "description": "\n".join(filter(None, (f"Tilt series of {entry.name}", told))),
            "citation": f"{entry.name}, https://doi.org/{entry.doi}",
            "homepage": entry.url,
            "license": ARCHIVES["empiar"].license,
        }

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Name the cache folder for the options and for the state of tables and images: it is never stale."""
        kept = {name: value for name, value in config_kwargs.items() if name not in _OF_NO_ROWS}
        kept |= {"archive": str(self._archive.base), "source": self.source.name, "state": self.source.version}
        kept["reading"] = repr(self.reading)
        return str(super().create_config_id(kept, custom_features=custom_features))
