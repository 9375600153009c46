"""`load_dataset("particles", star=...)`: the rows of a table of particles, joined to their images."""

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import datasets
import pyarrow as pa

from builders.archive.archive import Archive
from builders.archive.builder import PickedFilesBuilder, files_folder
from builders.archive.named.places import place_of
from builders.hf.features import EMImage, check_dtype
from builders.io.files.header_store import HeaderStore
from builders.options import (
    EDGES,
    ON_ERROR,
    check_box_size,
    check_choice,
    check_flag,
    check_fraction,
    check_integer,
    check_pixel_size,
)
from builders.particles import options
from builders.particles.making import table_for
from builders.particles.picking import Micrographs, Slices, Unit, in_file_order, sides_of
from builders.particles.rows import VALUES, Picked, group_column
from builders.particles.source import Source
from builders.particles.splits import held_out
from builders.particles.tilts import settled
from builders.particles.tilts.picking import TiltStacks
from builders.quarantine import Quarantine, check_quarantine
from builders.stacks.files import SourceFile
from builders.stacks.picked.catalogue import Catalogue
from builders.stacks.picked.making import Part, held, written
from builders.stacks.rows import Reading

logger = logging.getLogger(__name__)

_OF_NO_ROWS = ("archive", "quarantine", "shuffle_memory", "star", "root")
"""Options that do not tell datasets apart, or whose meaning is told otherwise."""


@dataclass
class ParticlesConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """Options of `particles`.

    Attributes:
        star: the table: a STAR file of RELION, or a .cs file of CryoSPARC (a list: with its passthrough files), of this
            machine or `empiar://ENTRY/path`. Of particles in tomograms, whose images are stacks of tilts (RELION 5's
            `_stack2d.mrcs`): an optimisation set, a list `[particles, tomograms]`, or the particles alone, if
            `optimisation_set.star` lies beside them or their tilt series need not be known.
        root: folder that the table's names of images are relative to, of this machine or `empiar://ENTRY/path`.
            Without, and for what is not in it, the folder of the table and those above it are looked in.
        unit: what a row is: `"particle"`, an image of a stack; `"micrograph"`, a micrograph with its `picks`;
            `"extracted"`, a box cut out of a micrograph.
        columns: other columns of the table that are wanted, by their own names.
        half_set: take only this one of RELION's half-sets, 1 or 2.
        validation_fraction: move that share of the rows to a split `validation`, whole groups at a time.
        group_by: the column whose equal values stay together then, any of the table's; `"path"` is the stack.
        seed: decides which groups `validation_fraction` takes.
        order: of a stream's rows: None, stack by stack in order of slices; `"table"`, as in the table. Rows that are
            not streamed are always in the table's order.
        box_size: of `unit="extracted"`: pixels, or Å as in `"200 Å"`.
        pixel_size: Å per pixel where neither the table nor a file says it (of a table with origins in pixels, where it
            does not itself); of boxes, the one that they are to have.
        edge: what a box that reaches beyond its micrograph does: `"fill"`, with the background's mean, or `"drop"`.
        flip_y: coordinates count from the other end of the micrograph's y.
        dtype: type of the decoded images; None keeps each file's own.
        download: bring the stacks into the cache first.
        on_error: what a file that is damaged or not there does: `"raise"`, or `"skip"` to leave its rows out, with a
            warning.
        quarantine: write a table of what was left out (path, tab, reason) here; goes with `on_error="skip"`.
        non_finite: what NaN and infinite pixels do when an image is read: `"pass"` (one warning) or `"raise"`.
        shuffle_memory: MiB of pixels, as they are in their files, that a shuffled stream holds at most.
        archive: base URL of another server, or folder of a mirror, that holds `<entry>/data/...`.
    """

    star: str | Sequence[str] | None = None
    root: str | None = None
    unit: str = "particle"
    columns: Sequence[str] | None = None
    half_set: int | None = None
    validation_fraction: float | None = None
    group_by: str = "micrograph"
    seed: int = 42
    order: str | None = None
    box_size: int | str | None = None
    pixel_size: float | None = None
    edge: str = "fill"
    flip_y: bool = False
    dtype: str | None = "float32"
    download: bool = False
    on_error: str = "raise"
    quarantine: str | None = None
    non_finite: str = "pass"
    shuffle_memory: int = 512
    archive: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_no_data(self.data_dir, self.data_files)
        named = options.check_star(self.star)
        root = None if self.root is None else place_of("root", self.root)
        check_choice("unit", self.unit, options.UNITS)
        self.columns = options.check_columns(self.columns)
        options.check_half_set(self.half_set)
        if self.validation_fraction is not None:
            check_fraction("validation_fraction", self.validation_fraction)
        self.group_by = options.check_group_by(self.group_by, self.validation_fraction)
        check_integer("seed", self.seed, least=0)
        options.check_order(self.order)
        self.box = check_box_size(self.box_size)
        self.pixel_size = check_pixel_size(self.pixel_size)
        check_choice("edge", self.edge, EDGES)
        self.dtype = check_dtype(self.dtype)
        check_choice("on_error", self.on_error, ON_ERROR)
        self.quarantine = check_quarantine(self.quarantine, self.on_error)
        check_choice("non_finite", self.non_finite, ("pass", "raise"))
        check_integer("shuffle_memory", self.shuffle_memory, least=1)
        for flag in ("flip_y", "download"):
            check_flag(flag, getattr(self, flag))
        defaults = {name: (getattr(self, name), getattr(type(self), name)) for name in options.ONLY_FOR}
        options.check_meaning(self.unit, defaults)
        places = named if root is None else [*named, root]
        self.archive = options.check_archive(self.archive, places)
        column = "image" if self.unit == "particle" else "micrograph"
        wanted = [*self.columns, *self._grouping]
        archive, skip = Archive(self.archive), self.on_error == "skip"
        size = self.pixel_size if self.unit == "particle" else None
        asked = wanted, self.half_set, column, skip, size
        tables, listed = settled(named, root, archive)
        self.source = Source(tables, root, archive, *asked, files_folder(), listed)

    @property
    def _grouping(self) -> list[str]:
        """The column that only `group_by` needs."""
        own = self.group_by in (*VALUES, "path") or self.group_by in (self.columns or ())
        return [] if own or self.validation_fraction is None else [self.group_by]

    @property
    def reading(self) -> Reading:
        """How files become rows."""
        wants_complex = self.dtype is None or "complex" in self.dtype
        how = ("slice", "auto") if self.unit == "particle" else ("file", "file")
        size = None if self.unit == "extracted" else self.pixel_size
        stacks = self.unit == "particle" and self.source.has_stacks
        told = self.source.name, (), *how, wants_complex, self.on_error, None, size
        return Reading("particles", *told, are_stacks=stacks)

    @property
    def extra(self) -> pa.Schema:
        """The table's own columns that are wanted, as rows have them."""
        return pa.schema([self.source.extra.field(name) for name in self.columns or ()])

    @functools.cached_property
    def picking(self) -> Unit:
        """How the table becomes rows."""
        if self.unit == "particle":
            return TiltStacks(self.source) if self.source.has_stacks else Slices(self.source)
        own = self.source, self.reading, self.source.cache
        size = self.pixel_size
        return Micrographs(*own, flip_y=self.flip_y, box=self.box, pixel_size=size, edge=self.edge)

    def bring(self, files: Sequence[SourceFile]) -> None:
        """Take the images from other places than those where they were found, in the same order."""
        self.source.found = replace(self.source.found, files=tuple(files))
        self.__dict__.pop("picking", None)

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Name the cache folder for the options and for the state of the table and its files: it is never stale."""
        kept = {k: v for k, v in config_kwargs.items() if k not in _OF_NO_ROWS}
        kept |= {"places": list(map(str, self.source.places)), "archive": str(self.source.archive.base)}
        kept |= {"source": self.source.version, "reading": repr(self.reading)}
        return str(super().create_config_id(kept, custom_features=custom_features))


class Particles(PickedFilesBuilder):
    """Particles of a table as rows `image`, `pixel_size`, `path`, `index`, `ctf`, `pose`, `micrograph`, ..."""

    VERSION = datasets.Version("1.1.1")
    BUILDER_CONFIG_CLASS = ParticlesConfig
    WHAT = "files or rows"
    config: ParticlesConfig

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=self._features, **self.config.source.facts)

    @property
    def _features(self) -> datasets.Features:
        config = self.config
        shape, schema = config.picking.image_shape, config.picking.schema(config.extra)
        columns = {
            "image": EMImage(dtype=config.dtype, non_finite=config.non_finite, shape=shape),
            "pixel_size": datasets.Value("float32"),
            "path": datasets.Value("string"),
            "index": datasets.Value("int64"),
        }
        return datasets.Features(columns | datasets.Features.from_arrow_schema(schema))

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        anew = bool(dl_manager.download_config.force_download)
        picked = self._picked(anew)
        made = {name: self._made(name, part, dl_manager.is_streaming) for name, part in self._divided(picked).items()}
        parts = [part for part in made.values() if isinstance(part, Part)]
        self.left_out = [*picked.left_out, *(told for part in parts for told in part.left_out)]
        self.contradicted = [told for part in parts for told in part.contradicted]
        Quarantine(self.config.quarantine).begin(self.left_out)
        return [datasets.SplitGenerator(name=name, gen_kwargs={"parts": [part]}) for name, part in made.items()]

    def _made(self, split: str, picked: Picked, is_streaming: bool) -> Part | Catalogue:
        """The rows of a split: as a stream gives them, or with the headers of their files."""
        config = self.config
        sides = sides_of(config.source.table, picked) if config.unit == "particle" else None
        columns = config.picking.schema(config.extra).names
        ordered = in_file_order(picked) if is_streaming and config.order is None else picked
        if not is_streaming:
            store = HeaderStore(self.folder)
            return held(table_for(ordered, columns, sides), config.reading, store, config.source.name)
        state = self.VERSION, self.config_id, split, [(file.location, file.stamp) for file in picked.files]
        return written(table_for(ordered, columns, sides), state, self.folder, config.reading.builder)

    def _picked(self, anew: bool) -> Picked:
        """The rows of the table that have a file.

        Raises:
            PercError: some have none, and are not to be left out; or none has.
        """
        config = self.config
        if config.download:
            config.bring(self.fetched(anew))
        elif anew:
            HeaderStore(self.folder).forget(file.location for file in config.source.found.files)
        picked = config.picking.pick()
        for name, reason in picked.left_out:
            logger.warning("particles: leaving out %s: %s", name, reason)
        return picked

    def _divided(self, picked: Picked) -> dict[str, Picked]:
        """The rows of each split."""
        config = self.config
        if config.validation_fraction is None:
            return {"train": picked}
        groups = group_column(config.source.table, picked, config.group_by)
        validation = held_out(groups, config.validation_fraction, config.seed, config.group_by)
        return {"train": picked.take(~validation), "validation": picked.take(validation)}

    def files(self) -> Sequence[SourceFile]:
        """See `ImageFilesBuilder`."""
        return self.config.source.found.files

    def forget(self) -> None:
        """See `ImageFilesBuilder`."""
        self.config.source.bring_anew()
