"""`load_dataset("local_classes", data_dir=...)`: files named CLASS_suffix.ext as labelled images."""

import functools
import glob
import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from builders.errors import NotFoundError, OptionError
from builders.hf.features import EMImage, check_dtype
from builders.hf.image_storage import reference
from builders.io import image_file
from builders.io.files.natural_order import natural_path_key
from builders.io.layout import Layout
from builders.local_classes.classes import class_names
from builders.local_classes.content import ClassImage, group_identical, read_headers
from builders.local_classes.folder import Listing, fingerprint, list_folder, list_named, require_files, without
from builders.local_classes.names import check_extension, check_naming
from builders.local_classes.selection import split, take
from builders.options import (
    ON_ERROR,
    OptionedTableBuilder,
    check_choice,
    check_flag,
    check_fraction,
    check_integer,
    check_named,
    check_pixel_size,
    with_advice,
)
from builders.quarantine import (
    Quarantine,
    check_quarantine,
    keep,
    keep_contradicted,
    keep_stacks,
    say_again,
    say_contradicted_again,
    stacks_kept,
)
from builders.stacks.columns import PIECE, bounds
from builders.stacks.cutting import Count, divided, how_many
from builders.stacks.movies.development import COLUMNS, Development
from builders.stacks.movies.options import NAMES, MovieOptions
from builders.stacks.movies.references import (
    beside,
    frame_shape,
    gain_of,
    is_table,
    listed,
    may_be_gain,
    tables_of,
)

logger = logging.getLogger(__name__)

_ITEMS = ("file", "frame")


@dataclass
class LocalClassesConfig(MovieOptions, datasets.BuilderConfig):  # type: ignore[misc]
    """Options of `local_classes`.

    Attributes:
        data_dir: the folder. Or name files, by split, with `data_files`; their paths are then relative to it.
        extension: take only files with this one, such as `"mrc"` or `"npy"`.
        class_from: where the class stands: `"name"`, before its first `_`, or `"folder"`, the folder that holds the
            file (folders are looked into then).
        class_pattern: a regular expression with a group around the class, for names made otherwise; of folders, for
            their paths below `data_dir`.
        classes: take only these, and give them the ids 0, 1, ...; default: all, naturally sorted.
        num_examples: take that many of the files in `train`, stratified by class.
        validation_fraction: move that share of `train` to a split `validation`, stratified by class; images with
            the same pixels stay together.
        seed: decides which files `num_examples` and `validation_fraction` take.
        recursive: look into the folder's folders, too.
        item: `"file"`, a row for each file; `"frame"`, a row for each frame of a movie. `num_examples` and
            `validation_fraction` count files in either case: frames of a movie stay together.
        pixel_size: Å per pixel of the files that do not say it.
        dtype: type of the decoded images; None keeps each file's own.
        on_error: what a damaged file does: `"raise"`, or `"skip"` to leave it out, with a warning.
        non_finite: what NaN and infinite pixels do when an image is read: `"pass"` (one warning) or `"raise"`.
        quarantine: write a table of the files left out (path, tab, reason) here; goes with `on_error="skip"`.
    """

    data_dir: str | None = None
    extension: str | None = None
    class_from: str = "name"
    class_pattern: str | None = None
    classes: Sequence[str] | None = None
    num_examples: int | None = None
    validation_fraction: float | None = None
    seed: int = 42
    recursive: bool = False
    item: str = "file"
    pixel_size: float | None = None
    dtype: str | None = "float32"
    on_error: str = "raise"
    non_finite: str = "pass"
    quarantine: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.extension = check_extension(self.extension)
        self._naming = check_naming(self.class_from, self.class_pattern)
        self.dtype = check_dtype(self.dtype)
        check_choice("on_error", self.on_error, ON_ERROR)
        check_choice("non_finite", self.non_finite, ("pass", "raise"))
        check_flag("recursive", self.recursive)
        check_choice("item", self.item, _ITEMS)
        self.check_movies(self.item)
        check_integer("seed", self.seed, least=0)
        self.pixel_size = check_pixel_size(self.pixel_size)
        if self.num_examples is not None:
            check_integer("num_examples", self.num_examples, least=1)
        if self.validation_fraction is not None:
            check_fraction("validation_fraction", self.validation_fraction)
        self._check_classes()
        self.quarantine = check_quarantine(self.quarantine, self.on_error)
        if self.data_dir is not None:
            if not isinstance(self.data_dir, str | os.PathLike):
                msg = f"data_dir is {self.data_dir!r}: expected the path of a folder"
                raise OptionError(msg)
            check_named("data_dir", self.data_dir)
            self.data_dir = str(Path(os.path.abspath(Path(self.data_dir).expanduser())))  # noqa: PTH100

    def _check_classes(self) -> None:
        if self.classes is None:
            return
        if isinstance(self.classes, str) or not all(isinstance(name, str) for name in self.classes):
            msg = f"classes is {self.classes!r}: expected a list of class names"
            raise OptionError(msg)
        self.classes = list(self.classes)
        if not self.classes or len(set(self.classes)) != len(self.classes):
            msg = f"classes is {self.classes}: expected at least one name, and none twice"
            raise OptionError(msg)

    @functools.cached_property
    def listings(self) -> dict[str, Listing]:
        """The class files of each split, without a gain reference among them.

        Raises:
            NotFoundError: no folder, or no class files in it.
            OptionError: nothing was named, or options contradict each other.
        """
        taken = None if self.developed.gain is None else self.developed.gain.path
        listings = {name: without(listing, taken) for name, listing in self._listed.items()}
        for listing in listings.values():
            require_files(listing)
        return listings

    @functools.cached_property
    def _listed(self) -> dict[str, Listing]:
        """The class files of each split that the caller named; of the folder, as `train`, otherwise.

        Raises:
            NotFoundError: no folder, or no class files in it.
            OptionError: nothing was named, or options contradict each other.
        """
        if self.data_files:
            where, naming = (self.data_dir, self.extension), self._naming
            named = {str(name): list_named(files, *where, naming) for name, files in self.data_files.items()}
        elif self.data_dir is not None:
            options = self.recursive, self.extension, self.on_error == "skip", self._naming
            named = {"train": list_folder(self.data_dir, *options)}
        else:
            msg = "local_classes needs data_dir='FOLDER' or data_files={'train': 'FOLDER/*.mrc', ...}"
            raise OptionError(msg)
        for option in ("num_examples", "validation_fraction"):
            if getattr(self, option) is not None and "train" not in named:
                msg = f"{option} takes from the split 'train', but data_files names {', '.join(map(repr, named))}"
                raise OptionError(msg)
        if self.validation_fraction is not None and "validation" in named:
            msg = "validation_fraction makes a split 'validation', which data_files names too: drop one of them"
            raise OptionError(msg)
        return named

    @functools.cached_property
    def class_names(self) -> list[str]:
        """The classes in the order of their ids."""
        wanted = None if self.classes is None else list(self.classes)
        return class_names(self.listings.values(), wanted)

    @functools.cached_property
    def developed(self) -> Development:
        """What becomes of the frames of movies."""
        plain = self.development(self.item)
        if self.gain is None and self.align is None:
            return plain
        paths, folder = [file.location for one in self._listed.values() for file in one.files], self.data_dir

        def inside(path: str) -> str:
            return os.path.join(folder or os.getcwd(), path)  # noqa: PTH109, PTH118

        taken = gain_of(
            self,
            inside,
            lambda: beside(paths, folder, may_be_gain),
            lambda: frame_shape((path for path in paths if not may_be_gain(path)), plain),
        )
        tables = tables_of(
            self.align,
            inside,
            lambda pattern: listed(
                beside(paths, folder, is_table) if pattern is None else glob.glob(inside(pattern), recursive=True)  # noqa: PTH207
            ),
        )
        return replace(plain, gain=taken, tables=tables)

    @property
    def summary(self) -> str:
        """The folder's name and the classes: all that is known of such a dataset."""
        some = ", ".join(self.class_names[:10])
        more = f" and {len(self.class_names) - 10} more" if len(self.class_names) > 10 else ""
        count = len(self.class_names)
        kinds = f"Images of {count} class{'es' * (count != 1)}: {some}{more}"
        return kinds if self.data_dir is None else f"{Path(self.data_dir).name}\n{kinds}"

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Name the cache folder for the options and for the state of every file, so that it is never stale."""
        options = {k: v for k, v in config_kwargs.items() if k not in ("data_files", "quarantine", *NAMES)}
        options |= {"data_dir": self.data_dir, "splits": list(self.listings), "classes": self.class_names}
        options["fingerprint"] = fingerprint(self.listings.values())
        options["development"] = repr(self.developed)
        return str(super().create_config_id(options, custom_features=custom_features))


class LocalClasses(OptionedTableBuilder):
    """Class-prefixed image files as rows `image`, `label`, `suffix`, `path`, `pixel_size`.

    Rows of frames have `index`, `frame`, `dose` and `pre_exposure` besides.
    """

    VERSION = datasets.Version("1.3.0")
    BUILDER_CONFIG_CLASS = LocalClassesConfig
    DEFAULT_WRITER_BATCH_SIZE = PIECE  # a table, as it is made, is a record batch of the index
    config: LocalClassesConfig

    @property
    def _features(self) -> datasets.Features:
        features = {
            "image": EMImage(dtype=self.config.dtype, non_finite=self.config.non_finite),
            "label": datasets.ClassLabel(names=self.config.class_names),
            "suffix": datasets.Value("string"),
            "path": datasets.Value("string"),
            "pixel_size": datasets.Value("float32"),
        }
        if self.config.item == "frame":
            features |= {name: datasets.Value(kind) for name, kind in {"index": "int64", **COLUMNS}.items()}
        return datasets.Features(features)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(self.config.summary, features=self._features)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"images": _in_pieces(images)})
            for name, images in self.splits.items()
        ]

    def _generate_examples(self, images: list[ClassImage]) -> Iterator[tuple[str, dict[str, Any]]]:
        for item in images:
            for row in item.rows:
                yield f"{item.file.path}#{row}" if item.movie else item.file.path, self._row(item, row)

    def _row(self, item: ClassImage, row: int) -> dict[str, Any]:
        of_frame = {"index": row, **item.movie.told(row)} if item.movie is not None and item.movie.by_frame else {}
        return {
            "image": reference(item.image, item.layout(row)),
            "label": item.label,
            "suffix": item.file.name.suffix,
            "path": item.file.path,
            "pixel_size": self.config.pixel_size if item.image.pixel_size is None else item.image.pixel_size,
            **of_frame,
        }

    # a stream's rows are not made of tables: each is there as soon as it is asked for
    _get_examples_iterable_for_split = datasets.GeneratorBasedBuilder._get_examples_iterable_for_split

    def _generate_tables(self, images: list[ClassImage]) -> Iterator[tuple[int, pa.Table]]:
        features, of_files = self._features, [(item, row) for item in images for row in item.rows]
        plain = [type(item.layout(item.rows.start)) is Layout for item in images]
        for start, stop in itertools.pairwise(bounds([len(item.rows) for item in images], plain)):
            rows = [self._row(item, row) for item, row in of_files[start:stop]]
            labels = features["label"].str2int([row["label"] for row in rows])
            for row, label in zip(rows, labels, strict=True):
                row["label"] = label
            yield start, self.columns_asked_for(pa.Table.from_pylist(rows, schema=features.arrow_schema))

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Build the index, or take it from the cache; what is left out is said, and written, in either case.

        So is which files have another size than their headers say, and that some are stacks.
        """
        super().download_and_prepare(*args, **kwargs)
        is_new = "splits" in vars(self)
        if is_new:
            images = [item.image for chosen in self.splits.values() for item in chosen]
            keep_contradicted(self.cache_dir, [(image.path, image.contradiction) for image in images if image.contents])
            keep_stacks(self.cache_dir, self._stacks)
        else:
            _warn_of_stacks(stacks_kept(self.cache_dir))
            say_contradicted_again(self.cache_dir, "local_classes")
        if self.config.on_error != "skip":
            return
        if is_new or not say_again(self.cache_dir, "local_classes", "files", self.config.quarantine):
            _ = self.splits
            keep(self.cache_dir, self._left_out)

    @functools.cached_property
    def splits(self) -> dict[str, list[ClassImage]]:
        """The rows of each split, in natural order of their paths.

        Raises:
            PercError: a file is unusable and `on_error` is `"raise"`, or nothing usable is left.
            OptionError: the files cannot be divided as asked.
        """
        config = self.config
        self._left_out: list[tuple[str, object]] = []
        chosen = {name: self._usable(listing) for name, listing in config.listings.items()}
        Quarantine(config.quarantine).begin(self._left_out)
        if config.num_examples is not None:
            chosen["train"] = take(chosen["train"], config.num_examples, config.seed)
        if config.validation_fraction is not None:
            sides = split(group_identical(chosen["train"]), config.validation_fraction, config.seed)
            for name, side in zip(("train", "validation"), sides, strict=True):
                chosen[name] = sorted(side, key=lambda item: natural_path_key(item.file.path))
        stacks = [(item.file.path, item.stacked) for images in chosen.values() for item in images if item.stacked]
        self._stacks = [(path, f"{count} images") for path, count in stacks]
        _warn_of_stacks(self._stacks)
        return chosen

    def _usable(self, listing: Listing) -> list[ClassImage]:
        """The listing's readable images of the wanted classes; the unreadable ones are left out."""
        config = self.config
        wants_complex, thorough = config.dtype is None or "complex" in config.dtype, config.on_error == "skip"
        wanted = set(config.class_names)
        files = [file for file in listing.files if file.name.label in wanted]
        usable: list[ClassImage] = []
        unusable: list[tuple[str, object]] = []
        for item in read_headers(files, wants_complex, thorough, config.developed):
            if isinstance(item, ClassImage):
                usable.append(item)
                continue
            if config.on_error == "raise":
                raise with_advice(item.error)
            logger.warning("local_classes: leaving out %s", item.error)
            unusable.append((item.file.location, item.error))
        if unusable:
            logger.warning("local_classes: left out %d of %d files of %s", len(unusable), len(files), listing.source)
            self._left_out.extend(unusable)
        image_file.report_contradictions(listing.source, [item.image for item in usable])
        if not usable:
            msg = f"{listing.source}: none of {len(files)} class files is usable"
            msg += f"; the first one: {unusable[0][1]}" if unusable else f": none is of class {', '.join(wanted)}"
            raise NotFoundError(msg)
        return usable


def _in_pieces(images: Sequence[ClassImage]) -> list[ClassImage]:
    """Rows of files in pieces, which workers and nodes divide among them: of a movie, there may be several."""
    counts = [Count(len(item.rows), item.lies_apart) for item in images]
    if all(count.rows == 1 for count in counts):
        return list(images)
    sizes = [item.image.layout.nbytes for item in images]
    largest = max(size // count.rows for size, count in zip(sizes, counts, strict=True))
    number = max(len(images), how_many(counts, sum(sizes), largest))
    pieces = [piece for shard in divided(counts, number) for piece in shard]
    return [replace(images[place], rows=range(start, stop)) for place, start, stop in pieces]


def _warn_of_stacks(stacks: Sequence[tuple[str, str]]) -> None:
    """Say that stacks of images, which hold a row each in other builders, are one row each here."""
    if not stacks:
        return
    many, (path, images) = len(stacks) > 1, stacks[0]
    logger.warning(
        "local_classes: %d file%s of images (%s: %s): %s one row of 3 axes, read as a volume; item='frame' gives each "
        "image a row, spatial_dims=2 tells transforms",
        *(len(stacks), "s are stacks" if many else " is a stack", path, images, "each is" if many else "it is"),
    )
