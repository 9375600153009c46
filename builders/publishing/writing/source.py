"""The rows of one split, divided into parts that can be read apart from each other, in any process."""

import functools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import xxhash
from datasets import Dataset, Features, IterableDataset, IterableDatasetDict

from builders.errors import OptionError
from builders.hf import stream_layers
from builders.hf.features import EMImage
from builders.publishing.writing import encoding
from builders.publishing.writing.schema import Row

Publishable: TypeAlias = Dataset | IterableDataset | Mapping[str, Dataset] | IterableDatasetDict
Batch: TypeAlias = Sequence[Row] | pa.Table
"""Rows, decoded; or as a table, where they need nothing done to them."""

_SAMPLE_BYTES = 64 * 1024 * 1024
_SAMPLE_ROWS = 16
_SAMPLE_SHARDS = 16
_COUNTED_BYTES = 16 * 1024 * 1024
"""Of the rows that are read only to be counted."""


class Source(Protocol):
    """The rows of a split in parts."""

    @property
    def features(self) -> Features | None:
        """The features of the rows, as far as they are known."""
        ...

    @property
    def transforms(self) -> list[Any]:
        """What is done to the rows, first to last."""
        ...

    @property
    def is_tabular(self) -> bool:
        """Whether batches are tables that are published as they are."""
        ...

    def sample(self) -> Sequence[Row]:
        """A few rows, decoded; none where there are no rows."""
        ...

    def divided(self, row_bytes: float, most: int) -> "Source":
        """The same rows, in parts of about `most` bytes at the most, where a row is published in `row_bytes`."""
        ...

    @property
    def parts(self) -> int:
        """In how many parts it is divided."""
        ...

    def identity(self, part: int) -> str:
        """A digest of the rows of a part and of what is done to them."""
        ...

    def batches(self, part: int, size: int) -> Iterator[Batch]:
        """The rows of a part, so many at a time, or fewer where they are large."""
        ...


def splits_of(dataset: Publishable) -> dict[str, Dataset | IterableDataset]:
    """The datasets that there are, by split; one alone keeps the name of its own, but several that were joined.

    Raises:
        OptionError: it is none, holds none, or a split has a name that `datasets` does not allow.
    """
    if isinstance(dataset, Dataset | IterableDataset):
        name = str(dataset.split or "train")
        joined = "+" in name or name == "all"  # of several, which are one now
        return {"train" if joined else name.partition("[")[0]: dataset}
    if not isinstance(dataset, Mapping) or not all(isinstance(d, Dataset | IterableDataset) for d in dataset.values()):
        msg = f"publish takes a Dataset, an IterableDataset or a dict of them by split: not {type(dataset).__name__}"
        raise OptionError(msg)
    if not dataset:
        msg = "publish: a dict without splits: expected at least one"
        raise OptionError(msg)
    for split in dataset:
        if not re.fullmatch(r"\w+(\.\w+)*", str(split)) or str(split) == "all":
            msg = f"a split is called {split!r}: expected letters, digits and _, as `datasets` does, and not 'all'"
            raise OptionError(msg)
    return {str(split): rows for split, rows in dataset.items()}


def source_of(dataset: Dataset | IterableDataset) -> Source:
    """The rows of a dataset, not divided yet.

    Raises:
        OptionError: they never end.
    """
    if isinstance(dataset, IterableDataset):
        if not stream_layers.has_end(dataset):
            msg = "a stream without end cannot be published: expected num_examples=, or .take(10000) of it"
            raise OptionError(msg)
        return StreamSource(stream_layers.without_format(dataset))
    custom = dataset.format["type"] == "custom"
    return MapSource(dataset if custom else dataset.with_format(None))


def expect_rereads(source: Source) -> None:
    """Some rows are looked at before they are written: transforms that draw are not to warn of a second pass."""
    if source.transforms:
        from perc_transforms.core import epochs  # needs torch

        for transform in source.transforms:
            epochs.expect_rereads(transform)


@dataclass(frozen=True)
class MapSource:
    """The rows of a map-style dataset; a part is a range of them."""

    dataset: Dataset
    parts: int = 1

    @property
    def features(self) -> Features:
        """Those of the dataset, as they are before a transform."""
        return self.dataset.features

    @property
    def transforms(self) -> list[Any]:
        """The transform that `with_transform` has set."""
        arguments = self.dataset.format["format_kwargs"]
        return [arguments["transform"]] if "transform" in arguments else []

    @property
    def is_tabular(self) -> bool:
        """Whether there is neither a transform nor an image to decode."""
        return not self.transforms and not _has_images(self.features)

    def sample(self) -> list[Row]:
        """Rows from all over the dataset: up to 16, or 64 MiB of them."""
        rows: list[Row] = []
        total = 0
        for place in np.unique(np.linspace(0, len(self.dataset) - 1, min(_SAMPLE_ROWS, len(self.dataset))).astype(int)):
            rows.append(self.dataset[int(place)])
            total += nbytes(rows[-1])
            if total > _SAMPLE_BYTES:
                break
        return rows

    def divided(self, row_bytes: float, most: int) -> "MapSource":
        """Even ranges of rows."""
        count = len(self.dataset)
        return MapSource(self.dataset, min(count, max(1, math.ceil(count * row_bytes / most))))

    def _range(self, part: int) -> tuple[int, int]:
        count = len(self.dataset)
        return count * part // self.parts, count * (part + 1) // self.parts

    def identity(self, part: int) -> str:
        """Of the rows as they are stored (references name the file's version), and of the transform."""
        digest = xxhash.xxh3_128()
        for transform in self.transforms:
            digest.update(stream_layers.digest_of(transform).encode())
        stored = self.dataset.with_format("arrow")
        start, stop = self._range(part)
        for first in range(start, stop, 10_000):
            digest.update(_normal(stored[first : min(first + 10_000, stop)]))
        return digest.hexdigest()

    def batches(self, part: int, size: int) -> Iterator[Batch]:
        """Slices of the dataset."""
        dataset = self.dataset.with_format("arrow") if self.is_tabular else self.dataset
        start, stop = self._range(part)
        for first in range(start, stop, size):
            batch = dataset[first : min(first + size, stop)]
            yield batch if isinstance(batch, pa.Table) else _rows(batch)


@dataclass(frozen=True)
class StreamSource:
    """The rows of a stream; a part is a run of its shards, or all of it, where they cannot be read apart."""

    stream: IterableDataset
    parts: int = 1

    @property
    def features(self) -> Features | None:
        """As they were when they were last known."""
        return stream_layers.source_features(self.stream)

    @property
    def transforms(self) -> list[Any]:
        """The functions of `map` and `filter`."""
        return stream_layers.functions_of(self.stream)

    @property
    def is_tabular(self) -> bool:
        """Whether rows come as tables, of known features, none an image to decode, and are the same as such."""
        known = self.stream.features
        if known is None or _has_images(known) or stream_layers.begins_elsewhere(self.stream):
            return False
        return stream_layers.gives_tables(self.stream)

    def sample(self) -> list[Row]:
        """The first rows: up to 16, or 64 MiB of them."""
        rows: list[Row] = []
        total = 0
        for row in islice(self._rows(self.stream), _SAMPLE_ROWS):
            rows.append(row)
            total += nbytes(row)
            if total > _SAMPLE_BYTES:
                break
        return rows

    def _rows(self, stream: IterableDataset) -> Iterator[Row]:
        """Rows with their images decoded, which `datasets` 4 does not do after `filter`."""
        images = {name: feature for name, feature in (self.features or {}).items() if isinstance(feature, EMImage)}
        for row in stream:
            stored = [name for name in images if isinstance(row.get(name), dict)]
            yield {**row, **{name: images[name].decode_example(row[name]) for name in stored}} if stored else row

    def divided(self, row_bytes: float, most: int) -> "StreamSource":
        """Even runs of shards, by what the first shards hold."""
        shards = self.stream.num_shards
        if shards < 2 or not stream_layers.divides(self.stream):
            return self
        count = looked_at = 0
        for number in range(min(shards, _SAMPLE_SHARDS)):
            rows = islice(iter(self.stream.shard(shards, number)), math.ceil(most / row_bytes))
            count += sum(1 for _ in rows)
            looked_at += 1
            if count * row_bytes > _COUNTED_BYTES:
                break
        in_each = max(1, count) * row_bytes / looked_at
        together = max(1, int(most / in_each))
        return StreamSource(self.stream, math.ceil(shards / together))

    def identity(self, part: int) -> str:
        """Of the whole stream, with the number of the part."""
        return f"{self._identity} {part}/{self.parts}"

    @functools.cached_property
    def _identity(self) -> str:  # of all shards, of which there may be very many: not once for each part
        return stream_layers.identity(self.stream)

    def batches(self, part: int, size: int) -> Iterator[Batch]:
        """The rows of a run of shards."""
        stream = self.stream if self.parts == 1 else self.stream.shard(self.parts, part)
        if self.is_tabular:
            yield from stream.with_format("arrow").iter(batch_size=size)
            return
        yield from _batched(self._rows(stream), size)


def _batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """So many rows at a time; fewer where they are larger than those that were looked at, to bound the memory."""
    batch: list[Row] = []
    total = 0
    for row in rows:
        more = nbytes(row)
        if batch and total + more > encoding.LARGEST_ROW_GROUP:
            yield batch
            batch, total = [], 0
        batch.append(row)
        total += more
        if len(batch) == size:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def nbytes(value: Any) -> int:
    """About how many bytes a value takes, published."""
    if isinstance(value, dict):
        return sum(map(nbytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(nbytes, value)) if len(value) < 100 else len(value) * nbytes(value[0])
    if isinstance(value, str | bytes):
        return len(value)
    return int(getattr(value, "nbytes", 8))


def _has_images(features: Features) -> bool:
    return any(isinstance(feature, EMImage) for feature in features.values())


def _rows(batch: dict[str, Any]) -> list[Row]:
    """The rows of a dict of columns."""
    count = len(next(iter(batch.values())))
    return [{name: values[place] for name, values in batch.items()} for place in range(count)]


def _normal(table: pa.Table) -> memoryview:
    """The bytes of a table, whichever way it was cut out of a larger one."""
    sink = pa.BufferOutputStream()
    table = table.combine_chunks()
    with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as writer:
        writer.write_table(table.replace_schema_metadata(None))
    return memoryview(sink.getvalue())
