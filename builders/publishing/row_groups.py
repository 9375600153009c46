"""Row groups of published files of this machine, whose images are bytes, as the shards of a stream."""

import contextlib
import io
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features
from datasets.table import table_cast
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.hf.features import EMImage
from builders.hf.image_storage import Row
from builders.hf.stream_blocks import Places
from builders.hf.streaming import Step
from builders.io.files import local
from builders.io.layout import Layout
from builders.publishing.image_blocks import BytesBlock, InFile, Pixels, in_memory, layouts_of, values_of
from builders.publishing.pages import places_of

_HELD = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A shard: rows that are stored together.

    Attributes:
        path: the file.
        etag: its version.
        number: which row group of it.
        rows: how many rows it has.
    """

    path: str
    etag: str
    number: int
    rows: int


def row_groups(paths: Iterable[str], columns: Sequence[str]) -> list[RowGroup] | None:
    """The row groups of files; None where some images are missing, or are not known to be there.

    Args:
        paths: Parquet files of this machine.
        columns: those with images as bytes.

    Raises:
        NotFoundError: a file is gone.
        FormatError: one is damaged.
    """
    found: list[RowGroup] = []
    for path in paths:
        with local.opened(path) as raw, _named(path):
            etag = local.etag_of(os.fstat(raw.fileno()))
            metadata = pq.read_metadata(raw)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        if not all(_are_there(group, columns) for group in groups):
            return None
        found += [RowGroup(path, etag, number, group.num_rows) for number, group in enumerate(groups) if group.num_rows]
    return found or None


def _are_there(group: pq.RowGroupMetaData, columns: Sequence[str]) -> bool:
    """Whether the file says that no image of a row group is missing."""
    counts = {}
    for number in range(group.num_columns):
        column = group.column(number)
        told = column.statistics
        counts[column.path_in_schema] = told.null_count if told is not None and told.has_null_count else None
    return all(counts.get(f"{column}.dtype") == 0 for column in columns)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as err:
        msg = f"{path}: it cannot be read: expected a Parquet file: {err}"
        raise FormatError(msg) from err


@dataclass(frozen=True)
class RowGroupReader:
    """Reads row groups, see `builders.hf.streaming.Reader`.

    Args:
        published: the features of the files.
        features: the same, with images as `EMImage`.
        image: the first column of images.

    Attributes:
        memory: bytes of pixels that a shuffled stream of them holds.
    """

    published: Features
    features: Features
    image: str
    memory: int = _HELD

    def __call__(self, shards: Iterable[RowGroup], skip: int) -> Generator[Step, None, None]:
        """See `builders.hf.streaming.Reader`."""
        with contextlib.closing(self.blocks(shards, skip)) as blocks:
            for block in blocks:
                if block is None:
                    yield None
                    continue
                for number, row in enumerate(block.rows()):
                    yield block.place + number, block.key(number), Row(row)

    def blocks(
        self, shards: Iterable[RowGroup], skip: int, only: Sequence[Places] | None = None
    ) -> Generator[BytesBlock | None, None, None]:
        """See `builders.hf.stream_blocks.BlockReader`."""
        with contextlib.closing(self._opened(shards)) as opened:
            for number, (shard, raw, file) in enumerate(opened):
                wanted = None if only is None else only[number]
                with contextlib.closing(self._blocks(shard, raw, file, skip if number == 0 else 0)) as blocks:
                    for block in blocks:
                        if wanted is None or np.any((wanted >= block.place) & (wanted < block.place + block.count)):
                            with contextlib.closing(block):
                                yield block
                yield None

    def rows(self, shard: RowGroup) -> int:
        """How many rows a shard has."""
        return shard.rows

    def name(self, shard: RowGroup) -> str:
        """What tells a shard from all others."""
        return f"{Path(shard.path).name}:{shard.etag}:{shard.number}"

    def pieces(self, shards: Sequence[RowGroup], at_once: int, rows: int, seeds: Sequence[int]) -> list[RowGroup]:
        """The shards, which are small, in any order; see `builders.hf.shuffling`."""
        return [shards[place] for place in np.random.default_rng(list(seeds)).permutation(len(shards))]

    def _opened(self, shards: Iterable[RowGroup]) -> Generator[tuple[RowGroup, io.FileIO, pq.ParquetFile], None, None]:
        """Each shard with its file."""
        with contextlib.ExitStack() as files:
            path, file = "", None
            for shard in shards:
                if file is None or path != shard.path:
                    files.close()
                    raw = files.enter_context(local.opened(shard.path))
                    local.check_version(raw, shard.path, shard.etag)
                    with _named(shard.path):
                        path, file = shard.path, files.enter_context(pq.ParquetFile(shard.path, memory_map=True))
                _bring(raw, file.metadata, shard.number)
                yield shard, raw, file

    def _blocks(
        self, shard: RowGroup, raw: io.FileIO, file: pq.ParquetFile, skip: int
    ) -> Generator[BytesBlock, None, None]:
        """The rows of a shard, without the first `skip`, in as few blocks as can be."""
        name, leaf = _name(shard), f"{self.image}.bytes"
        group = file.metadata.row_group(shard.number)
        leaves = {group.column(number).path_in_schema: number for number in range(group.num_columns)}
        with _named(shard.path):
            table = file.read_row_group(shard.number, columns=[one for one in leaves if one != leaf], use_threads=False)
        told = table[self.image].combine_chunks()
        stretches = list(layouts_of(told.field("shape"), told.field("dtype"), name))
        sizes = np.concatenate([np.full(stop - first, layout.nbytes) for first, stop, layout in stretches])
        levels = file.schema.column(leaves[leaf]).max_definition_level
        are_plain = all(type(one) is Layout and one.is_plain and one.dtype.isnative for _, _, one in stretches)
        places = places_of(raw.fileno(), group.column(leaves[leaf]), levels, sizes) if are_plain else None
        if places is None:
            with _named(shard.path):
                data = file.read_row_group(shard.number, columns=[leaf], use_threads=False)
            data = data[self.image].combine_chunks().field("bytes")
        values = self._values(table)
        for first, stop, layout in stretches:
            start = max(first, skip)
            if start >= stop:
                continue
            pixels: Pixels
            if places is None:
                pixels = in_memory(data.slice(start, stop - start), layout, f"{name}:{start}")
            else:
                pixels = InFile(shard.path, shard.etag, layout, places[start:stop])
            some = {column: of[start:stop] for column, of in values.items()}
            yield BytesBlock(start, some, pixels, self.image, tuple(self.features), name, stop - start)

    def _values(self, table: pa.Table) -> dict[str, NDArray[Any]]:
        """The columns of a table but the first one of images, as they are stored."""
        published = Features({name: feature for name, feature in self.published.items() if name != self.image})
        others, schema = table.drop_columns([self.image]), published.arrow_schema
        if others.schema.remove_metadata() != schema.remove_metadata():
            others = table_cast(others, schema)
        return {name: values_of(others[name], isinstance(self.features[name], EMImage)) for name in published}


def _bring(raw: io.FileIO, metadata: pq.FileMetaData, number: int) -> None:
    """Ask the system to have a row group in memory, and the one after it, which it does not guess by itself."""
    if not hasattr(os, "posix_fadvise"):
        return
    for one in range(number, min(number + 2, metadata.num_row_groups)):
        group = metadata.row_group(one)
        columns = [group.column(place) for place in range(group.num_columns)]
        start = min(column.dictionary_page_offset or column.data_page_offset for column in columns)
        size = sum(column.total_compressed_size for column in columns)
        os.posix_fadvise(raw.fileno(), start, size, os.POSIX_FADV_WILLNEED)


def _name(shard: RowGroup) -> str:
    return f"{Path(shard.path).name}#{shard.number}"
