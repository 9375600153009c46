"""Columns of a batch that are rows of a table, as they are until somebody wants them in some format."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from datasets.features.features import Features
from datasets.formatting import NumpyFormatter, TorchFormatter

from builders.hf import formatting, marking
from builders.hf.batches.mapped import Chosen, TableColumn, as_places

Table = Mapping[str, TableColumn]
Part = tuple[Table, Chosen]
"""Columns of a table, and which rows of it."""


def add(parts: list[Part], table: Table, places: Chosen) -> None:
    """Have some more rows, after others."""
    if parts and parts[-1][0] is table:
        before = parts.pop()[1]
        if isinstance(before, range) and isinstance(places, range) and before.stop == places.start:
            places = range(before.start, places.stop)
        else:
            places = np.concatenate([as_places(before), as_places(places)])
    parts.append((table, places))


class PickedColumn:
    """A column of a batch whose values are in a table.

    Args:
        name: the column's.
        parts: where its rows are, one after another.
    """

    __slots__ = ("_name", "_parts")

    def __init__(self, name: str, parts: Sequence[Part]) -> None:
        self._name, self._parts = name, parts

    @property
    def name(self) -> str:
        """The column's, in the table."""
        return self._name

    @property
    def parts(self) -> Sequence[Part]:
        """Where its rows are, one after another."""
        return self._parts

    def __len__(self) -> int:
        return sum(len(places) for _, places in self._parts)

    def __getitem__(self, chosen: slice) -> "PickedColumn":
        start, stop, _ = chosen.indices(len(self))
        parts, done = [], 0
        for table, places in self._parts:
            some = places[max(start - done, 0) : max(stop - done, 0)]
            done += len(places)
            if len(some):
                parts.append((table, some))
        return PickedColumn(self._name, parts)

    @staticmethod
    def joined(several: "Sequence[PickedColumn]") -> "PickedColumn":
        """Columns one after another, which were one column."""
        parts: list[Part] = []
        for column in several:
            for part in column._parts:
                add(parts, *part)
        return PickedColumn(several[0]._name, parts)

    def values(self) -> list[Any]:
        """Each value as a Python object, None for null."""
        return [value for table, places in self._parts for value in table[self._name].values(places)]

    def _whole(self) -> tuple[TableColumn, Chosen]:
        """All of it as rows of one table."""
        if len(self._parts) == 1:
            return self._parts[0][0][self._name], self._parts[0][1]
        arrays = pa.chunked_array([table[self._name].arrow(places) for table, places in self._parts])
        return TableColumn(arrays), range(len(arrays))

    def formatted(self, formatter: Any, feature: Any, is_usual: bool) -> Any:
        """What a tensor formatter makes of it, as it makes it of rows of a map-style dataset.

        Args:
            formatter: one of `datasets`.
            feature: the column's, where null is filled in it; else None.
            is_usual: whether the formatter's tensors are PyTorch's, of the types that it has by itself.
        """
        column, places = self._whole()
        if is_usual and feature is not None:
            made = _as_tensors(column, places)
        else:
            made = _as_array(formatter, column, places)
        return self._stock(formatter, feature, column, places) if made is None else made

    def _stock(self, formatter: Any, feature: Any, column: TableColumn, places: Chosen) -> Any:
        features = None if feature is None else marking.marked(Features({self._name: feature}))
        table = pa.table({self._name: column.arrow(places)})
        try:
            return type(formatter)(features=features).format_batch(table)[self._name]
        except AttributeError:  # `datasets` gives up where the first of several lists is null
            return formatter._recursive_tensorize(column.values(places))


def is_usual(formatter: Any) -> bool:
    """Whether a formatter's tensors are PyTorch's, of the types that it has by itself."""
    return isinstance(formatter, TorchFormatter) and formatting.is_usual(formatter)


def is_structs(column: Any) -> bool:
    """Whether a column is structs in the torch format."""
    rows = sys.modules.get("perc_transforms.core.batch_rows")  # torch is slow to import
    return rows is not None and isinstance(column, rows.Structs)


def _as_tensors(column: TableColumn, places: Chosen) -> Any:
    """A column in the torch format, without a Python object a row; None where that cannot be."""
    import torch

    from perc_transforms.core.batch_rows import Structs

    block = column.block(places)
    if block is not None:
        tensor = torch.from_numpy(block)
        return tensor if column.fields is None else Structs.of(column.fields, tensor)
    taken = column.take(places)
    finished = None if taken is None else formatting.finish(taken)
    return Structs(finished) if isinstance(finished, dict) else finished


def _as_array(formatter: Any, column: TableColumn, places: Chosen) -> Any:
    """A column in the NumPy format; None of any other, and where that cannot be."""
    if not isinstance(formatter, NumpyFormatter) or formatter.np_array_kwargs:
        return None
    taken = column.take(places)
    return None if taken is None else formatting.as_array(taken)
