"""How rows are encoded and decoded: as by `datasets`, but for what is slow, or impossible, with images among them."""

from collections.abc import Callable
from typing import Any

import datasets.features.features as datasets_features
import datasets.iterable_dataset as datasets_iterable
from datasets.features import LargeList, List

import builders.hf.features
from builders.hf import nulls
from builders.hf.image_storage import Row
from builders.io.net import remote

_stock_apply_features: Any = datasets_iterable._apply_feature_types_on_example
_stock_decode_batch: Any = datasets_features.Features.decode_batch
_stock_decode_column: Any = datasets_features.Features.decode_column
_SEVERAL = 2
_agreed: tuple[Any, Any, tuple[tuple[str, Any], ...] | None] = (None, None, None)


def apply_features(example: Any, features: Any, *args: Any, **kwargs: Any) -> Any:
    """Encode and decode a row as before; of one that our streams made for these features, only the images."""
    images = _images_of(features, example.features) if type(example) is Row else None
    if images is None:
        return _stock_apply_features(example, features, *args, **kwargs)
    row = dict(example)
    for name, feature in images:
        row[name] = feature.decode_example(row[name])
    return row


def _images_of(features: Any, declared: Any) -> tuple[tuple[str, Any], ...] | None:
    """The columns with images to decode, of features that differ in nothing else from those a row was made for."""
    global _agreed
    agreed = _agreed  # another thread may put another one in its place
    if agreed[0] is not features or agreed[1] is not declared:
        kind = builders.hf.features.EMImage
        images = tuple(name for name, feature in declared.items() if isinstance(feature, kind))
        same = features.keys() == declared.keys() and all(
            isinstance(theirs, kind) and theirs.decode if name in images else theirs == declared[name]
            for name, theirs in features.items()
        )
        agreed = _agreed = features, declared, tuple((n, features[n]) for n in images) if same else None
    return agreed[2]


def decode_batch(features: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
    """Decode a batch as before, but with all its remote images on their way before the first is waited for."""
    if len(next(iter(batch.values()), ())) < _SEVERAL:  # as where a transform is given a row
        return _stock_decode_batch(features, batch, *args, **kwargs)
    with remote.Reads() as reads:
        started = {name: _started(features.get(name), column, reads) for name, column in batch.items()}
        return _stock_decode_batch(features, started, *args, **kwargs)


def decode_column(features: Any, column: Any, column_name: str, *args: Any, **kwargs: Any) -> Any:
    """Decode a column as before, but with all its remote images on their way."""
    with remote.Reads() as reads:
        started = _started(features.get(column_name), column, reads)
        return _stock_decode_column(features, started, column_name, *args, **kwargs)


def _started(feature: Any, column: Any, reads: remote.Reads) -> Any:
    is_image = isinstance(feature, builders.hf.features.EMImage)
    return feature.start_reads(column, reads) if is_image else column


def listwise(stock: Callable[..., Any]) -> Callable[..., Any]:
    """Let lists with an EMImage in them through.

    To spare work, `datasets` compares a list's first element with its encoded or decoded self; a comparison of
    arrays has no truth value, so the list is refused or left as it is.
    """

    def nested(schema: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        if value is not None and isinstance(schema, List | LargeList) and nulls.holds_image(schema.feature):
            return [None if item is None else nested(schema.feature, item, *args, **kwargs) for item in value]
        return stock(schema, value, *args, **kwargs)

    return nested
