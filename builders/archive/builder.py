"""What builders of image files have in common: a folder for files, and an index that says what it left out."""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import datasets
import pyarrow as pa

from builders.archive.caching import fetch_all
from builders.hf.streaming import ShardStream
from builders.options import OptionedTableBuilder
from builders.quarantine import keep, keep_contradicted, say_again, say_contradicted_again
from builders.stacks.columns import PIECE
from builders.stacks.files import SourceFile
from builders.stacks.picked.making import Part
from builders.stacks.picked.reader import PickedReader
from builders.stacks.picked.shards import shards_of
from builders.stacks.picked.tables import picked_tables

_folder: ContextVar[str | None] = ContextVar("cache folder", default=None)


def files_folder() -> str | None:
    """Where the builder whose config is being made keeps files: `datasets` has no other way to tell the config."""
    return _folder.get()


class FolderBuilder(OptionedTableBuilder):
    """A builder that keeps files, which `files_folder` tells its config while it is made.

    Attributes:
        folder: where files and what is remembered of them are kept; None: the default.
    """

    def __init__(self, cache_dir: str | None = None, *args: Any, **kwargs: Any) -> None:
        self.folder = None if cache_dir is None else os.path.join(cache_dir, "perc")  # noqa: PTH118
        token = _folder.set(self.folder)
        try:
            super().__init__(cache_dir, *args, **kwargs)
        finally:
            _folder.reset(token)


class ImageFilesBuilder(FolderBuilder):
    """A builder of references to images in files, which `download=True` brings into the cache first.

    Its config has the options `download`, `on_error` and `quarantine`.

    Attributes:
        brought: the files where they were brought to; None where they were not.
        left_out: name and reason of what a new index left out; None while there is none.
        contradicted: path and reason of files whose sizes contradict their headers, of a new index.
    """

    DEFAULT_WRITER_BATCH_SIZE = PIECE  # a table, as it is made, is a record batch of the index
    WHAT = "files"
    """What is left out of an index, in words."""

    def __init__(self, cache_dir: str | None = None, *args: Any, **kwargs: Any) -> None:
        self.brought: list[SourceFile] | None = None
        self.left_out: list[tuple[str, object]] | None = None
        self.contradicted: list[tuple[str, str]] = []
        super().__init__(cache_dir, *args, **kwargs)

    def files(self) -> Sequence[SourceFile]:
        """The files that images are in, where they were found."""
        raise NotImplementedError

    def look_again(self) -> None:
        """Find out anew what an index left out that does not tell it: the table in which it was kept is gone."""
        raise NotImplementedError

    def forget(self) -> None:
        """Forget what was found, for all is to be made anew."""

    def fetched(self, anew: bool) -> Sequence[SourceFile]:
        """The files in the cache, brought there if need be.

        Args:
            anew: fetch what is there already, too.
        """
        if self.brought is None:
            self.brought, _ = fetch_all(list(self.files()), self.folder, anew)
        return self.brought

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Build the index, or take it from the cache; its files and its table are made where they are missing.

        What is left out, and which sizes contradict headers, is said in either case.
        """
        name, config = self.name, self.config
        mode = datasets.DownloadMode(kwargs.get("download_mode") or datasets.DownloadMode.REUSE_DATASET_IF_EXISTS)
        anew = mode == datasets.DownloadMode.FORCE_REDOWNLOAD
        if anew:
            self.forget()
        if config.download:
            self.brought, any_new = fetch_all(list(self.files()), self.folder, anew)
            if any_new:  # the index in the cache, if there is one, is of other files
                kwargs["download_mode"] = datasets.DownloadMode.FORCE_REDOWNLOAD
        self.left_out, self.contradicted = None, []
        super().download_and_prepare(*args, **kwargs)
        if self.left_out is None:
            say_contradicted_again(self.cache_dir, name)
        else:
            keep_contradicted(self.cache_dir, self.contradicted)
        if config.on_error != "skip":
            return
        is_known = self.left_out is not None or say_again(self.cache_dir, name, self.WHAT, config.quarantine)
        if not is_known and config.quarantine:
            self.look_again()
        if self.left_out is not None:
            keep(self.cache_dir, self.left_out)


class PickedFilesBuilder(ImageFilesBuilder):
    """A builder whose rows a catalogue picks from files (`builders.stacks.picked`): each split has one.

    Its splits' `gen_kwargs` are `{"parts": [part]}`, with a `Part`, or for streams a `Catalogue`. Its config has
    `reading`, how files become rows, and the option `shuffle_memory`.
    """

    @property
    def _features(self) -> datasets.Features:
        """All columns that it makes, whichever are asked for."""
        raise NotImplementedError

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
