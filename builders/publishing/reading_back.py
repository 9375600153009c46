"""`as_em_images`: columns of published images as `EMImage` again."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa
from datasets import Array2D, Array3D, Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict
from datasets.features.features import require_decoding

from builders.errors import OptionError
from builders.hf import stream_layers
from builders.hf.features import EMImage
from builders.hf.image_storage import STORAGE
from builders.hf.streaming import ShardStream
from builders.publishing.row_groups import RowGroupReader, row_groups
from builders.publishing.writing.pixels import is_bytes

_BATCH = 32 * 1024 * 1024
_T = TypeVar("_T", Dataset, IterableDataset, DatasetDict, IterableDatasetDict)


def as_em_images(dataset: _T, columns: Sequence[str] = ("image",), dtype: str | None = None) -> _T:
    """A published dataset, loaded with `datasets`, with its images as `EMImage`: they decode to NumPy arrays.

    `datasets` alone gives such images as nested lists, unless a NumPy or torch format is set; with `EMImage` they are
    arrays in every format, and as fast as those of our own builders. Images that were published as bytes are only
    looked at in another way; nested lists are converted.

    Args:
        dataset: map-style, whose lists are rewritten in the cache of `datasets`; or a stream, whose rows are converted
            as they come; or a dict of them by split.
        columns: those with images: `Array2D`, `Array3D`, nested lists of numbers, or records of bytes.
        dtype: type of the decoded arrays; None keeps that which was published.

    Raises:
        OptionError: a column is not there, or holds no images.

    Example:
        >>> from datasets import Array2D, Dataset, Features
        >>> features = Features({"image": Array2D(shape=(2, 2), dtype="float32")})
        >>> ds = Dataset.from_dict({"image": [[[1.0, 2.0], [3.0, 4.0]]]}, features=features)
        >>> as_em_images(ds)[0]["image"]
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    if isinstance(dataset, dict):
        made = {split: as_em_images(rows, columns, dtype) for split, rows in dataset.items()}
        return cast(_T, type(dataset)(made))
    features = dataset.features
    if features is None:
        msg = "as_em_images: the features of this stream are not known: call it before map"
        raise OptionError(msg)
    for column in columns:
        if not is_bytes(features.get(column)) and _axes(features.get(column)) not in (2, 3):
            kinds = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in features.items())
            msg = f"as_em_images: {column!r} is no column of images: there are {kinds}"
            raise OptionError(msg)
    wanted = Features(dict(features) | dict.fromkeys(columns, EMImage(dtype=dtype)))
    if all(is_bytes(features[column]) for column in columns):
        return cast(_T, _seen(dataset, columns, wanted))
    convert = _Convert(tuple(columns), wanted.arrow_schema)
    rows = dataset.with_format("arrow")
    if isinstance(dataset, IterableDataset):  # `datasets` 4 decodes what was cast, but not what map gives
        return cast(_T, rows.map(convert, batched=True, batch_size=_rows(features)).with_format(None).cast(wanted))
    return cast(_T, rows.map(convert, batched=True, batch_size=_rows(features), features=wanted).with_format(None))


def _seen(dataset: Dataset | IterableDataset, columns: Sequence[str], wanted: Features) -> Dataset | IterableDataset:
    """A dataset whose images are bytes, looked at as it is wanted; nothing is made anew."""
    if isinstance(dataset, IterableDataset):
        files = stream_layers.parquet_files(dataset)
        shards = row_groups(files, columns) if files else None
        if shards is None:
            return dataset.with_format(None).cast(wanted)
        reader = RowGroupReader(dataset.features, wanted, columns[0])
        return stream_layers.with_source(dataset, ShardStream(reader, shards, _stored_as(wanted)), wanted)
    seen = dataset.with_format(None)
    for column in columns:
        seen = seen.cast_column(column, wanted[column])
    return seen


def _stored_as(features: Features) -> Features:
    """The features of rows before they are decoded: pictures, say, are records still."""
    plain = Features.from_arrow_schema(features.arrow_schema.remove_metadata())
    is_ready = {name: isinstance(one, EMImage) or not require_decoding(one) for name, one in features.items()}
    return Features({name: feature if is_ready[name] else plain[name] for name, feature in features.items()})


class _Convert:
    """Tables of nested lists to tables of `EMImage`'s storage; pickled, it goes to workers."""

    def __init__(self, columns: tuple[str, ...], schema: pa.Schema) -> None:
        self._columns, self._schema = columns, schema

    def __call__(self, table: pa.Table) -> pa.Table:
        arrays = [
            pa.chunked_array([_stored(chunk) for chunk in table[name].chunks], STORAGE)
            if name in self._columns
            else table[name]
            for name in self._schema.names
        ]
        return pa.table(arrays, schema=self._schema)


def _stored(images: pa.Array) -> pa.Array:
    """The storage of an `EMImage` for an array of nested lists; equal shapes are not copied image by image."""
    storage = images.storage if isinstance(images, pa.ExtensionArray) else images
    kind: Any = images.type
    shape = getattr(kind, "shape", (None,))
    if None in shape or storage.null_count or not len(storage):
        return EMImage().cast_storage(images)
    for _ in shape:
        storage = storage.flatten()
    pixels = np.ascontiguousarray(storage.to_numpy(zero_copy_only=False))
    size = pixels.nbytes // len(images)
    offsets = np.arange(len(images) + 1, dtype=np.int64) * size
    data = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(images), [None, pa.py_buffer(offsets), pa.py_buffer(pixels)]
    )
    columns = {
        "bytes": data,
        "shape": pa.array([list(shape)] * len(images), STORAGE.field("shape").type),
        "dtype": pa.array([pixels.dtype.str] * len(images)),
    }
    arrays = [columns.get(f.name, None) for f in STORAGE]
    filled = [pa.nulls(len(images), f.type) if a is None else a for a, f in zip(arrays, STORAGE, strict=True)]
    return pa.StructArray.from_arrays(filled, fields=list(STORAGE))


def _axes(feature: Any) -> int:
    """How many axes the arrays of a column have; 0 where it has none."""
    if isinstance(feature, Array2D | Array3D):
        return len(feature.shape)
    depth = 0
    while (inner := getattr(feature, "feature", None)) is not None:
        feature, depth = inner, depth + 1
    return depth if str(getattr(feature, "dtype", "string")).rstrip("0123456789") in _NUMBERS else 0


_NUMBERS = {"float", "int", "uint", "bool"}


def _rows(features: Features) -> int:
    """Rows of a batch of some 32 MiB."""
    sizes = [
        int(np.prod(feature.shape)) * 8
        for feature in features.values()
        if isinstance(feature, Array2D | Array3D) and None not in feature.shape
    ]
    return max(1, min(1000, _BATCH // max(1, sum(sizes)))) if sizes else 16
