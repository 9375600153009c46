"""Makes our builders' names known to `load_dataset`. With `streaming.py` the only user of datasets' private names.

`datasets` dispatches the names in a table of packaged modules, but resolves data files for them first: from the
working directory when the caller names none, guessing splits from file names. For our names alone, the factory
below answers without looking at any file that the caller did not name, and without counting the load remotely. Names
that it does not know it asks of the Hub, for half a minute where there is none: one that is nearly ours is told before.
"""

import difflib
import functools
import hashlib
import os
from collections.abc import Callable
from typing import Any

import datasets
import datasets.features.features as datasets_features
import datasets.formatting as datasets_formatting
import datasets.inspect as datasets_inspect
import datasets.iterable_dataset as datasets_iterable
import datasets.load as datasets_load
import numpy as np
from datasets.data_files import DataFilesDict
from datasets.features import LargeList, List
from datasets.formatting.np_formatter import NumpyFormatter
from datasets.formatting.torch_formatter import TorchFormatter
from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

import builders.hf.features
from builders.errors import NotFoundError
from builders.hf import exporting, nulls, streaming
from builders.hf.data_files import named_files
from builders.io.layout import is_fresh

MODULES = {
    "empiar": "builders.empiar.empiar",
    "local_classes": "builders.local_classes.local_classes",
    "structures": "builders.structures.structures",
}
"""Name for `load_dataset` -> module that holds the builder, imported when it is asked for."""

_NEARLY = 0.75
"""How alike a name and one of ours are, from 0 to 1, where the one is taken for the other, misspelt."""

_DISPATCH_TABLE: dict[str, tuple[str, str]] = _PACKAGED_DATASETS_MODULES
_StockFactory: Any = datasets_load.PackagedDatasetModuleFactory
_stock_module_factory: Any = datasets_load.dataset_module_factory
_stock_fast_select_column: Any = datasets.Dataset._fast_select_column


class _ModuleFactory(_StockFactory):  # type: ignore[misc]
    """Stands in for the factory of packaged modules: ours are answered here, all others as before."""

    def __init__(self, name: str, data_dir: str | None = None, data_files: Any = None, **options: Any) -> None:
        if name not in MODULES:
            super().__init__(name, data_dir=data_dir, data_files=data_files, **options)
            return
        self.name = name
        self.data_dir = data_dir
        self.data_files = data_files

    def get_module(self) -> Any:
        if self.name not in MODULES:
            return super().get_module()
        module, version_hash = _DISPATCH_TABLE[self.name]
        arguments = {"dataset_name": self.name, "data_files": self._named_files()}
        return datasets_load.DatasetModule(module, version_hash, arguments)

    def _named_files(self) -> DataFilesDict:
        """The files that the caller named, and no others."""
        if not self.data_files:
            return DataFilesDict({})
        return named_files(self.data_files, self.data_dir, self.name)


class _TorchFormatter(TorchFormatter):  # type: ignore[misc]
    """`with_format("torch")` as before, but what can be handed on is not copied once more.

    That is a float image that was just read, whose copy costs three times as much as reading it, and a tensor that a
    transform made, which the stock formatter copies with a warning. Large images are stacked in memory from stock.
    In rows of our builders, and in others with images, null becomes what torch can collate (`builders.hf.nulls`).
    """

    @functools.cached_property
    def _nullable(self) -> dict[str, Any]:
        """The features of the columns in which null has something to stand for it."""
        return nulls.nullable(self.features or {}, hasattr(self.features, _OURS))

    def recursive_tensorize(self, data_struct: Any) -> Any:
        if isinstance(data_struct, dict) and self._nullable:
            data_struct = nulls.filled(data_struct, self._nullable)
        return _flat(self, data_struct) if _is_flat(data_struct) else super().recursive_tensorize(data_struct)

    def _recursive_tensorize(self, data_struct: Any) -> Any:
        import torch

        if not self.torch_tensor_kwargs:
            kind = type(data_struct)
            if kind is np.ndarray and data_struct.dtype == _FLOAT32 and is_fresh(data_struct):
                return torch.from_numpy(data_struct)
            if kind is int and abs(data_struct) < _LARGE:
                return torch.from_numpy(np.array(data_struct))
            if kind is float and torch.get_default_dtype() is torch.float32:
                return torch.from_numpy(np.array(data_struct, np.float32))
        return super()._recursive_tensorize(data_struct)

    def _tensorize(self, value: Any) -> Any:
        import torch

        is_tensor = isinstance(value, torch.Tensor) and not self.torch_tensor_kwargs
        return value.detach() if is_tensor else super()._tensorize(value)

    def _consolidate(self, column: Any) -> Any:
        import torch

        from perc_transforms.core.stacking import alike, stack

        tensors = isinstance(column, list) and column and all(isinstance(x, torch.Tensor) for x in column)
        return stack(column) if tensors and alike(column) else super()._consolidate(column)


class _NumpyFormatter(NumpyFormatter):  # type: ignore[misc]
    """`with_format("numpy")` as before, faster for rows of streams."""

    def recursive_tensorize(self, data_struct: Any) -> Any:
        return _flat(self, data_struct) if _is_flat(data_struct) else super().recursive_tensorize(data_struct)

    def _recursive_tensorize(self, data_struct: Any) -> Any:
        kind = type(data_struct)
        is_ready = kind is float or kind is int or (kind is np.ndarray and data_struct.dtype == _FLOAT32)
        if is_ready and not self.np_array_kwargs:
            return np.asarray(data_struct)
        return super()._recursive_tensorize(data_struct)


_OURS = "_made_by_perc"
"""What features are marked with that belong to rows of our builders, of which a formatter is told nothing else."""


def _marked(features: Any, info: Any) -> Any:
    """Features of a dataset of ours, marked as such; others as they are.

    That is done as late as they are read: what is made of a dataset has features of its own, but says who built it.
    """
    if info.builder_name in MODULES and features is not None:
        setattr(features, _OURS, True)
    return features


def _marking(stock: Callable[..., Any]) -> Callable[..., Any]:
    """A way to read a dataset, by which its features are marked first."""

    @functools.wraps(stock)
    def read(dataset: Any, *args: Any, **kwargs: Any) -> Any:
        _marked(dataset.info.features, dataset.info)
        return stock(dataset, *args, **kwargs)

    return read


def _marking_copies(stock: property) -> property:
    """The features of a dataset, which are a copy of those that it has."""
    return property(lambda dataset: _marked(stock.fget(dataset), dataset.info), doc=stock.__doc__)  # type: ignore[misc]


@functools.wraps(datasets.Dataset._fast_select_column)
def _fast_select_column(dataset: Any, column_name: str) -> Any:
    """A column alone, of which `datasets` keeps its kind: what null is in it, it is in the rows, too."""
    column = _stock_fast_select_column(dataset, column_name)
    if nulls.nullable(dataset.info.features, dataset.info.builder_name in MODULES):
        setattr(column.info.features, _OURS, True)
    return column


_LARGE = 2**63
_FLOAT32 = np.dtype(np.float32)
_FLAT = frozenset((str, int, float, bool, bytes, type(None), np.ndarray))


def _is_flat(row: Any) -> bool:
    """Whether a row holds nothing nested."""
    if not isinstance(row, dict):
        return False
    values = row.values()
    return _FLAT.issuperset(map(type, values)) or not any(isinstance(v, dict | list | tuple) for v in values)


def _flat(formatter: Any, row: dict[str, Any]) -> Any:
    """What the stock method gives for such a row, without the progress bar that it makes for each one."""
    convert = formatter._recursive_tensorize
    return {name: v if v is None or type(v) is str else convert(v) for name, v in row.items()}


_FORMATTERS = {TorchFormatter: _TorchFormatter, NumpyFormatter: _NumpyFormatter}


def register() -> None:
    """Register the feature and the builders. Doing it twice changes nothing."""
    for name, module in MODULES.items():
        _DISPATCH_TABLE[name] = (module, hashlib.sha256(module.encode()).hexdigest())
    if datasets_load.PackagedDatasetModuleFactory is not _ModuleFactory:
        datasets_load.PackagedDatasetModuleFactory = _ModuleFactory
        datasets_load.dataset_module_factory = datasets_inspect.dataset_module_factory = _module_factory
    for name, formatter in datasets_formatting._FORMAT_TYPES.items():
        if formatter in _FORMATTERS:
            datasets_formatting._FORMAT_TYPES[name] = _FORMATTERS[formatter]
    if "EMImage" not in datasets_features._FEATURE_TYPES:
        datasets_features._FEATURE_TYPES["EMImage"] = builders.hf.features.EMImage
        datasets_features.encode_nested_example = _listwise(datasets_features.encode_nested_example)
        datasets_features.decode_nested_example = _listwise(datasets_features.decode_nested_example)
        datasets_iterable._apply_feature_types_on_example = _apply_features
        datasets_iterable.FormattedExamplesIterable = streaming.FormattedExamplesIterable
        datasets_iterable.StepExamplesIterable = streaming.StepExamplesIterable
        datasets_features.Features.decode_batch = _decode_batch
        datasets_features.Features.decode_column = _decode_column
        for kind in (datasets.Dataset, datasets.DatasetDict, datasets.IterableDataset, datasets.IterableDatasetDict):
            for name in ("push_to_hub", "to_parquet"):
                if hasattr(kind, name):
                    setattr(kind, name, exporting.telling_who_can_load(getattr(kind, name)))
        for kind in (datasets.Dataset, datasets.IterableDataset):
            kind.features = _marking_copies(kind.features)
        for name in ("__getitem__", "__iter__", "iter"):
            setattr(datasets.Dataset, name, _marking(getattr(datasets.Dataset, name)))
        datasets.Dataset._fast_select_column = _fast_select_column


@functools.wraps(_stock_module_factory)
def _module_factory(path: str, *args: Any, **kwargs: Any) -> Any:
    """What `datasets` finds under a name, but for one that is nearly ours and nothing else here.

    Raises:
        NotFoundError: it is such a name.
    """
    close = _meant(path)
    if close is not None:
        msg = f"no builder {path!r}: did you mean {close!r}?"
        raise NotFoundError(msg)
    return _stock_module_factory(path, *args, **kwargs)


def _meant(name: Any) -> str | None:
    """The builder of ours whose name somebody misspelt; None where it may be anything else, as of the Hub."""
    is_ours = isinstance(name, str) and "/" not in name and name not in _DISPATCH_TABLE and not os.path.lexists(name)
    plain = name.strip().lower().replace("-", "_").replace(" ", "_") if is_ours else ""
    return next(iter(difflib.get_close_matches(plain, MODULES, n=1, cutoff=_NEARLY)), None)


_stock_decode_batch: Any = datasets_features.Features.decode_batch
_stock_decode_column: Any = datasets_features.Features.decode_column


_stock_apply_features: Any = datasets_iterable._apply_feature_types_on_example
_agreed: tuple[Any, Any, tuple[str, ...] | None] = (None, None, None)


def _apply_features(example: Any, features: Any, *args: Any, **kwargs: Any) -> Any:
    """Encode and decode a row as before; of one that our streams made for these features, only the images."""
    images = _images_of(features, example.features) if type(example) is builders.hf.features.Row else None
    if images is None:
        return _stock_apply_features(example, features, *args, **kwargs)
    row = dict(example)
    for name in images:
        row[name] = features[name].decode_example(row[name])
    return row


def _images_of(features: Any, declared: Any) -> tuple[str, ...] | None:
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
        agreed = _agreed = features, declared, images if same else None
    return agreed[2]


def _decode_batch(features: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
    """Decode a batch as before, but with all its remote images on their way before the first is waited for."""
    started = {name: _started(features.get(name), column) for name, column in batch.items()}
    return _stock_decode_batch(features, started, *args, **kwargs)


def _decode_column(features: Any, column: Any, column_name: str, *args: Any, **kwargs: Any) -> Any:
    return _stock_decode_column(features, _started(features.get(column_name), column), column_name, *args, **kwargs)


def _started(feature: Any, column: Any) -> Any:
    return feature.start_reads(column) if isinstance(feature, builders.hf.features.EMImage) else column


def _listwise(stock: Callable[..., Any]) -> Callable[..., Any]:
    """Let lists with an EMImage in them through.

    To spare work, `datasets` compares a list's first element with its encoded or decoded self; a comparison of
    arrays has no truth value, so the list is refused or left as it is.
    """

    def nested(schema: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        if value is not None and isinstance(schema, List | LargeList) and nulls.holds_image(schema.feature):
            return [None if item is None else nested(schema.feature, item, *args, **kwargs) for item in value]
        return stock(schema, value, *args, **kwargs)

    return nested
