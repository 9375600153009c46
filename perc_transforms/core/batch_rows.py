"""The rows of one batch that was read as a whole: rows to whoever looks at them, and a batch to `collate`."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, SupportsIndex

from torch import Tensor

Row = dict[str, Any]
Make = Callable[[], Mapping[str, Any]]


class Columns(dict[str, Any]):
    """A batch as a dict of columns, which transforms take for one also where its images are all it has.

    Example:
        >>> Columns(image=[1, 2]).copy()
        {'image': [1, 2]}
    """

    __slots__ = ()

    def copy(self) -> "Columns":
        """One of the same columns."""
        return Columns(self)


class BatchRows(list[Row]):
    """A list of rows that are made when somebody looks at them.

    Args:
        columns: gives the rows as a batch: each column as a tensor, an array or a list of what the rows have in it.
        finished: gives it for a batch, where that is another one, as in another kind of memory.

    Example:
        >>> rows = BatchRows(lambda: {"image": ["a", "b"]})
        >>> rows[1], rows.columns
        ({'image': 'b'}, None)
    """

    __slots__ = ("_columns", "_finished")

    def __init__(self, columns: Make, finished: Make | None = None) -> None:
        super().__init__()
        self._columns: Make | None = columns
        self._finished = finished or columns

    @property
    def columns(self) -> Mapping[str, Any] | None:
        """The batch; None once somebody has looked at the rows, who may have changed them."""
        return None if self._columns is None else self._finished()

    def _fill(self) -> None:
        if self._columns is not None:
            columns, self._columns = self._columns(), None
            values = [column.unbind() if isinstance(column, Tensor) else column for column in columns.values()]
            list.extend(self, (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)))

    def __radd__(self, other: list[Any]) -> list[Any]:
        return [*other, *self]

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return list, ([*self],)


def _looking(name: str) -> Callable[..., Any]:
    """A method of lists, for which there have to be rows first."""
    stock = getattr(list, name)

    @functools.wraps(stock)
    def method(self: BatchRows, *args: Any, **kwargs: Any) -> Any:
        self._fill()
        return stock(self, *args, **kwargs)

    return method


for _name in (
    *("__len__", "__iter__", "__reversed__", "__contains__", "__getitem__", "__setitem__", "__delitem__"),
    *("__add__", "__iadd__", "__mul__", "__rmul__", "__imul__"),
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__repr__"),
    *("append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort"),
):
    setattr(BatchRows, _name, _looking(_name))
