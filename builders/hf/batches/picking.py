"""Rows of a map-style dataset by their numbers, as columns: of a table that may lie in a thousand pieces."""

import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.hf.batches.columns import Numbers, Places, Taken, column_for
from builders.hf.batches.images import Images, TakenImages
from builders.hf.features import EMImage
from builders.hf.image_storage import STORAGE

_BLOCK = 1024
"""Rows that are decoded at once, where one of them is asked for."""
_MOST_ROWS = 2**24
"""Of a table whose columns are kept decoded, as far as rows have been asked for: some hundred MB at the most."""

_tables: dict[int, tuple["weakref.ref[pa.Table]", "DecodedTable"]] = {}


class _DecodedColumn:
    """A column of which blocks are decoded when rows of them are asked for."""

    def __init__(self, column: Any, values: pa.ChunkedArray) -> None:
        self._column = column
        self._blocks: list[pa.Array | None] = []
        starts = []
        first = 0
        for chunk in values.chunks:
            for start in range(0, len(chunk), _BLOCK):
                self._blocks.append(chunk.slice(start, _BLOCK))
                starts.append(first + start)
            first += len(chunk)
        self._starts = np.array(starts, np.int64)
        self._waiting = np.ones(len(starts), np.bool_)
        self._left = len(starts)
        self._lock = threading.Lock()

    def take(self, places: Places) -> Any:
        """The rows at some places, in that order."""
        if self._left:
            blocks = np.searchsorted(self._starts, places, "right") - 1
            missing = blocks[self._waiting[blocks]]
            if len(missing):
                with self._lock:
                    for block in np.unique(missing).tolist():
                        self._decode(block)
        return self._column.take(places)

    def _decode(self, number: int) -> None:
        block = self._blocks[number]
        if block is None:  # another thread was faster
            return
        self._column.fill(int(self._starts[number]), block)
        self._blocks[number] = None
        self._waiting[number] = False
        self._left -= 1


class DecodedTable:
    """The columns of an Arrow table, decoded as far as rows of them have been asked for.

    Attributes:
        names: of the columns.
    """

    def __init__(self, table: pa.Table) -> None:
        self._count = table.num_rows
        self.names = table.column_names
        self._values = dict(zip(table.column_names, table.columns, strict=True))
        self._columns: dict[tuple[str, str], _DecodedColumn | None] = {}

    def column(self, name: str, feature: Any) -> _DecodedColumn | None:
        """A column whose values are of a feature; None where that is left to `datasets`."""
        key = name, type(feature).__name__
        if key not in self._columns:
            values = self._values[name]
            if isinstance(feature, EMImage):
                column = Images(self._count) if feature.decode and values.type == STORAGE else None
            else:
                column = column_for(feature, values.type, self._count)
            self._columns[key] = None if column is None else _DecodedColumn(column, values)
        return self._columns[key]

    def numbers(self, name: str) -> _DecodedColumn:
        """A column of numbers, none of them null."""
        key = name, "numbers"
        if self._columns.get(key) is None:
            values = self._values[name]
            self._columns[key] = _DecodedColumn(Numbers(self._count, np.dtype(str(values.type))), values)
        found = self._columns[key]
        assert found is not None
        return found


class PickedRows:
    """Some rows of a table.

    Args:
        table: the table, decoded.
        places: which rows, in which order.
        features: of its columns.
        arrow: gives the rows as an Arrow table, as `datasets` would have made it.

    Attributes:
        features: of its columns.
    """

    def __init__(
        self, table: DecodedTable, places: Places, features: Mapping[str, Any], arrow: Callable[[], pa.Table]
    ) -> None:
        self.features = features
        self._table = table
        self._places = places
        self._arrow = arrow
        self._made: pa.Table | None = None

    def __len__(self) -> int:
        return len(self._places)

    def column(self, name: str) -> Taken | TakenImages | None:
        """The values of a column; None where that is left to `datasets`."""
        column = self._table.column(name, self.features[name]) if len(self._places) else None
        return None if column is None else column.take(self._places)

    def arrow(self, names: list[str]) -> pa.Table:
        """Some columns as an Arrow table."""
        if self._made is None:
            self._made = self._arrow()
        return self._made.select(names)


def all_rows(table: pa.Table, features: Mapping[str, Any]) -> PickedRows:
    """All rows of a small table."""
    places = np.arange(table.num_rows, dtype=np.int64)
    return PickedRows(DecodedTable(table), places, features, lambda: table)


def rows_at(table: Any, key: Any, indices: Any, features: Mapping[str, Any]) -> PickedRows | None:
    """Rows of a table of `datasets`; None where it is to answer itself, be it with an error.

    Args:
        table: the table.
        key: which rows: a list, an array, a range, a slice.
        indices: where there is a selection of rows, the table of it.
        features: of its columns.
    """
    count = table.num_rows if indices is None else indices.num_rows
    places = _places(key, count)
    if places is None or max(table.num_rows, count) > _MOST_ROWS:
        return None
    if indices is not None:
        places = decoded(indices.table).numbers("indices").take(places).values.astype(np.int64)
    return PickedRows(decoded(table.table), places, features, lambda: _gathered(table, places))


def _places(key: Any, count: int) -> NDArray[np.int64] | None:
    """Numbers of rows, none of them negative; None where there are none, or not such."""
    if isinstance(key, slice):
        key = range(*key.indices(count))
    if isinstance(key, range):
        places = np.arange(key.start, key.stop, key.step, dtype=np.int64)
    elif isinstance(key, list | tuple | np.ndarray):
        numbers = np.asarray(key)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            return None
        places = numbers.astype(np.int64, copy=False)
    else:
        return None
    if not len(places):
        return None
    if places.view(np.uint64).max() < count:  # none of them negative, as of loaders
        return places
    return None if places.min() < -count or places.max() >= count else places % count


def _gathered(table: Any, places: Places) -> pa.Table:
    """Rows as `datasets` takes them out of its table."""
    if (np.diff(places) == 1).all():
        return table.fast_slice(int(places[0]), len(places))
    return table.fast_gather(places)


def decoded(table: pa.Table) -> DecodedTable:
    """A table's columns, kept as long as the table is there."""
    key = id(table)
    found = _tables.get(key)
    if found is not None and found[0]() is table:
        return found[1]
    columns = DecodedTable(table)
    drop = _tables.pop  # there still, when the interpreter ends
    _tables[key] = weakref.ref(table, lambda _: drop(key, None)), columns
    return columns
