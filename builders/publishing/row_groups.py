"""Row groups of published files of this machine, whose images are bytes, as the shards of a stream."""

import contextlib
import io
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features
from datasets.table import table_cast

from builders.errors import FormatError
from builders.hf.features import EMImage
from builders.hf.image_storage import Row
from builders.hf.stream_blocks import Places
from builders.hf.streaming import Step
from builders.io.files import local
from builders.publishing.image_blocks import BytesBlock, blocks_of, stored_row

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
        images = [name for name, feature in self.features.items() if isinstance(feature, EMImage)]
        with contextlib.closing(self._tables(shards)) as tables:
            for shard, table in tables:
                if table is None:
                    yield None
                    continue
                for place in range(skip, len(table)):
                    yield place, _key(shard, place), Row(stored_row(table, place, images))
                skip = 0

    def blocks(
        self, shards: Iterable[RowGroup], skip: int, only: Sequence[Places] | None = None
    ) -> Generator[BytesBlock | None, None, None]:
        """See `builders.hf.stream_blocks.BlockReader`."""
        number = 0
        with contextlib.closing(self._tables(shards)) as tables:
            for shard, table in tables:
                if table is None:
                    yield None
                    number, skip = number + 1, 0
                    continue
                wanted = None if only is None else only[number]
                for block in blocks_of(table, self.image, _key(shard, 0).rpartition(":")[0], skip):
                    if wanted is None or np.any((wanted >= block.place) & (wanted < block.place + block.count)):
                        with contextlib.closing(block):
                            yield block

    def rows(self, shard: RowGroup) -> int:
        """How many rows a shard has."""
        return shard.rows

    def name(self, shard: RowGroup) -> str:
        """What tells a shard from all others."""
        return f"{Path(shard.path).name}:{shard.etag}:{shard.number}"

    def pieces(self, shards: Sequence[RowGroup], at_once: int, rows: int, seeds: Sequence[int]) -> list[RowGroup]:
        """The shards, which are small, in any order; see `builders.hf.shuffling`."""
        return [shards[place] for place in np.random.default_rng(list(seeds)).permutation(len(shards))]

    def _tables(self, shards: Iterable[RowGroup]) -> Generator[tuple[RowGroup, pa.Table | None], None, None]:
        """The rows of each shard, and None after them."""
        schema = self.published.arrow_schema
        with contextlib.ExitStack() as files:
            path, file = "", None
            for shard in shards:
                with _named(shard.path):
                    if file is None or path != shard.path:
                        files.close()
                        raw = files.enter_context(local.opened(shard.path))
                        local.check_version(raw, shard.path, shard.etag)
                        path, file = shard.path, files.enter_context(pq.ParquetFile(shard.path, memory_map=True))
                    _bring(raw, file.metadata, shard.number)
                    table = file.read_row_group(shard.number, use_threads=False)
                if table.schema.remove_metadata() != schema.remove_metadata():
                    table = table_cast(table, schema)
                yield shard, table
                yield shard, None


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


def _key(shard: RowGroup, place: int) -> str:
    return f"{Path(shard.path).name}#{shard.number}:{place}"
