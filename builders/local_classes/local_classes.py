"""`load_dataset("local_classes", data_dir=...)`: files named CLASS_suffix.ext as labelled images."""

import functools
import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import datasets
import pyarrow as pa

from builders.errors import NotFoundError
from builders.hf.features import EMImage
from builders.hf.image_storage import reference
from builders.io import image_file
from builders.io.files.natural_order import natural_path_key
from builders.io.layout import Layout
from builders.local_classes.config import LocalClassesConfig
from builders.local_classes.content import ClassImage, group_identical, read_headers
from builders.local_classes.folder import Listing
from builders.local_classes.selection import split, take
from builders.options import OptionedTableBuilder, with_advice
from builders.quarantine import (
    Quarantine,
    keep,
    keep_contradicted,
    keep_stacks,
    say_again,
    say_contradicted_again,
    stacks_kept,
)
from builders.stacks.columns import PIECE, bounds
from builders.stacks.cutting import Count, divided, how_many
from builders.stacks.movies.development import COLUMNS

logger = logging.getLogger(__name__)


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
