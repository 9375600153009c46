"""Columns of a batch that are rows of a table, as they are until somebody wants them in some format."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from datasets.features.features import Features
from datasets.formatting import NumpyFormatter, TorchFormatter

from builders.hf import formatting, marking
from builders.hf.batches.columns import Places, Taken
from builders.hf.batches.mapped import TableColumn

Part = tuple[TableColumn, Places]
"""A column of a table, and which rows of it."""


class PickedColumn:
    """A column of a batch whose values are in a table.

    Args:
        parts: where, one after another.
    """

    def __init__(self, parts: Sequence[Part] = ()) -> None:
        self._parts = list(parts)

    def __len__(self) -> int:
        return sum(len(places) for _, places in self._parts)

    def add(self, column: TableColumn, places: Places) -> None:
        """Have some more rows."""
        if self._parts and self._parts[-1][0] is column:
            places = np.concatenate([self._parts.pop()[1], places])
        self._parts.append((column, places))

    def __getitem__(self, chosen: slice) -> "PickedColumn":
        start, stop, _ = chosen.indices(len(self))
        parts, done = [], 0
        for column, places in self._parts:
            some = places[max(start - done, 0) : max(stop - done, 0)]
            done += len(places)
            if len(some):
                parts.append((column, some))
        return PickedColumn(parts)

    @staticmethod
    def joined(several: "Sequence[PickedColumn]") -> "PickedColumn":
        """Columns one after another."""
        whole = PickedColumn()
        for column in several:
            for part in column._parts:
                whole.add(*part)
        return whole

    def values(self) -> list[Any]:
        """Each value as a Python object, None for null."""
        return [value for column, places in self._parts for value in column.values(places)]

    def _whole(self) -> Part:
        """All of it as rows of one table."""
        if len(self._parts) == 1:
            return self._parts[0]
        arrays = pa.chunked_array([column.arrow(places) for column, places in self._parts])
        return TableColumn(arrays), np.arange(len(arrays))

    def formatted(self, formatter: Any, feature: Any) -> Any:
        """What a tensor formatter makes of it, as it makes it of rows of a map-style dataset.

        Args:
            formatter: one of `datasets`.
            feature: the column's, where null is filled in it; else None.
        """
        column, places = self._whole()
        taken = column.take(places)
        made = None if taken is None else _fast(formatter, taken, feature)
        if made is not None:
            return made
        features = None if feature is None else marking.marked(Features({"column": feature}))
        table = pa.table({"column": column.arrow(places)})
        return type(formatter)(features=features).format_batch(table)["column"]


def _fast(formatter: Any, taken: Taken, feature: Any) -> Any:
    """A column without a Python object a row; None where that cannot be."""
    if isinstance(formatter, NumpyFormatter):
        return None if formatter.np_array_kwargs else formatting.as_array(taken)
    if feature is None or not isinstance(formatter, TorchFormatter) or not formatting.is_usual(formatter):
        return None
    finished = formatting.finish(taken)
    return Structs(finished) if isinstance(finished, dict) else finished


class Structs:
    """Structs of a batch in the torch format: a sequence of dicts, which are made when somebody wants them.

    A tensor for each of its values takes longer than reading a batch, and each of them is sent by itself from a
    loader's worker. By a field's name, it gives that field of all rows at once.

    Args:
        columns: the fields, each a tensor, a list of texts or a dict of fields.

    Example:
        >>> import torch
        >>> poses = Structs({"rot": torch.tensor([30.0, 40.0])})
        >>> poses["rot"], poses[1]
        (tensor([30., 40.]), {'rot': tensor(40.)})
    """

    __slots__ = ("_columns",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = {name: Structs(of) if isinstance(of, dict) else of for name, of in columns.items()}

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, chosen: Any) -> Any:
        if isinstance(chosen, str):
            return self._columns[chosen]
        some = {name: column[chosen] for name, column in self._columns.items()}
        return Structs(some) if isinstance(chosen, slice) else some

    def __iter__(self) -> Iterator[dict[str, Any]]:
        columns = [column.unbind() if hasattr(column, "unbind") else column for column in self._columns.values()]
        return (dict(zip(self._columns, row, strict=True)) for row in zip(*columns, strict=True))

    def __eq__(self, other: object) -> bool:
        return len(self) == len(other) and list(self) == list(other) if isinstance(other, Structs | list) else False

    def __repr__(self) -> str:
        return repr(list(self))

    def keys(self) -> list[str]:
        """Names of the fields."""
        return list(self._columns)

    def _each(self, change: Callable[[Any], Any]) -> "Structs":
        return Structs(
            {
                name: change(column) if isinstance(column, Structs) or hasattr(column, "unbind") else column
                for name, column in self._columns.items()
            }
        )

    def to(self, *args: Any, **kwargs: Any) -> "Structs":
        """The same with its tensors elsewhere, or of another type: see `torch.Tensor.to`."""
        return self._each(lambda column: column.to(*args, **kwargs))

    def pin_memory(self) -> "Structs":
        """The same with its tensors in memory that a device reads from."""
        return self._each(lambda column: column.pin_memory())
