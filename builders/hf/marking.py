"""Marks the features of our builders' rows as they are read: from nothing else does a formatter know whose they are."""

import functools
from collections.abc import Callable
from typing import Any

import datasets

from builders.hf import nulls
from builders.hf.names import MODULES

_OURS = "_made_by_perc"
"""What features are marked with that belong to rows of our builders."""

_stock_fast_select_column: Any = datasets.Dataset._fast_select_column


def is_ours(features: Any) -> bool:
    """Whether features are marked as those of rows of ours."""
    return hasattr(features, _OURS)


def marked(features: Any) -> Any:
    """Features, marked as those of rows of ours."""
    setattr(features, _OURS, True)
    return features


def _marked(features: Any, info: Any) -> Any:
    """Features of a dataset of ours, marked as such; others as they are.

    That is done as late as they are read: what is made of a dataset has features of its own, but says who built it.
    """
    if info.builder_name in MODULES and features is not None:
        setattr(features, _OURS, True)
    return features


def marking_reads(stock: Callable[..., Any]) -> Callable[..., Any]:
    """A way to read a dataset, by which its features are marked first."""

    @functools.wraps(stock)
    def read(dataset: Any, *args: Any, **kwargs: Any) -> Any:
        _marked(dataset.info.features, dataset.info)
        return stock(dataset, *args, **kwargs)

    return read


def marking_copies(stock: property) -> property:
    """The features of a dataset, which are a copy of those that it has."""
    return property(lambda dataset: _marked(stock.fget(dataset), dataset.info), doc=stock.__doc__)  # type: ignore[misc]


@functools.wraps(datasets.Dataset._fast_select_column)
def fast_select_column(dataset: Any, column_name: str) -> Any:
    """A column alone, of which `datasets` keeps its kind: what null is in it, it is in the rows, too."""
    column = _stock_fast_select_column(dataset, column_name)
    if nulls.nullable(dataset.info.features, dataset.info.builder_name in MODULES):
        setattr(column.info.features, _OURS, True)
    return column
