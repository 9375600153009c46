"""Rows and batches of our streams as features and formats want them: a batch column by column, its images at once."""

import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from copy import copy
from typing import Any

import datasets
import numpy as np
from datasets.features.features import Features
from datasets.formatting import NumpyFormatter, TensorFormatter, TorchFormatter, get_formatter
from datasets.iterable_dataset import FormattedExamplesIterable as _StockFormatted

from builders.hf import decoding, nulls
from builders.hf.features import EMImage
from builders.hf.stream_layers import features_of, layers_of
from builders.hf.streaming import is_ours
from builders.hf.streams.ahead import Ahead
from builders.hf.streams.batches import Batch, ImageStack
from builders.hf.streams.mapping import gives_batches, is_grouping
from builders.hf.streams.picked_columns import PickedColumn, is_structs, is_usual

_FLAT = {int, float, bool, str, bytes}


class FormattedExamplesIterable(_StockFormatted):  # type: ignore[misc]
    """Rows in a format, as before; in the torch format null is filled also after `map` and `filter`.

    The stock one gives its formatter no features then: `map` forgets them, and `filter` has had rows encoded.

    What was filled is null again before rows are encoded, as they are where columns were taken away or renamed since.
    """

    def __iter__(self) -> Generator[tuple[Any, Any], None, None]:
        layers, nullable = layers_of(self.ex_iterable), {}
        knows_features = self._knows_features
        is_filled = any(_is_torch(getattr(layer, "formatting", None)) for layer in layers)
        if is_filled or _is_torch(self.formatting):
            nullable = nulls.nullable(features_of(layers) or {}, is_ours(layers[-1]))
        if is_grouping(self.ex_iterable) and self._is_of_tensors and not knows_features:
            yield from self._grouped()
            return
        if nullable and is_filled and knows_features:
            inner = copy(self)
            inner.ex_iterable = _Emptied(self.ex_iterable, self._features)
            rows = _StockFormatted.__iter__(inner)
        else:
            rows = super().__iter__()
        if not nullable or knows_features or not _is_torch(self.formatting):
            yield from rows
            return
        formatter = get_formatter("torch")
        for key, row in rows:
            some = {name: row[name] for name in nullable if name in row and isinstance(row[name], dict | None)}
            if some:
                row = row | formatter.recursive_tensorize(nulls.filled(some, {name: nullable[name] for name in some}))
            yield key, row

    def _grouped(self) -> Generator[tuple[Any, Any], None, None]:
        """Rows that are batches each."""
        formatter = get_formatter(self.formatting.format_type)
        for key, columns in self.ex_iterable:
            yield key, tensorized(formatter, columns)

    @property
    def gives_batches(self) -> bool:
        """Whether it can pass on whole batches."""
        is_table = bool(self.formatting and self.formatting.is_table)
        return not is_table and gives_batches(self.ex_iterable) and not self.ex_iterable.iter_arrow

    def iter_batches(self, size: int, drop_last: bool = False) -> Generator[tuple[Any, Batch], None, None]:
        """Batches of so many rows each, decoded and in the format."""
        features = self._features if self._knows_features else None
        format_type = self.formatting.format_type if self.formatting else None
        formatter = get_formatter(format_type) if self._is_of_tensors else None
        layers = layers_of(self.ex_iterable)
        was_filled = any(_is_torch(getattr(layer, "formatting", None)) for layer in layers)
        decode = None if features is None else _Decoding(features, format_type, was_filled, self.token_per_repo_id)
        nullable = {}
        if _is_torch(self.formatting):
            nullable = nulls.nullable(features or features_of(layers) or {}, is_ours(layers[-1]))
        batches, ahead = self.ex_iterable.iter_batches(size, drop_last), Ahead()
        try:
            for key, batch in batches:
                if decode is not None:
                    batch = decode(batch)
                if formatter is not None:
                    batch = batch.with_columns(tensorized(formatter, batch, nullable, ahead))
                yield key, batch
                del batch  # its memory is there for the next one, as soon as nobody else has it
        finally:
            batches.close()

    @property
    def _knows_features(self) -> bool:
        """Whether it is here that rows are decoded."""
        return self._features is not None and not self.ex_iterable.is_typed

    @property
    def _is_of_tensors(self) -> bool:
        return bool(self.formatting and self.formatting.is_tensor)


def _is_torch(formatting: Any) -> bool:
    return formatting is not None and formatting.format_type == "torch"


class _Emptied:
    """Rows of which some were filled, to be encoded for features."""

    iter_arrow, is_typed = None, False

    def __init__(self, rows: Iterable[tuple[Any, Any]], features: datasets.Features) -> None:
        self._rows, self._features = rows, features

    def __iter__(self) -> Generator[tuple[Any, Any], None, None]:
        for key, row in self._rows:
            yield key, nulls.emptied(row, self._features)


class _Decoding:
    """Decodes batches as features want it; columns that are so already stay as they are, others are left out.

    Args:
        features: these.
        format_type: the format that batches are brought to next.
        was_filled: whether null may have been filled for the torch format.
        tokens: as `datasets` hands them on.
    """

    def __init__(self, features: Features, format_type: str | None, was_filled: bool, tokens: Any) -> None:
        self._features, self._format, self._was_filled, self._tokens = features, format_type, was_filled, tokens
        self._known: tuple[Any, Any, Any] = (None, None, None)
        self._settled: set[str] = set()
        self._open: dict[str, Any] = {}

    def __call__(self, batch: Batch) -> Batch:
        """A batch decoded."""
        stored, decoded, format_type = self._known
        if batch.stored is not stored or batch.decoded is not decoded or batch.format != format_type:
            self._known = batch.stored, batch.decoded, batch.format
            self._settled = self._settled_of(batch)
            pairs = self._features.items()
            self._open = {n: kind for n, kind in pairs if n not in self._settled or isinstance(kind, EMImage)}
        columns = {name: batch[name] if name in batch else [None] * batch.length for name in self._features}
        for name, feature in self._open.items():
            column = columns[name]
            if isinstance(column, ImageStack) and isinstance(feature, EMImage):
                columns[name] = column.decoded(feature)
            elif isinstance(column, ImageStack) or name not in self._settled:
                columns[name] = _applied(column, name, feature, self._was_filled, self._tokens)
        return Batch(columns, batch.length, decoded=self._features, format=self._format)

    def _settled_of(self, batch: Batch) -> set[str]:
        """The columns of batches like this one that are as the features want them."""
        settled = {name for name, feature in self._features.items() if batch.stored.get(name) == feature}
        if batch.format in (None, self._format):
            settled |= {name for name, feature in self._features.items() if batch.decoded.get(name) == feature}
        return settled


def _applied(column: Any, name: str, feature: Any, was_filled: bool, tokens: Any) -> Any:
    """A column encoded and decoded value by value."""
    one = Features({name: feature})
    values = column.values() if isinstance(column, ImageStack | PickedColumn) else column
    rows = ({name: value} for value in values)
    rows = (nulls.emptied(row, one) for row in rows) if was_filled else rows
    found = [decoding.apply_features(row, one, token_per_repo_id=tokens)[name] for row in rows]
    is_images = isinstance(feature, EMImage) and feature.decode and all(isinstance(v, np.ndarray) for v in found)
    return np.stack(found) if is_images and len({(v.shape, v.dtype) for v in found}) == 1 else found


def tensorized(
    formatter: Any,
    columns: Mapping[str, Any],
    nullable: Mapping[str, Any] | None = None,
    ahead: Ahead | None = None,
) -> dict[str, Any]:
    """Columns as a tensor formatter makes them, lists of plain values at once.

    Args:
        formatter: one of `datasets`.
        columns: by name.
        nullable: features of those in which null is filled.
        ahead: has some of them, it may be.
    """
    convert = next((own for kind, own in _CONVERTERS.items() if isinstance(formatter, kind)), None)
    done: dict[str, Any] = {}
    nullable, is_torch = nullable or {}, is_usual(formatter)
    ready = ahead.columns(columns, nullable) if is_torch and ahead is not None else {}
    for name, column in columns.items():
        if name in ready:
            done[name] = ready[name]
            continue
        if is_torch and _is_tensor(column):
            done[name] = column.detach()
            continue
        if isinstance(column, PickedColumn):
            done[name] = column.formatted(formatter, nullable.get(name), is_torch)
            continue
        if type(column) is not list and is_structs(column):
            if is_torch:
                done[name] = column
                continue
            column = list(column)
        converted = None
        if type(column) is list:
            kinds = set(map(type, column))
            if name in nullable and not kinds <= _FLAT:
                column = nulls.filled({name: column}, {name: nullable[name]})[name]
                kinds = set(map(type, column))
            if convert is not None and len(kinds) == 1 and kinds <= _FLAT:
                converted = convert(column, *kinds)
        if converted is None:
            is_nested = isinstance(column, dict)
            tensorize = formatter.recursive_tensorize if is_nested else formatter._recursive_tensorize
            converted = tensorize(column)
            if convert is _as_array and type(column) in (list, dict):
                converted = tensorize(converted)  # arrays are made single precision, numbers of Python's are not
        done[name] = converted
    return done


def _is_tensor(column: Any) -> bool:
    torch = sys.modules.get("torch")  # slow to import
    return torch is not None and type(column) is torch.Tensor


def _as_tensor(column: list[Any], kind: type) -> Any:
    import torch

    if kind in (str, bytes):
        return column
    if kind is float and torch.get_default_dtype() is not torch.float32:
        return None
    array = np.array(column, np.float32 if kind is float else None)  # much faster than a tensor of a list
    return torch.from_numpy(array) if array.dtype.kind in "bif" else None


def _as_array(column: list[Any], kind: type) -> Any:
    if kind in (str, bytes):
        texts = np.empty(len(column), object)
        texts[:] = column
        return texts
    array = np.array(column, np.float32 if kind is float else None)
    return array if array.dtype.kind in "bif" else None


_CONVERTERS: dict[type[TensorFormatter], Callable[[list[Any], type], Any]] = {
    TorchFormatter: _as_tensor,
    NumpyFormatter: _as_array,
}
