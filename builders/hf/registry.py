"""Makes our builders' names known to `load_dataset`, and puts what this folder has in its place.

`datasets` dispatches the names in a table of packaged modules, but resolves data files for them first: from the
working directory when the caller names none, guessing splits from file names. For our names alone, the factory
below answers without looking at any file that the caller did not name, and without counting the load remotely. Names
that it does not know it asks of the Hub, for half a minute where there is none: one that is nearly ours is told before.
A path to a builder of ours, by which loading scripts were named, stands for its name (`names.named`).
"""

import functools
import hashlib
from typing import Any

import datasets
import datasets.features.features as datasets_features
import datasets.formatting as datasets_formatting
import datasets.inspect as datasets_inspect
import datasets.iterable_dataset as datasets_iterable
import datasets.load as datasets_load
from datasets.data_files import DataFilesDict
from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

import builders.hf.features
from builders.errors import NotFoundError
from builders.hf import decoding, exporting, marking, streaming
from builders.hf.batches import reading
from builders.hf.data_files import named_files
from builders.hf.formatting import FORMATTERS
from builders.hf.names import MODULES, meant, named
from builders.hf.shuffling.shuffle import shuffling
from builders.hf.streams import epochs, formatted, mapping, typed_nulls

_DISPATCH_TABLE: dict[str, tuple[str, str]] = _PACKAGED_DATASETS_MODULES
_StockFactory: Any = datasets_load.PackagedDatasetModuleFactory
_stock_module_factory: Any = datasets_load.dataset_module_factory


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


def register() -> None:
    """Register the feature and the builders. Doing it twice changes nothing."""
    for name, module in MODULES.items():
        _DISPATCH_TABLE[name] = (module, hashlib.sha256(module.encode()).hexdigest())
    if datasets_load.PackagedDatasetModuleFactory is not _ModuleFactory:
        datasets_load.PackagedDatasetModuleFactory = _ModuleFactory
        datasets_load.dataset_module_factory = datasets_inspect.dataset_module_factory = _module_factory
    for name, formatter in datasets_formatting._FORMAT_TYPES.items():
        if formatter in FORMATTERS:
            datasets_formatting._FORMAT_TYPES[name] = FORMATTERS[formatter]
    if "EMImage" not in datasets_features._FEATURE_TYPES:
        datasets_features._FEATURE_TYPES["EMImage"] = builders.hf.features.EMImage
        datasets_features.encode_nested_example = decoding.listwise(datasets_features.encode_nested_example)
        datasets_features.decode_nested_example = decoding.listwise(datasets_features.decode_nested_example)
        datasets_iterable._apply_feature_types_on_example = decoding.apply_features
        datasets_iterable.FormattedExamplesIterable = formatted.FormattedExamplesIterable
        datasets_iterable._convert_to_arrow = typed_nulls.typing_nulls(datasets_iterable._convert_to_arrow)
        if not streaming.THROUGH_ARROW:
            datasets_iterable.MappedExamplesIterable = mapping.MappedExamplesIterable
            datasets_iterable.SelectColumnsIterable = mapping.SelectColumnsIterable
            datasets_iterable.TakeExamplesIterable = mapping.TakeExamplesIterable
            datasets.IterableDataset.iter = mapping.passing_batches(datasets.IterableDataset.iter)
        datasets_iterable.StepExamplesIterable = streaming.StepExamplesIterable
        datasets_features.Features.decode_batch = decoding.decode_batch
        datasets_features.Features.decode_column = decoding.decode_column
        for kind in (datasets.Dataset, datasets.DatasetDict, datasets.IterableDataset, datasets.IterableDatasetDict):
            for name in ("push_to_hub", "to_parquet"):
                if hasattr(kind, name):
                    setattr(kind, name, exporting.telling_who_can_load(getattr(kind, name)))
        for kind in (datasets.Dataset, datasets.IterableDataset):
            kind.features = marking.marking_copies(kind.features)
        for name in ("__getitem__", "__iter__", "iter"):
            setattr(datasets.Dataset, name, marking.marking_reads(getattr(datasets.Dataset, name)))
        datasets.IterableDataset.shuffle = shuffling(datasets.IterableDataset.shuffle)
        begin = datasets.IterableDataset._prepare_ex_iterable_for_iteration
        datasets.IterableDataset._prepare_ex_iterable_for_iteration = epochs.telling_of_epochs(begin)
        datasets.Dataset._getitem = reading.getitem
        datasets.Dataset.__getitems__ = reading.getitems
        datasets.Dataset._fast_select_column = marking.fast_select_column


@functools.wraps(_stock_module_factory)
def _module_factory(path: str, *args: Any, **kwargs: Any) -> Any:
    """What `datasets` finds under a name, but for a path to a builder of ours, and a name that is nearly ours.

    Raises:
        NotFoundError: it is such a name, and nothing else here.
    """
    own = named(path)
    close = meant(path) if own is None else None
    if close is not None:
        msg = f"no builder {path!r}: did you mean {close!r}?"
        raise NotFoundError(msg)
    return _stock_module_factory(own or path, *args, **kwargs)
