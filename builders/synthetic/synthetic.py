"""`load_dataset("synthetic", ...)`: images that are made of structures, without end, with all that is true of them."""

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from builders.archive.builder import PickedFilesBuilder
from builders.errors import OptionError
from builders.hf.features import EMImage
from builders.hf.image_storage import STORAGE, stored_value
from builders.hf.streaming import ShardStream
from builders.io.files.header_store import HeaderStore
from builders.io.image_reference import told
from builders.io.made.known import known
from builders.io.made.layout import Made
from builders.io.made.maker import Maker
from builders.quarantine import Quarantine
from builders.stacks.columns import PIECE
from builders.stacks.files import SourceFile
from builders.stacks.picked.catalogue import Catalogue
from builders.stacks.picked.making import Part, held
from builders.synthetic.config import SyntheticConfig
from builders.synthetic.reader import MadeReader, row_path, shards_of
from builders.synthetic.recipes import recipe_for
from builders.synthetic.written.written import features, left_out_of

_RECIPE = "recipe.txt"
"""Tells, beside an index in the cache, where the recipe lies that its references name."""


class Synthetic(PickedFilesBuilder):
    """Made images as rows `image`, `pixel_size`, `path`, `index`, and what their unit has besides.

    With `parakeet=` or `roodmus=`, rows are of images that these programs wrote (`builders.synthetic.written`).
    """

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = SyntheticConfig
    WHAT = "images of simulators"
    config: SyntheticConfig

    def _info(self) -> datasets.DatasetInfo:
        written = self.config.written
        facts = self.config.facts(self._maker.recipe.labels) if written is None else {"description": written.told}
        return datasets.DatasetInfo(features=self._features, **facts)

    @functools.cached_property
    def _recipe(self) -> tuple[str, str]:
        """Path and digest of the recipe."""
        path, recipe = recipe_for(self.config, str(self.VERSION))
        return path, recipe.digest

    @property
    def _maker(self) -> Maker:
        return known(*self._recipe).maker

    @property
    def _features(self) -> datasets.Features:
        config = self.config
        if config.written is not None:
            return features(config.written.catalogue(self.folder), config.dtype, config.non_finite)
        maker = self._maker
        columns: dict[str, Any] = {}
        for name, dtype in maker.images.items():
            columns[name] = EMImage(dtype="float32" if dtype == np.float32 else None)
        columns |= {
            "pixel_size": datasets.Value("float32"),
            "path": datasets.Value("string"),
            "index": datasets.Value("int64"),
        }
        columns |= datasets.Features.from_arrow_schema(maker.schema)
        return datasets.Features(_with_names(columns, maker.recipe.labels))

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Build the index, or take it from the cache; its recipe is made where it is missing.

        Raises:
            OptionError: nobody said how many rows it has.
        """
        if self.config.num_examples is None and self.config.written is None:
            msg = "num_examples is None: expected a number of rows, num_examples=10000, or streaming=True, which goes "
            msg += "on without end"
            raise OptionError(msg)
        if self.config.written is not None:
            super().download_and_prepare(*args, **kwargs)
            return
        folder, path = Path(self.cache_dir), self._recipe[0]
        kept = folder / _RECIPE
        mode = datasets.DownloadMode(kwargs.get("download_mode") or datasets.DownloadMode.REUSE_DATASET_IF_EXISTS)
        is_elsewhere = not kept.is_file() or kept.read_bytes() != os.fsencode(path)
        if is_elsewhere and mode == datasets.DownloadMode.REUSE_DATASET_IF_EXISTS:  # the cache was moved
            kwargs["download_mode"] = datasets.DownloadMode.REUSE_CACHE_IF_EXISTS
        super().download_and_prepare(*args, **kwargs)
        if is_elsewhere and folder.is_dir():
            with contextlib.suppress(OSError):
                kept.write_bytes(os.fsencode(path))

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        anew = bool(dl_manager.download_config.force_download)
        if self.config.written is not None:
            return self._written_splits(anew, dl_manager.is_streaming)
        if anew:
            recipe_for(self.config, str(self.VERSION), anew=True)
            self.__dict__.pop("_recipe", None)
        return [datasets.SplitGenerator(name="train", gen_kwargs={"parts": [self._recipe]})]

    def _written_splits(self, anew: bool, is_streaming: bool) -> list[datasets.SplitGenerator]:
        """The images of other simulators: as a stream gives them, or with the headers of their files."""
        written, store = self.config.written, HeaderStore(self.folder)
        assert written is not None
        if anew:
            store.forget(file.location for file in written.catalogue(self.folder).files)
        catalogue = written.catalogue(self.folder)
        part: Catalogue | Part = catalogue
        self.left_out = left_out_of(catalogue)
        if not is_streaming:
            part = held(catalogue.rows, self.config.reading, store, written.name)
            self.left_out += part.left_out
            self.contradicted = part.contradicted
        Quarantine(self.config.quarantine).begin(self.left_out)
        return [datasets.SplitGenerator(name="train", gen_kwargs={"parts": [part]})]

    def files(self) -> Sequence[SourceFile]:
        """See `ImageFilesBuilder`."""
        written = self.config.written
        return () if written is None else written.catalogue(self.folder).files

    def _generate_tables(self, parts: list[Any]) -> Iterator[tuple[int, pa.Table]]:
        if self.config.written is not None:
            yield from super()._generate_tables(parts)
            return
        recipe: tuple[str, str] = parts[0]
        rows, schema = self.config.num_examples or 0, self.info.features.arrow_schema
        for number, start in enumerate(range(0, rows, PIECE)):
            table = _table(known(*recipe).maker, recipe, np.arange(start, min(start + PIECE, rows)))
            yield number, self.columns_asked_for(table).cast(schema)

    def _get_examples_iterable_for_split(self, split_generator: datasets.SplitGenerator) -> Any:
        if self.config.written is not None:
            return super()._get_examples_iterable_for_split(split_generator)
        ((path, digest),) = split_generator.gen_kwargs["parts"]
        maker = self._maker
        size = int(sum(np.prod(maker.shape) * dtype.itemsize for dtype in maker.images.values()))
        count = self.config.num_examples
        reader = MadeReader(path, digest, self.config.shuffle_memory * 2**20, count is None)
        return ShardStream(reader, shards_of(count, size), self.info.features)


def _table(maker: Maker, recipe: tuple[str, str], indices: "np.ndarray[Any, np.dtype[np.int64]]") -> pa.Table:
    """Rows of an index: references to their images, and all other columns."""
    path, digest = recipe
    columns: dict[str, Any] = {}
    for name, dtype in maker.images.items():
        fields = told(Made(maker.shape, dtype.str, 0, None, name, 0))
        one = pa.array([stored_value(path=path, etag=digest, **fields)], STORAGE)
        rows = one.take(pa.array(np.zeros(len(indices), np.int64)))
        fields_of_rows = [pa.array(indices) if field.name == "index" else rows.field(field.name) for field in STORAGE]
        columns[name] = pa.StructArray.from_arrays(fields_of_rows, fields=list(STORAGE))
    columns["pixel_size"] = pa.array(np.full(len(indices), maker.recipe.pixel_size, np.float32))
    columns["path"] = pa.array([row_path(digest)]).take(pa.array(np.zeros(len(indices), np.int64)))
    columns["index"] = pa.array(indices)
    table = maker.columns(indices)
    return pa.table(columns | {name: table.column(name) for name in table.column_names})


def _with_names(feature: Any, labels: "tuple[str, ...]") -> Any:
    """Features whose `label`, wherever it stands, has the names of classes."""
    if isinstance(feature, dict):
        return {
            name: _named(one, labels) if name == "label" else _with_names(one, labels) for name, one in feature.items()
        }
    if isinstance(feature, datasets.LargeList | datasets.List):
        return type(feature)(_with_names(feature.feature, labels), feature.length)
    return feature


def _named(feature: Any, labels: "tuple[str, ...]") -> Any:
    """A `label`, or lists of them, with the names of classes."""
    if isinstance(feature, datasets.LargeList | datasets.List):
        return type(feature)(_named(feature.feature, labels), feature.length)
    return datasets.ClassLabel(names=list(labels))
