"""The formats of rows and batches: as `datasets` makes them, but what can be handed on is not copied once more.

Of a batch with images, these are read together, and numbers and texts come from their columns
(`builders.hf.batches.picking`); what is left of its columns is made as `datasets` makes it.
"""

import functools
from typing import Any

import numpy as np
import pyarrow as pa
from datasets.formatting.formatting import CustomFormatter
from datasets.formatting.np_formatter import NumpyFormatter
from datasets.formatting.torch_formatter import TorchFormatter

from builders.hf import marking, nulls
from builders.hf.batches import ragged
from builders.hf.batches.columns import TakenNumbers, TakenStructs, TakenTexts
from builders.hf.batches.images import TakenImages
from builders.hf.batches.picking import PickedRows, all_rows
from builders.hf.features import EMImage
from builders.io.layout import is_fresh

_LARGE = 2**63
_FLOAT32 = np.dtype(np.float32)
_FLAT = frozenset((str, int, float, bool, bytes, type(None), np.ndarray))


class _WholeBatches:
    """What the formats have in common that make a batch of its columns.

    Attributes:
        features: of the columns.
        is_shared: tensors of images are to lie in memory that processes share, where they can be read into it.
        is_for_loader: structs may come as `Structs`, whose dicts are made if somebody looks at the rows.
    """

    features: Any
    is_shared = False
    is_for_loader = False

    @functools.cached_property
    def _nullable(self) -> dict[str, Any]:
        """The features of the columns in which null has something to stand for it."""
        return nulls.nullable(self.features or {}, marking.is_ours(self.features))

    def format_batch(self, pa_table: pa.Table) -> Any:
        """A batch; without images in it, or of nothing, as `datasets` makes it."""
        if not pa_table.num_rows or not holds_images(self.features, pa_table.column_names):
            return self._others(pa_table)
        return self.format_picked(all_rows(pa_table, self.features), pa_table.column_names)

    def format_picked(self, rows: PickedRows, names: list[str]) -> Any:
        """A batch of some columns of rows that were picked out of a table."""
        ready = {name: value for name in names if (value := self.made(name, rows)) is not None}
        others = [name for name in names if name not in ready]
        if others:
            ready |= self._others(rows.arrow(others))
        return {name: ready[name] for name in names}

    def format_row(self, pa_table: pa.Table) -> Any:
        """A row, as `datasets` makes it, but for ragged columns."""
        ready = self._ragged(pa_table)
        if not ready:
            return super().format_row(pa_table)  # type: ignore[misc]
        names = pa_table.column_names
        row = super().format_row(pa_table.drop_columns([*ready])) if len(ready) < len(names) else {}  # type: ignore[misc]
        return {name: ready[name][0] if name in ready else row[name] for name in names}

    def _others(self, table: pa.Table) -> Any:
        """Columns that are made here where they are ragged, and else by `datasets`."""
        table = nulls.known_lengths_filled(table, self._nullable)
        ready = self._ragged(table) | self._stacked(table)
        if not ready:
            return super().format_batch(table)  # type: ignore[misc]
        left, names = table.drop_columns([*ready]), table.column_names
        made = super().format_batch(left) if left.num_columns else {}  # type: ignore[misc]
        return {name: ready[name] if name in ready else made[name] for name in names}

    def _ragged(self, table: pa.Table) -> dict[str, Any]:
        """The ragged ones among columns, such as picks, as a dict of arrays for each row."""
        found = ragged.columns(table, self._nullable, self.ready) if table.num_rows else {}
        return {name: self.consolidated(rows) for name, rows in found.items()}

    def _stacked(self, table: pa.Table) -> dict[str, Any]:
        """Those of lists of known lengths, each made as a whole; of a format that does not, none."""
        return {}

    def ready(self, arrays: list[Any]) -> list[Any] | None:
        """Arrays of rows in the format; None where `datasets` makes them."""
        return None

    def consolidated(self, rows: list[Any]) -> Any:
        """Values of rows as a column of a batch."""
        return rows

    def made(self, name: str, rows: PickedRows) -> Any:
        """A column; None where `datasets` makes it."""
        raise NotImplementedError


def holds_images(features: Any, names: Any) -> bool:
    """Whether images are among some columns, to be decoded."""
    return features is not None and any(
        isinstance(feature, EMImage) and feature.decode for name in names if (feature := features.get(name)) is not None
    )


class _TorchFormatter(_WholeBatches, TorchFormatter):  # type: ignore[misc]
    """`with_format("torch")` as before, but what can be handed on is not copied once more.

    That is a float image that was just read, whose copy costs three times as much as reading it, and a tensor that a
    transform made, which the stock formatter copies with a warning. Large images are stacked in memory from stock.
    In rows of our builders, and in others with images, null becomes what torch can collate (`builders.hf.nulls`).
    """

    def made(self, name: str, rows: PickedRows) -> Any:
        """A column as tensors, or a list of texts; None where `datasets` makes it."""
        from perc_transforms.core.batch_rows import Structs  # torch is slow to import

        column = rows.column(name)
        if isinstance(column, TakenImages):
            return self._stack(column, self.features[name])
        if not is_usual(self):
            return None
        finished = finish(column)
        if not isinstance(finished, dict):
            return finished
        return Structs(finished) if self.is_for_loader else [*split(finished)]

    def ready(self, arrays: list[Any]) -> list[Any] | None:
        """Arrays of rows as tensors, which share their memory."""
        import torch

        return [array if array is None else torch.from_numpy(array) for array in arrays] if is_usual(self) else None

    def _stacked(self, table: pa.Table) -> dict[str, Any]:
        """Lists of known lengths as a tensor each, which `datasets` makes one by one to stack them."""
        import torch

        found = {name: ragged.stacked(table.column(name)) for name in table.column_names} if is_usual(self) else {}
        return {name: torch.from_numpy(array) for name, array in found.items() if array is not None}

    def _stack(self, images: TakenImages, feature: EMImage) -> Any:
        """The images of a batch as one tensor; None where `datasets` is to stack them."""
        import torch

        if not self.is_shared or self.torch_tensor_kwargs or feature.dtype != "float32":
            stack = images.stack(feature)
            return None if stack is None else self._recursive_tensorize(stack)
        storages = []

        def shared(count: int) -> Any:
            storages.append(torch.UntypedStorage._new_shared(count))  # type: ignore[no-untyped-call]
            return torch.empty(0, dtype=torch.uint8).set_(storages[-1]).numpy()

        stack = images.stack(feature, shared)
        return None if stack is None else torch.empty(0).set_(storages[-1]).view(stack.shape)

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


def finish(column: TakenNumbers | TakenTexts | TakenStructs | None) -> Any:
    """A column as a loader's batch has it: a tensor, a list of texts, or a dict of them; null is filled.

    Returns:
        None: `datasets` is to make it, for it has values of two types.
    """
    import torch

    if isinstance(column, TakenTexts):
        return ["" if text is None else text for text in column.texts]
    if isinstance(column, TakenNumbers):
        if column.valid is not None and column.values.dtype.kind == "b":
            return None
        values = column.as_floats()
        kind = np.float32 if values.dtype.kind == "f" else np.bool_ if values.dtype.kind == "b" else np.int64
        return torch.from_numpy(values.astype(kind, copy=False))
    if not isinstance(column, TakenStructs):
        return None
    fields = {}
    for name, inner in column.columns.items():
        lacks_some = isinstance(inner, TakenNumbers) and inner.valid is not None and inner.valid.any()
        if lacks_some and inner.values.dtype.kind != "f":
            return None
        fields[name] = finish(inner)
    return None if any(field is None for field in fields.values()) else fields


def is_usual(formatter: Any) -> bool:
    """Whether a torch formatter makes tensors of the types that `finish` does."""
    import torch

    return not formatter.torch_tensor_kwargs and torch.get_default_dtype() is torch.float32


def as_array(column: TakenNumbers | TakenTexts | TakenStructs) -> Any:
    """A column as a batch of the NumPy format has it; None: `datasets` is to make it."""
    if isinstance(column, TakenTexts) and None not in column.texts:
        return np.asarray(column.texts)
    if not isinstance(column, TakenNumbers) or (column.valid is not None and column.values.dtype.kind == "b"):
        return None
    values = column.as_floats()
    kind = {"f": np.float32, "i": np.int64, "u": np.int64}.get(values.dtype.kind, values.dtype)
    return values.astype(kind, copy=False)


def split(column: Any) -> Any:
    """The value of each row of such a column."""
    if not isinstance(column, dict):
        return column.unbind() if hasattr(column, "unbind") else column
    return [dict(zip(column, values, strict=True)) for values in zip(*map(split, column.values()), strict=True)]


class _NumpyFormatter(_WholeBatches, NumpyFormatter):  # type: ignore[misc]
    """`with_format("numpy")` as before, faster for rows of streams, and for batches with images."""

    def made(self, name: str, rows: PickedRows) -> Any:
        """A column as an array; None where `datasets` makes it."""
        column = rows.column(name)
        if isinstance(column, TakenImages):
            stack = column.stack(self.features[name])
            return None if stack is None else self._recursive_tensorize(stack)
        return None if column is None or self.np_array_kwargs else as_array(column)

    def ready(self, arrays: list[Any]) -> list[Any] | None:
        """Arrays of rows as they are."""
        return None if self.np_array_kwargs else arrays

    def consolidated(self, rows: list[Any]) -> Any:
        """Values of rows as an array of objects."""
        return self._consolidate(rows)

    def recursive_tensorize(self, data_struct: Any) -> Any:
        if (
            type(data_struct) is not dict
            or self.np_array_kwargs
            or not _FLAT.issuperset(map(type, data_struct.values()))
        ):
            return _flat(self, data_struct) if _is_flat(data_struct) else super().recursive_tensorize(data_struct)
        row = {}
        for name, value in data_struct.items():  # as below, without a call for each: a stream has many
            kind = type(value)
            if kind is float or kind is int:
                value = np.asarray(value)
            elif kind is not str and value is not None and not (kind is np.ndarray and value.dtype is _FLOAT32):
                value = self._recursive_tensorize(value)
            row[name] = value
        return row

    def _recursive_tensorize(self, data_struct: Any) -> Any:
        kind = type(data_struct)
        is_ready = kind is float or kind is int or (kind is np.ndarray and data_struct.dtype == _FLOAT32)
        if is_ready and not self.np_array_kwargs:
            return np.asarray(data_struct)
        return super()._recursive_tensorize(data_struct)


def _is_flat(row: Any) -> bool:
    """Whether a row holds nothing nested but structs."""
    if not isinstance(row, dict):
        return False
    values = row.values()
    return _FLAT.issuperset(map(type, values)) or not any(
        not _is_flat(v) if type(v) is dict else isinstance(v, dict | list | tuple) for v in values
    )


def _flat(formatter: Any, row: dict[str, Any]) -> Any:
    """What the stock method gives for such a row, without the progress bar that it makes for each one."""
    convert = formatter._recursive_tensorize
    return {
        name: v if v is None or type(v) is str else _flat(formatter, v) if type(v) is dict else convert(v)
        for name, v in row.items()
    }


class _CustomFormatter(_WholeBatches, CustomFormatter):  # type: ignore[misc]
    """`with_transform(...)` as before, but that the transform is given the images of a batch as one stack."""

    def format_batch(self, pa_table: pa.Table) -> Any:
        """What the transform makes of a batch; of a row alone, it is given a list of one image."""
        if pa_table.num_rows == 1:
            return CustomFormatter.format_batch(self, pa_table)
        return super().format_batch(pa_table)

    def format_picked(self, rows: PickedRows, names: list[str]) -> Any:
        """What the transform makes of the columns."""
        from perc_transforms.core.batch_rows import Columns

        ready = {name: value for name in names if (value := self.made(name, rows)) is not None}
        others = [name for name in names if name not in ready]
        if others:
            left = self.python_arrow_extractor().extract_batch(rows.arrow(others))
            ready |= self.python_features_decoder.decode_batch(left)
        return self.transform(Columns((name, ready[name]) for name in names))

    def made(self, name: str, rows: PickedRows) -> Any:
        """A column as a list, or images as one array; None where `datasets` makes it."""
        column = rows.column(name)
        if isinstance(column, TakenImages):
            return column.stack(self.features[name])
        return None if column is None else column.as_list()


FORMATTERS = {TorchFormatter: _TorchFormatter, NumpyFormatter: _NumpyFormatter, CustomFormatter: _CustomFormatter}
