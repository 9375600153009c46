"""What a stream is made of, and what that tells: its features, its functions, whether its shards divide it.

`datasets` has no public names for any of this.
"""

import copy
from pathlib import Path
from typing import Any

import datasets
from datasets.fingerprint import Hasher
from datasets.iterable_dataset import (
    ArrowExamplesIterable,
    ExamplesIterable,
    TakeExamplesIterable,
    _BaseExamplesIterable,
)
from datasets.packaged_modules.parquet.parquet import Parquet

_TRANSPARENT = {"MappedExamplesIterable", "FilteredExamplesIterable", "SelectColumnsIterable"}
_TRANSPARENT |= {"FormattedExamplesIterable", "RebatchedArrowExamplesIterable"}
"""What a stream may be wrapped in that does to each row, or batch, the same in whatever shard it stands."""


def layers_of(outermost: Any) -> list[Any]:
    """What a stream is made of: the last thing done to it first, its source last."""
    layers = [outermost]
    while hasattr(layers[-1], "ex_iterable"):
        layers.append(layers[-1].ex_iterable)
    return layers


def source_features(stream: datasets.IterableDataset) -> datasets.Features | None:
    """The features that a stream's rows had when their kinds were last known: `map` forgets them."""
    if stream.features is not None:
        return stream.features
    return features_of(layers_of(stream._ex_iterable))


def features_of(layers: list[Any]) -> datasets.Features | None:
    """The features that are known furthest out."""
    for layer in layers:
        features = getattr(layer, "_features", None) or getattr(layer, "declared", None) or layer.features
        if features is not None:
            return features
    return None


def functions_of(stream: datasets.IterableDataset) -> list[Any]:
    """The functions that a stream's rows go through, first to last."""
    functions = [getattr(layer, "function", None) for layer in reversed(layers_of(stream._ex_iterable))]
    return [function for function in functions if function is not None]


def divides(stream: datasets.IterableDataset) -> bool:
    """Whether its shards, one after another, hold the rows of the whole stream in its own order.

    Not so after `shuffle`, `take`, `skip`, `set_epoch`, or where a function is told the place of a row.
    """
    *wrapped, source = layers_of(stream._ex_iterable)
    if stream._distributed is not None or begins_elsewhere(stream) or hasattr(source, "ex_iterables"):
        return False
    if getattr(stream, "_shuffling", None) is not None or not isinstance(
        source, ExamplesIterable | ArrowExamplesIterable
    ):
        return False
    return all(
        type(layer).__name__ in _TRANSPARENT
        and not getattr(layer, "with_indices", False)
        and not getattr(layer, "drop_last_batch", False)
        for layer in wrapped
    )


def has_end(stream: datasets.IterableDataset) -> bool:
    """Whether whoever reads all of its rows is ever done."""
    *wrapped, source = layers_of(stream._ex_iterable)
    if any(isinstance(layer, TakeExamplesIterable) for layer in wrapped):
        return True
    return not getattr(getattr(source, "reader", None), "is_endless", False)


def identity(stream: datasets.IterableDataset) -> str:
    """A digest of what a stream reads and does, the same in every process, and after it was read."""
    begins = stream.epoch, stream._starting_state_dict
    told = [_told(stream._ex_iterable), stream._formatting, stream._distributed, stream._info.features]
    return digest_of([*told, *(begins if begins_elsewhere(stream) else ())])


_PASSING = ("_state_dict", "_original_state_dict", "_owned_loops_and_tasks", "decoding_pool", "_interleaved")
"""What a layer of a stream keeps while it is read."""


def _told(value: Any) -> Any:
    """What decides the rows of a layer, and of those below it."""
    if isinstance(value, list) and any(isinstance(item, _BaseExamplesIterable) for item in value):
        return [_told(item) for item in value]
    owner = getattr(value, "__self__", None)
    if isinstance(owner, datasets.DatasetBuilder):  # the folder of its cache is named for options and files
        return type(owner).__name__, str(owner.VERSION), owner.config_id, value.__name__
    if isinstance(value, _BaseExamplesIterable):
        kept = {name: _told(item) for name, item in sorted(vars(value).items()) if name not in _PASSING}
        return type(value).__name__, kept
    return value


def gives_tables(stream: datasets.IterableDataset) -> bool:
    """Whether its rows come as Arrow tables, of one schema; others are made tables one by one, each by its values."""
    return stream._ex_iterable.iter_arrow is not None


def without_format(stream: datasets.IterableDataset) -> datasets.IterableDataset:
    """Its rows as they are without `with_format`, which forgets where they begin."""
    if stream._formatting is None:
        return stream
    plain = stream.with_format(None)
    plain.set_epoch(stream.epoch)
    plain._starting_state_dict = stream._starting_state_dict
    return plain


def parquet_files(stream: datasets.IterableDataset) -> list[str] | None:
    """The Parquet files of this machine whose rows, all of them and in order, a stream gives; None of any other.

    None before `datasets` 5, too: there, rows that are not tables become some one by one, each by its own values.
    """
    if int(datasets.__version__.partition(".")[0]) < 5:
        return None
    source = stream._ex_iterable
    builder = getattr(getattr(source, "generate_tables_fn", None), "__self__", None)
    if type(source) is not ArrowExamplesIterable or not isinstance(builder, Parquet):
        return None
    if begins_elsewhere(stream) or getattr(stream, "_shuffling", None) is not None:
        return None
    files = source.kwargs.get("files")
    given = [getattr(builder.config, name, None) for name in ("columns", "filters", "batch_size")]
    given += [group for group in source.kwargs.get("row_groups_list") or () if group is not None]
    is_lenient = getattr(builder.config, "on_bad_files", "error") != "error"
    is_known = isinstance(files, list) and all(isinstance(file, str) and Path(file).is_file() for file in files)
    return files if is_known and not is_lenient and all(value is None for value in given) else None


def with_source(
    stream: datasets.IterableDataset, source: ExamplesIterable, features: datasets.Features
) -> datasets.IterableDataset:
    """A stream of the same name, division and information, whose rows come from elsewhere."""
    made = stream.with_format(None).cast(features)
    made._ex_iterable = source
    return made


def begins_elsewhere(stream: datasets.IterableDataset) -> bool:
    """Whether it is in a later epoch, or goes on from a saved state: which nothing that is made of it does."""
    return bool(stream.epoch or stream._starting_state_dict)


def digest_of(value: Any) -> str:
    """A digest of an object and all in it, functions too, the same in every process."""
    return str(Hasher.hash(value))


def first_as_read(stream: datasets.IterableDataset) -> dict[str, Any]:
    """The first row of a stream's source, before anything is done to it, images not decoded; empty where none is."""
    source = copy.copy(layers_of(stream._ex_iterable)[-1])
    source._state_dict = None  # of where another pass over it stands
    rows = iter(source)
    try:
        _, row = next(rows, (None, None))
        return dict(row) if isinstance(row, dict) else {}
    finally:
        getattr(rows, "close", lambda: None)()
