"""Columns of a table in the torch format, made for some batches together: for each alone, that slows a stream down.

Every batch gets tensors, or parts of them, that no other one has.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from builders.hf import formatting
from builders.hf.batches.columns import TakenTexts
from builders.hf.batches.mapped import Chosen, MappedTable
from builders.hf.streams.picked_columns import PickedColumn

_BATCHES = 16
"""That are made together, once batches are seen to come one after another."""
_MOST_ROWS = 4096


class Ahead:
    """Columns of batches, of which the next ones may be made already."""

    def __init__(self) -> None:
        self._table: MappedTable | None = None
        self._next = self._size = 0
        self._made: deque[dict[str, Any]] = deque()

    def columns(self, batch: Mapping[str, Any], nullable: Mapping[str, Any]) -> dict[str, Any]:
        """Those columns of a batch that are plain numbers, structs of single precision or texts of one table.

        Args:
            batch: its columns, of which some may be a `PickedColumn`.
            nullable: features of those in which null is filled, as it is here.
        """
        parts = next((column.parts for column in batch.values() if type(column) is PickedColumn), ())
        table, rows = parts[0] if len(parts) == 1 else ({}, range(0))
        if not isinstance(table, MappedTable):
            return {}
        made = self._of(table, rows)
        return {
            name: made[column.name]
            for name, column in batch.items()
            if type(column) is PickedColumn and column.parts is parts and column.name in made and name in nullable
        }

    def _of(self, table: MappedTable, rows: Chosen) -> dict[str, Any]:
        if not isinstance(rows, range):
            return next(_batches(table, rows, len(rows)))
        size = len(rows)
        goes_on = table is self._table and rows.start == self._next and size == self._size
        if not goes_on:
            self._made.clear()
        if not self._made:
            most = min(_BATCHES, _MOST_ROWS // max(1, size), (table.rows - rows.start) // max(1, size))
            stop = rows.start + size * max(1, most if goes_on else 1)
            self._made.extend(_batches(table, range(rows.start, stop), size))
        self._table, self._next, self._size = table, rows.stop, size
        return self._made.popleft()


def _batches(table: MappedTable, rows: Chosen, size: int) -> Iterator[dict[str, Any]]:
    """Columns of rows of a table, so many rows at a time."""
    import torch

    from perc_transforms.core.batch_rows import Structs

    def split(numbers: Any, axis: int = 0) -> Any:
        return [numbers] if size == len(rows) else numbers.split(size, axis)

    columns: dict[str, list[Any]] = {}
    for pack, names in table.packs(rows):
        whole = torch.from_numpy(pack)
        for name, fields, first, last in names:
            if fields is None:
                columns[name] = list(split(whole[first]))
            else:
                columns[name] = [Structs.of(fields, part) for part in split(whole[first:last], 1)]
    for name, column in table.items():
        taken = column.take(rows) if column.is_text else None
        if isinstance(taken, TakenTexts):
            texts = formatting.finish(taken)
            columns[name] = [texts[start : start + size] for start in range(0, len(texts), size)]
    for number in range(-(-len(rows) // size)):
        yield {name: parts[number] for name, parts in columns.items()}
