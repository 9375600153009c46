"""`load_dataset("tilt_series", ...)`: the images of tilt series with their angles, doses and alignment."""

import functools
import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import pyarrow as pa

from builders.archive.archive import Archive
from builders.archive.builder import ImageFilesBuilder, files_folder
from builders.archive.catalogue import entry_number
from builders.archive.named.places import place_of
from builders.archive_licences import ARCHIVES, entry_of
from builders.errors import FormatError, NotFoundError, OptionError, PercError
from builders.hf.features import EMImage, check_dtype
from builders.hf.streaming import ShardStream
from builders.io.files.header_store import HeaderStore
from builders.options import (
    ON_ERROR,
    check_choice,
    check_flag,
    check_integer,
    check_pixel_size,
    check_positive,
    with_advice,
)
from builders.quarantine import Quarantine, check_quarantine
from builders.stacks.files import SourceFile
from builders.stacks.movies.development import Development
from builders.stacks.movies.options import NAMES, MovieOptions
from builders.stacks.picked.catalogue import Catalogue, table_of
from builders.stacks.picked.making import Part, held, written
from builders.stacks.picked.reader import PickedReader
from builders.stacks.picked.shards import shards_of
from builders.stacks.picked.tables import picked_tables
from builders.stacks.rows import Reading
from builders.tilt_series import listing, movies, options
from builders.tilt_series.assembling import Series
from builders.tilt_series.columns import TILT, TILT_SERIES, series_rows, tilt_rows
from builders.tilt_series.relion import Project
from builders.tilt_series.sources import Asked, Files, LeftOut, Relion, Source

logger = logging.getLogger(__name__)

_OF_NO_ROWS = ("data_dir", "star", "root", "archive", "quarantine", "shuffle_memory", *NAMES)
"""Options that do not tell datasets apart, or whose meaning is told otherwise."""


@dataclass
class TiltSeriesConfig(MovieOptions, datasets.BuilderConfig):  # type: ignore[misc]
    """Options of `tilt_series`.

    Attributes:
        data_dir: a folder with images and their tables: `.mdoc`, `.rawtlt`, `.tlt`, `.xf`, `.aln`, Warp's `.xml`.
        entry: an entry of EMPIAR that has such: 10499, `"10499"` or `"EMPIAR-10499"`.
        star: RELION 5's `tilt_series.star` or `tomograms.star`, or an optimisation set, of this machine or
            `empiar://ENTRY/path`.
        root: folder that names in `star` are relative to; without, the table's own folder and those above it.
        directory: a path inside the entry. Default: `data`.
        pattern: which images, a glob of their paths below the folder or directory; tables are found whatever it says.
        recursive: look into folders, too.
        unit: what a row is: `"tilt"`, an image; `"tilt_series"`, a series `(tilts, ny, nx)`.
        order: of images: `"angle"`, rising, or `"acquisition"`, as they were taken.
        images: `"stack"`, sections of stacks; `"tilt"`, a file an image, as `.mdoc` files name them; `"auto"`: stacks,
            if any series has one and no option of movies is given.
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
        self._places = []
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


class TiltSeries(ImageFilesBuilder):
    """Images of tilt series, or whole series, as rows `image`, `pixel_size`, `path`, `index`, `tilt_series`, ..."""

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = TiltSeriesConfig
    WHAT = "files, images or series"
    config: TiltSeriesConfig

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=self._features, **self.config.facts)

    @property
    def _features(self) -> datasets.Features:
        config = self.config
        columns = {
            "image": EMImage(dtype=config.dtype, non_finite=config.non_finite),
            "pixel_size": datasets.Value("float32"),
            "path": datasets.Value("string"),
            "index": datasets.Value("int64"),
        }
        return datasets.Features(columns | datasets.Features.from_arrow_schema(config.schema))

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        config, store = self.config, HeaderStore(self.folder)
        anew = bool(dl_manager.download_config.force_download)
        if anew:
            store.forget(file.location for file in self.files())
        brought: dict[str, SourceFile] = {}
        if config.download:
            where = self.fetched(anew)
            brought = {file.location: there for file, there in zip(self.files(), where, strict=True)}
        found, left_out = config.source.series(brought, config.reading, store)
        wanted, more = self._wanted(found)
        files, rows = (tilt_rows if config.unit == "tilt" else series_rows)(wanted)
        made: Part | Catalogue
        table = table_of(files, rows)
        if dl_manager.is_streaming:
            state = self.VERSION, self.config_id, [(file.location, file.stamp) for file in files], rows.num_rows
            made = written(table, state, self.folder, "tilt_series")
            self.contradicted = []
        else:
            made = held(table, config.reading, store, config.source.name)
            more += made.left_out
            self.contradicted = made.contradicted
        self.left_out = [*left_out, *more]
        Quarantine(config.quarantine).begin(self.left_out)
        return [datasets.SplitGenerator(name="train", gen_kwargs={"parts": [made]})]

    def _wanted(self, found: Sequence[Series]) -> tuple[list[Series], LeftOut]:
        """The series that were asked for, in order, each in the order that was asked for.

        Raises:
            OptionError: one is named that is not there.
            NotFoundError: none is left.
            FormatError: the order of one is not known.
        """
        config = self.config
        left_out: LeftOut = []
        names = [one.name for one in found]
        absent = [name for name in config.tilt_series or () if name not in names]
        if absent:
            msg = f"tilt_series names {', '.join(absent)}: {config.source.name} has {', '.join(names) or 'none'}"
            raise OptionError(msg)
        wanted = []
        for one in found:
            if config.tilt_series is not None and one.name not in config.tilt_series:
                continue
            try:
                if one.lost and config.unit == "tilt_series":
                    msg = f"{one.source}: {one.lost} of its {one.lost + len(one.tilts)} images are not there"
                    raise FormatError(msg)
                wanted.append(one.in_order(config.order))
            except PercError as err:
                if config.on_error == "raise":
                    raise with_advice(err) from None
                logger.warning("tilt_series: leaving out %s", err)
                left_out.append((one.name, err))
        if not wanted:
            msg = f"{config.source.name}: no tilt series is left" + (f": {left_out[0][1]}" if left_out else "")
            raise NotFoundError(msg)
        return wanted, left_out

    def files(self) -> Sequence[SourceFile]:
        """See `ImageFilesBuilder`."""
        return self.config.source.files

    def look_again(self) -> None:
        """See `ImageFilesBuilder`."""
        self._split_generators(datasets.DownloadManager())

    def _generate_tables(self, parts: list[Part]) -> Iterator[tuple[int, pa.Table]]:
        schema = self._features.arrow_schema
        tables = (picked_tables(part.catalogue, part.looked, self.config.reading, schema) for part in parts)
        for number, table in enumerate(itertools.chain.from_iterable(tables)):
            yield number, self.columns_asked_for(table)

    def _get_examples_iterable_for_split(self, split_generator: datasets.SplitGenerator) -> Any:
        config, (catalogue,) = self.config, split_generator.gen_kwargs["parts"]
        own = self.folder, config.quarantine, config.shuffle_memory * 2**20
        return ShardStream(PickedReader(config.reading, catalogue, *own), shards_of(catalogue), self.info.features)
