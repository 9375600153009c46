"""How batches of a map-style dataset are read: those with images by columns, all others as by `datasets`."""

import functools
from collections.abc import Mapping, MutableMapping
from typing import Any

import datasets
import numpy as np
from datasets.formatting import get_formatter
from datasets.formatting.formatting import PythonFormatter

from builders.hf import marking, nulls
from builders.hf.batches.picking import decoded, rows_at
from builders.hf.formatting import FORMATTERS, holds_images

_OURS = tuple(FORMATTERS.values())
_NOT_OURS = object()
"""What stands for a batch that `datasets` is to give."""
_stock_getitem: Any = datasets.Dataset._getitem


@functools.wraps(_stock_getitem)
def getitem(dataset: Any, key: Any, **kwargs: Any) -> Any:
    """What `datasets` gives for a key; a batch with images is read together."""
    is_batch = not kwargs and isinstance(key, list | tuple | range | slice | np.ndarray)
    batch = _batch(dataset, key) if is_batch else _NOT_OURS
    return _stock_getitem(dataset, key, **kwargs) if batch is _NOT_OURS else batch


def getitems(dataset: Any, keys: list[int]) -> list[Any]:
    """The rows that a loader asks for; those of a batch with images are made when somebody looks at them."""
    from torch.utils.data import get_worker_info

    from perc_transforms.core.batch_rows import BatchRows

    has_images = holds_images(dataset._info.features, _formatted(dataset))
    if has_images and len(keys) and dataset._format_type == "torch" and get_worker_info() is not None:
        return BatchRows(lambda: dataset[keys], lambda: _for_loader(dataset, keys, is_shared=True))
    is_torch = has_images and len(keys) and dataset._format_type == "torch"
    batch = _for_loader(dataset, keys) if is_torch else _collatable(dataset, dataset[keys])
    are_columns = has_images and len(keys) and isinstance(batch, dict)
    if are_columns and all(_is_of_rows(column, len(keys)) for column in batch.values()):
        first = [batch]  # is handed on once: who collates the rows twice may change either batch in place
        kinds = functools.partial(nulls.kinds_of, dataset._info.features)
        return BatchRows(lambda: first.pop() if first else _collatable(dataset, dataset[keys]), kinds=kinds)
    count = len(batch[next(iter(batch))])  # as of a data frame, too
    return [{name: column[place] for name, column in batch.items()} for place in range(count)]


def _collatable(dataset: Any, batch: Any) -> Any:
    """A batch for a loader; what a transform of ours left null is what torch can collate, as in the torch format."""
    from perc_transforms.core.base import Transform

    if not isinstance((dataset._format_kwargs or {}).get("transform"), Transform):
        return batch
    features = dataset._info.features or {}
    return nulls.plainly_filled(batch, nulls.nullable(features, marking.is_ours(features)))


def _is_of_rows(column: Any, count: int) -> bool:
    """Whether a column is a sequence of one value for each row."""
    shape = getattr(column, "shape", None)  # sooner told than a tensor's length
    if isinstance(shape, tuple):
        return shape[:1] == (count,)
    return not isinstance(column, Mapping | str | bytes) and hasattr(column, "__len__") and len(column) == count


def _for_loader(dataset: Any, keys: list[int], is_shared: bool = False) -> Any:
    """A batch for whoever collates its rows; its images in memory that processes share, if that is wanted."""
    batch = _batch(dataset, keys, is_shared, is_for_loader=True)
    return dataset[keys] if batch is _NOT_OURS else batch


def _formatted(dataset: Any) -> list[str]:
    """The columns that the format of a dataset is for."""
    names = decoded(dataset._data.table).names  # those of the table itself are made anew each time
    chosen = dataset._format_columns
    return names if chosen is None else [name for name in names if name in chosen]


def _batch(dataset: Any, key: Any, is_shared: bool = False, is_for_loader: bool = False) -> Any:
    """Rows of a dataset as it formats them, `_NOT_OURS` where `datasets` is to do that."""
    features, wanted = dataset._info.features, _formatted(dataset)
    if not holds_images(features, wanted):
        return _NOT_OURS
    formatter = get_formatter(dataset._format_type, features=features, **(dataset._format_kwargs or {}))
    rows = rows_at(dataset._data, key, dataset._indices, features) if isinstance(formatter, _OURS) else None
    if rows is None:
        return _NOT_OURS
    formatter.is_shared, formatter.is_for_loader = is_shared, is_for_loader
    batch = formatter.format_picked(rows, wanted)
    others = [name for name in decoded(dataset._data.table).names if name not in wanted]
    if not others or not dataset._output_all_columns:
        return batch
    if not isinstance(batch, MutableMapping):
        return _NOT_OURS
    batch.update(PythonFormatter(features=features).format_batch(rows.arrow(others)))
    return batch
