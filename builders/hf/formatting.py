"""The torch and NumPy formats of rows: as `datasets` makes them, but what can be handed on is not copied once more."""

import functools
from typing import Any

import numpy as np
from datasets.formatting.np_formatter import NumpyFormatter
from datasets.formatting.torch_formatter import TorchFormatter

from builders.hf import marking, nulls
from builders.io.layout import is_fresh

_LARGE = 2**63
_FLOAT32 = np.dtype(np.float32)
_FLAT = frozenset((str, int, float, bool, bytes, type(None), np.ndarray))


class _TorchFormatter(TorchFormatter):  # type: ignore[misc]
    """`with_format("torch")` as before, but what can be handed on is not copied once more.

    That is a float image that was just read, whose copy costs three times as much as reading it, and a tensor that a
    transform made, which the stock formatter copies with a warning. Large images are stacked in memory from stock.
    In rows of our builders, and in others with images, null becomes what torch can collate (`builders.hf.nulls`).
    """

    @functools.cached_property
    def _nullable(self) -> dict[str, Any]:
        """The features of the columns in which null has something to stand for it."""
        return nulls.nullable(self.features or {}, marking.is_ours(self.features))

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


FORMATTERS = {TorchFormatter: _TorchFormatter, NumpyFormatter: _NumpyFormatter}
