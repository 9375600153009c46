"""`IterableDataset.shuffle`, which puts our layers on streams of ours."""

import functools
import inspect
from collections.abc import Callable
from copy import copy
from typing import Any

import datasets
import numpy as np
from datasets import iterable_dataset as stock

from builders.hf.shuffling.draws import seed_of
from builders.hf.shuffling.stream import PermutedStream, Shuffle, ShuffledStream
from builders.hf.stream_layers import layers_of
from builders.hf.streaming import ShardStream, TableStream, is_of_local_files

_AT_ONCE = 10
"""Shards whose rows are mixed, in versions of `datasets` that do not ask."""


def shuffling(stock_shuffle: Callable[..., Any]) -> Callable[..., Any]:
    """`shuffle` as before; of a stream of ours whose rows are as they were read, one that resumes exactly."""
    signature = inspect.signature(stock_shuffle)
    asks = "max_buffer_input_shards" in signature.parameters

    @functools.wraps(stock_shuffle)
    def shuffle(self: datasets.IterableDataset, *args: Any, **kwargs: Any) -> datasets.IterableDataset:
        shuffled = stock_shuffle(self, *args, **kwargs)
        buffer, at_once = shuffled._ex_iterable, 1 if asks else _AT_ONCE
        rows = buffer.ex_iterable
        if asks and isinstance(rows, stock.InterleavedShardsExamplesIterable):
            at_once, rows = rows.max_input_shards, rows.ex_iterable
        if isinstance(rows, stock.RebatchedArrowExamplesIterable):
            rows = rows.ex_iterable
        number, given = seed_of(buffer.generator), signature.bind(self, *args, **kwargs).arguments
        how = Shuffle((number,), buffer.buffer_size, at_once, (_words(number, **given),))
        ours = _in_place(rows, how)
        if ours is not None:
            shuffled._ex_iterable = ours
            shuffled._prepare_ex_iterable_for_iteration()  # its state is that of the new layers
        return shuffled

    return shuffle


def _words(number: int, seed: Any = None, generator: Any = None, **others: Any) -> str:
    """What `shuffle` was given to shuffle by, or the number that its generator gave."""
    is_known = generator is None and isinstance(seed, int | np.integer)
    return f"seed {int(seed)}" if is_known else f"seed of a generator {number}"


def _in_place(rows: Any, how: Shuffle) -> Any:
    """A stream with its source shuffled, below layers that leave rows what they are; None where that cannot be."""
    *wrapped, source = layers_of(rows)
    if not all(_keeps_rows(layer) for layer in wrapped):
        return None
    if isinstance(source, ShardStream):
        inner: Any = ShuffledStream(source, how)
    elif source.one_each if isinstance(source, TableStream) else is_of_local_files(source):
        inner = PermutedStream(source, how)
    else:
        return None
    for layer in reversed(wrapped):
        outer = copy(layer)
        outer.ex_iterable = inner
        inner = outer
    return inner


def _keeps_rows(layer: Any) -> bool:
    """Whether a layer changes no row by what stands in others, and leaves none out."""
    if isinstance(layer, stock.MappedExamplesIterable) and type(layer) is not stock.FilteredExamplesIterable:
        function = getattr(layer.function, "func", layer.function)  # a renaming is told of which columns
        return function in (stock.identity_func, stock._rename_columns_fn) and not layer.batched
    return isinstance(layer, stock.SelectColumnsIterable | stock.FormattedExamplesIterable)
