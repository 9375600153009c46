"""The form that the rows of a publication take, and what is said of it to who publishes them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from datasets import Features

from builders.publishing.parts import Marker
from builders.publishing.writing.pixels import Pixels
from builders.publishing.writing.schema import Row, Schema
from builders.publishing.writing.source import Source

logger = logging.getLogger(__name__)

SchemaOf: TypeAlias = Callable[[Sequence[Row], Features | None], Schema]


def form_of(
    samples: Mapping[str, Sequence[Row]],
    sources: Mapping[str, Source],
    schema_of: SchemaOf,
    marker: Marker | None,
) -> Schema:
    """The schema that fits the rows that were looked at, and those that an interrupted run met.

    Args:
        samples: some rows of each split.
        sources: all of them.
        schema_of: makes the schema of rows, of which some features are known.
        marker: of the interrupted run, if there was one.
    """
    schema = _form_of(samples, sources, schema_of, marker)
    _warn_of_lists(schema)
    return schema


def _form_of(
    samples: Mapping[str, Sequence[Row]], sources: Mapping[str, Source], schema_of: SchemaOf, marker: Marker | None
) -> Schema:
    (first, rows), *others = samples.items()
    schema = schema_of(rows, sources[first].features)
    for split, rows in others:
        schema = schema.merged(schema_of(rows, sources[split].features), split)
    if marker is not None:
        try:
            before = Schema.from_json(marker["schema"])
        except (KeyError, TypeError, ValueError):
            return schema
        if set(before.features) == set(schema.features):
            return before.merged(schema, first)
    return schema


def wider(schema: Schema, found: str) -> Schema:
    """A schema that fits a row that another one did not.

    Args:
        schema: the one that did not.
        found: the one that does, as JSON.
    """
    made = Schema.from_json(found)
    for column, pixels in _lists(made).items():
        if _lists(schema)[column].dtype != pixels.dtype:
            logger.warning("%r: pixels are of several types: they are published as %s", column, pixels.dtype)
    _warn_of_lists(made, besides=schema)
    return made


def _warn_of_lists(schema: Schema, besides: Schema | None = None) -> None:
    """Say which images are not published as arrays, but for those of which it was said."""
    said = {} if besides is None else _lists(besides)
    for column, pixels in _lists(schema).items():
        if pixels.shape is None and (column not in said or said[column].shape is not None):
            logger.warning(
                "%r: images are of different shapes: they are published as nested lists, which are slower to read;"
                " layout='bytes' (--layout bytes) takes them as they are; crop= and pad= (--crop, --pad) make them"
                " arrays of one shape",
                column,
            )


def _lists(schema: Schema) -> dict[str, Pixels]:
    """How the images are stored that are published as lists."""
    return {column: pixels for column, pixels in schema.pixels.items() if isinstance(pixels, Pixels)}
