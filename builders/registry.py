"""Makes our builders' names known to `load_dataset`. With `streaming.py` the only user of datasets' private names.

`datasets` dispatches the names in a table of packaged modules, but resolves data files for them first: from the
working directory when the caller names none, guessing splits from file names. For our names alone, the factory
below answers without looking at any file that the caller did not name, and without counting the load remotely.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets.features.features as datasets_features
import datasets.formatting as datasets_formatting
import datasets.load as datasets_load
import numpy as np
from datasets.data_files import DataFilesDict, sanitize_patterns
from datasets.features import LargeList, List, Value
from datasets.formatting.np_formatter import NumpyFormatter
from datasets.formatting.torch_formatter import TorchFormatter
from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

import builders.features
from builders.errors import NotFoundError
from builders.io.layout import is_fresh

MODULES = {"empiar": "builders.empiar.empiar", "local_classes": "builders.local_classes.local_classes"}
"""Name for `load_dataset` -> module that holds the builder, imported when it is asked for."""

_DISPATCH_TABLE: dict[str, tuple[str, str]] = _PACKAGED_DATASETS_MODULES
_StockFactory: Any = datasets_load.PackagedDatasetModuleFactory


class _ModuleFactory(_StockFactory):  # type: ignore[misc]
    """Stands in for the factory of packaged modules: ours are answered here, all others as before."""

    def __init__(self, name: str, data_dir: str | None = None, data_files: Any = None, **options: Any) -> None:
        if name not in MODULES:
            super().__init__(name, data_dir=data_dir, data_files=data_files, **options)
            return
        self.name = name
        self.data_dir = data_dir
        self.data_files = data_files
        self.download_config = options.get("download_config")

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
        base = str(Path(self.data_dir or "").expanduser())
        patterns = sanitize_patterns(self.data_files)
        try:
            files = DataFilesDict.from_patterns(patterns, base_path=base, download_config=self.download_config)
        except FileNotFoundError as err:
            msg = f"{self.name}: data_files={self.data_files!r} name no file: {err}"
            raise NotFoundError(msg) from err
        for split, found in files.items():
            if not found:
                msg = f"{self.name}: data_files name no file for the split {split!r}: {patterns[split]}"
                msg += f" in {self.data_dir or 'the working directory'}"
                raise NotFoundError(msg)
        return files


class _TorchFormatter(TorchFormatter):  # type: ignore[misc]
    """`with_format("torch")` as before, but what can be handed on is not copied once more.

    That is a float image that was just read, whose copy costs three times as much as reading it, and a tensor that a
    transform made, which the stock formatter copies with a warning. Large images are stacked in memory from stock.
    In rows with images, what is null becomes what torch can collate: NaN for a number, an empty string for a string.
    """

    def recursive_tensorize(self, data_struct: Any) -> Any:
        features = self.features
        if isinstance(data_struct, dict) and features and any(map(_holds_image, features.values())):
            data_struct = {name: _without_null(value, features.get(name)) for name, value in data_struct.items()}
        return _flat(self, data_struct, super().recursive_tensorize)

    def _tensorize(self, value: Any) -> Any:
        if not self.torch_tensor_kwargs:
            import torch

            if isinstance(value, torch.Tensor):
                return value.detach()
            if isinstance(value, np.ndarray) and value.dtype == np.float32 and is_fresh(value):
                return torch.from_numpy(value)
        return super()._tensorize(value)

    def _consolidate(self, column: Any) -> Any:
        import torch

        from perc_transforms.stacking import alike, stack

        tensors = isinstance(column, list) and column and all(isinstance(x, torch.Tensor) for x in column)
        return stack(column) if tensors and alike(column) else super()._consolidate(column)


class _NumpyFormatter(NumpyFormatter):  # type: ignore[misc]
    """`with_format("numpy")` as before, faster for rows of streams."""

    def recursive_tensorize(self, data_struct: Any) -> Any:
        return _flat(self, data_struct, super().recursive_tensorize)


def _flat(formatter: Any, row: Any, stock: Callable[[Any], Any]) -> Any:
    """What the stock method gives for a row, without the progress bar that it makes for each one."""
    if not isinstance(row, dict) or any(isinstance(value, dict | list | tuple) for value in row.values()):
        return stock(row)
    return {name: formatter._recursive_tensorize(value) for name, value in row.items()}


def _without_null(value: Any, feature: Any) -> Any:
    """A number's or string's value, or a list of them, without nulls."""
    if not isinstance(feature, Value) or not (value is None or (isinstance(value, list) and None in value)):
        return value
    filler = "" if "string" in feature.dtype else float("nan")
    return filler if value is None else [filler if item is None else item for item in value]


_FORMATTERS = {TorchFormatter: _TorchFormatter, NumpyFormatter: _NumpyFormatter}


def register() -> None:
    """Register the feature and the builders. Doing it twice changes nothing."""
    for name, module in MODULES.items():
        _DISPATCH_TABLE[name] = (module, hashlib.sha256(module.encode()).hexdigest())
    if datasets_load.PackagedDatasetModuleFactory is not _ModuleFactory:
        datasets_load.PackagedDatasetModuleFactory = _ModuleFactory
    for name, formatter in datasets_formatting._FORMAT_TYPES.items():
        if formatter in _FORMATTERS:
            datasets_formatting._FORMAT_TYPES[name] = _FORMATTERS[formatter]
    if "EMImage" not in datasets_features._FEATURE_TYPES:
        datasets_features._FEATURE_TYPES["EMImage"] = builders.features.EMImage
        datasets_features.encode_nested_example = _listwise(datasets_features.encode_nested_example)
        datasets_features.decode_nested_example = _listwise(datasets_features.decode_nested_example)
        datasets_features.Features.encode_example = _encode_example
        datasets_features.Features.decode_example = _decode_example
        datasets_features.Features.decode_batch = _decode_batch
        datasets_features.Features.decode_column = _decode_column


_stock_decode_batch: Any = datasets_features.Features.decode_batch
_stock_decode_column: Any = datasets_features.Features.decode_column


_stock_encode_example: Any = datasets_features.Features.encode_example
_stock_decode_example: Any = datasets_features.Features.decode_example
_PLAIN = {("string", str), ("int64", int), ("float32", float)}
"""Types of values that are stored as they are."""


def _encode_example(features: Any, example: Any) -> Any:
    """Encode a row as before; one of our streams, whose values are encoded already, is only looked over."""
    if not any(type(value) is builders.features.Fetched for value in example.values()):
        return _stock_encode_example(features, example)
    for name, value in example.items():
        feature = features.get(name)
        is_image = type(value) is builders.features.Fetched and isinstance(feature, builders.features.EMImage)
        is_plain = type(feature) is Value and (value is None or (feature.dtype, type(value)) in _PLAIN)
        if not is_image and not is_plain:
            return _stock_encode_example(features, example)
    return example


def _decode_example(features: Any, example: Any, *args: Any, **kwargs: Any) -> Any:
    images = {n: v for n, v in example.items() if type(v) is builders.features.Fetched}
    if not images or any(type(features.get(n)) is not Value for n in example if n not in images):
        return _stock_decode_example(features, example, *args, **kwargs)
    if not all(isinstance(features.get(n), builders.features.EMImage) and features[n].decode for n in images):
        return _stock_decode_example(features, example, *args, **kwargs)
    return example | {name: features[name].decode_example(value) for name, value in images.items()}


def _decode_batch(features: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
    """Decode a batch as before, but with all its remote images on their way before the first is waited for."""
    started = {name: _started(features.get(name), column) for name, column in batch.items()}
    return _stock_decode_batch(features, started, *args, **kwargs)


def _decode_column(features: Any, column: Any, column_name: str, *args: Any, **kwargs: Any) -> Any:
    return _stock_decode_column(features, _started(features.get(column_name), column), column_name, *args, **kwargs)


def _started(feature: Any, column: Any) -> Any:
    return feature.start_reads(column) if isinstance(feature, builders.features.EMImage) else column


def _listwise(stock: Callable[..., Any]) -> Callable[..., Any]:
    """Let lists with an EMImage in them through.

    To spare work, `datasets` compares a list's first element with its encoded or decoded self; a comparison of
    arrays has no truth value, so the list is refused or left as it is.
    """

    def nested(schema: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        if value is not None and isinstance(schema, List | LargeList) and _holds_image(schema.feature):
            return [None if item is None else nested(schema.feature, item, *args, **kwargs) for item in value]
        return stock(schema, value, *args, **kwargs)

    return nested


def _holds_image(schema: Any) -> bool:
    if isinstance(schema, dict):
        return any(map(_holds_image, schema.values()))
    if isinstance(schema, List | LargeList):
        return _holds_image(schema.feature)
    return isinstance(schema, builders.features.EMImage)
